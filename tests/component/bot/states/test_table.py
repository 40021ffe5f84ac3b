"""Every cell of the table of states (`tradingbot_contract.states`), in simulation and against the faulty exchange.

The tests are generated from the table: a cell that gets another value, or a new one, asks for another check here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from tests.component.bot.states.stage import HELD, PRICES, STAGES, WAITING, Faulty, Stage

from tradingbot.core import stops
from tradingbot.domain import effects as fx
from tradingbot.domain import events
from tradingbot.domain.orders import Role
from tradingbot.domain.states import State
from tradingbot.risk.latch import EMERGENCY, Board
from tradingbot.risk.limits import Limits, OnBreach
from tradingbot_contract import states as table
from tradingbot_contract.states import Event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FALLEN = Decimal("0.97")
"""What the price falls to for the limit: beyond the drawdown, above the stop."""


class Seen:
    """What was before the event, and what the event is called in the engine."""

    def __init__(self, stage: Stage, close: bool, source: str) -> None:
        self.stage, self.close, self.source = stage, close, source
        self.held = stage.held
        self.stop, self.entry = stage.live(Role.STOP)[0], stage.live(Role.ENTRY)[0]
        self.state = stage.board.state


async def _hold(seen: Seen, state: State) -> None:
    await seen.stage.step(events.Hold(seen.stage.now(), seen.source, state, "asked for"))


async def _limit(seen: Seen) -> None:
    await seen.stage.trade(HELD, PRICES[HELD] * FALLEN)
    await seen.stage.trade(HELD, PRICES[HELD] * FALLEN)


async def _stop(seen: Seen) -> None:
    stage = seen.stage
    await stage.step(events.EmergencyStop(stage.now(), "u-1", seen.source, "fire", close_positions=seen.close))
    await stage.sync()


async def _settle(seen: Seen) -> None:
    await _stop(seen)
    for _ in range(3):
        await seen.stage.trade(HELD, PRICES[HELD])


async def _shutdown(seen: Seen) -> None:
    await seen.stage.step(events.Shutdown(seen.stage.now(), "SIGTERM"))


async def _crash(_: Seen) -> None:
    """Nothing more is done: the process is gone."""


async def _start(seen: Seen) -> None:
    """Committed, ended, begun anew; meanwhile somebody has taken the stop away."""
    stage, saved = seen.stage, seen.stage.saved()
    await stage.lose_stop()
    stage.boot(saved)
    seen.sent_before_reconciling = list(stage.sent)  # type: ignore[attr-defined]
    await stage.sync()
    if seen.stop in stage.live(Role.STOP):
        await stage.step(events.Closed(stage.now(), seen.stop, events.End.CANCELED, "somebody cancelled it"))
    await stage.take(stage.engine.resume())
    await stage.sync()


Happen = Callable[[Seen], Awaitable[None]]

HAPPENINGS: dict[Event, tuple[str, Happen]] = {
    Event.START: ("start", _start),
    Event.PAUSE: ("spec", lambda seen: _hold(seen, State.PAUSED)),
    Event.REDUCE: ("approval", lambda seen: _hold(seen, State.REDUCING)),
    Event.LIMIT: ("max_drawdown", _limit),
    Event.STOP: ("spec", _settle),
    Event.STOP_AND_CLOSE: ("spec", _settle),
    Event.SHUTDOWN: ("shutdown", _shutdown),
    Event.CRASH: ("crash", _crash),
    Event.LOST: ("database", lambda seen: _hold(seen, State.HALTED)),
    Event.DELETED: ("deletion", _settle),
}

BREACH, POLICY = (OnBreach.HOLD, OnBreach.FLATTEN), ("Retain", "Flatten")


def variants(event: Event) -> list[str]:
    """What an event's cell leaves to the configuration."""
    if event is Event.LIMIT:
        return [action.value for action in BREACH]
    return list(POLICY) if event is Event.DELETED else [""]


@asynccontextmanager
async def after(event: Event, make: type[Stage], variant: str) -> AsyncIterator[Seen]:
    """Let an event happen on a stage."""
    limited = event is Event.LIMIT
    action = OnBreach(variant) if limited else OnBreach.HOLD
    stage = make(Limits(max_drawdown=Decimal("0.002") if limited else Decimal("0.5"), on_breach=action,
                        daily_loss_limit=Decimal("0.5"), max_data_age=10**15))  # fmt: skip
    try:
        await stage.act()
        source, happen = HAPPENINGS[event]
        seen = Seen(stage, event is Event.STOP_AND_CLOSE or variant == "Flatten", source)
        await happen(seen)
        yield seen
    finally:
        await stage.close()


