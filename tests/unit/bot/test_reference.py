"""Our engine and exchange against a loop of a few lines that knows neither: the same orders, the same money."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from bench.peers import data, ours, reference

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("kind", ["ticks", "bars"])
def test_order_count_and_equity_are_those_of_the_plain_loop(tmp_path: Path, kind: str) -> None:
    data.write(tmp_path, 20_000, 20_000)
    rows = data.read(tmp_path / f"{kind}.csv")
    closes, fills = [row[-1] for row in rows], [row[1] for row in rows]
    expected = reference.trade(closes, [*fills[1:], 0])
    found = ours.main(tmp_path, kind)
    assert expected.orders > 100
    assert (found["orders"], Decimal(str(found["final_equity"]))) == expected


def test_the_market_of_the_comparison_never_lets_the_averages_be_equal() -> None:
    made = data.closes(30_000)
    assert made == data.closes(30_000)
    for end in range(data.SLOW, len(made), 7):
        fast, slow = sum(made[end - data.FAST : end]), sum(made[end - data.SLOW : end])
        assert fast * data.SLOW != slow * data.FAST
