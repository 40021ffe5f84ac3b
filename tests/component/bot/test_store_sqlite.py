from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from tests.component.bot.sqlite_world import SqliteWorld
from tests.component.bot.store_contract import StoreContract, World, batch, traded
from tests.support.waiting import ANSWER_SECONDS

from tradingbot.ports.store import FencedError, SchemaError, StoreError, UnavailableError
from tradingbot.store import migrate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[SqliteWorld]:
    made = SqliteWorld(tmp_path / "data")
    yield made
    await made.close()


class TestSqlite(StoreContract):
    @pytest.fixture
    async def world(self, tmp_path: Path) -> AsyncIterator[World]:
        made = SqliteWorld(tmp_path / "data")
        yield made
        await made.close()


def connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


async def test_the_file_is_durable_and_for_its_owner_alone(world: SqliteWorld) -> None:
    one = world()
    await one.open()
    connection = one._connection
    assert connection is not None
    assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2
    assert stat.S_IMODE(one.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(one.path.parent.stat().st_mode) == 0o700


async def test_migrations_are_applied_once_and_never_edited(tmp_path: Path) -> None:
    connection = connect(tmp_path / "x.db")
    wanted = migrate.available(migrate.SQLITE)
    assert migrate.migrate_file(connection, "simulation") == len(wanted)
    assert migrate.migrate_file(connection, "simulation") == 0
    first, *rest = wanted
    with pytest.raises(SchemaError, match="must never be edited"):
        migrate.migrate_file(connection, "simulation", [first._replace(sha256="0" * 64), *rest])
    with pytest.raises(SchemaError, match="run the newer version of the bot"):
        migrate.migrate_file(connection, "simulation", [])
    connection.close()


async def test_a_migration_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    connection = connect(tmp_path / "x.db")
    wanted = migrate.available(migrate.SQLITE)
    broken = migrate.Migration(
        len(wanted) + 1, "broken", "0", "CREATE TABLE good (a TEXT);\nCREATE TABLE good (b TEXT);\n"
    )
    with pytest.raises(sqlite3.OperationalError):
        migrate.migrate_file(connection, "simulation", [*wanted, broken])
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []
    connection.close()


async def test_a_file_of_the_other_mode_is_refused_and_stays_as_it_is(world: SqliteWorld) -> None:
    sim = world()
    lease = await sim.acquire("a")
    assert lease is not None
    await sim.commit(batch(1, traded()), lease.epoch)
    await sim.close()
    sim.path.rename(sim.path.with_name("live.db"))
    live = world(mode="live")
    before = live.path.read_bytes()
    with pytest.raises(SchemaError, match="the ledger of mode simulation, not of live"):
        await live.acquire("a")
    assert live.path.read_bytes() == before


async def test_rows_of_the_other_mode_cannot_be_written(world: SqliteWorld) -> None:
    one = world()
    await one.open()
    connection = connect(one.path)
    with pytest.raises(sqlite3.IntegrityError, match="mode"):
        connection.execute(
            "INSERT INTO positions (bot, symbol, mode, strategy, quantity, cost, realized, fees) "
            "VALUES ('b', 'BTC/USD', 'live', 's', '1', '1', '0', '0')"
        )
    connection.close()


async def test_amounts_of_18_decimals_are_added_without_losing_a_digit(world: SqliteWorld) -> None:
    one = world()
    lease = await one.acquire("a")
    assert lease is not None
    await one.commit(batch(1), lease.epoch)
    connection = connect(one.path)
    names = "(bot, tx, leg, account, asset, amount, cause, market_ts)"
    insert = f"INSERT INTO postings {names} VALUES (?, ?, 0, 'x', 'E', ?, '', 0)"
    for tx, amount in enumerate(["10000000000000000000", "0.000000000000000001", "-10000000000000000000"]):
        connection.execute(insert, (one.bot, tx, amount))
    connection.close()
    loaded = await one.load()
    assert loaded is not None
    assert loaded.balances["x"]["E"] == Decimal("0.000000000000000001")


async def test_a_holder_that_ended_is_not_waited_for(world: SqliteWorld) -> None:
    dead, next_one = world(), world()
    first = await dead.acquire("host-1")
    assert first is not None
    assert await next_one.acquire("host-2") is None
    assert await next_one.holder() == "host-1"
    # What the system does when a process ends, however it ends.
    dead._lock.release()
    second = await next_one.acquire("host-2")
    assert second is not None
    assert second.epoch == first.epoch + 1
    with pytest.raises(FencedError):
        await dead.commit(batch(1), first.epoch)


async def test_a_holder_that_only_stood_still_is_waited_for_until_its_lease_is_over(world: SqliteWorld) -> None:
    frozen, second, third = world(), world(), world()
    assert await frozen.acquire("host-1") is not None
    await world.expire()
    lease = await second.acquire("host-2")
    assert lease is not None
    # The frozen one wakes up and ends: its lock was not the right to trade of the second one.
    await frozen.close()
    assert await third.acquire("host-3") is None
    await second.commit(batch(1), lease.epoch)


async def test_a_file_that_is_deleted_while_it_is_open_is_noticed(world: SqliteWorld) -> None:
    one = world()
    lease = await one.acquire("a")
    assert lease is not None
    for path in one.path.parent.glob("simulation.db*"):
        if path.suffix != ".lock":
            path.unlink()
    with pytest.raises(UnavailableError, match="removed or replaced"):
        await one.commit(batch(1), lease.epoch)
    with pytest.raises(FencedError):
        await one.commit(batch(1), lease.epoch)


async def test_a_file_that_is_no_ledger_is_refused(world: SqliteWorld) -> None:
    one = world()
    one.path.parent.mkdir()
    one.path.write_bytes(b"once upon a time " * 100)
    with pytest.raises(SchemaError, match="file is not a database"):
        await one.open()
    assert one.path.read_bytes().startswith(b"once upon a time")


async def test_a_ledger_that_is_damaged_is_refused(world: SqliteWorld) -> None:
    one = world()
    lease = await one.acquire("a")
    assert lease is not None
    await one.commit(batch(1, traded()), lease.epoch)
    await one.close()
    data = bytearray(one.path.read_bytes())
    for page in range(1, len(data) // 4096):
        data[page * 4096 : page * 4096 + 200] = os.urandom(200)
    one.path.write_bytes(bytes(data))
    with pytest.raises(SchemaError, match="put a good copy in its place"):
        await one.load()


async def test_a_folder_that_cannot_be_made_is_unavailable_and_named(world: SqliteWorld) -> None:
    world.folder.write_text("a file stands where the folder should be")
    one = world()
    with pytest.raises(UnavailableError, match=r"simulation\.db"):
        await one.open()
    world.folder.unlink()
    await one.open()


async def test_a_writer_that_takes_long_is_waited_for_and_reads_go_on(world: SqliteWorld) -> None:
    one, robot = world(), traded()
    lease = await one.acquire("a")
    assert lease is not None
    await one.commit(batch(1, robot), lease.epoch)
    other = connect(one.path)
    other.execute("BEGIN IMMEDIATE")
    waiting = asyncio.create_task(one.commit(batch(2), lease.epoch))
    assert len(await asyncio.wait_for(one._read("SELECT trade_id FROM trades"), ANSWER_SECONDS)) == 1
    assert not waiting.done()
    other.execute("COMMIT")
    await waiting
    other.close()


async def test_what_is_wrong_with_a_row_is_no_reason_to_try_again(world: SqliteWorld) -> None:
    one, robot = world(), traded()
    lease = await one.acquire("a")
    assert lease is not None
    await one.commit(batch(1, robot), lease.epoch)
    with pytest.raises(StoreError) as error:
        await one.commit(batch(2, robot), lease.epoch)
    assert not isinstance(error.value, UnavailableError)
    loaded = await one.load()
    assert loaded is not None
    assert loaded.seq == 1
