"""Exact decimals: an operation that would lose a digit raises."""

from __future__ import annotations

import decimal
import re
from decimal import Decimal
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from . import errors

if TYPE_CHECKING:
    from collections.abc import Callable

_P = ParamSpec("_P")
_R = TypeVar("_R")

ZERO = Decimal(0)
UNIT = Decimal("0.00000001")
PLACES = 8
LEGAL = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
_TRAPS = [decimal.Inexact, decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow, decimal.FloatOperation]
_ROUNDING = decimal.Context(prec=60)


def exact(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Run in a context of sixty digits in which nothing is rounded in silence."""

    @wraps(function)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        with decimal.localcontext(decimal.Context(prec=60, traps=_TRAPS)):
            return function(*args, **kwargs)

    return run


def round_down(value: Decimal, unit: Decimal = UNIT) -> Decimal:
    """Cut to a multiple of the unit."""
    steps = _ROUNDING.divide_int(value, unit)
    return _ROUNDING.multiply(steps, unit)


def is_multiple(value: Decimal, unit: Decimal) -> bool:
    return _ROUNDING.remainder(value, unit) == 0


def plain(value: Decimal) -> str:
    """Eight places, as the exchange writes amounts."""
    return f"{value.quantize(UNIT, context=_ROUNDING):f}"


def parse(name: str, text: str) -> Decimal:
    """Read a number as the exchange does: digits, and no more than eight places."""
    if not re.fullmatch(LEGAL, text):
        raise errors.illegal(name, LEGAL)
    value = Decimal(text)
    exponent = value.normalize(_ROUNDING).as_tuple().exponent
    if isinstance(exponent, int) and -exponent > PLACES:
        raise errors.ApiError(-1111, "Precision is over the maximum defined for this asset.")
    return value
