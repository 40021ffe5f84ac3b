"""Two databases, one behaviour: whatever is asked of them in whatever order, PostgreSQL and SQLite answer the same."""

from __future__ import annotations

import asyncio
import itertools
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from tests.component.bot.sqlite_world import SqliteWorld
from tests.component.bot.store_contract import NOW, batch, latch, note, traded
from tests.component.bot.test_store import store

from tradingbot.domain.states import State
from tradingbot.ports.store import FILTERS, TIES, Batch, Clearing, LatchRow, Store, StoreError, Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from tests.support import postgresql

PHASES = [Phase.explicit, Phase.generate]
"""A failure is shown as it was found: to make it shorter takes minutes with real databases."""
HOLDERS = ("host-1", "host-2")
STOPS = ("1f0c2a9b-7", "1f0c2a9b-8")
KEYS = ("9f", "0a", "c3")
"""Of resumes."""
_number = itertools.count()


def _plain(value: Any, numbers: dict[int, int]) -> Any:
    """Make answers comparable: numbers that the databases give count from one, wall times are only there or not."""
    if isinstance(value, LatchRow):
        number = numbers.setdefault(value.number, len(numbers) + 1)
        return msgspec.structs.replace(value, number=number, cleared_at=value.cleared_at and value.since)
    if isinstance(value, Waiting):
        return msgspec.structs.replace(value, number=0, created_at=NOW)
    if isinstance(value, list):
        return [_plain(item, numbers) for item in value]
    if isinstance(value, asyncpg.Record | dict):
        skip = ("recorded_at", "updated_at")
        return {k: json.loads(v) if k == "facts" else v for k, v in value.items() if k not in skip}
    return value


async def _first(answer: Coroutine[Any, Any, tuple[int, float]]) -> int:
    return (await answer)[0]


LATER = 86_400.0
"""Seconds until a note is due again: longer than all the expiries of a run, which move the clock of SQLite alone."""


