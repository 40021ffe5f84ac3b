from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import zlib
from decimal import Decimal
from typing import TYPE_CHECKING

import asyncpg
import msgspec
import pytest
from tests.component.bot.process import until_rows
from tests.component.bot.store_contract import StoreContract, World, batch, traded
from tests.support.waiting import until

from tradingbot.domain.errors import ConfigurationError
from tradingbot.domain.fills import EquityPoint
from tradingbot.domain.market import DAY
from tradingbot.ports.store import FencedError, SchemaError, StoreError, UnavailableError
from tradingbot.store import migrate, statements
from tradingbot.store.postgres import PostgresStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

WAITS = """SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
AND application_name LIKE 'tradingbot %'"""
"""Statements of the bot that wait for somebody else's lock."""


def store(url: str, bot: str = "test/bot", schema: str = "simulation") -> PostgresStore:
    return PostgresStore(url, bot, schema, pool_size=1, max_overflow=2)


async def begun(url: str) -> tuple[PostgresStore, int]:
    """Return a store that holds the lease and has committed once, and the epoch."""
    one = store(url)
    lease = await one.acquire("a")
    assert lease is not None
    await one.commit(batch(1), lease.epoch)
    return one, lease.epoch


class PostgresWorld:
    """Several processes that share a database."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.made: list[PostgresStore] = []

    def __call__(self, bot: str = "test/bot", mode: str = "simulation") -> PostgresStore:
        self.made.append(store(self.url, bot, mode))
        return self.made[-1]

    async def expire(self) -> None:
        connection = await asyncpg.connect(self.url)
        await connection.execute("UPDATE simulation.lease SET expires_at = now() - interval '1 second'")
        await connection.close()

    async def close(self) -> None:
        for one in self.made:
            await one.close()


class TestPostgres(StoreContract):
    @pytest.fixture
    async def world(self, database: str) -> AsyncIterator[World]:
        made = PostgresWorld(database)
        yield made
        await made.close()


async def test_migrations_make_both_schemas_and_do_nothing_the_second_time(database: str) -> None:
    connection = await asyncpg.connect(database)
    assert await migrate.migrate(connection) == 2 * len(migrate.available())
    assert await migrate.migrate(connection) == 0
    for schema, other in (("simulation", "live"), ("live", "simulation")):
        insert = (
            f"INSERT INTO {schema}.lease (bot, mode, epoch, holder, acquired_at, expires_at) "
            "VALUES ('b', $1, 1, '', now(), now())"
        )
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(insert, other)
        await connection.execute(insert, schema)
    await connection.close()


async def test_two_that_migrate_at_once_do_it_once(database: str) -> None:
    stores = [store(database, f"test/bot{n}") for n in range(4)]
    await asyncio.gather(*(one.open() for one in stores))
    for one in stores:
        await one.close()


async def test_a_migration_that_was_edited_is_refused(database: str) -> None:
    connection = await asyncpg.connect(database)
    await migrate.migrate(connection)
    first, *rest = migrate.available()
    with pytest.raises(SchemaError, match="must never be edited"):
        await migrate.migrate(connection, [first._replace(sha256="0" * 64), *rest])
    await connection.close()


async def test_a_database_of_a_newer_version_is_refused(database: str) -> None:
    connection = await asyncpg.connect(database)
    await migrate.migrate(connection)
    await connection.execute(
        "INSERT INTO tradingbot.migrations (schema, number, name, sha256) VALUES ('simulation', 99, 'x', 'y')"
    )
    await connection.close()
    with pytest.raises(SchemaError, match="run the newer version of the bot"):
        await store(database).open()


async def test_a_take_over_waits_for_the_commit_that_is_under_way(database: str) -> None:
    """The commit holds the lease row: whoever takes over sees it whole, or it sees that it lost."""
    one, epoch = await begun(database)
    taker = await asyncpg.connect(database)
    await taker.execute("UPDATE simulation.lease SET expires_at = now() - interval '1 second'")
    transaction = taker.transaction()
    await transaction.start()
    await taker.execute("UPDATE simulation.lease SET epoch = epoch + 1, holder = 'b'")
    waiting = asyncio.create_task(one.commit(batch(2, traded()), epoch))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    await transaction.commit()
    with pytest.raises(FencedError):
        await waiting
    assert await one.rows("trades", 10) == []
    await taker.close()
    await one.close()


async def test_no_answer_is_unavailable_and_says_no_password(database: str) -> None:
    url = database.rsplit(":", 1)[0] + ":1/none"
    with pytest.raises(UnavailableError) as error:
        await store(url).ping()
    assert "private" not in str(error.value)
    with pytest.raises(UnavailableError):
        await store(database.replace("private", "wrong")).ping()
    with pytest.raises(UnavailableError):
        await store(database.rsplit("/", 1)[0] + "/missing").ping()
    with pytest.raises(ConfigurationError):
        await store("postgres//x").ping()


async def test_a_schema_of_the_other_mode_is_refused_with_rows_or_without(database: str) -> None:
    sim = store(database)
    lease = await sim.acquire("a")
    assert lease is not None
    await sim.commit(batch(1, traded()), lease.epoch)
    await sim.close()
    connection = await asyncpg.connect(database)
    for before, after in (("live", "other"), ("simulation", "live"), ("other", "simulation")):
        await connection.execute(f"ALTER SCHEMA {before} RENAME TO {after}")
    for mode in ("live", "simulation"):
        with pytest.raises(SchemaError, match=f"the schema {mode} holds the ledger of another mode"):
            await store(database, schema=mode).acquire("a")
    assert await connection.fetchval("SELECT count(*) FROM live.trades") == 1
    await connection.close()


async def test_hypertables_where_timescaledb_is_there_and_plain_tables_where_it_is_not(database: str) -> None:
    """Looks for `timescaledb` in pg_available_extensions of the test's server; either way the same statements work."""
    connection = await asyncpg.connect(database)
    there = await connection.fetchval("SELECT count(*) FROM pg_available_extensions WHERE name = 'timescaledb'")
    if there:
        await connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    one = store(database)
    lease = await one.acquire("a")
    assert lease is not None
    points = [EquityPoint(n * 40 * DAY, *(Decimal(1),) * 5) for n in range(3)]
    await one.commit(batch(1, traded(), equity=points), lease.epoch)
    await one.commit(batch(2, equity=points), lease.epoch)
    assert len(await one.rows("equity", 10)) == 3
    assert len(await one.rows("decisions", 10)) == 1
    tables: set[str] = set()
    if there:
        query = "SELECT hypertable_schema, hypertable_name FROM timescaledb_information.hypertables"
        tables = {f"{row[0]}.{row[1]}" for row in await connection.fetch(query)}
    names = {f"{schema}.{table}" for schema in ("simulation", "live") for table in ("decisions", "equity")}
    assert tables == (names if there else set())
    assert await one.prune("equity", -1.0, 2) == 2
    assert len(await one.rows("equity", 10)) == 1
    assert await one.prune("decisions", -1.0, 10) == 1
    await one.close()
    await connection.close()


