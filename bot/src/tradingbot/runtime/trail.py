"""Who let this process trade what, as a trail in the ledger; and the two words of its TradingBot that hold it back.

The approval's own end is watched by `runtime.approval`. Here a TradingBot that asks for a simulation, or whose status
says that what runs is not approved any more, makes a live bot only reduce. Neither loosens anything: what
is missing or cannot be read changes nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from tradingbot.domain.states import State
from tradingbot.observe import logs
from tradingbot.ports.store import AuditRow, StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradingbot.runtime.control import Control

SOURCE = "live"
"""Source of the restriction."""
LOOK_SECONDS = 1.0
RETRY_SECONDS = 5.0
SIMULATION, LIVE = "simulation", "live"
_TOLD = {"Reducing": "what runs is not approved any more", "Leaving": "it is to simulate"}
_log = logs.get(__name__)


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """Who let this process trade what. Everything but `mode` and `subject` is empty for a simulation."""

    mode: str
    subject: str
    config_hash: str = ""
    holder: str = ""
    digest: str = ""
    approved_by: str = ""
    expires_at: datetime | None = None
    account: str = ""

    @property
    def live(self) -> bool:
        """Whether it trades with real orders."""
        return self.mode == LIVE


class Trail:
    """Obeys the object in this one thing, and writes down every change."""

    def __init__(self, control: Control, consent: Consent) -> None:
        self.control, self.consent = control, consent
        self._told = ""
        self._leaves = False
        self._objection = ""

    def see(self, item: Mapping[str, Any]) -> None:
        """Take in what the own TradingBot says."""
        if not self.consent.live:
            return
        leaves = (item.get("spec") or {}).get("mode", SIMULATION) != LIVE
        state = ((item.get("status") or {}).get("live") or {}).get("state")
        told = "spec.mode is simulation" if leaves else _TOLD.get(str(state), "")
        if told == self._told:
            return
        self._told, self._leaves = told, leaves
        self.control.hold(SOURCE, State.REDUCING if told else State.ACTIVE, told)
        self._note("leaving" if leaves else "reducing" if told else "approved", told, SIMULATION if leaves else LIVE)

    def check(self) -> None:
        """Write down when the approval itself ends, and when it holds again."""
        objection = self.control.approval.objection if self.control.approval is not None else ""
        if self._leaves:
            # It is on its way to a simulation, which needs no approval: that row is the last one.
            return
        if objection != self._objection:
            self._objection = objection
            self._note("reducing" if objection else "approved", objection, LIVE)

    async def run(self) -> None:
        """Write down the start, then watch for ever."""
        await self.started()
        while True:
            self.check()
            await self.control.clock.sleep(LOOK_SECONDS)

    async def started(self) -> None:
        """Write a row unless the last one says the same: a restart changes nothing."""
        while True:
            try:
                last = next(iter(await self.control.store.rows("audit", 1)), None)
                equity = await self.control.store.rows("equity", 1)
                reached = equity[0]["market_ts"] if equity else 0
                row = self._row("started", "", last["to_mode"] if last else SIMULATION, self.consent.mode, reached)
                if last is None or _differs(last, row):
                    await self.control.store.audit(row)
            except StoreError as error:
                _log.warning("the start is not in the audit trail yet", error=str(error))
                await self.control.clock.sleep(RETRY_SECONDS)
            else:
                return

    def _note(self, event: str, reason: str, to_mode: str) -> None:
        _log.warning("live trading", what=event, reason=reason, digest=self.consent.digest)
        picture = self.control.picture
        reached = picture.ts if picture is not None else 0
        self.control.spawn(self._write(self._row(event, reason, LIVE, to_mode, reached)))

    async def _write(self, row: AuditRow) -> None:
        while True:
            try:
                await self.control.store.audit(row)
            except StoreError as error:
                _log.warning("the audit trail is not written yet", error=str(error))
                await self.control.clock.sleep(RETRY_SECONDS)
            else:
                return

    def _row(self, event: str, reason: str, from_mode: str, to_mode: str, reached: int) -> AuditRow:
        consent = self.consent
        return AuditRow(
            at=self.control.clock.now(),
            event=event,
            from_mode=from_mode,
            to_mode=to_mode,
            subject=consent.subject,
            reached_ts=reached,
            digest=consent.digest,
            approved_by=consent.approved_by,
            expires_at=consent.expires_at,
            account=consent.account,
            config_hash=consent.config_hash,
            holder=consent.holder,
            reason=reason,
        )


def _differs(last: Mapping[str, Any], row: AuditRow) -> bool:
    same = ("to_mode", "subject", "digest", "approved_by", "expires_at", "account", "config_hash")
    return last["event"] != row.event or any(last[name] != getattr(row, name) for name in same)
