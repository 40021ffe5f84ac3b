"""Stops, reverts, resumes, restarts and lost databases in any order: nothing trades while an uncleared latch exists."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.unit.bot.harness import Bot, Scripted

from tradingbot.domain.states import State
from tradingbot.observe.metrics import Metrics
from tradingbot.ports.store import Clearing, FencedError, LatchRow, UnavailableError
from tradingbot.risk.latch import EMERGENCY
from tradingbot.runtime.control import Control
from tradingbot.runtime.selfwatch import Address, SelfWatch
from tradingbot_contract.stops import resume_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradingbot.domain.notes import Note

UID = "1f0c2a9b-0000-4000-8000-000000000000"
BEGIN = datetime(2026, 11, 21, tzinfo=UTC)


class Rows:
    """The table of latches, as PostgreSQL keeps it."""

    def __init__(self) -> None:
        self.rows: list[LatchRow] = []
        self.up, self.epoch, self.ticks = True, 0, 0
        self.lose_answers = False

    def _answer(self, value: Any) -> Any:
        if self.lose_answers:
            self.lose_answers = False
            raise UnavailableError("the answer was lost")
        return value

    def _check(self) -> None:
        if not self.up:
            raise UnavailableError("down")

    @property
    def held(self) -> list[LatchRow]:
        return [row for row in self.rows if row.cleared_at is None]

    async def latches(self, known: Sequence[int] = ()) -> list[LatchRow]:
        self._check()
        lifted = [row for row in self.rows if row.cleared_at is not None and row.source == EMERGENCY]
        last = max((row.cleared_at for row in lifted if row.cleared_at is not None), default=None)
        return [
            r
            for r in self.rows
            if r.cleared_at is None or r.void_resumes or r.number in known or (r in lifted and r.cleared_at == last)
        ]

    async def write_latch(self, row: LatchRow, note: Note | None = None) -> LatchRow | None:
        self._check()
        return cast("LatchRow | None", self._answer(self._write(row)))

    def _write(self, row: LatchRow) -> LatchRow | None:
        for index, there in enumerate(self.rows):
            same = there.number == row.number if row.number else there.source == row.source
            if same and there.cleared_at is None:
                close = there.close_positions or row.close_positions
                self.rows[index] = msgspec.structs.replace(
                    there, close_positions=close, outcome=row.outcome or there.outcome
                )
                return self.rows[index]
        if row.number:
            return None
        self.rows.append(msgspec.structs.replace(row, number=len(self.rows) + 1))
        return self.rows[-1]

    async def clear_latch(self, clearing: Clearing, epoch: int, after: LatchRow | None = None) -> LatchRow | None:
        self._check()
        if epoch != self.epoch:
            raise FencedError("over")
        found = None
        for index, there in enumerate(self.rows):
            void = any(clearing.key in row.void_resumes for row in self.rows)
            if there.cleared_at is None and there.id == clearing.latch_id and not void:
                self.ticks += 1
                self.rows[index] = found = msgspec.structs.replace(
                    there,
                    cleared_at=BEGIN + timedelta(milliseconds=self.ticks),
                    cleared_by="spec.resume",
                    cleared_reason=clearing.reason,
                    cleared_object=clearing.seen_in,
                )
        if after is not None:
            self._write(after)
        return cast("LatchRow | None", self._answer(found))

    async def void_resumes(self, keys: Sequence[str]) -> bool:
        self._check()
        stops = [index for index, row in enumerate(self.rows) if row.source == EMERGENCY]
        for index in stops[-1:]:
            noted = tuple(sorted({*self.rows[index].void_resumes, *keys}))
            self.rows[index] = msgspec.structs.replace(self.rows[index], void_resumes=noted)
        return bool(self._answer(bool(stops)))


class Clock:
    """Time that stands; a sleep ends when the machine says so."""

    def __init__(self, rows: Rows) -> None:
        self.seconds, self.rows = 0.0, rows
        self.tick = asyncio.Event()

    def now(self) -> datetime:
        self.rows.ticks += 1
        return BEGIN + timedelta(milliseconds=self.rows.ticks)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        await self.tick.wait()

    def ring(self) -> None:
        self.tick.set()
        self.tick = asyncio.Event()


class Driver:
    """What a resume needs of a runner."""

    def __init__(self, control: Control, epoch: int) -> None:
        self.robot = Bot(lambda: Scripted({}), board=control.board)
        self.engine = self.robot.engine
        self.wake, self.keeper = asyncio.Event(), SimpleNamespace(epoch=epoch)
        self.agreed = 0
        self.agreement = SimpleNamespace(accept=False, reconcile=self._reconcile)
        self.cancels = SimpleNamespace(now=self.flush)

    def step(self, event: Any) -> None:
        self.robot.step(event)

    def collect(self, effects: Any) -> None:
        self.robot.take(effects)

    async def _reconcile(self) -> None:
        self.agreed += 1

    async def flush(self, *, force: bool = False) -> None:
        pass


class Process:
    """One bot process: control, self-watch, and perhaps the lease."""

    def __init__(self, rows: Rows) -> None:
        self.rows, self.clock = rows, Clock(rows)
        store, clock = cast("Any", rows), cast("Any", self.clock)
        self.control = Control(store, clock, cast("Any", SimpleNamespace(database=True)), Metrics("s", "Spot", "x"))
        self.control.board.hold("watch", State.HALTED, "not read yet")
        address = Address("http://none", "test", "btc", UID)
        self.watch = SelfWatch(address, self.control, clock)
        self.driver: Driver | None = None

    @property
    def trading(self) -> bool:
        return self.driver is not None and self.control.board.state is State.ACTIVE

    async def start(self) -> None:
        """Follow the database, then take the lease, as a session does."""
        await self.control.refresh()
        self.rows.epoch += 1
        self.driver = Driver(self.control, self.rows.epoch)
        self.control.runner = cast("Any", self.driver)
        self.control.resume.consider()


class Machine(RuleBasedStateMachine):
    """One that trades, one in standby, one object, one database."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = Rows()
        self.object: dict[str, Any] = {"trading": "Active"}
        self.generation = 0
        self.status: dict[str, Any] = {}
        """The latch of an operator that is late, and that is told of a lifted stop only when it asks."""
        self.asked: set[tuple[str, int]] = set()
        """Which ids were named by which generation's resume."""
        self.early: set[str] = set()
        """Keys of the resumes that came too early, and that some process was shown while it could write it down."""
        self.told: set[str] = set()
        """The same, of which the writing may have to wait."""
        self.fair: set[str] = set()
        """Keys of those that did not, the first time."""

    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.leader, self.standby = Process(self.rows), Process(self.rows)
        self._do(self.leader.start())
        self._show()

    def _do(self, work: Any) -> None:
        async def run() -> None:
            await work
            await self._rest()
            if self.rows.up:
                # What the other process recorded is seen with the next renewal of the lease.
                await self.leader.control.refresh()
                await self._rest()

        self.loop.run_until_complete(run())

    async def _rest(self) -> None:
        for _ in range(30):
            await asyncio.sleep(0)
        resume = self.leader.control.resume
        if resume.waiting and self.leader.driver is not None and self.rows.up:
            await resume.settle(cast("Any", self.leader.driver))
        for _ in range(10):
            await asyncio.sleep(0)

    def _show(self, *, both: bool = True) -> None:
        self.generation += 1
        wish = self.object.get("resume")
        standing = self.status.get("standing") is True
        key = resume_key(wish["stopId"], wish["reason"]) if wish else ""
        if standing and wish:
            self.status["voidResume"] = key
        void = self.status.get("voidResume") == key
        if not void:
            self.status.pop("voidResume", None)
        if wish and not standing and not void and not (self.object.get("emergencyStop") or {}).get("active"):
            self.asked.add((wish["stopId"], self.generation))
            self.fair.add(key)
        elif wish and key not in self.fair:
            (self.early if self.rows.up and not self.rows.lose_answers else self.told).add(key)
        metadata = {"name": "btc", "uid": UID, "generation": self.generation, "resourceVersion": "1"}
        status = {"emergencyStop": dict(self.status)} if self.status else {}
        item = {"metadata": metadata, "spec": dict(self.object), "status": status}

        async def take() -> None:
            self.leader.watch._take(item)
            if both:
                self.standby.watch._take(item)

        self._do(take())

    @rule(close=st.booleans(), both=st.booleans())
    def stop(self, close: bool, both: bool) -> None:
        self.object["emergencyStop"] = {"active": True, "closePositions": close}
        self._show(both=both)
        assert not self.leader.trading

    @rule()
    def revert(self) -> None:
        self.object.pop("emergencyStop", None)
        self._show()

    @rule()
    def stop_by_api(self) -> None:
        async def press() -> None:
            now = self.leader.clock.now().timestamp()
            self.leader.control.emergency_stop(f"api-{int(now * 1000)}", "api", "x", close_positions=False)

        self._do(press())
        assert not self.leader.trading

    @rule(right=st.booleans(), revert=st.booleans(), data=st.data())
    def resume(self, right: bool, revert: bool, data: st.DataObject) -> None:
        """With the reason of before, which one that came too early has to change."""
        ids = [row.id for row in (self.rows.held if right else self.rows.rows)]
        if self.leader.control.stop is not None and right:
            ids.append(self.leader.control.stop.stop_id)
        name = data.draw(st.sampled_from(ids)) if ids else "1f0c2a9b-0"
        self.object["resume"] = {"stopId": name, "reason": data.draw(st.sampled_from(["checked", "once more"]))}
        if revert:
            self.object.pop("emergencyStop", None)
        self._show()

    @rule()
    def stop_of_the_namespace(self) -> None:
        """The operator latches it, in the status only; the spec knows nothing of it."""
        if not self.status:
            self.status = {"id": f"{UID[:8]}-{self.generation}", "source": "namespace"}
        self.status["standing"] = True
        self.generation -= 1
        self._show()
        assert not self.leader.trading

    @rule()
    def the_annotation_is_taken_off(self) -> None:
        self.status.pop("standing", None)
        self.generation -= 1
        self._show()

    @rule()
    def the_operator_looks(self) -> None:
        """What the bot holds is latched in the status; what it says that it lifted is taken out."""
        control, wish = self.leader.control, self.object.get("resume") or {}
        stop, last = control.stop, control.last_stop
        named = wish.get("stopId") == self.status.get("id") and not self.status.get("standing")
        asked = (self.object.get("emergencyStop") or {}).get("active")
        lifted = stop is None and last is not None and last.stop_id == self.status.get("id")
        if lifted and self.status.get("standing"):
            self.status["id"] = f"{UID[:8]}-{self.generation}"
        elif named and not asked and lifted:
            self.status = {}
        elif stop is not None and not self.status:
            self.status = {"id": stop.stop_id, "source": stop.origin}
        self.generation -= 1
        self._show()

    @precondition(lambda self: self.rows.up)
    @rule()
    def a_new_database(self) -> None:
        """Everything in the database is lost; the operator's latch is not."""
        self.rows.rows.clear()
        self.leader, self.standby = Process(self.rows), Process(self.rows)
        self.early.clear()
        self.told.clear()
        self._do(self.leader.start())
        self.generation -= 1
        self._show()
        if self.status and (self.object.get("resume") or {}).get("stopId") != self.status["id"]:
            assert not self.leader.trading, "the latch of the status is not lost with the database"

    @rule()
    def the_same_again(self) -> None:
        before = len(self.rows.held)
        self.generation -= 1
        self._show()
        assert len(self.rows.held) <= max(before, 1)

    @rule()
    def an_older_operator_forgets(self) -> None:
        """It knows neither which resume came too early, nor that a namespace stands stopped; a newer one comes back."""
        self.status.pop("voidResume", None)
        self.status.pop("standing", None)
        self.generation -= 1
        self._show()

    @precondition(lambda self: self.rows.up)
    @rule()
    def restart(self) -> None:
        self.leader = Process(self.rows)
        self._do(self.leader.start())
        self.generation -= 1
        self._show(both=False)

    @precondition(lambda self: self.rows.up)
    @rule()
    def the_other_takes_over(self) -> None:
        self.leader, self.standby = self.standby, Process(self.rows)
        self._do(self.leader.start())
        self.generation -= 1
        self._show()

    @rule()
    def lose_an_answer(self) -> None:
        self.rows.lose_answers = True

    @precondition(lambda self: self.rows.up)
    @rule()
    def down(self) -> None:
        self.rows.up = False

    @rule()
    def up_and_look(self) -> None:
        self.rows.up = True

        async def look() -> None:
            for process in (self.leader, self.standby):
                await process.control.refresh()
                process.clock.ring()
                await self._rest()

        self._do(look())
        self.early |= self.told
        self.told.clear()

    @invariant()
    def nothing_trades_while_a_latch_holds(self) -> None:
        if not hasattr(self, "leader"):
            return
        stop_wanted = (self.object.get("emergencyStop") or {}).get("active")
        standing = self.status.get("standing") is True
        if self.rows.held or stop_wanted or standing or self.leader.control.stop is not None:
            assert not self.leader.trading

    @invariant()
    def a_resume_clears_what_it_names_and_nothing_else(self) -> None:
        for row in self.rows.rows:
            if row.cleared_at is not None:
                generation = int(row.cleared_object.split("-")[1])
                assert (row.id, generation) in self.asked
                assert resume_key(row.id, row.cleared_reason) not in self.early
                if row.origin == "spec":
                    assert int(row.stop_id.split("-")[1]) < generation

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self.loop.run_until_complete(asyncio.wait(tasks))
        self.loop.close()


