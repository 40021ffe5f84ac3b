"""What people ask of the bot over its API: pause, start, trade, close, change limits, start the account anew.

Each is an event of the engine, committed like every other. Whatever restricts takes effect at once; whatever loosens
is in the database first.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import msgspec

from tradingbot.core import commands
from tradingbot.domain import events
from tradingbot.domain.effects import Decide, Decision
from tradingbot.domain.flags import ENTRIES, MANUAL, SOURCE
from tradingbot.domain.states import State
from tradingbot.observe import logs
from tradingbot.ports.store import Clearing, LatchRow, StoreError
from tradingbot.risk.latch import EMERGENCY
from tradingbot.risk.limits import Limits, changed, loosened

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from tradingbot.risk.latch import Restriction
    from tradingbot.runtime.control import Control
    from tradingbot.runtime.runner import Runner

PAUSE = "api"
"""Source of the pause that the API asks for; a latch in the database."""
WAIT_SECONDS = 2.0
BACKOFF = (0.2, 0.5, 1.0, 2.0, 5.0)

_log = logs.get(__name__)


class RefusedError(Exception):
    """The bot will not do it: a code, and a sentence that says what to do instead."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


class Done(msgspec.Struct, frozen=True):
    """What became of a command."""

    decision: Decision | None
    committed: bool
    """False while the database does not answer: it is done as soon as it does."""