async def test_a_commit_whose_connection_was_ended_is_written_by_the_next_try(database: str) -> None:
    one, epoch = await begun(database)
    other = await asyncpg.connect(database)
    ended = await other.fetchval(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name LIKE 'tradingbot %'"
    )
    assert ended > 0

    async def written() -> bool:
        # The end is noticed before the commit or by it; the runner tries again, too.
        with contextlib.suppress(UnavailableError):
            await one.commit(batch(2, traded()), epoch)
            return True
        return False

    again: bool = await until(written, "the commit is written")
    assert again
    assert len(await one.rows("trades", 10)) == 1
    await other.close()
    await one.close()


async def test_a_commit_that_was_broken_off_leaves_the_store_usable(database: str) -> None:
    one, epoch = await begun(database)
    taker = await asyncpg.connect(database)
    transaction = taker.transaction()
    await transaction.start()
    await taker.execute("UPDATE simulation.lease SET holder = holder")
    waiting = asyncio.create_task(one.commit(batch(2, traded()), epoch))
    await until_rows(database, WAITS)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await transaction.rollback()
    await one.commit(batch(2, traded()), epoch)
    assert len(await one.rows("trades", 10)) == 1
    await taker.close()
    await one.close()


async def test_a_commit_that_was_given_up_and_comes_through_while_it_is_tried_again_is_no_gap(database: str) -> None:
    """A server whose disk stands still goes on with a statement that the bot has long given up."""
    one, epoch = await begun(database)
    given_up = await asyncpg.connect(database)
    transaction = given_up.transaction()
    await transaction.start()
    await given_up.execute("UPDATE simulation.heads SET seq = 2")
    again = asyncio.create_task(one.commit(batch(2, traded()), epoch))
    await until_rows(database, WAITS)
    await transaction.commit()
    await again
    with pytest.raises(StoreError, match="commit 4 does not follow 2"):
        await one.commit(batch(4), epoch)
    await given_up.close()
    await one.close()


