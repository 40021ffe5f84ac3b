"""What the engine wants done. Effects are data; the runner commits them first and carries them out then."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from tradingbot.domain.fills import EquityPoint, Trade
from tradingbot.domain.orders import Approved, Intent, Side
from tradingbot.domain.states import State


class Effect(msgspec.Struct, frozen=True):
    """Root of all effects."""


class Submit(Effect, frozen=True):
    """Send this order once it is committed."""

    approved: Approved[Intent]


class Cancel(Effect, frozen=True):
    """Take this order back."""

    client_id: str
    symbol: str


class Query(Effect, frozen=True):
    """Ask the venue what became of this order."""

    client_id: str
    symbol: str


class Posting(msgspec.Struct, frozen=True):
    """One leg of a ledger transaction; the legs of each asset sum to zero."""

    account: str
    asset: str
    amount: Decimal


class Post(Effect, frozen=True):
    """Write a balanced transaction into the ledger."""

    tx: int
    ts: int
    cause: str
    postings: tuple[Posting, ...]


class Traded(Effect, frozen=True):
    """Write a trade."""

    trade: Trade


class OrderMoved(Effect, frozen=True):
    """The row of this order changed."""

    client_id: str


class PositionMoved(Effect, frozen=True):
    """The row of this position changed."""

    symbol: str


class Decision(msgspec.Struct, frozen=True):
    """What the strategy proposed and what the gate said."""

    seq: int
    ts: int
    symbol: str
    strategy: str
    action: str
    """`enter` or `exit`."""
    side: Side
    approved: bool
    code: str
    """Denial code, empty when approved."""
    facts: tuple[tuple[str, str], ...]
    reason: str
    """The strategy's own words."""
    client_id: str = ""


class Decide(Effect, frozen=True):
    """Record a decision."""

    decision: Decision


class Latch(Effect, frozen=True):
    """Make a restriction durable: it outlives the process."""

    source: str
    state: State
    reason: str
    ts: int


class Marked(Effect, frozen=True):
    """Record a point of the equity curve."""

    point: EquityPoint


class Alarm(Effect, frozen=True):
    """Something that a person should hear of."""

    code: str
    text: str
    ts: int
