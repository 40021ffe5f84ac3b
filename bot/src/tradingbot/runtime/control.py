"""Where everything that may restrict or look at the bot meets: the watch, the API, signals, the page.

It outlives sessions: a stop that is seen in standby, or before the database answers, counts all the same.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from tradingbot.domain import events
from tradingbot.domain.states import State
from tradingbot.observe import logs
from tradingbot.ports.store import LatchRow, StoreError
from tradingbot.risk.latch import EMERGENCY, Board, StopRecord

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from tradingbot.core.picture import Picture
    from tradingbot.observe.health import Health
    from tradingbot.observe.metrics import Metrics
    from tradingbot.ports.clock import Clock
    from tradingbot.ports.store import Store
    from tradingbot.runtime.runner import Runner

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
        record = StopRecord(stop_id, origin, reason, close_positions)
        before = self.board.stop
        if before is not None and (before.close_positions or not close_positions) and self.stop is not None:
            return self.stop
        if self.runner is not None:
            now = self.runner.engine.state.now
            self.runner.step(events.EmergencyStop(now, stop_id, origin, reason, close_positions))
        else:
            self.board.emergency(record)
        since = self.stop.since if self.stop is not None else self.clock.now()
        counts = self.board.stop or record
        self.stop = LatchRow(
            source=EMERGENCY,
            state=State.KILLED,
            reason=counts.reason,
            since=since,
            stop_id=counts.stop_id,
            origin=counts.origin,
            close_positions=counts.close_positions,
            outcome=self.stop.outcome if self.stop is not None else None,
        )
        _log.error(
            "emergency stop", stop_id=counts.stop_id, origin=origin, reason=reason, close_positions=close_positions
        )
        self._durable = False
        self._spawn(self._carry_out_stop())
        self.announce()
        return self.stop

    async def _carry_out_stop(self) -> None:
        """Make the latch durable (a second at most is waited for it), then take entry orders back."""
        self._keep_writing()
        if self._writing is not None:
            await asyncio.wait({self._writing}, timeout=LATCH_SECONDS)
        if self.runner is not None:
            await self.runner.cancel_now()

    def _keep_writing(self) -> None:
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
            self._tasks.add(self._writing)
            self._writing.add_done_callback(self._tasks.discard)

    async def _write(self) -> None:
        """Write the latch until it is written as it stands."""
        attempt = 0
        while not self._durable and self.stop is not None:
            row = self.stop
            try:
                await self.store.write_latch(row)
            except StoreError as error:
                _log.error("the latch of the emergency stop is not durable yet", error=str(error))
                await self.clock.sleep(BACKOFF[min(attempt, len(BACKOFF) - 1)])
                attempt += 1
                continue
            self._durable = row is self.stop
            _log.info("the latch of the emergency stop is durable", stop_id=row.stop_id, outcome=row.outcome)

    def adopt(self, rows: list[LatchRow]) -> None:
        """Take over the restrictions that the database holds, whoever wrote them. Nothing is loosened."""
        for row in rows:
            if row.source == EMERGENCY:
                self._adopt_stop(row)
            elif self.runner is not None:
                now = self.runner.engine.state.now
                self.runner.step(events.Hold(now, row.source, row.state, row.reason, latched=True))
            else:
                self.board.hold(row.source, row.state, row.reason, latched=True)
        if self.stop is not None and not self._durable:
            self._keep_writing()

    def _adopt_stop(self, row: LatchRow) -> None:
        """Take over the emergency stop of the database: it is the older one, so its id counts."""
        ours = self.stop
        if ours is not None and ours.stop_id == row.stop_id and ours.close_positions >= row.close_positions:
            return
        close = row.close_positions or (ours is not None and ours.close_positions)
        # The board keeps the first record that it is given; the one of the database takes its place.
        self.board.stop = None
        self.stop = msgspec.structs.replace(row, close_positions=close)
        self._durable = close == row.close_positions
        if self.runner is not None:
            now = self.runner.engine.state.now
            self.runner.step(events.EmergencyStop(now, row.stop_id, row.origin, row.reason, close))
            self._spawn(self.runner.cancel_now())
        else:
            self.board.emergency(StopRecord(row.stop_id, row.origin, row.reason, close))
        _log.error("emergency stop found in the database", stop_id=row.stop_id, since=row.since, reason=row.reason)
        self.announce()

    # -- looking ---------------------------------------------------------------------------------------------------

    def publish(self, picture: Picture) -> None:
        """Take a new picture of the account."""
        self.picture = picture
        outcome = picture.stop_outcome
        if self.stop is not None and outcome is not None and outcome != self.stop.outcome:
            self.stop = msgspec.structs.replace(self.stop, outcome=outcome)
            self._durable = False
            self._keep_writing()
        self.announce()

    def announce(self) -> None:
        """Wake everything that shows the state."""
        self.metrics.state.set(int(self.board.state))
        self.changed.set()
        self.changed = asyncio.Event()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settle(self, seconds: float) -> None:
        """Wait a bounded time for what is still being written."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=seconds)