Machine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAnyOrder = Machine.TestCase


async def _rest() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


def _spec(process: Process, generation: int, **spec: Any) -> None:
    metadata = {"name": "btc", "uid": UID, "generation": generation, "resourceVersion": "1"}
    process.watch._take({"metadata": metadata, "spec": spec})


async def _stopped(rows: Rows) -> Process:
    """A bot whose spec, in its seventh generation, asks for a stop."""
    bot = Process(rows)
    await bot.start()
    _spec(bot, 7, emergencyStop={"active": True})
    await _rest()
    return bot


async def test_a_row_that_is_missing_after_a_restore_is_written_again_and_nothing_is_loosened() -> None:
    rows = Rows()
    bot = await _stopped(rows)
    assert [row.id for row in rows.held] == ["1f0c2a9b-7"]
    rows.rows.clear()
    await bot.control.refresh()
    await _rest()
    assert [row.id for row in rows.held] == ["1f0c2a9b-7"]
    assert bot.control.board.state is State.KILLED


async def test_the_venue_is_asked_between_the_database_and_the_first_entry() -> None:
    rows = Rows()
    bot = await _stopped(rows)
    _spec(bot, 8, resume={"stopId": "1f0c2a9b-7", "reason": "checked"})
    await _rest()
    assert (rows.held, bot.control.board.state) == ([], State.KILLED)
    assert bot.driver is not None
    assert bot.driver.agreed == 0
    assert bot.control.resume.waiting
    await bot.control.resume.settle(cast("Any", bot.driver))
    assert (bot.driver.agreed, bot.trading, bot.control.stop) == (1, True, None)
    assert [restriction.source for restriction in bot.control.board.restrictions()] == []