# -- what each value of a cell means ---------------------------------------------------------------------------------


async def no_entries(seen: Seen) -> None:
    decisions = await seen.stage.enter()
    assert [decision.code for decision in decisions] == ["STATE_BLOCKS_ENTRIES"]
    assert Role.ENTRY not in seen.stage.sent


async def no_entries_first(seen: Seen) -> None:
    assert {state for _, _, state in seen.stage.doings} == {"KILLED"}
    await no_entries(seen)


async def entries_after_reconciling(seen: Seen) -> None:
    assert seen.sent_before_reconciling == []  # type: ignore[attr-defined]
    decisions = await seen.stage.enter()
    assert [(decision.approved, decision.code) for decision in decisions] == [(True, "")]
    assert Role.ENTRY in seen.stage.sent


async def nothing_happens(seen: Seen) -> None:
    assert (seen.stage.sent, seen.stage.doings) == ([], [])
    assert {seen.stop, seen.entry} <= seen.stage.resting()


async def entry_orders_gone(seen: Seen) -> None:
    assert seen.entry not in seen.stage.resting()
    assert seen.stage.engine.desk.entries() == []


async def entry_orders_verified(seen: Seen) -> None:
    await entry_orders_gone(seen)
    assert seen.stage.engine.state.orders[seen.entry].state.value == "CANCELED"
    if isinstance(seen.stage, Faulty):
        # The answer to the cancel was lost, so it was not believed but asked for.
        looked = seen.stage.server.journal.of("GET", "/api/v3/order")
        assert any(entry.params.get("origClientOrderId") == seen.entry for entry in looked)


async def entry_orders_stay(seen: Seen) -> None:
    assert seen.entry in seen.stage.resting()


async def dead_man_where_armed(seen: Seen) -> None:
    """This exchange has no switch, and the preflight says so; the order stays until the next start."""
    await entry_orders_stay(seen)
    if isinstance(seen.stage, Faulty):
        assert seen.stage.venue.preflight.dead_man_switch is False


async def stop_kept(seen: Seen) -> None:
    """As long as there is something to protect: where `risk.onBreach` flattens, the close takes its place."""
    if seen.stage.limits.on_breach is OnBreach.FLATTEN:
        await stop_replaced(seen)
    else:
        assert seen.stop in seen.stage.resting()


async def stop_ensured(seen: Seen) -> None:
    (stop,) = seen.stage.live(Role.STOP)
    assert stop != seen.stop
    assert stop in seen.stage.resting()


async def stop_replaced(seen: Seen) -> None:
    assert seen.stop not in seen.stage.resting()
    assert seen.held > 0
    if not seen.stage.targets_rest:
        done = [(what, role) for what, role, _ in seen.stage.doings]
        assert done.index(("cancel", "stop")) < done.index(("send", "flatten"))


async def stop_by_policy(seen: Seen) -> None:
    await (stop_replaced if seen.close else stop_kept)(seen)


async def exits_managed(seen: Seen) -> None:
    decisions = await seen.stage.leave()
    assert [(decision.approved, decision.code) for decision in decisions] == [(True, "")]
    await seen.stage.trade(HELD, PRICES[HELD])
    assert seen.stage.held == 0


async def no_exits(seen: Seen) -> None:
    decisions = await seen.stage.leave()
    assert [decision.code for decision in decisions] == ["STATE_BLOCKS_EXITS"]
    assert seen.stage.held == seen.held


async def flattened(seen: Seen) -> None:
    await seen.stage.trade(HELD, PRICES[HELD])
    assert Role.FLATTEN in seen.stage.sent
    assert seen.stage.held == 0


async def nothing_is_sold(seen: Seen) -> None:
    assert not {Role.EXIT, Role.FLATTEN} & set(seen.stage.sent)
    assert seen.stage.held == seen.held


async def by_breach(seen: Seen) -> None:
    limits = seen.stage.limits
    await (flattened if limits.on_breach is OnBreach.FLATTEN else nothing_is_sold)(seen)


async def by_policy(seen: Seen) -> None:
    await (flattened if seen.close else nothing_is_sold)(seen)


