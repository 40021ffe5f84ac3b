"""A second simulated exchange, written from docs/simulation.md and not from the code: fractions, lists, no shortcuts.

It looks at every order on every tick, keeps no band and no state to save, and shares nothing with the first one but the
orders that it is given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

CENTI = Fraction(1, 100_000_000)


class Wish(NamedTuple):
    """An order as a person would write it down. Prices and quantities in quote and base currency."""

    name: str
    buys: bool
    kind: str
    quantity: Fraction
    level: Fraction
    """The price of a limit or stop order."""
    reduces: bool
    sent: int


class Done(NamedTuple):
    """One execution."""

    name: str
    ts: int
    quantity: Fraction
    price: Fraction
    fee: Fraction


class Terms(NamedTuple):
    """What the exchange charges."""

    taker: Fraction
    maker: Fraction
    spread: Fraction
    slippage: Fraction
    share: Fraction
    depth: Fraction
    latency: int
    tick: Fraction
    lot: Fraction


@dataclass
class Open:
    """An order that has something left."""

    wish: Wish
    left: Fraction
    number: int
    hit: bool = False


class Reference:
    """Executes wishes on trades."""

    def __init__(self, terms: Terms, cash: Fraction) -> None:
        self.terms, self.cash, self.held = terms, cash, Fraction(0)
        self.open: list[Open] = []
        self.done: list[Done] = []
        self.sent = 0

    def send(self, wish: Wish) -> None:
        """Take an order; what only reduces and finds nothing to reduce is refused."""
        if self._idle(wish):
            return
        self.open.append(Open(wish, wish.quantity, self.sent))
        self.sent += 1

    def trade(self, ts: int, price: Fraction, volume: Fraction) -> None:
        """Show a trade: what it executes is executed, stops first, then as they came, until nothing more is."""
        used, before = Fraction(0), -1
        while before != len(self.done):
            before = len(self.done)
            for one in sorted(self.open, key=lambda o: (o.wish.kind != "stop", o.wish.sent, o.number)):
                if one.wish.sent + self.terms.latency <= ts:
                    used += self._one(one, ts, price, volume, used)
            self.open = [one for one in self.open if one.left > 0]

    def _idle(self, wish: Wish) -> bool:
        return wish.reduces and (self.held >= 0 if wish.buys else self.held <= 0)

    def _one(self, one: Open, ts: int, price: Fraction, volume: Fraction, used: Fraction) -> Fraction:
        wish, terms = one.wish, self.terms
        if self._idle(wish):
            one.left = Fraction(0)
            return one.left
        if wish.kind == "stop":
            one.hit = one.hit or (price >= wish.level if wish.buys else price <= wish.level)
        takes = wish.kind == "market" or one.hit
        waits = wish.kind == "limit" and (price < wish.level if wish.buys else price > wish.level)
        if not takes and not waits:
            return Fraction(0)
        there = self._lots(terms.depth / price) if takes else self._lots(volume * terms.share)
        most = [one.left, there - used] + ([abs(self.held)] if wish.reduces else [])
        quantity = min(most)
        if quantity <= 0:
            return Fraction(0)
        paid, rate = wish.level, terms.maker
        if takes:
            # The part of the book that is taken is known to six digits.
            part = Fraction(round(quantity / there * 10**6), 10**6)
            worse = terms.spread / 2 + terms.slippage * (1 + part)
            exact = price * (1 + worse if wish.buys else 1 - worse)
            steps = exact / terms.tick
            paid = (math.ceil(steps) if wish.buys else math.floor(steps)) * terms.tick
            rate = terms.taker
        fee = math.ceil(quantity * paid * rate / CENTI) * CENTI
        self.cash -= (quantity * paid if wish.buys else -quantity * paid) + fee
        self.held += quantity if wish.buys else -quantity
        one.left -= quantity
        self.done.append(Done(wish.name, ts, quantity, paid, fee))
        return quantity

    def _lots(self, quantity: Fraction) -> Fraction:
        return math.floor(quantity / self.terms.lot) * self.terms.lot