async def test_commits_at_once_and_reads_meanwhile_do_not_wait_for_each_other_for_ever(database: str) -> None:
    one = PostgresStore(database, "test/bot", "simulation", pool_size=1, max_overflow=0)
    lease = await one.acquire("a")
    assert lease is not None
    await one.commit(batch(1), lease.epoch)
    await asyncio.gather(*(one.commit(batch(2), lease.epoch) for _ in range(5)), *(one.ping() for _ in range(5)))
    loaded = await one.load()
    assert loaded is not None
    assert loaded.seq == 2
    await one.close()


async def test_a_state_that_an_earlier_version_wrote_as_it_was_is_read(database: str) -> None:
    one = store(database)
    lease = await one.acquire("a")
    assert lease is not None
    await one.commit(batch(1, engine=b'{"now":1}' * 1000), lease.epoch)
    connection = await asyncpg.connect(database)
    assert await connection.fetchval("SELECT octet_length(engine) FROM simulation.heads") < 1000
    for earlier in (b'{"now":2}', zlib.compress(b'{"now":2}', 1)):
        await connection.execute("UPDATE simulation.heads SET venue = $1", earlier)
        loaded = await one.load()
        assert loaded is not None
        assert (loaded.engine, loaded.venue) == (b'{"now":1}' * 1000, b'{"now":2}')
    await connection.close()
    await one.close()


async def test_a_newer_version_that_migrates_meanwhile_does_not_end_a_bot_that_trades(database: str) -> None:
    one, epoch = await begun(database)
    newer = await asyncpg.connect(database)
    for table in ("heads", "intents", "orders", "postings", "decisions"):
        await newer.execute(f"ALTER TABLE simulation.{table} ADD COLUMN newer text NOT NULL DEFAULT 'x'")
    await one.commit(batch(2, traded()), epoch)
    assert len(await one.rows("trades", 10)) == 1
    await newer.close()
    await one.close()


async def test_no_order_waits_for_a_plan(database: str) -> None:
    one, epoch = await begun(database)
    writer = one._writer
    assert writer is not None
    for seq, rows in enumerate(statements.COMMITS, start=2):
        assert statements.tables_for(rows) in writer.commits
        await one.commit(batch(seq, traded() if seq == 2 else None), epoch)
    plans = "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement LIKE $1"
    planned = await writer.connection.fetch(plans, "%WITH fence%")
    assert len(planned) == len(statements.COMMITS)
    assert all(row["generic_plans"] > 0 and row["custom_plans"] == 0 for row in planned)
    assert one._writer is writer
    await one.close()


async def test_what_an_order_costs_does_not_grow_with_the_orders_before_it(database: str) -> None:
    one, robot, orders = store(database), traded(), 50
    lease = await one.acquire("a")
    assert lease is not None
    (intent, *_), (order, *_) = batch(1, robot).intents, robot.engine.state.orders.values()
    for number in range(1, orders + 1):
        named = msgspec.structs.replace(intent, client_id=f"order-{number}", seq=number)
        moved = {named.client_id: msgspec.structs.replace(order, intent=named)}
        await one.commit(batch(number, intents=[named], orders=moved), lease.epoch)
    # What a connection has read is counted when it ends.
    await one.close()
    connection = await asyncpg.connect(database)
    table = "FROM pg_stat_user_tables WHERE relid = 'simulation.intents'::regclass"
    index = "FROM pg_stat_user_indexes WHERE relid = 'simulation.intents'::regclass"
    written = f"SELECT n_tup_ins {table}"
    await until(lambda: connection.fetchval(written), "all orders are counted", holds=lambda count: count == orders)
    read = await connection.fetchval(f"SELECT sum(idx_tup_read) + (SELECT seq_tup_read {table}) {index}")
    assert read <= 2 * orders
    await connection.close()


async def test_the_state_of_a_bot_stays_in_its_place_however_often_it_is_written(database: str) -> None:
    one = store(database)
    lease = await one.acquire("a")
    assert lease is not None
    chance, commits = random.Random(0), 60
    for number in range(1, commits + 1):
        await one.commit(batch(number, engine=chance.randbytes(1700), venue=chance.randbytes(900)), lease.epoch)
    connection = await asyncpg.connect(database)
    pages = await connection.fetchval("SELECT pg_relation_size('simulation.heads') / 8192")
    # Something else that reads the database keeps a dead version for a moment: then another page is begun.
    assert pages < commits / 10
    await connection.close()
    await one.close()


def test_whatever_a_batch_holds_there_is_a_commit_that_writes_all_of_it() -> None:
    every = statements.COMMITS[-1]
    for size in range(len(every) + 1):
        for rows in itertools.combinations(every, size):
            tables = statements.tables_for(rows)
            assert set(rows) <= set(tables)
            smaller = [one for one in statements.COMMITS if len(one) < len(tables)]
            assert not any(set(rows) <= set(one) for one in smaller)