class Twins(RuleBasedStateMachine):
    """Asks both the same."""

    url = ""
    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        super().__init__()
        self.bot = f"test/m{next(_number)}"
        self.folder = tempfile.TemporaryDirectory()
        self.world = SqliteWorld(Path(self.folder.name))
        # Two processes each: a lease is between processes.
        self.pairs: dict[str, tuple[Store, Store]] = {
            holder: (store(self.url, self.bot), self.world(self.bot)) for holder in HOLDERS
        }
        self.numbers: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self.robot = traded()
        self.seq = self.epoch = 0
        self.held: tuple[list[LatchRow], list[LatchRow]] = ([], [])

    def teardown(self) -> None:
        for pair in self.pairs.values():
            for one in pair:
                self.run(one.close())
        self.folder.cleanup()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def both(self, ask: Callable[[Store, int], Coroutine[Any, Any, Any]], holder: str = HOLDERS[0]) -> Any:
        answers = []
        for which, one in enumerate(self.pairs[holder]):
            try:
                answers.append(_plain(self.run(ask(one, which)), self.numbers[which]))
            except StoreError as error:
                answers.append(type(error))
        assert answers[0] == answers[1]
        return answers[0]

    # -- what is done ----------------------------------------------------------------------------------------------

    @rule(holder=st.sampled_from(HOLDERS))
    def acquire(self, holder: str) -> None:
        lease = self.both(lambda one, _: one.acquire(holder), holder)
        if lease is not None:
            self.epoch = lease.epoch

    @rule(holder=st.sampled_from(HOLDERS), late=st.integers(0, 1))
    def renew(self, holder: str, late: int) -> None:
        self.both(lambda one, _: one.renew(holder, self.epoch - late), holder)

    @rule(holder=st.sampled_from(HOLDERS), late=st.integers(0, 1))
    def release(self, holder: str, late: int) -> None:
        self.both(lambda one, _: one.release(holder, self.epoch - late), holder)

    @rule()
    def expire(self) -> None:
        async def body() -> None:
            connection = await asyncpg.connect(self.url)
            past = "now() - interval '1 second'"
            await connection.execute(f"UPDATE simulation.lease SET expires_at = {past} WHERE bot = $1", self.bot)
            await connection.close()

        self.run(self.pairs[HOLDERS[0]][0].open())
        self.run(body())
        self.run(self.world.expire())

    @rule(
        step=st.sampled_from([1, 1, 1, 0, 2, -1]),
        late=st.sampled_from([0, 0, 0, 1]),
        rows=st.booleans(),
        limit=st.booleans(),
    )
    def commit(self, step: int, late: int, rows: bool, limit: bool) -> None:
        seq = max(1, self.seq + step)
        restriction = latch(source="drawdown", state=State.HALTED, stop_id="", origin="")
        made: Batch = batch(
            seq, self.robot if rows else None, latches=[restriction] if limit else [], notes=[note(str(seq % 3))]
        )
        if self.both(lambda one, _: one.commit(made, self.epoch - late)) is None:
            self.seq = seq

    @rule(stop=st.sampled_from(STOPS), close=st.booleans(), outcome=st.sampled_from([None, {"state": "FLAT"}]))
    def write_latch(self, stop: str, close: bool, outcome: dict[str, Any] | None) -> None:
        self.both(lambda one, _: one.write_latch(latch(stop_id=stop, close_positions=close, outcome=outcome)))

    @precondition(lambda self: self.held[0])
    @rule(data=st.data(), close=st.booleans())
    def bring_a_latch_up_to_date(self, data: st.DataObject, close: bool) -> None:
        index = data.draw(st.integers(0, len(self.held[0]) - 1))

        def more(which: int) -> LatchRow:
            return msgspec.structs.replace(self.held[which][index], close_positions=close, outcome={"state": "X"})

        self.both(lambda one, which: one.write_latch(more(which)))

    @precondition(lambda self: self.held[0])
    @rule(data=st.data(), late=st.sampled_from([0, 0, 1]), after=st.booleans(), key=st.sampled_from(KEYS))
    def clear(self, data: st.DataObject, late: int, after: bool, key: str) -> None:
        index = data.draw(st.integers(0, len(self.held[0]) - 1))
        follow = latch(stop_id="1f0c2a9b-9") if after else None

        def wish(which: int) -> Clearing:
            name = self.held[which][index].id
            return Clearing(latch_id=name, reason="checked", seen_in="1f0c2a9b-10", key=key)

        self.both(lambda one, which: one.clear_latch(wish(which), self.epoch - late, follow))

    @rule(keys=st.lists(st.sampled_from(KEYS), max_size=2))
    def void_resumes(self, keys: list[str]) -> None:
        self.both(lambda one, _: one.void_resumes(keys))

    @rule(limit=st.integers(1, 2), seconds=st.sampled_from([-1.0, LATER]))
    def claim(self, limit: int, seconds: float) -> None:
        self.both(lambda one, _: one.claim_notes(limit, seconds))

    @rule(outcome=st.sampled_from(["", "sent"]), again=st.sampled_from([-1.0, LATER]))
    def settle(self, outcome: str, again: float) -> None:
        async def first(one: Store) -> None:
            numbers = [waiting.number for waiting in await one.claim_notes(1, -1.0)]
            await one.settle_notes(numbers, ["slack"], outcome, again)

        self.both(lambda one, _: first(one))

    @rule()
    def notes_waiting(self) -> None:
        self.both(lambda one, _: _first(one.notes_waiting()))

    # -- what is read ----------------------------------------------------------------------------------------------

    @rule(known=st.booleans())
    def latches(self, known: bool) -> None:
        numbers = [[row.number for row in rows] if known else [] for rows in self.held]
        self.both(lambda one, which: one.latches(numbers[which]))
        first, second = self.pairs[HOLDERS[0]]
        self.held = (self.run(first.latches()), self.run(second.latches()))

    @rule()
    def load(self) -> None:
        self.both(lambda one, _: one.load())

    @rule(table=st.sampled_from(sorted(TIES)), limit=st.integers(1, 3), data=st.data())
    def rows(self, table: str, limit: int, data: st.DataObject) -> None:
        before = data.draw(st.sampled_from([None, 60_000_000, 60_050_000, 120_000_000]))
        names = data.draw(
            st.lists(st.sampled_from(FILTERS[table]), max_size=2, unique=True) if FILTERS[table] else st.just([])
        )
        values = st.sampled_from(["buy", "BTC/USD", "entry", "stop", "true", "false", "scripted", "FILLED", ""])
        where = {name: data.draw(values) for name in names}
        all_of_them = self.both(lambda one, _: one.rows(table, limit, before, where=where))
        if all_of_them:
            last = all_of_them[-1]
            self.both(lambda one, _: one.rows(table, limit, last["market_ts"], tie=str(last[TIES[table]]), where=where))


def test_both_answer_the_same(server: postgresql.Server) -> None:
    loop = asyncio.new_event_loop()

    async def make() -> None:
        connection = await asyncpg.connect(server.url())
        await connection.execute("CREATE DATABASE twins")
        await connection.close()

    loop.run_until_complete(make())
    Twins.url, Twins.loop = server.url("twins"), loop
    quiet = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    try:
        run_state_machine_as_test(
            Twins,
            settings=settings(
                max_examples=15, stateful_step_count=30, deadline=None, suppress_health_check=quiet, phases=PHASES
            ),
        )
    finally:
        loop.close()
