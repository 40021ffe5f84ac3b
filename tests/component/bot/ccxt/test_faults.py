"""Every fault that was measured, on every operation of the venue: nothing doubled, nothing forgotten."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from tests.component.bot.ccxt.world import MARKET, SYMBOL, World, intent
from tests.exchange_server import Kind, measure

from tradingbot.ports.venue import Absent, Accepted, Found, Refused, Unavailable, Unknown
from tradingbot.venues.ccxt.terms import CcxtReport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.component
ORDER = "/api/v3/order"
PATHS = {
    "fetch_time": "/api/v3/time",
    "fetch_balance": "/api/v3/account",
    "fetch_open_orders": "/api/v3/openOrders",
    "fetch_my_trades": "/api/v3/myTrades",
}
SHORT = 0.2
"""Seconds of ccxt's time-out where no answer comes."""


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World() as running:
        yield running


def cases(operation: str) -> list[Any]:
    return [pytest.param(case, id=case.name) for case in measure.CASES if operation in case.only]


def strike(world: World, case: measure.Case, method: str, path: str) -> None:
    silent = case.settings["kind"] is Kind.TIMEOUT
    world.venue.gateway.client.timeout = int(1000 * (SHORT if silent else 10))
    world.server.faults.add(method=method, path=path, **case.settings)


def calm(world: World) -> None:
    """The bad day is over: no faults, no ban, the silence that was asked for has been kept."""
    world.server.faults.clear()
    world.server.exchange.publish_fills()
    world.venue.gateway.client.timeout = 10_000
    world.wait(300)


async def known(world: World, client_id: str) -> Found | Absent:
    """What look-ups come to."""
    found = await world.venue.look_up(client_id, SYMBOL)
    if isinstance(found, Unavailable):
        world.wait()
        found = await world.venue.look_up(client_id, SYMBOL)
    assert not isinstance(found, Unavailable), found
    return found


def posts(world: World) -> int:
    return len(world.server.journal.of("POST", ORDER))


@pytest.mark.parametrize("case", cases("create_order"))
async def test_submit(world: World, case: measure.Case) -> None:
    strike(world, case, "POST", ORDER)
    outcome = await world.venue.submit(intent("x"))
    calm(world)
    order = world.server.truth.order("x")
    assert posts(world) == 1
    if isinstance(outcome, Accepted):
        assert order is not None
        assert outcome.venue_id == str(order.order_id)
    elif isinstance(outcome, Refused):
        assert order is None
    found = await known(world, "x")
    assert isinstance(found, Found) is (order is not None)
    listed = [told.client_id for told in (await world.report()).orders]
    assert listed == (["x"] if order is not None else [])


@pytest.mark.parametrize("case", cases("create_order"))
async def test_an_order_that_is_sent_again_by_mistake_is_not_doubled(world: World, case: measure.Case) -> None:
    strike(world, case, "POST", ORDER)
    first = await world.venue.submit(intent("x", limit_price=Decimal(50_010)))
    calm(world)
    if not isinstance(first, Refused):
        await world.venue.submit(intent("x", limit_price=Decimal(50_010)))
    assert len([order for order in world.server.truth.orders if order.client_id == "x"]) <= 1


@pytest.mark.parametrize("case", cases("cancel_order"))
async def test_cancel(world: World, case: measure.Case) -> None:
    assert isinstance(await world.venue.submit(intent("x")), Accepted)
    strike(world, case, "DELETE", ORDER)
    outcome = await world.venue.cancel("x", SYMBOL)
    order = world.server.truth.order("x")
    assert order is not None
    if isinstance(outcome, Accepted):
        assert not order.is_open
    else:
        assert isinstance(outcome, Unknown)
    calm(world)
    assert isinstance(await world.venue.cancel("x", SYMBOL), Accepted)
    found = await known(world, "x")
    assert isinstance(found, Found)
    assert (found.live, found.filled) == (False, order.executed)
    fills = await world.venue.fills_of("x", SYMBOL)
    assert not isinstance(fills, Unavailable)
    assert sum((fill.quantity for fill in fills), Decimal(0)) == order.executed


@pytest.mark.parametrize("case", cases("fetch_order"))
async def test_look_up(world: World, case: measure.Case) -> None:
    assert isinstance(await world.venue.submit(intent("x")), Accepted)
    strike(world, case, "GET", ORDER)
    found = await world.venue.look_up("x", SYMBOL)
    if isinstance(found, Found) and case.name != "-2026 archived":
        assert found.live
    else:
        assert isinstance(found, Unavailable) or case.name == "-2026 archived"
    calm(world)
    found = await known(world, "x")
    assert isinstance(found, Found)
    assert found.live