class Commands:
    """Commands of people to one process."""

    def __init__(self, control: Control, *, live: bool, alone: bool) -> None:
        self.control, self.live, self.alone = control, live, alone
        self._pausing: asyncio.Task[None] | None = None

    @property
    def runner(self) -> Runner:
        """Return what trades, or refuse: a process in standby has no account."""
        if self.control.runner is None:
            text = (
                "this process does not trade now: it is starting, or waits for the lease that another process holds; "
                "see role and problem in /api/v1/bot/status, and ask again"
            )
            raise RefusedError("NotTrading", text)
        return self.control.runner

    # -- pause and start -------------------------------------------------------------------------------------------

    async def pause(self, reason: str) -> bool:
        """Block entries now; return whether that is durable already (else it is being written)."""
        self.control.hold(PAUSE, State.PAUSED, reason)
        if PAUSE in self.control.resume.limits:
            return True
        if self._pausing is None or self._pausing.done():
            self._pausing = self.control.spawn(self._write_pause(reason))
        await asyncio.wait({self._pausing}, timeout=WAIT_SECONDS)
        return self._pausing.done()

    async def _write_pause(self, reason: str) -> None:
        now = self.control.clock.now()
        row = LatchRow(source=PAUSE, state=State.PAUSED, reason=reason, since=now, origin="api")
        attempt = 0
        while True:
            try:
                written = await self.control.store.write_latch(row)
            except StoreError as error:
                _log.error("the pause is not durable yet", error=str(error))
                await self.control.clock.sleep(BACKOFF[min(attempt, len(BACKOFF) - 1)])
                attempt += 1
                continue
            if written is not None:
                self.control.adopt([written])
            return

    async def start(self, reason: str) -> list[Restriction]:
        """Lift the API's pause, in the database first; return what restricts trading all the same."""
        if self._pausing is not None and not self._pausing.done():
            self._pausing.cancel()
            await asyncio.wait({self._pausing})
        runner, control = self.runner, self.control
        await control.refresh()
        row = control.resume.limits.get(PAUSE)
        if row is None:
            control.hold(PAUSE, State.ACTIVE, reason)
        else:
            await self._clear(row.id, reason, runner)
            await self._until_released(PAUSE)
        return control.board.restrictions()

    async def resume(self, latch_id: str, reason: str) -> list[Restriction]:
        """Lift the stop or halt with this id, for a bot that no TradingBot stands for."""
        if not self.alone:
            text = (
                "this bot belongs to a TradingBot, which is where it is resumed: set spec.resume.stopId to "
                f"{latch_id!r} (kubectl tradingbot resume), with spec.emergencyStop.active: false"
            )
            raise RefusedError("ResumeInSpec", text)
        runner, control = self.runner, self.control
        await control.refresh()
        held = {row.id: row for row in control.resume.held()}
        if latch_id not in held:
            known = " or ".join(held) or "nothing: no stop or halt holds"
            raise RefusedError("NoSuchLatch", f"{latch_id!r} names no stop or halt that holds; there is {known}")
        await self._clear(latch_id, reason, runner)
        await self._until_released(held[latch_id].source)
        return control.board.restrictions()

    async def _clear(self, latch_id: str, reason: str, runner: Runner) -> None:
        clearing = Clearing(latch_id=latch_id, reason=reason, seen_in="api", by="api")
        row = await self.control.store.clear_latch(clearing, runner.keeper.epoch)
        if row is None:
            await self.control.refresh()
        else:
            self.control.resume.cleared(row)

    async def _until_released(self, source: str) -> None:
        """Wait, a bounded time, until the trading loop has asked the venue and let go."""
        clock = self.control.clock
        deadline = clock.monotonic() + WAIT_SECONDS
        while (left := deadline - clock.monotonic()) > 0:
            if all(held.source != source for held in self.control.board.restrictions()):
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.control.changed.wait(), left)

    # -- trading ---------------------------------------------------------------------------------------------------

    async def trade(
        self,
        symbol: str,
        side: str,
        stop_loss: Decimal,
        take_profit: Decimal,
        quantity: Decimal | None,
        price: Decimal | None,
        reason: str,
    ) -> Done:
        """Open a position as a person; the gate's answer is in the decision."""
        state = self.runner.engine.state
        if MANUAL in state.flags_off:
            text = f"trades of people are switched off: set the feature flag {MANUAL} to 1 (PUT /api/v1/flags/{MANUAL})"
            raise RefusedError("SwitchedOff", text)
        now = state.now
        return await self._decided(
            events.ManualTrade(now, symbol, side, stop_loss, take_profit, quantity, price, reason)
        )

    async def close(self, symbol: str, reason: str) -> Done:
        """Close a position at market."""
        return await self._decided(events.ClosePosition(self.runner.engine.state.now, symbol, reason))

    async def confirm(self, client_id: str, by: str) -> Done:
        """Say yes to an order that waits; the gate judges it again, as of now."""
        return await self._answer(client_id, by, confirmed=True)

    async def refuse(self, client_id: str, by: str) -> Done:
        """Say no to an order that waits."""
        return await self._answer(client_id, by, confirmed=False)

    async def _answer(self, client_id: str, by: str, *, confirmed: bool) -> Done:
        waiting = self.runner.engine.state.waiting
        if client_id not in waiting:
            known = " or ".join(waiting) or "none: nothing waits"
            raise RefusedError(
                "NoSuchConfirmation", f"no order {client_id!r} waits for a confirmation; there is {known}"
            )
        return await self._decided(events.Confirmation(self.runner.now(), client_id, confirmed, by))

    async def _decided(self, event: events.ManualTrade | events.ClosePosition | events.Confirmation) -> Done:
        runner = self.runner
        effects, done = runner.ask(event)
        decision = next((effect.decision for effect in effects if isinstance(effect, Decide)), None)
        return Done(decision, await self._committed(done, runner))

    def preview(self, symbol: str) -> list[Decision]:
        """Say what would be decided if a candle closed now at the last price."""
        engine = self.runner.engine
        if symbol not in engine.strategies:
            known = ", ".join(engine.config.symbols)
            raise RefusedError("UnknownSymbol", f"{symbol} is not traded by this bot; it trades {known}")
        if symbol not in engine.state.marks:
            raise RefusedError("NoPrice", f"{symbol} has no price yet: ask again after the first candle")
        return commands.preview(engine, symbol)

    # -- limits and account ----------------------------------------------------------------------------------------

    async def change_limits(self, changes: Mapping[str, str | None], reason: str) -> tuple[Limits, bool]:
        """Change limits at once; return what holds now, and whether it is durable. Loosens no live bot."""
        runner = self.runner
        engine = runner.engine
        try:
            after = changed(engine.config.limits, changes, engine.base_limits)
        except (ValueError, msgspec.ValidationError) as error:
            raise RefusedError("InvalidLimit", str(error)) from None
        looser = loosened(engine.config.limits, after)
        if looser and self.live:
            text = (
                f"this would loosen {', '.join(looser)} of a live bot: change spec.risk of the TradingBot instead, "
                "and have a second person approve it (spec.approval)"
            )
            raise RefusedError("WouldLoosen", text)
        event = events.ChangeLimits(engine.state.now, tuple(sorted(changes.items())), reason)
        _, done = runner.ask(event)
        _log.warning("limits changed", changes=dict(changes), looser=looser, reason=reason)
        return engine.config.limits, await self._committed(done, runner)

    async def reset(self, reason: str) -> bool:
        """Start the simulated account anew; return whether that is durable. Rows of the past stay."""
        runner = self.runner
        if self.live:
            raise RefusedError("NotASimulation", "only a simulation can be reset; this bot trades with real money")
        engine = runner.engine
        if engine.board.state.entries_allowed:
            raise RefusedError("NotPaused", "pause the bot first: POST /api/v1/bot/stop")
        held = [position.symbol for position in engine.state.book.open_positions()]
        if held:
            text = f"close {', '.join(held)} first: POST /api/v1/bot/positions/{{id}}/close, or let the stop do it"
            raise RefusedError("PositionsOpen", text)
        if engine.desk.live():
            raise RefusedError("OrdersOpen", "orders are still being cancelled: ask again in a moment")
        return await self._committed(runner.restart(engine.config.capital, reason), runner)

    async def _committed(self, done: asyncio.Future[None], runner: Runner) -> bool:
        """Wait a bounded time until it is recorded. What a process did not record before it was fenced is not done."""
        await asyncio.wait({done}, timeout=WAIT_SECONDS)
        if not done.done() and self.control.runner is not runner:
            text = (
                "this process lost the right to trade before it was recorded: nothing is done, ask the one that trades"
            )
            raise RefusedError("NotTrading", text)
        return done.done()


def way_out(held: Restriction, *, alone: bool) -> str:
    """Say how a restriction ends."""
    if held.source == PAUSE:
        return "POST /api/v1/bot/start"
    if held.source == SOURCE:
        return f"set the feature flag {ENTRIES} to 1 (PUT /api/v1/flags/{ENTRIES})"
    if held.source == "spec":
        return "set trading: Active in the configuration (spec.trading of the TradingBot)"
    if held.latched and held.latch_id:
        if alone:
            return f"POST /api/v1/bot/resume with stop_id {held.latch_id}"
        return f"set spec.resume.stopId of the TradingBot to {held.latch_id}"
    if held.source == EMERGENCY or held.latched:
        return "resume it once it is in the database"
    return "it ends by itself when its cause is gone"
