"""Exact money. Everything in the ledger is a Decimal, and nothing in it is ever rounded silently.

`EXACT` traps `Inexact`: an addition or multiplication that would lose a digit raises instead. Division exists only in
`WIDE`, and what comes out of it is cut to a step at once by the functions below.
"""

from __future__ import annotations

from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    Clamped,
    Context,
    Decimal,
    DivisionByZero,
    FloatOperation,
    Inexact,
    InvalidOperation,
    Overflow,
    Underflow,
)
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ZERO = Decimal(0)
ONE = Decimal(1)
UNIT = Decimal("0.00000001")
"""The smallest amount of any asset that a division may produce (fees, released cost)."""

_ALWAYS = [InvalidOperation, DivisionByZero, Overflow, Underflow, FloatOperation]
EXACT = Context(prec=50, rounding=ROUND_HALF_EVEN, traps=[*_ALWAYS, Inexact, Clamped])
WIDE = Context(prec=50, rounding=ROUND_HALF_EVEN, traps=_ALWAYS)


def add(left: Decimal, right: Decimal) -> Decimal:
    """Return the exact sum; raise `decimal.Inexact` instead of losing a digit."""
    return EXACT.add(left, right)


def sub(left: Decimal, right: Decimal) -> Decimal:
    """Return the exact difference."""
    return EXACT.subtract(left, right)


def mul(left: Decimal, right: Decimal) -> Decimal:
    """Return the exact product."""
    return EXACT.multiply(left, right)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Return the exact sum of all amounts, 0 for none."""
    result = ZERO
    for amount in amounts:
        result = EXACT.add(result, amount)
    return result


def ratio(part: Decimal, whole: Decimal) -> Decimal:
    """Return part / whole with 50 digits; for decisions, never for the ledger."""
    return WIDE.divide(part, whole)


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """Cut a value down to a multiple of a step (lot, tick or unit)."""
    return mul(WIDE.divide(value, step).to_integral_value(ROUND_FLOOR), step)


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """Raise a value to a multiple of a step."""
    return mul(WIDE.divide(value, step).to_integral_value(ROUND_CEILING), step)


def share(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """Return the part of an amount, amount * part / whole, cut down to `UNIT`; the caller keeps the rest."""
    if part == whole:
        return amount
    return floor_to(WIDE.divide(WIDE.multiply(amount, part), whole), UNIT)


def finite(value: Decimal) -> bool:
    """Tell whether a value is a number at all: NaN and infinities never pass a check."""
    return value.is_finite()


def plain(value: Decimal) -> str:
    """Write a value in plain digits: no exponent, no trailing zeros, `0` for every zero."""
    if not value:
        return "0"
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
