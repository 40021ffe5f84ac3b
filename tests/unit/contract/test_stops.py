"""The identity of a stop: what two that never talk to each other must agree on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tradingbot_contract.stops import is_earlier, resume_key, short_hash, stop_id

uids = st.uuids().map(str)


def test_a_stop_is_named_after_the_object_and_its_generation() -> None:
    assert stop_id("1f0c2a9b-5c1d-4f4e-8a52-1c1b2d3e4f50", 7) == "1f0c2a9b-7"


def test_only_an_earlier_generation_of_the_same_object_is_earlier() -> None:
    assert is_earlier("1f0c2a9b-7", "1f0c2a9b-10") is True
    for later in ("1f0c2a9b-10", "1f0c2a9b-11"):
        assert is_earlier(later, "1f0c2a9b-10") is False


def test_what_is_not_of_the_same_object_cannot_be_compared() -> None:
    for other in ("1f0c2a9c-7", "api-7", "", "1f0c2a9b-x", "limit"):
        assert is_earlier(other, "1f0c2a9b-10") is None


@given(uids, st.integers(1, 10**9), st.integers(1, 10**9))
def test_generations_are_compared_as_numbers(uid: str, one: int, other: int) -> None:
    assert is_earlier(stop_id(uid, one), stop_id(uid, other)) is (one < other)


@given(st.text(max_size=128), st.text(max_size=128))
def test_a_hash_fits_into_a_name_and_tells_stops_apart(one: str, other: str) -> None:
    assert short_hash(one).isalnum()
    assert len(short_hash(one)) == 10
    assert (short_hash(one) == short_hash(other)) is (one == other)


def test_a_resume_without_a_reason_is_one_with_an_empty_reason_and_another_reason_is_another_resume() -> None:
    """Operator and bot compute it in different versions: what was void for one must stay void for the other."""
    key = resume_key("1f0c2a9b-7", None)
    assert (key, len(key)) == (resume_key("1f0c2a9b-7", ""), 16)
    assert resume_key("1f0c2a9b-7", "looked at it") == short_hash("1f0c2a9b-7\0looked at it", 16) != key
    assert resume_key("1f0c2a9b-8", None) != key
