"""The truth about money: every amount leaves one account and enters another."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import errors
from .amounts import ZERO

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from .orders import Order

WORLD = "@world"
"""Where deposits come from: its balance is minus what is on the exchange."""
MARKET = "@market"
"""Everybody else: the other side of each fill; may owe without limit."""
FEES = "@fees"
_HOUSE = frozenset({WORLD, MARKET, FEES})


@dataclass(frozen=True, slots=True)
class Posting:
    """One amount from one account to another."""

    seq: int
    cause: str
    source: str
    target: str
    asset: str
    amount: Decimal


class Ledger:
    """Exact balances, and what of them is locked in open orders."""

    def __init__(self) -> None:
        self.postings: list[Posting] = []
        self._total: defaultdict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
        self._locked: defaultdict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)

    def transfer(self, cause: str, source: str, target: str, asset: str, amount: Decimal) -> None:
        """Move an amount; nothing that is free before may be negative after."""
        if amount < ZERO:
            msg = f"{cause}: a transfer of {amount} {asset} goes the other way round"
            raise errors.BrokenInvariantError(msg)
        if amount == ZERO:
            return
        self._total[source, asset] -= amount
        self._total[target, asset] += amount
        self.postings.append(Posting(len(self.postings) + 1, cause, source, target, asset, amount))
        if source not in _HOUSE and self.free(source, asset) < ZERO:
            msg = f"{cause}: {source} has {self.free(source, asset)} {asset} free after paying {amount}"
            raise errors.BrokenInvariantError(msg)

    def lock(self, account: str, asset: str, change: Decimal) -> None:
        """Set aside more (or less, when negative)."""
        self._locked[account, asset] += change
        if self._locked[account, asset] < ZERO or self.free(account, asset) < ZERO:
            msg = f"{account}: locked {self._locked[account, asset]}, free {self.free(account, asset)} {asset}"
            raise errors.BrokenInvariantError(msg)

    def total(self, account: str, asset: str) -> Decimal:
        return self._total[account, asset]

    def locked(self, account: str, asset: str) -> Decimal:
        return self._locked[account, asset]

    def free(self, account: str, asset: str) -> Decimal:
        return self._total[account, asset] - self._locked[account, asset]

    def assets(self, account: str) -> list[str]:
        return sorted({asset for owner, asset in self._total if owner == account})

    def check(self, open_orders: Iterable[Order], lock_asset: dict[int, str]) -> None:
        """Prove conservation of each asset, and that what is locked is what the open orders hold."""
        sums: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        for (_, asset), amount in self._total.items():
            sums[asset] += amount
        held: defaultdict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
        for order in open_orders:
            held[order.account, lock_asset[order.order_id]] += order.locked
        broken = [f"the sum of {asset} over all accounts is {total}" for asset, total in sums.items() if total]
        broken += [
            f"{account}: locked {self._locked[account, asset]} {asset}, open orders hold {held[account, asset]}"
            for account, asset in set(held) | set(self._locked)
            if held[account, asset] != self._locked[account, asset]
        ]
        if broken:
            raise errors.BrokenInvariantError("; ".join(sorted(broken)))
