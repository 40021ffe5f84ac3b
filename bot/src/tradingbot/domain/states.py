"""The five trading states. Most restrictive wins, so they are ordered."""

from __future__ import annotations

from enum import IntEnum


class State(IntEnum):
    """What a bot may do. A larger number allows less."""

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
