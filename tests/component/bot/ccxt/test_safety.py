"""What is refused before money is at risk, and what is never said: clock, rights, budget, bans, closing, secrets."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import subprocess
import sys
import traceback
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from tests.component.bot.ccxt.world import KEY, MARKET, SECRET, SYMBOL, SharedClock, World, intent
from tests.exchange_server import ApiKey, Kind, Limits, ManualClock

from tradingbot.domain.errors import ConfigurationError
from tradingbot.domain.orders import OrderType, Role, Side
from tradingbot.ports.venue import Accepted, Found, Refused, Unavailable, Unknown
from tradingbot.venues.ccxt.gateway import Credentials
from tradingbot.venues.ccxt.limits import Lane
from tradingbot.venues.ccxt.terms import VenueConfig
from tradingbot.venues.ccxt.venue import CcxtVenue

if TYPE_CHECKING:
    from tradingbot.domain.orders import Approved, Intent

pytestmark = pytest.mark.component
ORDER = "/api/v3/order"


def close(client_id: str, quantity: str = "0.01") -> Approved[Intent]:
    more: dict[str, Any] = {"type": OrderType.MARKET, "role": Role.EXIT, "limit_price": None}
    return intent(client_id, side=Side.SELL, reduce_only=True, quantity=Decimal(quantity), **more)


def code(outcome: Any) -> str:
    assert isinstance(outcome, Refused), outcome
    return outcome.code


# -- preflight ---------------------------------------------------------------------------------------------------------


async def test_a_good_preflight_is_json_without_a_secret() -> None:
    async with World() as world:
        report = (await world.venue.connect()).json()
        assert json.loads(json.dumps(report)) == report
        assert (report["verdict"], report["reasons"], report["reachable"]) == ("ok", [], True)
        assert report["rights"] == {"trade": "yes", "withdraw": "no", "bound_to_address": "yes", "cause": ""}
        assert report["symbols"] == {SYMBOL: True}
        assert (report["skew"]["ok"], report["dead_man_switch"], len(report["key"])) == (True, False, 16)
        assert KEY not in json.dumps(report)


async def test_a_key_that_may_withdraw_opens_nothing_and_closes_everything() -> None:
    async with World(connect=False, key=ApiKey(KEY, SECRET, may_withdraw=True)) as world:
        report = await world.venue.connect()
        assert report.verdict == "refused"
        assert report.reasons[0].startswith("KEY_MAY_WITHDRAW")
        assert code(await world.venue.submit(intent("x"))) == "KEY_MAY_WITHDRAW"
        assert world.server.truth.orders == []
        assert isinstance(await world.venue.submit(close("out")), Accepted)


async def test_rights_that_the_exchange_does_not_tell_are_not_ok() -> None:
    async with World(connect=False) as world:
        world.server.faults.add(Kind.HTML, "GET", "/sapi/v1/account/apiRestrictions")
        report = await world.venue.connect()
        assert (report.verdict, report.rights.withdraw) == ("unknown", "unknown")
        assert code(await world.venue.submit(intent("x"))) == "KEY_RIGHTS_UNKNOWN"
        assert (await world.venue.connect()).verdict == "ok"
        assert isinstance(await world.venue.submit(intent("y")), Accepted)


@pytest.mark.parametrize("skew_ms", [-2000, -501, 501, 2000])
async def test_a_clock_that_is_wrong_opens_nothing_and_closes_everything(skew_ms: int) -> None:
    async with World(connect=False, skew_ms=skew_ms) as world:
        report = await world.venue.connect()
        assert report.skew is not None
        assert (report.verdict, report.skew.offset_ms) == ("refused", -skew_ms)
        assert code(await world.venue.submit(intent("x"))) == "CLOCK_SKEW"
        assert isinstance(await world.venue.submit(close("out")), Accepted)


async def test_a_request_refused_for_its_time_stops_entries_until_the_clock_is_measured() -> None:
    async with World() as world:
        world.server.faults.add(Kind.CLOCK_SKEW, "POST", ORDER, ms=70_000)
        assert code(await world.venue.submit(intent("x"))) == "CLOCK_SKEW"
        assert code(await world.venue.submit(intent("y"))) == "CLOCK_UNKNOWN"
        await world.venue.check()
        assert isinstance(await world.venue.submit(intent("z")), Accepted)


@pytest.mark.parametrize("jump_ms", [-20_000, 20_000])
async def test_a_clock_that_jumps_stops_entries_and_no_cancel(jump_ms: int) -> None:
    async with World() as world:
        for name in ("one", "two"):
            assert isinstance(await world.venue.submit(intent(name)), Accepted)
        world.clock.skew_ms = jump_ms
        assert isinstance(await world.venue.cancel("one", SYMBOL), Accepted)
        assert code(await world.venue.submit(intent("x"))) == "CLOCK_SKEW"
        world.clock.skew_ms = 0
        assert code(await world.venue.submit(close("out"))) == "CLOCK_SKEW"
        assert isinstance(await world.venue.submit(close("again")), Accepted)
        assert isinstance(await world.venue.cancel("two", SYMBOL), Accepted)


async def test_an_exchange_that_cannot_be_reached_is_said_to_be() -> None:
    async with World(connect=False) as world:
        world.server.faults.add(Kind.DROP, "GET", times=None)
        report = await world.venue.connect()
        assert (report.verdict, report.reachable) == ("unknown", False)
        assert code(await world.venue.submit(intent("x"))) == "UNKNOWN_SYMBOL"
        assert isinstance(await world.venue.report(0), Unavailable)


async def test_a_symbol_that_is_not_traded_is_named() -> None:
    async with World(connect=False, symbols=("DOGE/USDT",)) as world:
        assert "DOGE/USDT is not traded" in (await world.venue.connect()).reasons[0]


async def test_the_test_exchange_is_the_default() -> None:
    assert VenueConfig(symbols=(SYMBOL,)).test_mode
    venue = CcxtVenue(VenueConfig(symbols=(SYMBOL,)), Credentials(KEY, SECRET), SharedClock(ManualClock()))
    assert "testnet" in venue.gateway.client.urls["api"]["private"]
    await venue.close()


@pytest.mark.parametrize(
    ("exchange", "test_mode", "words"),
    [("bitvavo", True, "no test exchange"), ("nowhere", False, "has no exchange")],
)
async def test_an_exchange_that_cannot_be_used_is_a_configuration_error(
    exchange: str, test_mode: bool, words: str
) -> None:
    config = VenueConfig(exchange=exchange, symbols=(SYMBOL,), test_mode=test_mode)
    venue = CcxtVenue(config, Credentials(KEY, SECRET), SharedClock(ManualClock()))
    with pytest.raises(ConfigurationError, match=words):
        await venue.connect()


def test_making_a_venue_imports_no_ccxt() -> None:
    lines = (
        "import sys",
        "from tradingbot.venues.ccxt.venue import CcxtVenue",
        "from tradingbot.venues.ccxt.terms import VenueConfig",
        "from tradingbot.venues.ccxt.gateway import Credentials",
        "from tradingbot.runtime.clock import WallClock",
        "CcxtVenue(VenueConfig(symbols=('BTC/USDT',)), Credentials('k', 's'), WallClock())",
        "print(any(name == 'ccxt' or name.startswith('ccxt.') for name in sys.modules))",
    )
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# -- budget ------------------------------------------------------------------------------------------------------------


async def test_cancels_go_out_when_entries_have_used_up_their_share() -> None:
    async with World(weight_per_minute=200) as world:
        names: list[str] = []
        while not isinstance(outcome := await world.venue.submit(intent(f"n{len(names)}")), Refused):
            names.append(f"n{len(names)}")
            if len(names) % 40 == 0:
                world.wait(10)
        assert outcome.code == "RATE_BUDGET"
        assert isinstance(await world.venue.look_up("n0", SYMBOL), Unavailable)
        assert isinstance(await world.venue.report(0), Unavailable)
        for name in names[:30]:
            assert isinstance(await world.venue.cancel(name, SYMBOL), Accepted)
        assert isinstance(await world.venue.look_up("n0", SYMBOL, urgent=True), Found)
        assert len(world.server.truth.open_orders) == len(names) - 30


async def test_what_is_kept_for_stops_is_enough_for_fifty_cancels_and_the_list_of_all_open_orders() -> None:
    """At the usual budget of a bot, with everything used up that entries and questions may use."""
    async with World(weight_per_minute=1200, orders_per_ten_seconds=100) as world:
        names = [f"n{number}" for number in range(50)]
        for name in names:
            assert isinstance(await world.venue.submit(intent(name)), Accepted)
        while world.venue.budget.spend(Lane.QUERY, 1) is None:
            pass
        assert code(await world.venue.submit(intent("one-more"))) == "RATE_BUDGET"
        assert isinstance(await world.venue.look_up("n0", SYMBOL), Unavailable)
        outcomes = await asyncio.gather(*(world.venue.cancel(name, SYMBOL) for name in names))
        assert all(isinstance(outcome, Accepted) for outcome in outcomes)
        assert await world.venue.listing() == []
        assert world.server.truth.open_orders == []


async def test_what_the_exchange_counts_for_others_at_our_address_is_counted() -> None:
    async with World(weight_per_minute=1000) as world:
        world.server.exchange.limiter._add("weight", 60_000, world.manual.now_ms(), 900)
        assert isinstance(await world.venue.submit(intent("first")), Accepted)
        assert code(await world.venue.submit(intent("second"))) == "RATE_BUDGET"
        assert isinstance(await world.venue.cancel("first", SYMBOL), Accepted)


@pytest.mark.parametrize(("kind", "word"), [(Kind.BAN, "BANNED"), (Kind.RATE_LIMIT, "RATE_LIMITED")])
async def test_silence_is_kept_when_the_exchange_wants_it(kind: Kind, word: str) -> None:
    async with World() as world:
        assert isinstance(await world.venue.submit(intent("rests")), Accepted)
        world.server.faults.add(kind, "GET", ORDER, retry_after=30)
        assert isinstance(await world.venue.look_up("rests", SYMBOL), Unavailable)
        asked = len(world.server.journal.entries)
        world.wait(29)
        assert code(await world.venue.submit(intent("x"))) == word
        assert isinstance(await world.venue.cancel("rests", SYMBOL), Unknown)
        assert isinstance(await world.venue.look_up("rests", SYMBOL, urgent=True), Unavailable)
        assert isinstance(await world.venue.report(0, urgent=True), Unavailable)
        assert len(world.server.journal.entries) == asked
        world.wait(1)
        assert isinstance(await world.venue.cancel("rests", SYMBOL), Accepted)


async def test_the_exchange_never_has_to_refuse_for_the_rate() -> None:
    limits = Limits(weight_per_minute=300, orders_per_10_seconds=20)
    async with World(server={"limits": limits}, weight_per_minute=300, orders_per_ten_seconds=20) as world:
        for number in range(400):
            await world.venue.submit(intent(f"n{number}"))
            await world.venue.cancel(f"n{number}", SYMBOL)
            world.manual.advance(ms=250)
        assert {entry.status for entry in world.server.journal.entries} <= {200, 400}
        assert world.server.truth.open_orders == [] or world.venue.budget.spend(Lane.STOP, 300) is not None


async def test_a_revoked_key_is_no_ban() -> None:
    async with World() as world:
        assert isinstance(await world.venue.submit(intent("first")), Accepted)
        settings = {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action.", "status": 401}
        world.server.faults.add(Kind.REJECT, "POST", ORDER, **settings)
        assert code(await world.venue.submit(intent("x"))) == "KEY_REFUSED"
        assert world.venue.budget.silent_for == 0


# -- exits -------------------------------------------------------------------------------------------------------------


async def test_a_close_is_sent_though_the_balance_is_not_told() -> None:
    async with World() as world:
        world.server.faults.add(Kind.HTTP_ERROR, "GET", "/api/v3/account", status=500)
        assert isinstance(await world.venue.submit(close("out")), Accepted)


async def test_a_market_order_never_executes_beyond_its_collar() -> None:
    async with World() as world:
        world.server.market.book(MARKET, [(Decimal(49_000), Decimal(1))], [(Decimal(51_000), Decimal(1))])
        assert isinstance(
            await world.venue.submit(intent("x", type=OrderType.MARKET, limit_price=Decimal(50_500))), Accepted
        )
        assert (world.server.truth.fills, world.server.truth.open_orders) == ([], [])


# -- closing -----------------------------------------------------------------------------------------------------------


async def test_closing_waits_for_what_is_on_its_way_and_lets_nothing_new_out() -> None:
    gate = asyncio.Event()
    arrived = asyncio.Event()

    async def delay(_: float) -> None:
        arrived.set()
        await gate.wait()

    async with World(server={"delay": delay}) as world:
        world.server.faults.add(Kind.SLOW, "POST", ORDER, ms=1)
        flying = asyncio.create_task(world.venue.submit(intent("flying")))
        await arrived.wait()
        closing = asyncio.create_task(world.venue.close())
        await asyncio.sleep(0)
        assert code(await world.venue.submit(intent("late"))) == "CLOSED"
        assert not closing.done()
        gate.set()
        assert isinstance(await flying, Accepted)
        await closing
        assert [order.client_id for order in world.server.truth.orders] == ["flying"]


# -- secrets -----------------------------------------------------------------------------------------------------------


async def test_no_secret_in_any_text(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    kinds = [Kind.TIMEOUT, Kind.DROP, Kind.CUT_BODY, Kind.HTML, Kind.HTTP_ERROR, Kind.STATUS_UNKNOWN, Kind.RATE_LIMIT]
    async with World(timeout=0.2) as world:
        said: list[str] = [repr(world.venue), repr(world.venue.gateway), repr(world.venue.gateway.credentials)]
        for number, kind in enumerate(kinds):
            for method in ("POST", "GET", "DELETE"):
                world.server.faults.clear()
                world.server.faults.add(kind, method, times=None)
                said.append(repr(await world.venue.submit(intent(f"n{number}{method}"))))
                said.append(repr(await world.venue.look_up("n0", SYMBOL)))
                said.append(repr(await world.venue.cancel("n0", SYMBOL)))
                said.append(repr(await world.venue.report(0)))
                said.append(repr(await world.venue.connect()))
                world.wait(60)
        for kind in (Kind.DROP, Kind.CUT_BODY, Kind.HTTP_ERROR):
            world.server.faults.clear()
            world.server.faults.add(kind, "GET", times=None)
            lost = await world.venue.gateway.call("fetch_balance", lane=Lane.STOP, weight=1)
            assert lost.error is not None
            said += [repr(lost), "".join(traceback.format_exception(lost.error))]
        world.server.faults.clear()
        said_by_exchange: dict[str, Any] = {"code": -2014, "msg": f"API-key {KEY} of {SECRET} invalid.", "status": 401}
        world.server.faults.add(Kind.REJECT, "GET", times=None, **said_by_exchange)
        said.append(repr(await world.venue.report(0)))
        reply = await world.venue.gateway.call("fetch_balance", lane=Lane.STOP, weight=1)
        assert reply.error is not None
        said += [repr(reply), "".join(traceback.format_exception(reply.error))]
    said += [record.getMessage() for record in caplog.records]
    for text in said:
        assert KEY not in text
        assert SECRET not in text
        assert "signature=" not in text


def test_credentials_are_not_written() -> None:
    credentials = Credentials(KEY, SECRET)
    assert str(credentials) == f"Credentials({credentials.fingerprint})"
    with pytest.raises(TypeError):
        pickle.dumps(credentials)
