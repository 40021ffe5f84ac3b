"""What a bot may do: five states, and one table of what each event does to orders, positions and the latch.

The bot obeys the states and the operator shows them. `docs/states.md` is written from the table (`make docs`), and the
tests of the bot are generated from it, so the three say the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final


class State(IntEnum):
    """What a bot may do. A larger number allows less; of all sources the most restrictive one counts."""

    ACTIVE = 0
    PAUSED = 1
    REDUCING = 2
    HALTED = 3
    KILLED = 4

    @property
    def entries_allowed(self) -> bool:
        """New positions may be opened."""
        return self is State.ACTIVE

    @property
    def exits_allowed(self) -> bool:
        """The strategy may still close positions (protective stops rest at the venue in every state)."""
        return self is not State.KILLED

    @property
    def meaning(self) -> str:
        """Return one sentence for people."""
        return _MEANINGS[self]


_MEANINGS: Final = {
    State.ACTIVE: "It trades.",
    State.PAUSED: "It opens no positions; open ones are managed.",
    State.REDUCING: "It only closes positions: a bot that comes to its end, or whose approval no longer holds.",
    State.HALTED: "A limit was reached, or the database or the prices are lost; it opens no positions.",
    State.KILLED: "It was stopped: no orders of the strategy at all. Protective stops stay at the exchange.",
}


class BotState(StrEnum):
    """What the bot may do: the most restrictive answer of all sources."""

    ACTIVE = State.ACTIVE.name
    PAUSED = State.PAUSED.name
    REDUCING = State.REDUCING.name
    HALTED = State.HALTED.name
    KILLED = State.KILLED.name

    @property
    def rank(self) -> State:
        """Return the state as the ordered number that it is."""
        return State[self.value]


class Event(StrEnum):
    """What happens to a bot; the value is the name in the table."""

    START = "start"
    PAUSE = "`trading: Paused`, stop by the bot's API"
    REDUCE = "`trading: Reducing`, an approval that lapsed or changed, a soft limit"
    LIMIT = "drawdown or daily loss limit"
    STOP = "emergency stop"
    STOP_AND_CLOSE = "emergency stop with `closePositions`"
    SHUTDOWN = "SIGTERM"
    CRASH = "crash, lost node"
    LOST = "database or price feed lost"
    DELETED = "TradingBot deleted"


class Entries(StrEnum):
    """New positions."""

    AFTER_RECONCILING = "after reconciling with the exchange"
    BLOCKED = "blocked"
    BLOCKED_FIRST = "blocked first of all"
    UNTOUCHED = "-"


class EntryOrders(StrEnum):
    """Orders at the exchange that would open a position."""

    UNTOUCHED = "-"
    CANCELLED = "cancelled"
    VERIFIED = "cancelled, verified at the exchange"
    BY_EXCHANGE = "the exchange's dead-man switch, where armed"


class Stops(StrEnum):
    """Protective orders at the exchange."""

    ENSURED = "ensured"
    KEPT = "kept"
    REPLACED = "replaced by the close, per symbol"
    AT_EXCHANGE = "on the exchange"
    BY_POLICY = "by `deletionPolicy`"


class Exits(StrEnum):
    """Closing positions."""

    MANAGED = "managed by the strategy"
    HOLD_OR_FLATTEN = "hold or flatten, by `risk.onBreach`"
    NONE = "none by the strategy"
    FLATTEN = "flattened, in bounded time"
    UNTOUCHED = "-"
    FROM_MEMORY = "decided from memory, sent once they can be recorded"
    BY_POLICY = "by `deletionPolicy`"


class Positions(StrEnum):
    """What becomes of open positions."""

    KEPT = "kept"
    BY_BREACH = "by `risk.onBreach`"
    REPORTED = "FLAT, FLAT_WITH_DUST, RESIDUAL or UNKNOWN, never a bare success"
    BY_POLICY = "by `deletionPolicy`"


@dataclass(frozen=True, slots=True)
class Row:
    """One event, and what it does."""

    event: Event
    entries: Entries
    entry_orders: EntryOrders
    stops: Stops
    exits: Exits
    positions: Positions
    state: State | None
    """The state that the event's source asks for; None where it stays what it was."""
    latched: bool
    """Whether it outlives the process and its cause: only a person lifts it."""
    left_by: str


TABLE: Final = (
    Row(
        Event.START,
        Entries.AFTER_RECONCILING,
        EntryOrders.UNTOUCHED,
        Stops.ENSURED,
        Exits.MANAGED,
        Positions.KEPT,
        State.ACTIVE,
        latched=False,
        left_by="-",
    ),
    Row(
        Event.PAUSE,
        Entries.BLOCKED,
        EntryOrders.VERIFIED,
        Stops.KEPT,
        Exits.MANAGED,
        Positions.KEPT,
        State.PAUSED,
        latched=False,
        left_by="`trading: Active`, start by the bot's API",
    ),
    Row(
        Event.REDUCE,
        Entries.BLOCKED,
        EntryOrders.CANCELLED,
        Stops.KEPT,
        Exits.MANAGED,
        Positions.KEPT,
        State.REDUCING,
        latched=False,
        left_by="the cause is gone, or a person",
    ),
    Row(
        Event.LIMIT,
        Entries.BLOCKED,
        EntryOrders.CANCELLED,
        Stops.KEPT,
        Exits.HOLD_OR_FLATTEN,
        Positions.BY_BREACH,
        State.HALTED,
        latched=True,
        left_by="a person, by the halt's id and with a reason; the peak is not re-based",
    ),
    Row(
        Event.STOP,
        Entries.BLOCKED_FIRST,
        EntryOrders.VERIFIED,
        Stops.KEPT,
        Exits.NONE,
        Positions.KEPT,
        State.KILLED,
        latched=True,
        left_by="`resume` with this stop's id",
    ),
    Row(
        Event.STOP_AND_CLOSE,
        Entries.BLOCKED_FIRST,
        EntryOrders.VERIFIED,
        Stops.REPLACED,
        Exits.FLATTEN,
        Positions.REPORTED,
        State.KILLED,
        latched=True,
        left_by="`resume` with this stop's id",
    ),
    Row(
        Event.SHUTDOWN,
        Entries.BLOCKED,
        EntryOrders.CANCELLED,
        Stops.KEPT,
        Exits.UNTOUCHED,
        Positions.KEPT,
        None,
        latched=False,
        left_by="a restart reconciles",
    ),
    Row(
        Event.CRASH,
        Entries.UNTOUCHED,
        EntryOrders.BY_EXCHANGE,
        Stops.AT_EXCHANGE,
        Exits.UNTOUCHED,
        Positions.KEPT,
        None,
        latched=False,
        left_by="start",
    ),
    Row(
        Event.LOST,
        Entries.BLOCKED,
        EntryOrders.CANCELLED,
        Stops.KEPT,
        Exits.FROM_MEMORY,
        Positions.KEPT,
        State.HALTED,
        latched=False,
        left_by="it is back, and everything is reconciled",
    ),
    Row(
        Event.DELETED,
        Entries.BLOCKED,
        EntryOrders.CANCELLED,
        Stops.BY_POLICY,
        Exits.BY_POLICY,
        Positions.BY_POLICY,
        State.KILLED,
        latched=False,
        left_by="the finalizer is released when it is verified, or forced by annotation",
    ),
)
"""The whole of it, one row for each event."""

BY_EVENT: Final = {row.event: row for row in TABLE}
