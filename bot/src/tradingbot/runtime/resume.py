"""A person's resume: the database first, then the venue, then entries. Nothing else lets go of a latch.

`spec.resume.stopId` has to be the id of a latch that holds, to the letter, in an object whose emergency stop is not
active. Only the process that trades clears, fenced by its epoch; the others follow what the database says. A latch is
known by its row there, and let go of when that very row is cleared, never because it is missing.

The latch of a limit (`drawdown-3`, `daily_loss-4`) is lifted by its own id in the same way, and by no other: resuming
from an emergency stop leaves it. Peak and day-start equity are not re-based: a limit still breached halts again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from tradingbot_contract.stops import is_earlier, resume_key

from tradingbot.domain import events
from tradingbot.observe import logs
from tradingbot.ports.store import Clearing, FencedError, LatchRow, StoreError
from tradingbot.risk.latch import EMERGENCY
from tradingbot.runtime.agreement import BALANCES

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from tradingbot.runtime.control import Control
    from tradingbot.runtime.runner import Runner

SOURCE = "resume"
REASON_LENGTH = 1024
BACKOFF = (0.2, 0.5, 1.0, 2.0, 5.0)

_log = logs.get(__name__)


class Resume:
    """What the object wishes, what the database holds, and what is still to be done about it."""

    def __init__(self, control: Control) -> None:
        self.control = control
        self.wish: Clearing | None = None
        """The resume of the object as it was seen last; None while its emergency stop is active."""
        self.active: LatchRow | None = None
        """The stop that the object asks for right now."""
        self.limits: dict[str, LatchRow] = {}
        """Latches of limits, as the database holds them."""
        self.lifted: set[tuple[str, int, datetime]] = set()
        """Rows that are cleared in the database: an answer from before that must not bring them back."""
        self._named, self._stopped, self._key = "", False, ""
        self._void: set[str] = set()
        """Keys of resumes that were seen while a stop was asked for, by whomever: they never count."""
        self._noted: set[str] = set()
        """Those that the database has. An operator, or its status, may forget; this process ends one day."""
        self._noting: asyncio.Task[None] | None = None
        self._after: LatchRow | None = None
        """A stop that came after the resume: it latches anew, whatever becomes of the one before."""
        self._sealed: Clearing | None = None
        self._waiting: list[LatchRow] = []
        """Cleared in the database; let go of once the venue was asked."""
        self._task: asyncio.Task[None] | None = None

    # -- the object ------------------------------------------------------------------------------------------------

    def see(self, seen_in: str, stop_id: str, reason: str, *, active: bool, void: str = "") -> None:
        """Take what an object says about resuming; `void` is the key of the resume that the operator saw too early."""
        self._named, self._stopped, self._key = stop_id, active, resume_key(stop_id, reason)
        if not active:
            self.active = None
        # One that is being carried out came before the stop that is asked for now.
        if stop_id and (active or self._key == void) and (self._sealed is None or self._sealed.key != self._key):
            self._void.add(self._key)
        wish = None
        if stop_id and not active:
            wish = Clearing(latch_id=stop_id, reason=reason[:REASON_LENGTH], seen_in=seen_in, key=self._key)
        self.wish = wish
        self._drop_void()
        self.consider()

    def _drop_void(self) -> None:
        """Wish for nothing that came too early."""
        if self.wish is not None and self.wish.key in self._void:
            self.wish = None
        if self._sealed is not None and self._sealed.key in self._void:
            self._sealed = self._after = None

    async def _note(self) -> None:
        """Write down what never counts, until it is written. Without a stop yet it is done when that one's row is."""
        attempt = 0
        while keys := sorted(self._void - self._noted):
            try:
                if not await self.control.store.void_resumes(keys):
                    return
                self._noted.update(keys)
            except StoreError as error:
                _log.warning("a resume that came too early is not noted yet", error=str(error))
                await self.control.clock.sleep(BACKOFF[min(attempt, len(BACKOFF) - 1)])
                attempt += 1

    def stop_seen(self, row: LatchRow) -> None:
        """Note a stop that came while another one is latched: after a resume of that one it is a stop of its own."""
        ours = self.control.stop
        if self._after is not None:
            self._after = msgspec.structs.replace(
                self._after, close_positions=self._after.close_positions or row.close_positions
            )
        elif ours is not None and self.wish is not None and self.wish.latch_id == ours.stop_id != row.stop_id:
            self._after, self._sealed = row, self.wish

    def unused(self, stop_id: str) -> str:
        """Return an id that no resume has named yet, as far as this process knows."""
        last = self.control.last_stop
        return f"{stop_id}-2" if stop_id in (self._named, last.stop_id if last is not None else "") else stop_id

    def held(self) -> list[LatchRow]:
        """Return the latches that a resume could lift, the emergency stop first."""
        stop = self.control.stop
        rows = [*([stop] if stop is not None else []), *(self.limits[source] for source in sorted(self.limits))]
        return [row for row in rows if row.key not in self.lifted]

    def complaint(self) -> str:
        """Say why the resume of the object does not resume, empty when there is nothing to say."""
        ids = [row.id for row in self.held()]
        if not self._named or not ids:
            return ""
        if self._named not in ids:
            wanted = " or ".join(ids)
            return (
                f"spec.resume.stopId is {self._named}, which names no latch that holds: to resume, set it to {wanted}"
            )
        if self._stopped:
            return (
                f"spec.resume names {self._named}, but the stop is still asked for: set spec.emergencyStop.active to "
                "false, and take the annotation tradingbots.dev/emergency-stop off the namespace"
            )
        if self._key in self._void:
            return (
                f"the resume of {self._named} was written while the stop was still asked for, so it does not count: "
                "write it again, with another reason"
            )
        return f"the resume of {self._named} is seen; it takes effect when the trading process has it in the database"

    # -- the database ----------------------------------------------------------------------------------------------

    def known(self) -> list[int]:
        """Return the numbers of the rows that this process goes by."""
        return [row.number for row in self.held() if row.number]

    def follow(self, rows: Iterable[LatchRow], known: Collection[int]) -> None:
        """Take from the database what was cleared, whoever cleared it."""
        found = {row.key: row for row in rows}
        self._noted = {key for row in found.values() for key in row.void_resumes}
        self._void |= self._noted
        self._drop_void()
        for row in found.values():
            if row.source == EMERGENCY and row.cleared_at is not None:
                self._remember(row)
        for ours in self.held():
            row = found.get(ours.key, ours)
            if row.cleared_at is not None:
                self.cleared(row)
            elif ours.number in known and ours.key not in found and ours.source == EMERGENCY:
                # Not cleared but missing: the database was restored from before. Nothing is loosened by that.
                self.control.write_again()
        if self.control.runner is None:
            self._let_go()

    def consider(self) -> None:
        """Begin to carry out a resume that is due, and to note one that never is."""
        if not self._void <= self._noted and (self._noting is None or self._noting.done()):
            self._noting = self.control.spawn(self._note())
        if self._due() is not None and (self._task is None or self._task.done()):
            self._task = self.control.spawn(self._carry_out())

    def _due(self) -> Clearing | None:
        wish = self._sealed or self.wish
        if wish is None or self.control.runner is None:
            return None
        names = {row.id for row in self.held() if row.number}
        return wish if wish.latch_id in names else None

    async def _carry_out(self) -> None:
        attempt = 0
        while (wish := self._due()) is not None and (runner := self.control.runner) is not None:
            try:
                row = await self.control.store.clear_latch(wish, runner.keeper.epoch, self._after)
                if row is None:
                    # Cleared already, by an attempt whose answer was lost; or the database holds another one.
                    await self.control.refresh()
            except FencedError as error:
                _log.warning("the resume is left to the process that trades now", latch=wish.latch_id, error=str(error))
                return
            except StoreError as error:
                _log.warning("the resume waits for the database", latch=wish.latch_id, error=str(error))
                row = None
            if row is not None:
                self.cleared(row)
            else:
                await self.control.clock.sleep(BACKOFF[min(attempt, len(BACKOFF) - 1)])
                attempt += 1

    # -- letting go ------------------------------------------------------------------------------------------------

    def cleared(self, row: LatchRow) -> None:
        """Take note that a latch is cleared in the database; a stop that came later takes its place at once."""
        if row.key in self.lifted:
            return
        mine = row.key in {held.key for held in self.held()}
        self.lifted.add(row.key)
        if row.source == EMERGENCY:
            self._remember(row)
        if not mine:
            return
        _log.warning("a latch is cleared", latch=row.id, by=row.cleared_by, reason=row.cleared_reason)
        if row.source == EMERGENCY and (later := self._later(row)) is not None:
            self.control.latch(later)
            return
        self._waiting.append(row)
        if self.control.runner is None:
            self._let_go()
        else:
            self.control.runner.wake.set()

    def _later(self, row: LatchRow) -> LatchRow | None:
        """Return the stop that counts now, unless that one was resumed meanwhile as well."""
        later = self._after or self.active
        self._after = self._sealed = None
        done = [row, self.control.last_stop or row]
        if later is None or any(
            later.stop_id == d.stop_id or is_earlier(later.stop_id, d.cleared_object) for d in done
        ):
            return None
        return later

    def _remember(self, row: LatchRow) -> None:
        last, at = self.control.last_stop, row.cleared_at
        if at is not None and (last is None or last.cleared_at is None or at >= last.cleared_at):
            self.control.last_stop = row

    @property
    def waiting(self) -> bool:
        """Tell whether a latch is cleared, and the venue has to be asked before it is let go of."""
        return bool(self._waiting)

    async def settle(self, runner: Runner) -> None:
        """Agree with the venue, then let go. Runs in the trading loop, so nothing is sent meanwhile."""
        runner.agreement.accept = any(row.source == BALANCES for row in self._waiting)
        await runner.agreement.reconcile()
        self._let_go()
        runner.collect(runner.engine.resume())
        await runner.flush(force=True)

    def _let_go(self) -> None:
        """Let go of what is cleared, unless something newer has taken its place."""
        rows, self._waiting = self._waiting, []
        for row in rows:
            held = self.control.stop if row.source == EMERGENCY else self.limits.get(row.source)
            if held is None or held.key != row.key:
                continue
            if row.source == EMERGENCY:
                self.control.stop = None
            else:
                del self.limits[row.source]
            runner = self.control.runner
            if runner is not None:
                runner.step(events.Resumed(runner.engine.state.now, row.source))
            else:
                self.control.board.release(row.source)
            _log.warning("resumed", latch=row.id, reason=row.cleared_reason, state=self.control.board.state.name)
        if rows:
            self.control.announce()
