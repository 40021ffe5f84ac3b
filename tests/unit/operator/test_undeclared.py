"""An older CRD: a detail of the status that it does not know is left out, anything more is refused as ever."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.clock import Clock

from tradingbot_operator.kube.undeclared import TRIED_AGAIN_SECONDS, Undeclared

STATUS: dict[str, Any] = {"status": {"mode": "live", "live": {"state": "Trading", "account": "k1"}}}
START = "failed to create typed patch object (a/b; tradingbots.dev/v1alpha1, Kind=TradingBot): "


def test_a_detail_is_left_out_and_nothing_else() -> None:
    found = Undeclared().learn(STATUS, f"{START}.status.live.account: field not declared in schema")
    assert found == {"status": {"mode": "live", "live": {"state": "Trading"}}}
    assert STATUS["status"]["live"]["account"] == "k1", "the one that was given stays as it is"


@pytest.mark.parametrize(
    "message",
    [
        f"{START}.status.live: field not declared in schema",
        f"{START}.status.mode: field not declared in schema",
        f"{START}.spec.risk.x: field not declared in schema",
        f"{START}.status.live.other: field not declared in schema",
        f"{START}.status.live.state.more: field not declared in schema",
        "the server is overloaded",
        "",
    ],
)
def test_what_is_more_than_a_detail_or_something_else_is_refused_as_ever(message: str) -> None:
    assert Undeclared().learn(STATUS, message) is None


def test_what_was_refused_is_left_out_at_once_until_it_is_tried_again() -> None:
    clock = Clock()
    known = Undeclared(clock=clock)
    known.learn(STATUS, f"{START}.status.live.account: field not declared in schema")
    assert known.strip(STATUS) == {"status": {"mode": "live", "live": {"state": "Trading"}}}
    assert known.strip({"status": {"mode": "live"}}) == {"status": {"mode": "live"}}
    clock.advance(TRIED_AGAIN_SECONDS)
    assert known.strip(STATUS) == STATUS
    assert len(known) == 1, "nobody has said that it is known now"
    known.taken(STATUS)
    assert len(known) == 0


def test_a_status_that_was_taken_without_it_says_nothing_about_it() -> None:
    known = Undeclared()
    smaller = known.learn(STATUS, f"{START}.status.live.account: field not declared in schema")
    assert smaller is not None
    known.taken(smaller)
    assert len(known) == 1


def test_a_part_that_is_missing_as_a_whole_is_counted_although_it_is_refused() -> None:
    known = Undeclared()
    assert known.learn(STATUS, f"{START}.status.live: field not declared in schema") is None
    assert len(known) == 1
    assert known.strip(STATUS) == STATUS
