"""The key of the HTTP API: compared whole, and one that is too short says so."""

from __future__ import annotations

import hmac
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import SecretStr

from tradingbot.config.model import HttpSection
from tradingbot.web.auth import SHORTEST_KEY, require_key, weakness
from tradingbot.web.keys import SETTINGS
from tradingbot.web.problems import Problem

KEY = "0123456789abcdef0123456789abcdef"


def ask(given: str | None, configured: str = KEY) -> None:
    http = HttpSection(api_key=SecretStr(configured))
    headers = {} if given is None else {"X-API-Key": given}
    request = SimpleNamespace(app={SETTINGS: SimpleNamespace(http=http)}, headers=headers)
    require_key(cast("Any", request))


@pytest.mark.parametrize(
    "given",
    ["x", KEY[:-1], KEY + "0", KEY * 1000, "é" * 32, KEY.upper(), "\udce9"],
    ids=["one", "one less", "one more", "long", "not ASCII", "other case", "no character"],
)
def test_any_other_key_is_wrong_whatever_its_length(given: str) -> None:
    with pytest.raises(Problem) as refused:
        ask(given)
    assert (refused.value.status, refused.value.code) == (401, "ApiKeyWrong")


def test_what_is_compared_is_as_long_for_every_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A comparison that ends at the first difference, or at the end of the shorter one, tells how long the key is."""
    seen: list[tuple[int, int]] = []

    def compare(one: bytes, other: bytes) -> bool:
        seen.append((len(one), len(other)))
        return False

    monkeypatch.setattr(hmac, "compare_digest", compare)
    for given in ("x", KEY, KEY * 1000):
        with pytest.raises(Problem):
            ask(given)
    assert seen == [(32, 32)] * 3


@pytest.mark.parametrize("configured", [KEY, f"{KEY}\n", f" {KEY}\r\n"], ids=["plain", "line break", "blanks"])
def test_a_line_break_at_the_end_of_a_secret_is_no_part_of_the_key(configured: str) -> None:
    ask(KEY, configured)


@pytest.mark.parametrize("configured", ["", "\n"])
def test_an_empty_key_opens_nothing(configured: str) -> None:
    for given in (None, "", "\n"):
        with pytest.raises(Problem) as refused:
            ask(given, configured)
        assert (refused.value.status, refused.value.code) == (403, "NoApiKeyConfigured")


def test_a_key_that_is_too_short_says_how_to_make_a_longer_one() -> None:
    said = weakness(SecretStr("x" * (SHORTEST_KEY - 1)))
    assert "API_KEY has 15 characters" in said
    assert "openssl rand -hex 32" in said
    assert weakness(SecretStr("x" * SHORTEST_KEY)) == ""
    assert weakness(SecretStr("")) == weakness(None) == ""
