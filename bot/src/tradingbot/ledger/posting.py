"""Makers of transactions: pure functions from what happened to linked entries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradingbot.domain.effects import Posting
from tradingbot.domain.money import mul
from tradingbot.ledger.accounts import AVAILABLE, CAPITAL, EXCHANGE, FEES, HELD

if TYPE_CHECKING:
    from decimal import Decimal

    from tradingbot.domain.events import Fill
    from tradingbot.domain.instrument import Instrument
    from tradingbot.domain.orders import Side


def move(asset: str, amount: Decimal, source: str, target: str) -> tuple[Posting, Posting]:
    """Move an amount from one account to another."""
    return Posting(source, asset, -amount), Posting(target, asset, amount)


def deposit(asset: str, amount: Decimal) -> tuple[Posting, ...]:
    """Put capital in."""
    return move(asset, amount, CAPITAL, AVAILABLE)


def withdrawal(asset: str, amount: Decimal) -> tuple[Posting, ...]:
    """Take capital out."""
    return move(asset, amount, AVAILABLE, CAPITAL)


def hold(asset: str, amount: Decimal) -> tuple[Posting, ...]:
    """Set an amount aside for an order."""
    return move(asset, amount, AVAILABLE, HELD)


def release(asset: str, amount: Decimal) -> tuple[Posting, ...]:
    """Free what was set aside."""
    return move(asset, amount, HELD, AVAILABLE)


def fill(event: Fill, side: Side, instrument: Instrument, released: Decimal) -> tuple[Posting, ...]:
    """Book a fill: base against quote, the fee, and what the fill frees of the hold, in one transaction."""
    value = mul(event.quantity, event.price)
    legs: list[Posting] = []
    if released:
        legs.extend(release(instrument.quote, released))
    if side.sign > 0:
        legs.extend(move(instrument.quote, value, AVAILABLE, EXCHANGE))
        legs.extend(move(instrument.base, event.quantity, EXCHANGE, AVAILABLE))
    else:
        legs.extend(move(instrument.base, event.quantity, AVAILABLE, EXCHANGE))
        legs.extend(move(instrument.quote, value, EXCHANGE, AVAILABLE))
    if event.fee_asset:
        legs.extend(move(event.fee_asset, event.fee_amount, AVAILABLE, FEES))
    elif event.fee:
        legs.extend(move(instrument.quote, event.fee, AVAILABLE, FEES))
    return tuple(legs)