async def position_kept(seen: Seen) -> None:
    assert seen.stage.held == seen.held > 0


async def position_reported(seen: Seen) -> None:
    outcome = stops.outcome(seen.stage.engine)
    assert outcome is not None
    assert outcome["state"] in ("FLAT", "FLAT_WITH_DUST", "RESIDUAL", "UNKNOWN")
    (row,) = outcome["positions"]
    assert (row["symbol"], Decimal(row["requested"])) == (HELD, seen.held)
    assert Decimal(row["residual"]) == seen.stage.held
    assert {order["symbol"] for order in outcome["orders"]} == {WAITING}


CHECKS: dict[str, dict[Any, Callable[[Seen], Awaitable[None]]]] = {
    "entries": {
        table.Entries.AFTER_RECONCILING: entries_after_reconciling,
        table.Entries.BLOCKED: no_entries,
        table.Entries.BLOCKED_FIRST: no_entries_first,
        table.Entries.UNTOUCHED: nothing_happens,
    },
    "entry_orders": {
        table.EntryOrders.UNTOUCHED: entry_orders_stay,
        table.EntryOrders.CANCELLED: entry_orders_gone,
        table.EntryOrders.VERIFIED: entry_orders_verified,
        table.EntryOrders.BY_EXCHANGE: dead_man_where_armed,
    },
    "stops": {
        table.Stops.ENSURED: stop_ensured,
        table.Stops.KEPT: stop_kept,
        table.Stops.REPLACED: stop_replaced,
        table.Stops.AT_EXCHANGE: stop_kept,
        table.Stops.BY_POLICY: stop_by_policy,
    },
    "exits": {
        table.Exits.MANAGED: exits_managed,
        table.Exits.HOLD_OR_FLATTEN: by_breach,
        table.Exits.NONE: no_exits,
        table.Exits.FLATTEN: flattened,
        table.Exits.UNTOUCHED: nothing_is_sold,
        table.Exits.FROM_MEMORY: exits_managed,
        table.Exits.BY_POLICY: by_policy,
    },
    "positions": {
        table.Positions.KEPT: position_kept,
        table.Positions.BY_BREACH: by_breach,
        table.Positions.REPORTED: position_reported,
        table.Positions.BY_POLICY: by_policy,
    },
}


def name(make: type[Stage], row: table.Row, *more: str) -> str:
    """Write a readable id, for example `simulation-stop_and_close-entries`."""
    return "-".join([make.name, row.event.name.lower(), *(part for part in more if part)])


CASES = [
    pytest.param(row, column, make, variant, id=name(make, row, column, variant))
    for row in table.TABLE
    for column in CHECKS
    for variant in variants(row.event)
    for make in STAGES
]


@pytest.mark.parametrize(("row", "column", "make", "variant"), CASES)
async def test_cell(row: table.Row, column: str, make: type[Stage], variant: str) -> None:
    async with after(row.event, make, variant) as seen:
        await CHECKS[column][getattr(row, column)](seen)


ROWS = [
    pytest.param(row, make, variant, id=name(make, row, variant))
    for row in table.TABLE
    for variant in variants(row.event)
    for make in STAGES
]


@pytest.mark.parametrize(("row", "make", "variant"), ROWS)
async def test_state(row: table.Row, make: type[Stage], variant: str) -> None:
    """The state that is asked for holds; where none is, the next process begins as this one was before."""
    async with after(row.event, make, variant) as seen:
        if row.state is None:
            assert seen.state is State.ACTIVE
            assert not any(isinstance(effect, fx.Latch) for effect in seen.stage.effects)
            assert not any(held.latched for held in seen.stage.board.restrictions())
        else:
            assert seen.stage.board.state.name == row.state.name


@pytest.mark.parametrize(("row", "make", "variant"), ROWS)
async def test_latch(row: table.Row, make: type[Stage], variant: str) -> None:
    """What is latched is not let go of when its cause is gone, but by a person; everything else is."""
    async with after(row.event, make, variant) as seen:
        stage, before = seen.stage, seen.stage.board.state
        durable = [effect for effect in stage.effects if isinstance(effect, fx.Latch)]
        source = EMERGENCY if row.state is table.State.KILLED else durable[0].source if durable else seen.source
        await stage.step(events.Hold(stage.now(), source, State.ACTIVE, "its cause is gone"))
        if row.latched or row.event is Event.DELETED:
            # A deleted bot's stop ends with the object, and until then like any other: never by itself.
            assert stage.board.state is before
            assert bool(durable) is (row.event is Event.LIMIT)
            await stage.step(events.Resumed(stage.now(), source))
        assert stage.board.state is State.ACTIVE
        assert durable == [] or row.latched


