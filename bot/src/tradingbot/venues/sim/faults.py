"""What can go wrong at an exchange, switched on for a run. Seeded: the same orders meet the same faults again."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from enum import StrEnum

import msgspec

from tradingbot.domain.market import MINUTE, SECOND
from tradingbot.domain.money import ZERO


class Fault(StrEnum):
    """The kinds, and what the bot sees of each."""

    REJECT = "reject"
    """The order is refused."""
    RATE_LIMIT = "rate_limit"
    """Orders and cancels are refused, as with the status 429."""
    LOST = "lost"
    """No answer, and the order never arrived."""
    TIMEOUT = "timeout"
    """No answer, and the order was accepted."""
    DUPLICATE_FILL = "duplicate_fill"
    """A fill is reported twice."""
    LATE_FILL = "late_fill"
    """A fill is reported long after it happened."""
    EMPTY_BOOK = "empty_book"
    """For a minute nothing is executed, whatever the price."""


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """The probability of each kind, from 0 (never) to 1 (always)."""

    reject: Decimal = ZERO
    rate_limit: Decimal = ZERO
    lost: Decimal = ZERO
    timeout: Decimal = ZERO
    duplicate_fill: Decimal = ZERO
    late_fill: Decimal = ZERO
    empty_book: Decimal = ZERO
    late_by: int = 2 * SECOND
    """How much later a late fill is reported, in microseconds of market time."""
    seed: int = 0

    def hits(self, fault: Fault, key: str) -> bool:
        """Tell whether a fault meets what `key` names: a function of seed, kind and key."""
        rate: Decimal = getattr(self, fault.value)
        if not rate:
            return False
        digest = hashlib.sha256(f"{self.seed}/{fault}/{key}".encode()).digest()
        return Decimal(int.from_bytes(digest[:8], "big")) < rate * (1 << 64)

    def empty(self, symbol: str, ts: int) -> bool:
        """Tell whether the book of a symbol is empty in the minute of a moment."""
        return self.hits(Fault.EMPTY_BOOK, f"{symbol}/{ts // MINUTE}")
