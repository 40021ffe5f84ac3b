"""An older CRD: a detail of the status that it does not know is left out, anything more is refused as ever."""

from __future__ import annotations

from typing import Any

import pytest

from tradingbot_operator.kube.undeclared import without_undeclared

STATUS: dict[str, Any] = {"status": {"mode": "live", "live": {"state": "Trading", "account": "k1"}}}
START = "failed to create typed patch object (a/b; tradingbots.dev/v1alpha1, Kind=TradingBot): "


def test_a_detail_is_left_out_and_nothing_else() -> None:
    found = without_undeclared(STATUS, f"{START}.status.live.account: field not declared in schema")
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
    assert without_undeclared(STATUS, message) is None
