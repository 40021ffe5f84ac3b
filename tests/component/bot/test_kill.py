"""`tradingbot kill` at a faulty exchange, with and without its database: what it takes back, and what it says of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from tests.component.bot.kill_world import OWN, STOP, Ledger, legacy
from tests.exchange_server import Kind
from tests.support.ports import free_port
from tests.support.waiting import until

from tradingbot.domain import ids

if TYPE_CHECKING:
    from pathlib import Path

    from tests.component.bot.job import Ended
    from tests.component.bot.kill_world import Killed

ORDER, OPEN_ORDERS = "/api/v3/order", "/api/v3/openOrders"


def ends(ended: Ended | Killed) -> dict[str, str]:
    return {order["client_id"]: order["state"] for order in ended.report["orders"]}


async def test_entry_orders_go_and_the_stop_and_everyone_elses_orders_stay(tmp_path: Path) -> None:
    async with legacy(tmp_path) as left:
        await left.position()
        stop = await left.stop()
        entries = [await left.entry(49_000 - number) for number in range(3)]
        stranger = await left.entry(client_id=ids.client_id("test/another", 1, 1))
        own = await left.entry(client_id=OWN)
        ended = await left.process()
        assert left.open() == {stop, stranger, own}
    report = ended.report
    assert (ended.code, report["kind"], report["stop_id"], report["state"]) == (0, "kill", STOP, "CANCELLED")
    assert report["orders_cancelled"] == 3
    assert ends(ended) == {**dict.fromkeys(entries, "CANCELLED"), stop: "KEPT"}
    assert report["positions"] == []
    assert "DB_URL is not set" in report["message"]


async def test_the_bot_is_shut_out_of_its_database_and_the_stop_is_latched(tmp_path: Path, database: str) -> None:
    ledger = Ledger(database)
    async with legacy(tmp_path) as left:
        entry = await left.entry()
        await ledger.make(orders={entry: "entry"})
        ended = await left.kill(close=True, url=database)
        assert left.open() == set()
    assert (ended.code, ended.report["state"]) == (0, "FLAT")
    assert await ledger.lease() == {"epoch": 6, "holder": "", "held": False}
    latch = await ledger.latch()
    assert (latch["stop_id"], latch["state"], latch["close_positions"]) == (STOP, "KILLED", True)
    outcome = json.loads(latch["outcome"])
    assert (outcome["state"], outcome["orders_cancelled"]) == ("FLAT", 1)
    assert outcome["orders"] == ended.report["orders"]
    assert outcome["positions"] == ended.report["positions"]


async def test_the_older_stop_counts_and_what_it_asked_for_is_done(tmp_path: Path, database: str) -> None:
    ledger = Ledger(database)
    async with legacy(tmp_path) as left:
        await left.position()
        await ledger.make()
        connection = await asyncpg.connect(database)
        await connection.execute(
            "INSERT INTO live.latches (bot, source, state, reason, since, stop_id, origin, close_positions) "
            "VALUES ('test/btc', 'emergency_stop', 'KILLED', 'older', now(), 'older-1', 'spec', true)"
        )
        await connection.close()
        ended = await left.kill(url=database)
        assert left.coins == 1
    assert (await ledger.latch())["stop_id"] == "older-1"
    assert ended.report["state"] in ("FLAT", "FLAT_WITH_DUST")
    assert "the older stop older-1 counts" in ended.report["message"]


async def test_a_stop_that_a_person_has_lifted_closes_nothing_and_fences_nobody(tmp_path: Path, database: str) -> None:
    ledger = Ledger(database)
    async with legacy(tmp_path) as left:
        await left.position()
        stop = await left.stop()
        await ledger.make(positions={"BTC/USDT": "0.00999"})
        connection = await asyncpg.connect(database)
        await connection.execute(
            "INSERT INTO live.latches (bot, source, state, reason, since, stop_id, cleared_at) "
            f"VALUES ('test/btc', 'emergency_stop', 'KILLED', '', now(), '{STOP}', now())"
        )
        await connection.close()
        ended = await left.kill(close=True, url=database)
        assert left.open() == {stop}
        assert left.sales() == []
    assert (await ledger.lease())["epoch"] == 5
    assert await ledger.latch() is None
    # It did nothing, so it says nothing of the exchange: after a restore of etcd another stop may have this id.
    assert (ended.code, ended.report["state"], ended.report["confirmed"]) == (0, "UNKNOWN", False)
    assert "was resumed" in ended.report["message"]


async def test_it_may_be_run_again(tmp_path: Path, database: str) -> None:
    ledger = Ledger(database)
    async with legacy(tmp_path) as left:
        bought = await left.position()
        await ledger.make()
        first = await left.kill(close=True, url=database)
        coins, sales = left.coins, len(left.sales())
        again = await left.kill(close=True, url=database)
        assert (left.coins, len(left.sales())) == (coins, sales)
        assert bought
    assert sales == 1
    assert (first.code, again.code) == (0, 0)
    assert (await ledger.lease())["epoch"] == 7
    assert (await ledger.latch())["stop_id"] == STOP


@contextlib.asynccontextmanager
async def silence() -> Any:
    """A server that takes connections and says nothing."""

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(never, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("how", ["nobody listens", "nobody answers", "the tables are missing"])
async def test_a_database_that_does_not_help_holds_nothing_up(tmp_path: Path, database: str, how: str) -> None:
    async with contextlib.AsyncExitStack() as stack:
        port = await stack.enter_async_context(silence()) if how == "nobody answers" else free_port()
        url = database if how == "the tables are missing" else f"postgresql://u:hidden@127.0.0.1:{port}/d"
        left = await stack.enter_async_context(legacy(tmp_path))
        entry = await left.entry()
        running = asyncio.create_task(left.process(url=url))
        await until(lambda: not left.open(), "the entry is gone")
        assert not running.done(), "it does not wait for its database to give up"
        ended = await running
    assert ends(ended) == {entry: "CANCELLED"}
    assert ended.report["state"] == "CANCELLED"
    assert "the database did not answer" in ended.report["message"]
    assert "hidden" not in ended.output


async def test_an_exchange_that_is_down_is_unknown_and_the_bot_is_shut_out_all_the_same(
    tmp_path: Path, database: str
) -> None:
    ledger = Ledger(database)
    async with legacy(tmp_path) as left:
        entry = await left.entry()
        await ledger.make(orders={entry: "entry"})
        left.server.faults.add(Kind.HTTP_ERROR, status=502, times=None)
        ended = await left.kill(deadline=10, url=database)
    assert (ended.code, ended.report["state"]) == (1, "UNKNOWN")
    assert (await ledger.lease())["epoch"] == 6
    assert (await ledger.latch())["stop_id"] == STOP
    assert "not confirmed" in ended.report["message"]


FAULTS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("a cancel times out and was done", (Kind.HTTP_ERROR, "DELETE", ORDER), {"status": 504, "processed": True}),
    ("a cancel times out and was not done", (Kind.HTTP_ERROR, "DELETE", ORDER), {"status": 504, "processed": False}),
    ("cancels meet a 429", (Kind.RATE_LIMIT, "DELETE", ORDER), {"ms": 1_000}),
    ("cancels meet 5xx", (Kind.UNAVAILABLE, "DELETE", ORDER), {"times": 3}),
    ("a cancel's socket is dropped", (Kind.DROP, "DELETE", ORDER), {"processed": True}),
    ("a cancel's answer is cut", (Kind.CUT_BODY, "DELETE", ORDER), {"processed": False}),
    ("a cancel's answer is a page", (Kind.HTML, "DELETE", ORDER), {"processed": False, "times": 2}),
    ("the list is refused", (Kind.OVERLOADED, "GET", OPEN_ORDERS), {"times": 2}),
    ("the list is empty and wrong", (Kind.EMPTY, "GET", OPEN_ORDERS), {"msg": "[]", "times": 1}),
    ("the list is old", (Kind.STALE_OPEN_ORDERS, "GET", OPEN_ORDERS), {"count": 1, "times": 1}),
    ("the markets are refused", (Kind.HTTP_ERROR, "GET", "/api/v3/exchangeInfo"), {"status": 500, "times": 2}),
    ("the clock is doubted", (Kind.CLOCK_SKEW, "GET", OPEN_ORDERS), {"ms": 70_000}),
]


@pytest.mark.parametrize(("where", "settings"), [case[1:] for case in FAULTS], ids=[case[0] for case in FAULTS])
async def test_what_goes_wrong_once_is_done_again_and_verified(
    tmp_path: Path, where: tuple[Any, ...], settings: dict[str, Any]
) -> None:
    async with legacy(tmp_path) as left:
        entries = [await left.entry(49_000 - number) for number in range(3)]
        left.server.faults.add(*where, **settings)
        ended = await left.kill(deadline=120)
        assert left.server.journal.faulty()
        assert left.open() == set()
    assert (ended.code, ended.report["state"]) == (0, "CANCELLED")
    assert ends(ended) == dict.fromkeys(entries, "CANCELLED")


async def test_an_empty_list_is_not_believed_while_the_balances_cannot_be_read(tmp_path: Path) -> None:
    async with legacy(tmp_path) as left:
        entry = await left.entry()
        left.server.faults.add(Kind.EMPTY, "GET", OPEN_ORDERS, msg="[]", times=None)
        left.server.faults.add(Kind.HTTP_ERROR, "GET", "/api/v3/account", status=503, times=None)
        ended = await left.kill(deadline=3)
        assert left.open() == {entry}
    assert (ended.code, ended.report["state"], ended.report["confirmed"]) == (1, "UNKNOWN", False)
    assert "the balances that could contradict it" in ended.report["message"]


async def test_an_order_that_fills_on_the_way_to_its_cancel_is_said_to_be_filled(tmp_path: Path) -> None:
    async with legacy(tmp_path) as left:
        entry = await left.entry()
        left.server.faults.add(Kind.CANCEL_RACES_FILL, "DELETE", ORDER, share=1)
        ended = await left.kill()
    assert ends(ended) == {entry: "FILLED"}
    assert ended.report["orders_cancelled"] == 0


async def test_an_order_that_the_exchange_shows_late_is_found_by_the_ledger(tmp_path: Path, database: str) -> None:
    async with legacy(tmp_path) as left:
        entry = await left.entry()
        missing = left.next_id()
        await Ledger(database).make(orders={entry: "entry", missing: "entry"})
        left.server.faults.add(Kind.STALE_OPEN_ORDERS, "GET", OPEN_ORDERS, count=1, times=None)
        ended = await left.kill(url=database)
        assert left.open() == set()
    assert ends(ended) == {entry: "CANCELLED", missing: "GONE"}


async def test_an_order_that_cannot_be_cancelled_is_never_called_a_success(tmp_path: Path) -> None:
    async with legacy(tmp_path) as left:
        entry = await left.entry()
        left.server.faults.add(Kind.HTTP_ERROR, "DELETE", ORDER, status=503, times=None)
        ended = await left.kill(deadline=10)
        assert left.open() == {entry}
    assert (ended.code, ended.report["state"]) == (1, "UNKNOWN")
    assert ends(ended)[entry] in ("UNKNOWN", "OPEN")


async def test_sixty_orders_fit_into_the_termination_log(tmp_path: Path) -> None:
    async with legacy(tmp_path) as left:
        for number in range(60):
            await left.entry(49_000 - number, "0.001")
        ended = await left.process(exchange={"rate_limit_per_minute": 6000})
        assert left.open() == set()
    whole = json.loads(ended.output.strip().splitlines()[-1])
    assert whole["orders_cancelled"] == len(whole["orders"]) == 60
    assert ended.left is not None
    assert len(json.dumps(ended.left).encode()) <= 4096
    assert ended.left["left_out"] == 60 - len(ended.left["orders"])
    assert ended.left["orders_cancelled"] == 60


async def test_in_simulation_it_fences_latches_and_says_so(tmp_path: Path, database: str) -> None:
    connection = await asyncpg.connect(database)
    from tradingbot.store.migrate import migrate

    await migrate(connection)
    environment = {"EXCHANGE_API_KEY": "", "EXCHANGE_API_SECRET": ""}
    async with legacy(tmp_path) as left:
        ended = await left.process(url=database, mode="simulation", environment=environment)
        assert left.server.journal.of("GET", OPEN_ORDERS) == []
    assert (ended.code, ended.report["state"]) == (0, "CANCELLED")
    assert "in simulation the exchange is in the database" in ended.report["message"]
    assert await connection.fetchval("SELECT stop_id FROM simulation.latches") == STOP
    assert await connection.fetchval("SELECT count(*) FROM live.latches") == 0
    await connection.close()


async def test_in_simulation_without_the_database_nothing_is_known(tmp_path: Path) -> None:
    async with legacy(tmp_path) as left:
        ended = await left.kill(deadline=10, mode="simulation", url=f"postgresql://u@127.0.0.1:{free_port()}/d")
    assert (ended.code, ended.report["state"]) == (1, "UNKNOWN")


async def test_with_the_key_of_another_account_it_sells_nothing_and_never_says_that_it_is_done(
    tmp_path: Path, database: str
) -> None:
    """The Secret was swapped after the approval: the ledger's quantity must not be sold from somebody else's coins."""
    ledger = Ledger(database)
    async with legacy(tmp_path) as left:
        position = await left.position()
        entry = await left.entry()
        await ledger.make(orders={position: "entry", entry: "entry"})
        before = left.coins
        ended = await left.kill(close=True, url=database, approval={"account": "0123456789abcdef"})
        assert left.sales() == []
        assert left.coins == before
        assert left.open() == set(), (
            "orders of its own names go all the same: the key may be a new one of the same account"
        )
    assert (ended.code, ended.report["state"], ended.report["positions"]) == (1, "UNKNOWN", [])
    assert ended.report["message"].startswith("ANOTHER_ACCOUNT: ")
    assert (await ledger.latch())["stop_id"] == STOP, "it is shut out of its database whatever the key is"