@pytest.mark.parametrize("operation", list(PATHS))
@pytest.mark.parametrize("case", cases("fetch_order"))
async def test_report(world: World, case: measure.Case, operation: str) -> None:
    """Whole and true, or unavailable; never a part. `[]` for fills alone is believed, and healed by the next report."""
    assert isinstance(await world.venue.submit(intent("rests")), Accepted)
    assert isinstance(await world.venue.submit(intent("fills", limit_price=Decimal(50_010))), Accepted)
    strike(world, case, "GET", PATHS[operation])
    told = await world.venue.report(0)
    if isinstance(told, Unavailable):
        assert told.cause
        calm(world)
        told = await world.report()
    elif case.settings.get("msg") == "[]" and operation == "fetch_my_trades":
        assert told.fills == ()
        told = await world.report(since=told.ts)
    assert_true(world, told)


def assert_true(world: World, told: CcxtReport) -> None:
    truth = world.server.truth
    assert sorted(order.client_id for order in told.orders) == sorted(o.client_id for o in truth.open_orders)
    assert {(f.trade_id, f.quantity, f.price) for f in told.fills} == {
        (f"{MARKET}.{f.trade_id}", f.quantity, f.price) for f in truth.fills
    }
    assert {asset: told.balances[asset] for asset in ("BTC", "USDT")} == truth.balances()


@pytest.mark.parametrize(
    "kind", [Kind.FILLS_DUPLICATE, Kind.FILLS_REORDERED, Kind.FILLS_LATE, Kind.STALE_OPEN_ORDERS, Kind.BALANCE_LAG]
)
async def test_lists_that_are_late_doubled_or_disordered(world: World, kind: Kind) -> None:
    for number in range(5):
        await world.venue.submit(intent(f"f{number}", limit_price=Decimal(50_010)))
        world.manual.advance(ms=5)
    await world.venue.submit(intent("rests"))
    world.server.faults.add(kind, "GET", count=2)
    told = await world.report()
    assert len({fill.trade_id for fill in told.fills}) == len(told.fills)
    assert [fill.ts for fill in told.fills] == sorted(fill.ts for fill in told.fills)
    late = await world.report(since=told.ts)
    assert_true(world, late)


async def test_a_late_fill_shows_that_an_order_is_not_complete(world: World) -> None:
    await world.venue.submit(intent("x", limit_price=Decimal(50_010)))
    world.server.faults.add(Kind.FILLS_LATE, "GET", PATHS["fetch_my_trades"])
    assert isinstance(await world.venue.fills_of("x", SYMBOL), Unavailable)
    fills = await world.venue.fills_of("x", SYMBOL)
    assert not isinstance(fills, Unavailable)
    assert sum(fill.quantity for fill in fills) == Decimal("0.01")


async def test_an_order_that_is_not_visible_yet_is_not_absent(world: World) -> None:
    world.server.faults.add(Kind.ORDER_INVISIBLE, "POST", ORDER, count=1)
    world.server.faults.add(Kind.DROP, "POST", ORDER, processed=True)
    assert isinstance(await world.venue.submit(intent("shy")), Unknown)
    assert isinstance(await world.venue.look_up("shy", SYMBOL), Unavailable)
    assert isinstance(await world.venue.look_up("shy", SYMBOL), Found)


async def test_absent_needs_the_delay_and_two_answers(world: World) -> None:
    world.server.faults.add(Kind.DROP, "POST", ORDER)
    assert isinstance(await world.venue.submit(intent("lost")), Unknown)
    for _ in range(3):
        assert isinstance(await world.venue.look_up("lost", SYMBOL), Unavailable)
    world.server.faults.add(Kind.HTTP_ERROR, "GET", ORDER, status=500)
    world.wait()
    assert isinstance(await world.venue.look_up("lost", SYMBOL), Unavailable)
    assert await world.venue.look_up("lost", SYMBOL) == Absent()


async def test_a_restart_knows_whose_the_fills_are(world: World) -> None:
    for number in range(3):
        await world.venue.submit(intent(f"f{number}", limit_price=Decimal(50_010)))
    again = world.make_venue()
    assert (await again.connect()).verdict == "ok"
    told = await again.report(0)
    assert not isinstance(told, Unavailable)
    assert [fill.client_id for fill in told.fills] == ["f0", "f1", "f2"]
    assert_true(world, told)
    await again.close()


async def test_a_client_id_that_another_process_sent_is_ours(world: World) -> None:
    """`Duplicate order sent.` is no refusal: the order lives."""
    assert isinstance(await world.venue.submit(intent("same")), Accepted)
    again = world.make_venue()
    await again.connect()
    outcome = await again.submit(intent("same"))
    assert isinstance(outcome, Accepted)
    assert len(world.server.truth.orders) == 1
    await again.close()


async def test_many_pages_of_fills(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradingbot.venues.ccxt.history.PAGE", 4)
    begun = world.manual.now_ms() * 1000
    for number in range(11):
        await world.venue.submit(intent(f"f{number}", limit_price=Decimal(50_010)))
        world.manual.advance(seconds=1)
    assert_true(world, await world.report(0))
    assert_true(world, await world.report(begun))
    world.manual.advance(seconds=3 * 86_400)
    assert_true(world, await world.report(begun))
    again = world.make_venue()
    await again.connect()
    told = await again.report(begun)
    assert isinstance(told, CcxtReport)
    assert sorted(fill.client_id for fill in told.fills) == sorted(f"f{number}" for number in range(11))
    await again.close()
