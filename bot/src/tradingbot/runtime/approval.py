"""Does the approval that a live bot was started with still hold? Checked by the bot alone, every second.

The configuration says what was approved, and until when. A watched TradingBot says what holds now: an approval that was
taken back, given to something else, or has run out, means REDUCING; one that was renewed is taken over. A process of
another build than the one that was approved stays REDUCING, whatever is said later.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tradingbot.domain.states import State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradingbot.runtime.control import Control

SOURCE = "approval"
CHECK_SECONDS = 1.0


class Approval:
    """The approval of one live bot."""

    def __init__(
        self, control: Control, digest: str = "", expires_at: datetime | None = None, *, foreign: str = ""
    ) -> None:
        self.control = control
        self.digest, self.expires_at = digest, expires_at
        """Of the configuration; the expiry follows the watched object."""
        self._foreign = foreign
        """Why this process is not what was approved: nothing that is said later makes it that."""
        self._objection = ""
        self._over: datetime | None = None
        """The end that was reached: a clock that is set back does not give it back."""

    def see(self, told: Mapping[str, Any] | None) -> None:
        """Take what the watched object says."""
        digest, expires = str((told or {}).get("digest") or ""), str((told or {}).get("expiresAt") or "")
        self._objection = ""
        if not digest:
            self._objection = "spec.approval is missing: it was taken back"
        elif self.digest and digest != self.digest:
            self._objection = f"spec.approval.digest is {digest}, and what this bot runs was approved as {self.digest}"
        try:
            self.expires_at = datetime.fromisoformat(expires) if expires else None
        except ValueError:
            self._objection = f"spec.approval.expiresAt is {expires!r}, which is no time"
        else:
            if self.expires_at is not None and self.expires_at.tzinfo is None:
                self.expires_at = self.expires_at.replace(tzinfo=UTC)
        self.check()

    @property
    def objection(self) -> str:
        """Return why it does not hold, empty when it does."""
        if self._foreign:
            return self._foreign
        if self._objection:
            return self._objection
        if self.expires_at is not None and (self.expires_at == self._over or self._reached(self.expires_at)):
            return f"the approval ran out at {self.expires_at.isoformat()}: approve it anew"
        return ""

    def _reached(self, end: datetime) -> bool:
        return self.control.clock.now() >= end

    def told(self) -> dict[str, Any]:
        """Return what /api/v1/status says."""
        expires = self.expires_at
        text = expires.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if expires else None
        return {"digest": self.digest, "expires_at": text, "valid": not self.objection}

    def check(self) -> None:
        """Restrict, or let go, when that is news."""
        if self.expires_at is not None and self._reached(self.expires_at):
            self._over = self.expires_at
        why = self.objection
        held = [entry.reason for entry in self.control.board.restrictions() if entry.source == SOURCE]
        if why and held != [why]:
            self.control.hold(SOURCE, State.REDUCING, why)
        elif held and not why:
            self.control.hold(SOURCE, State.ACTIVE, "")

    async def run(self) -> None:
        """Look at the clock for ever."""
        while True:
            self.check()
            await self.control.clock.sleep(CHECK_SECONDS)
