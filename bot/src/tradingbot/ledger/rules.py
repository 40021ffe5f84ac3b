"""What must hold of every transaction and of the book after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradingbot.domain.errors import BrokenInvariantError
from tradingbot.domain.money import ZERO, add, plain
from tradingbot.ledger.accounts import ALL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from decimal import Decimal

    from tradingbot.domain.effects import Posting


def balanced(postings: Iterable[Posting], cause: str) -> None:
    """Raise unless the legs of each asset sum to zero, exactly, and every account exists."""
    sums: dict[str, Decimal] = {}
    for leg in postings:
        if leg.account not in ALL:
            raise BrokenInvariantError(f"{cause}: there is no account {leg.account!r}")
        if not leg.amount.is_finite():
            raise BrokenInvariantError(f"{cause}: {leg.amount} {leg.asset} is not an amount")
        sums[leg.asset] = add(sums.get(leg.asset, ZERO), leg.amount)
    for asset, rest in sums.items():
        if rest:
            raise BrokenInvariantError(f"{cause}: the {asset} legs sum to {plain(rest)} instead of 0")


def not_negative(balances: Mapping[str, Mapping[str, Decimal]], account: str, cause: str) -> None:
    """Raise when an account that cannot owe anything does."""
    for asset, amount in balances.get(account, {}).items():
        if amount < 0:
            raise BrokenInvariantError(f"{cause}: {account} {asset} would be {plain(amount)}")