async def test_a_stop_between_the_clearing_and_the_venue_counts() -> None:
    rows = Rows()
    bot = await _stopped(rows)
    wish = {"stopId": "1f0c2a9b-7", "reason": "checked"}
    _spec(bot, 8, resume=wish)
    await _rest()
    _spec(bot, 9, resume=wish, emergencyStop={"active": True})
    _spec(bot, 10, resume=wish)
    await bot.control.resume.settle(cast("Any", bot.driver))
    await _rest()
    assert bot.control.board.state is State.KILLED
    assert [row.id for row in rows.held] == ["1f0c2a9b-9"]
    assert bot.control.resume.complaint().endswith("set it to 1f0c2a9b-9")


async def test_after_a_restored_cluster_a_stop_with_the_id_of_one_that_was_resumed_is_a_stop() -> None:
    """Its object is from before the first one, so the second gets its generation, and the database knows the id."""
    rows = Rows()
    bot = await _stopped(rows)
    _spec(bot, 8, resume={"stopId": "1f0c2a9b-7", "reason": "checked"})
    await _rest()
    await bot.control.resume.settle(cast("Any", bot.driver))
    _spec(bot, 6)
    assert bot.trading
    _spec(bot, 7, emergencyStop={"active": True})
    _spec(bot, 8)
    await _rest()
    assert bot.control.board.state is State.KILLED
    assert [row.id for row in rows.held] == ["1f0c2a9b-7"]
    again = Process(rows)
    await again.start()
    _spec(again, 8)
    await _rest()
    assert again.control.board.state is State.KILLED


