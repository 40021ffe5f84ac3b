"""Where everything that may restrict or look at the bot meets: the watch, the API, signals, the page.

It outlives sessions: a stop that is seen in standby, or before the database answers, counts all the same.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from tradingbot.core import notes
from tradingbot.domain import events
from tradingbot.domain.states import State
from tradingbot.observe import logs
from tradingbot.ports.store import LatchRow, StoreError
from tradingbot.risk.latch import EMERGENCY, Board, StopRecord
from tradingbot.runtime.resume import Resume

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine

    from tradingbot.core.picture import Picture
    from tradingbot.observe.health import Health
    from tradingbot.observe.metrics import Metrics
    from tradingbot.ports.clock import Clock
    from tradingbot.ports.store import Store
    from tradingbot.runtime.approval import Approval
    from tradingbot.runtime.runner import Runner
    from tradingbot.runtime.trail import Trail

LATCH_SECONDS = 1.0
"""How long a stop waits for its latch to be durable before the cancels go out anyway."""
BACKOFF = (0.2, 0.5, 1.0, 2.0, 5.0)

_log = logs.get(__name__)


class Control:
    """The board, the running session, and the last picture of the account."""

    def __init__(self, store: Store, clock: Clock, health: Health, metrics: Metrics) -> None:
        self.store, self.clock, self.health, self.metrics = store, clock, health, metrics
        self.board = Board()
        self.runner: Runner | None = None
        self.picture: Picture | None = None
        self.epoch = 0
        self.stop: LatchRow | None = None
        """The emergency stop that counts, as it is (or is about to be) in the database."""
        self.changed = asyncio.Event()
        self.last_stop: LatchRow | None = None
        """The emergency stop that was resumed last."""
        self.resume = Resume(self)
        self.account = ""
        """Fingerprint of the key of a live bot."""
        self.trail: Trail | None = None
        self.approval: Approval | None = None
        """Only a live bot has one."""
        self.promotion: dict[str, Any] | None = None
        """What the simulation has shown so far."""
        self.steer: Callable[[Runner], None] | None = None
        """Lets a new runner go by what is known of the feature flags, where there is a Redis."""
        self._durable = False
        self._writing: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # -- restricting -----------------------------------------------------------------------------------------------

    def hold(self, source: str, state: State, reason: str) -> None:
        """Set a source's restriction, or let go of it (ACTIVE); takes effect before this returns."""
        if self.runner is not None:
            self.runner.step(events.Hold(self.runner.engine.state.now, source, state, reason))
            self.runner.wake.set()
        else:
            self.board.hold(source, state, reason)
        _log.info("restriction", source=source, state=state.name, reason=reason, trading_state=self.board.state.name)
        self.announce()

    def emergency_stop(self, stop_id: str, origin: str, reason: str, *, close_positions: bool) -> LatchRow:
        """Close the gate, now. Then, without being waited for: durable latch, cancels, outcome. Again is safe."""
        if origin != "spec":
            # Made from the time, which may go back: a resume that is in the object already must not name this stop.
            stop_id = self.resume.unused(stop_id)
        row = self._stop_row(stop_id, origin, reason, close_positions=close_positions)
        if origin == "spec":
            self.resume.active = row
        ours = self.stop
        if ours is None or ours.key in self.resume.lifted:
            _log.error("emergency stop", stop_id=stop_id, origin=origin, reason=reason, close_positions=close_positions)
            self.latch(row)
            return row
        self.resume.stop_seen(row)
        if ours.close_positions or not close_positions:
            return ours
        _log.error("the emergency stop closes positions as well", stop_id=ours.stop_id, origin=origin, reason=reason)
        more = msgspec.structs.replace(ours, close_positions=True)
        self.latch(more, durable=False)
        return more

    def stop_in_status(self, stop_id: str, origin: str, reason: str, *, close_positions: bool) -> None:
        """Go by the stop that the object's status holds, unless it is the one that was resumed last.

        The operator takes it out of the status only after this process has said that it lifted it.
        """
        last, ours = self.last_stop, self.stop
        if last is not None and last.stop_id == stop_id:
            return
        if ours is not None and ours.key not in self.resume.lifted:
            if close_positions and not ours.close_positions:
                self.latch(msgspec.structs.replace(ours, close_positions=True))
            return
        _log.error("emergency stop found in the status", stop_id=stop_id, origin=origin, reason=reason)
        self.latch(self._stop_row(stop_id, origin, reason, close_positions=close_positions))

    def _stop_row(self, stop_id: str, origin: str, reason: str, *, close_positions: bool) -> LatchRow:
        return LatchRow(
            source=EMERGENCY,
            state=State.KILLED,
            reason=reason,
            since=self.clock.now(),
            stop_id=stop_id,
            origin=origin,
            close_positions=close_positions,
        )

    def latch(self, row: LatchRow, *, durable: bool = False) -> None:
        """Let an emergency stop be the one that counts, in the place of the one that did; nothing is loosened."""
        self.stop, self._durable = row, durable
        if self.runner is not None:
            now = self.runner.engine.state.now
            self.runner.step(
                events.EmergencyStop(now, row.stop_id, row.origin, row.reason, row.close_positions, replaces=True)
            )
        else:
            self.board.replace(StopRecord(row.stop_id, row.origin, row.reason, row.close_positions))
        self.spawn(self._carry_out_stop())
        self.announce()

    async def _carry_out_stop(self) -> None:
        """Make the latch durable (a second at most is waited for it), then take entry orders back."""
        await self.until_durable(LATCH_SECONDS)
        if self.runner is not None:
            await self.runner.cancels.now()

    def _keep_writing(self) -> None:
        if self._writing is None or self._writing.done():
            self._writing = self.spawn(self._write())

    async def _write(self) -> None:
        """Write the latch until it is written as it stands."""
        attempt = 0
        while not self._durable and (row := self.stop) is not None and row.key not in self.resume.lifted:
            try:
                written = await self.store.write_latch(row, notes.of_stop(row))
                if written is None:
                    # It had a row that holds no more: see whether a resume cleared it, or a restore took it away.
                    await self.refresh()
            except StoreError as error:
                _log.error("the latch of the emergency stop is not durable yet", error=str(error))
                await self.clock.sleep(BACKOFF[min(attempt, len(BACKOFF) - 1)])
                attempt += 1
                continue
            if written is not None:
                self._written(row, written)

    def _written(self, row: LatchRow, written: LatchRow) -> None:
        """Go by the row of the database from now on: the stop that was first there is the one that counts."""
        if self.stop is None or written.key in self.resume.lifted:
            return
        if written.stop_id != self.stop.stop_id:
            if self.stop is row:
                self._adopt_stop(written)
            return
        self._durable = self.stop is row
        self.stop = msgspec.structs.replace(self.stop, number=written.number, since=written.since)
        _log.info("the latch of the emergency stop is durable", stop_id=row.stop_id, outcome=row.outcome)
        self.announce()
        self.resume.consider()

    def write_again(self) -> None:
        """Write the emergency stop as if for the first time: the database has lost its row."""
        if self.stop is not None:
            self.stop = msgspec.structs.replace(self.stop, number=0)
            self._durable = False

    async def refresh(self) -> None:
        """Read the latches of the database, and go by them."""
        known = self.resume.known()
        self.adopt(await self.store.latches(known), known)

    def adopt(self, rows: list[LatchRow], known: Collection[int] = ()) -> None:
        """Take over the restrictions that the database holds, whoever wrote them, and let go of what it has cleared."""
        self.resume.follow(rows, known)
        for row in rows:
            if row.cleared_at is not None or row.key in self.resume.lifted:
                continue
            if row.source == EMERGENCY:
                self._adopt_stop(row)
                continue
            self.resume.limits[row.source] = row
            if self.runner is not None:
                now = self.runner.engine.state.now
                self.runner.step(events.Hold(now, row.source, row.state, row.reason, latched=True, latch_id=row.id))
            else:
                self.board.hold(row.source, row.state, row.reason, latched=True, latch_id=row.id)
        if self.stop is not None and not self._durable:
            self._keep_writing()
        self.resume.consider()

    def _adopt_stop(self, row: LatchRow) -> None:
        """Take over the emergency stop of the database: it is the older one, so its id counts."""
        ours = self.stop if self.stop is None or self.stop.key not in self.resume.lifted else None
        close = row.close_positions or (ours is not None and ours.close_positions)
        if ours is not None and ours.stop_id == row.stop_id and ours.close_positions == close:
            # The same stop; what is not written of it is written on.
            self._durable = self._durable and ours.number == row.number
            self.stop = msgspec.structs.replace(ours, number=row.number, since=row.since)
            return
        self.latch(msgspec.structs.replace(row, close_positions=close), durable=close == row.close_positions)
        _log.error("emergency stop found in the database", stop_id=row.stop_id, since=row.since, reason=row.reason)

    @property
    def durable(self) -> bool:
        """Whether the emergency stop that counts is in the database as it stands, its outcome too."""
        return self.stop is not None and self._durable

    async def until_durable(self, seconds: float) -> bool:
        """Wait a bounded time until the emergency stop is in the database; say whether it is."""
        if not self.durable:
            self._keep_writing()
            if self._writing is not None:
                await asyncio.wait({self._writing}, timeout=seconds)
        return self.durable

    # -- looking ---------------------------------------------------------------------------------------------------

    def publish(self, picture: Picture) -> None:
        """Take a new picture of the account."""
        self.picture = picture
        stop = self.stop
        outcome = picture.stop_outcome if picture.stop is not None else None
        if stop is None or stop.key in self.resume.lifted or outcome is None or outcome == stop.outcome:
            self.announce()
            return
        if picture.stop is not None and picture.stop.stop_id == stop.stop_id:
            self.stop = msgspec.structs.replace(stop, outcome=outcome)
            self._durable = False
            self._keep_writing()
        self.announce()

    def announce(self) -> None:
        """Wake everything that shows the state."""
        self.measure()
        self.changed.set()
        self.changed = asyncio.Event()

    def measure(self) -> None:
        """Let the metrics say what holds now; Prometheus asks at any moment, also while nothing is committed."""
        self.metrics.state.set(int(self.board.state))
        self.metrics.restricted(self.board.restrictions(), database=self.health.database)

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Start something that nobody waits for."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def settle(self, seconds: float) -> None:
        """Wait a bounded time for what is still being written."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=seconds)
