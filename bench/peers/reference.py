"""The answer that everyone is held against: a loop of a few lines that knows no engine. Standard library only."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from bench.peers.signal_sma import Cross

CAPITAL = Decimal(1_000_000)
FEE = Decimal("0.001")


class Answer(NamedTuple):
    """How many orders were filled, and what the account is worth at the last price."""

    orders: int
    equity: Decimal


def trade(signals: list[int], fills: list[int]) -> Answer:
    """Trade one unit on `signals` (prices that the averages are made of, in hundredths).

    What is decided at one of them fills at the price of `fills` with the same number; both are as long as each other.
    """
    take, cash, long, orders = Cross().take, CAPITAL, False, 0
    for price, filled in zip(signals, fills, strict=True):
        above = take(price)
        if (above > 0) != long and above and filled:
            long = above > 0
            value = Decimal(filled) / 100
            cash += (-value if long else value) - value * FEE
            orders += 1
    return Answer(orders, cash + (Decimal(signals[-1]) / 100 if long else 0))