async def test_a_resume_that_came_too_early_is_nothing_to_the_next_process_either_whoever_forgot_it() -> None:
    """No operator says so: the database does."""
    rows = Rows()
    bot = Process(rows)
    await bot.start()
    _spec(bot, 7, emergencyStop={"active": True})
    early = {"stopId": "1f0c2a9b-7", "reason": "checked"}
    _spec(bot, 8, emergencyStop={"active": True}, resume=early)
    _spec(bot, 9, resume=early)
    await _rest()
    again = Process(rows)
    await again.start()
    for generation, spec in enumerate([{"resume": early}, {}, {"resume": early}], start=10):
        _spec(again, generation, **spec)
        await _rest()
        assert again.control.board.state is State.KILLED
    assert "it does not count: write it again" in again.control.resume.complaint()
    assert [row.id for row in rows.held] == ["1f0c2a9b-7"]
    _spec(again, 13, resume=early | {"reason": "now it is quiet"})
    await _rest()
    await again.control.resume.settle(cast("Any", again.driver))
    assert again.trading


async def test_what_came_too_early_is_noted_when_the_database_is_back() -> None:
    rows = Rows()
    bot = Process(rows)
    await bot.start()
    rows.up = False
    _spec(bot, 7, emergencyStop={"active": True})
    early = {"stopId": "1f0c2a9b-7", "reason": "checked"}
    _spec(bot, 8, emergencyStop={"active": True}, resume=early)
    _spec(bot, 9, resume=early)
    await _rest()
    rows.up = True
    bot.clock.ring()
    await _rest()
    assert [row.void_resumes for row in rows.held] == [(resume_key("1f0c2a9b-7", "checked"),)]
    # A database that was restored from before it, and lost what it knew.
    rows.rows = [msgspec.structs.replace(row, void_resumes=()) for row in rows.rows]
    await bot.control.refresh()
    await _rest()
    assert [row.void_resumes for row in rows.held] == [(resume_key("1f0c2a9b-7", "checked"),)]


async def test_a_limit_is_lifted_by_its_own_id_also_in_standby() -> None:
    rows = Rows()
    limit = LatchRow(source="drawdown", state=State.HALTED, reason="lost", since=BEGIN)
    await rows.write_latch(limit)
    leader, standby = Process(rows), Process(rows)
    await standby.control.refresh()
    await leader.start()
    _spec(leader, 7, resume={"stopId": "emergency_stop-1", "reason": "no"})
    _spec(standby, 7)
    await _rest()
    assert [one.control.board.state.name for one in (leader, standby)] == ["HALTED", "HALTED"]
    assert [held.latch_id for held in leader.control.board.restrictions()] == ["drawdown-1"]
    assert leader.control.resume.complaint().endswith("set it to drawdown-1")
    _spec(leader, 8, resume={"stopId": "drawdown-1", "reason": "yes"})
    await _rest()
    await leader.control.resume.settle(cast("Any", leader.driver))
    await standby.control.refresh()
    assert leader.trading
    assert standby.control.board.state.name == "ACTIVE"