# -- how each state is left ------------------------------------------------------------------------------------------


async def released(seen: Seen) -> None:
    """Its own source lets go, which is what the runtime does when the cause is gone."""
    await seen.stage.step(events.Hold(seen.stage.now(), seen.source, State.ACTIVE, ""))


async def resumed(seen: Seen) -> None:
    """A person has named it: the runtime holds the id against the latch, durably, before it says so."""
    (source,) = {held.source for held in seen.stage.board.restrictions() if held.latched}
    await seen.stage.step(events.Resumed(seen.stage.now(), source))


async def restarted(seen: Seen) -> None:
    """The next process has what is durable and nothing else, and agrees with the exchange before it does anything."""
    stage, board = seen.stage, Board()
    for held in stage.board.restrictions():
        if held.latched:
            board.hold(held.source, held.state, held.reason, latched=True, latch_id=held.latch_id)
    board.stop, saved = stage.board.stop, stage.saved()
    stage.board = board
    stage.sent.clear()
    stage.boot(saved)
    assert stage.sent == []
    await stage.sync()
    await stage.take(stage.engine.resume())


async def never(seen: Seen) -> None:
    """Nothing that a bot does leaves it: with the object goes the bot (tests/component/operator/test_deletion.py)."""
    for way in (released, restarted):
        await way(seen)
        assert seen.stage.board.state is State.KILLED
        await no_entries(seen)


async def nothing_to_leave(seen: Seen) -> None:
    assert seen.stage.board.state is State.ACTIVE


Way = Callable[[Seen], Awaitable[None]]

LEFT_BY: dict[str, tuple[Way, tuple[Way, ...]]] = {
    "-": (nothing_to_leave, ()),
    "`trading: Active`, start by the bot's API": (released, ()),
    "the cause is gone, or a person": (released, ()),
    "a person, by the halt's id and with a reason; the peak is not re-based": (resumed, (released,)),
    "`resume` with this stop's id": (resumed, (released, restarted)),
    "a restart reconciles": (restarted, ()),
    "start": (restarted, ()),
    "it is back, and everything is reconciled": (released, ()),
    "the finalizer is released when it is verified, or forced by annotation": (never, ()),
}
"""How each is left, and ways that look like it and leave it as it is."""

SOMEBODY_ELSE = ("spec", "approval", "watch", "database", "feed", "max_drawdown", "daily_loss", EMERGENCY, "namespace")


@pytest.mark.parametrize(("row", "make", "variant"), ROWS)
async def test_how_it_is_left(row: table.Row, make: type[Stage], variant: str) -> None:
    """By what the table says and by nothing else; then it trades again, and in no other way before."""
    right, wrong = LEFT_BY[row.left_by]
    async with after(row.event, make, variant) as seen:
        stage, before = seen.stage, seen.stage.board.state
        held = {restriction.source for restriction in stage.board.restrictions()}
        for other in SOMEBODY_ELSE:
            if other not in held:
                await stage.step(events.Hold(stage.now(), other, State.ACTIVE, "somebody else lets go"))
                await stage.step(events.Resumed(stage.now(), other))
                assert stage.board.state is before, other
        for way in wrong:
            await way(seen)
            assert stage.board.state is before
            await no_entries(seen)
        await right(seen)
        if right is never:
            return
        assert stage.board.state is State.ACTIVE
        if row.event is Event.LIMIT:
            # It looks at the limit before it trades, and the peak is where it was.
            await stage.trade(HELD, PRICES[HELD] * FALLEN)
            assert stage.board.state.name == State.HALTED.name
            return
        stage.sent.clear()
        decisions = await stage.enter()
        assert [(decision.approved, decision.code) for decision in decisions] == [(True, "")]
        assert Role.ENTRY in stage.sent


def test_every_way_out_of_the_table_is_tried() -> None:
    assert {row.left_by for row in table.TABLE} == set(LEFT_BY)


def test_every_value_of_every_cell_has_its_check() -> None:
    for row in table.TABLE:
        for column, checks in CHECKS.items():
            assert getattr(row, column) in checks, f"{row.event}: {column}"
    assert set(HAPPENINGS) == set(Event)
