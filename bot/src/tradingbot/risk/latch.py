"""The board of everything that restricts trading. The most restrictive source wins.

A latched one is only let go of by a person's resume, after that resume is in the database.
A source that cannot be read says nothing, so what it said last stays; a source that must be read before the first
trade is entered as HALTED at the start.
"""

from __future__ import annotations

import msgspec

from tradingbot.domain.states import State

EMERGENCY = "emergency_stop"
"""Source of the emergency stop."""


class Restriction(msgspec.Struct, frozen=True):
    """One source's word."""

    source: str
    state: State
    reason: str
    latched: bool = False
    """Only a person's resume lifts it, and it outlives the process."""
    latch_id: str = ""
    """What the resume has to name."""


class StopRecord(msgspec.Struct, frozen=True):
    """The emergency stop that counts: the first one."""

    stop_id: str
    origin: str
    """Who asked for it: `spec` or `api`."""
    reason: str
    close_positions: bool


class Board:
    """Restrictions by source. Shared by the engine and everything that may restrict it."""

    __slots__ = ("_by_source", "stop")

    def __init__(self) -> None:
        self._by_source: dict[str, Restriction] = {}
        self.stop: StopRecord | None = None

    @property
    def state(self) -> State:
        """Return the most restrictive state of all sources."""
        return max((entry.state for entry in self._by_source.values()), default=State.ACTIVE)

    def restrictions(self) -> list[Restriction]:
        """Return what restricts, the most restrictive first, then by name."""
        return sorted(self._by_source.values(), key=lambda entry: (-entry.state, entry.source))

    def hold(self, source: str, state: State, reason: str, *, latched: bool = False, latch_id: str = "") -> bool:
        """Set a source's restriction; return whether anything changed.

        ACTIVE lets go of it. A latched restriction can only become tighter.
        """
        before = self._by_source.get(source)
        if before is not None and before.latched:
            latch_id = latch_id or before.latch_id
            if state <= before.state:
                # The same restriction; what the database calls it may be news.
                self._by_source[source] = Restriction(
                    source, before.state, before.reason, latched=True, latch_id=latch_id
                )
                return False
            latched = True
        if state is State.ACTIVE:
            return self._by_source.pop(source, None) is not None
        after = Restriction(source, state, reason, latched, latch_id)
        self._by_source[source] = after
        return after != before

    def release(self, source: str) -> bool:
        """Let go of a latched restriction whose resume is durable; return whether it was there."""
        if source == EMERGENCY:
            self.stop = None
        return self._by_source.pop(source, None) is not None

    def replace(self, record: StopRecord) -> None:
        """Put another emergency stop in the place of the one that counts. Nothing is loosened in between."""
        self.stop = record
        self._by_source[EMERGENCY] = Restriction(
            EMERGENCY, State.KILLED, record.reason, latched=True, latch_id=record.stop_id
        )

    def emergency(self, record: StopRecord) -> bool:
        """Latch an emergency stop; return whether it is new, or asks for more than the one that counts."""
        before = self.stop
        if before is None:
            self.replace(record)
            return True
        if record.close_positions and not before.close_positions:
            self.stop = StopRecord(before.stop_id, before.origin, before.reason, close_positions=True)
            return True
        return False
