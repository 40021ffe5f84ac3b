"""Resource amounts as the API server writes them back, so that what was applied compares equal to what is read."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal
from typing import Final

_PARTS: Final = re.compile(r"^([+-]?[0-9.]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$")
_BINARY: Final[dict[str, int]] = {f"{letter}i": 1024 ** (power + 1) for power, letter in enumerate("KMGTPE")}
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


def canonical(quantity: str) -> str:
    """Return the canonical form: no fraction, the largest unit that leaves none; binary units stay binary.

    Raises ValueError for what is no quantity.
    """
    match = _PARTS.fullmatch(quantity)
    if match is None:
        raise ValueError(f"not a quantity: {quantity}")
    number, unit = Decimal(match[1]), match[2] or ""
    if unit in _BINARY:
        value = number * _BINARY[unit]
        if value == value.to_integral_value() and abs(value) >= 1024:
            return _binary(int(value))
        return _decimal(value)
    if unit[:1] in {"e", "E"} and len(unit) > 1:
        return _exponent(number * Decimal(10) ** int(unit[1:]))
    return _decimal(number * Decimal(10) ** _DECIMAL[unit])


def _binary(value: int) -> str:
    for unit, size in reversed(_BINARY.items()):
        if value % size == 0:
            return f"{value // size}{unit}"
    return str(value)


def _decimal(value: Decimal) -> str:
    if value == 0:
        return "0"
    for unit, power in sorted(_DECIMAL.items(), key=lambda entry: -entry[1]):
        scaled = value / Decimal(10) ** power
        if scaled == scaled.to_integral_value():
            return f"{int(scaled)}{unit}"
    nano = (value * Decimal(10) ** 9).to_integral_value(rounding=ROUND_CEILING)
    return _decimal(nano / Decimal(10) ** 9)


def _exponent(value: Decimal) -> str:
    if value == 0:
        return "0"
    for power in (18, 15, 12, 9, 6, 3, 0, -3, -6, -9):
        scaled = value / Decimal(10) ** power
        if scaled == scaled.to_integral_value():
            return f"{int(scaled)}e{power}" if power else str(int(scaled))
    return _decimal(value)


def amount(quantity: str) -> Decimal:
    """Return the amount in its base unit (cores, bytes). Raises ValueError for what is no quantity."""
    match = _PARTS.fullmatch(quantity)
    if match is None:
        raise ValueError(f"not a quantity: {quantity}")
    number, unit = Decimal(match[1]), match[2] or ""
    if unit in _BINARY:
        return number * _BINARY[unit]
    exponent = unit[1:]
    power = int(exponent) if exponent else _DECIMAL[unit]
    result: Decimal = number * Decimal(10) ** power
    return result
