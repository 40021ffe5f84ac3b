"""`tradingbot kill --close-positions`: what is the bot's is sold, within bounds, and nothing else."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from tests.component.bot.job import MARKET, SYMBOL
from tests.component.bot.kill_world import Ledger, legacy
from tests.exchange_server import Kind

from tradingbot.domain import ids
from tradingbot.domain.money import plain

if TYPE_CHECKING:
    from pathlib import Path

    from tests.component.bot.kill_world import Killed, Legacy

ORDER, TRADES = "/api/v3/order", "/api/v3/myTrades"
FEE = Decimal("0.999")
"""What is left of a purchase: the exchange takes its fee in what was bought."""


def position(killed: Killed) -> dict[str, str]:
    (found,) = killed.report["positions"]
    row: dict[str, str] = found
    assert row["symbol"] == SYMBOL
    return row


def bids(left: Legacy, *levels: tuple[str, str]) -> None:
    book = [(Decimal(price), Decimal(quantity)) for price, quantity in levels]
    left.server.market.book(MARKET, book, [(Decimal(50_100), Decimal(10))])


async def test_what_the_bot_bought_is_sold_and_what_others_hold_stays(tmp_path: Path) -> None:
    """The account held a coin before, and another bot has bought some: both stay to the last digit."""
    async with legacy(tmp_path) as left:
        await left.position("0.01")
        await left.position("0.02", client_id=ids.client_id("test/another", 1, 1))
        killed = await left.kill(close=True)
        assert left.coins == 1 + Decimal("0.02") * FEE
    assert (killed.code, killed.report["state"]) == (0, "FLAT")
    assert position(killed) == {
        "symbol": SYMBOL, "requested": "0.00999", "residual": "0", "state": "FLAT", "reason": "",
    }  # fmt: skip


async def test_with_its_ledger_the_position_of_the_ledger_and_the_fills_that_it_missed_are_sold(
    tmp_path: Path, database: str
) -> None:
    async with legacy(tmp_path) as left:
        ledger = Ledger(database)
        known = await left.position("0.01")
        missed = await left.position("0.02")
        await ledger.make(positions={SYMBOL: "0.00999"}, orders={known: "entry", missed: "entry"})
        fill = left.server.truth.fills[0]
        await ledger.book(f"{MARKET}.{fill.trade_id}", known)
        killed = await left.kill(close=True, url=database)
        assert left.coins == 1
    assert (killed.report["state"], position(killed)["requested"]) == ("FLAT", "0.02997")


async def test_the_stop_makes_room_and_is_not_there_afterwards(tmp_path: Path) -> None:
    async with legacy(tmp_path) as left:
        await left.position("0.01")
        stop = await left.stop("0.00999")
        killed = await left.kill(close=True)
        assert left.coins == 1
        assert left.open() == set()
    assert killed.report["state"] == "FLAT"
    assert {order["client_id"]: order["state"] for order in killed.report["orders"]}[stop] == "CANCELLED"


@pytest.mark.parametrize("told", ["at once", "late"])
async def test_a_stop_that_is_reached_on_the_way_to_its_cancel_is_not_sold_twice(tmp_path: Path, told: str) -> None:
    """The account holds another coin, so that selling twice would be possible."""
    async with legacy(tmp_path) as left:
        await left.position("0.01")
        await left.stop("0.00999")
        kind = Kind.CANCEL_RACES_FILL if told == "at once" else Kind.FILL_AFTER_CANCEL
        left.server.faults.add(kind, "DELETE", ORDER, share=0.5, count=3)
        killed = await left.kill(close=True)
        left.server.exchange.publish_fills()
        assert left.coins >= 1
        assert left.coins - 1 == Decimal(position(killed)["residual"])
    assert killed.report["state"] in ("FLAT", "FLAT_WITH_DUST")


async def test_a_thin_book_is_sold_into_in_slices(tmp_path: Path) -> None:
    async with legacy(tmp_path) as left:
        await left.position("0.03")
        bids(left, ("49990", "0.01"), ("49000", "0.01"), ("48000", "0.02"))
        killed = await left.kill(close=True)
        sold = [(plain(fill.price), plain(fill.quantity)) for fill in left.server.truth.fills if fill.side == "SELL"]
        assert sold == [("49990", "0.01"), ("49000", "0.01"), ("48000", "0.00997")]
        assert len(left.sales()) == 3
        assert left.coins == 1
    assert killed.report["state"] == "FLAT"


async def test_below_the_collar_nothing_is_sold_and_the_stop_is_placed_again(tmp_path: Path) -> None:
    async with legacy(tmp_path) as left:
        await left.position("0.02")
        await left.stop("0.01998", price=45_000)
        bids(left, ("49900", "0.005"), ("47499", "50"))
        killed = await left.kill(close=True, deadline=30)
        (stop,) = left.server.truth.open_orders
        assert (stop.asked.stop_price, stop.quantity) == (Decimal(45_000), Decimal("0.01498"))
        assert left.coins == 1 + Decimal("0.01498")
        assert min(fill.price for fill in left.server.truth.fills if fill.side == "SELL") >= 47_500
    assert (killed.code, killed.report["state"]) == (1, "RESIDUAL")
    found = position(killed)
    assert (found["requested"], found["residual"]) == ("0.01998", "0.01498")
    assert "nobody buys at 47500 USDT or more" in found["reason"]
    assert "stop at 45000 was placed again" in found["reason"]


async def test_an_empty_book_is_a_residual_and_not_a_gift(tmp_path: Path) -> None:
    async with legacy(tmp_path) as left:
        await left.position("0.01")
        await left.stop("0.00999")
        left.server.market.book(MARKET, [], [(Decimal(50_100), Decimal(10))])
        killed = await left.kill(close=True, deadline=30)
        assert len(left.open()) == 1
        assert left.sales()[0].asked.stop_price == 45_000
    assert (killed.code, killed.report["state"]) == (1, "RESIDUAL")


async def test_where_no_stop_rests_any_more_the_ledger_says_where_it_was(tmp_path: Path, database: str) -> None:
    """A kill that was itself ended had taken the stop back, and nobody buys."""
    async with legacy(tmp_path) as left:
        ledger = Ledger(database)
        known = await left.position("0.01")
        await ledger.make(positions={SYMBOL: "0.00999"}, orders={known: "entry"}, stop_loss=45_000)
        await ledger.book(f"{MARKET}.{left.server.truth.fills[0].trade_id}", known)
        left.server.market.book(MARKET, [], [(Decimal(50_100), Decimal(10))])
        killed = await left.kill(close=True, deadline=30, url=database)
        (stop,) = left.server.truth.open_orders
        assert (stop.asked.stop_price, stop.quantity) == (Decimal(45_000), Decimal("0.00999"))
    assert killed.report["state"] == "RESIDUAL"
    assert "stop at 45000 was placed again" in position(killed)["reason"]


async def test_what_is_too_small_to_be_sold_is_dust(tmp_path: Path) -> None:
    async with legacy(tmp_path) as left:
        await left.position("0.0001")
        killed = await left.kill(close=True)
        assert left.sales() == []
    assert (killed.code, killed.report["state"]) == (0, "FLAT_WITH_DUST")
    assert position(killed)["residual"] == "0.0000999"


async def test_nothing_held_is_flat(tmp_path: Path) -> None:
    async with legacy(tmp_path) as left:
        killed = await left.kill(close=True)
        assert left.coins == 1
    assert (killed.report["state"], position(killed)["requested"]) == ("FLAT", "0")


FAULTS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("the sale times out and was done", (Kind.HTTP_ERROR, "POST", ORDER), {"status": 504, "processed": True}),
    ("the sale times out and was not done", (Kind.HTTP_ERROR, "POST", ORDER), {"status": 504, "processed": False}),
    ("the sale's answer is a page", (Kind.HTML, "POST", ORDER), {"processed": True}),
    ("the sale is refused for the load", (Kind.OVERLOADED, "POST", ORDER), {"times": 2}),
    ("the sale meets a 429", (Kind.RATE_LIMIT, "POST", ORDER), {}),
    ("the sale's status is unknown", (Kind.STATUS_UNKNOWN, "POST", ORDER), {"processed": True}),
    ("the sale is found late", (Kind.ORDER_INVISIBLE, "POST", ORDER), {"count": 2}),
    ("the fills are not told", (Kind.UNAVAILABLE, "GET", TRADES), {"times": 2}),
    ("the book is not told", (Kind.HTTP_ERROR, "GET", "/api/v3/depth"), {"status": 502, "times": 2}),
    ("the price is not told", (Kind.HTTP_ERROR, "GET", "/api/v3/ticker/24hr"), {"status": 502, "times": 2}),
    ("the balance is old", (Kind.BALANCE_LAG, "GET", "/api/v3/account"), {"count": 1, "times": 1}),
]


@pytest.mark.parametrize(("where", "settings"), [case[1:] for case in FAULTS], ids=[case[0] for case in FAULTS])
async def test_whatever_goes_wrong_it_is_sold_exactly_once(
    tmp_path: Path, where: tuple[Any, ...], settings: dict[str, Any]
) -> None:
    async with legacy(tmp_path) as left:
        await left.position("0.01")
        await left.stop("0.00999")
        left.server.faults.add(*where, **settings)
        killed = await left.kill(close=True)
        assert left.coins == 1
        assert left.open() == set()
    assert (killed.code, killed.report["state"]) == (0, "FLAT")


async def test_a_sale_that_nobody_knows_of_is_unknown_and_not_sent_again(tmp_path: Path) -> None:
    async with legacy(tmp_path) as left:
        await left.position("0.01")
        left.server.faults.add(Kind.HTTP_ERROR, "POST", ORDER, status=504, processed=True, times=None)
        left.server.faults.add(Kind.HTTP_ERROR, "GET", ORDER, status=504, times=None, skip=1)
        killed = await left.kill(close=True, deadline=12)
        assert len(left.sales()) == 1
        assert left.coins == 1
    assert (killed.code, killed.report["state"]) == (1, "UNKNOWN")
    assert "nobody knows what became of" in position(killed)["reason"]


async def test_a_stop_that_cannot_be_taken_back_stays_and_nothing_is_sold(tmp_path: Path) -> None:
    async with legacy(tmp_path) as left:
        await left.position("0.01")
        stop = await left.stop("0.00999")
        left.server.faults.add(Kind.HTTP_ERROR, "DELETE", ORDER, status=503, times=None)
        killed = await left.kill(close=True, deadline=12)
        assert left.open() == {stop}
        assert left.sales() == []
    assert (killed.code, killed.report["state"]) == (1, "UNKNOWN")


async def test_without_ledger_and_without_fills_nothing_is_sold(tmp_path: Path) -> None:
    async with legacy(tmp_path) as left:
        await left.position("0.01")
        left.server.faults.add(Kind.HTTP_ERROR, "GET", TRADES, status=503, times=None)
        killed = await left.kill(close=True, deadline=12)
        assert left.sales() == []
    assert (killed.code, killed.report["state"]) == (1, "UNKNOWN")
    assert "not known how much of it is this bot's" in position(killed)["reason"]


async def test_who_loses_the_lease_meanwhile_sells_nothing_more(tmp_path: Path, database: str) -> None:
    ledger = Ledger(database)
    async with legacy(tmp_path) as left:
        await left.position("0.01")
        await ledger.make()
        await ledger.one(
            "CREATE FUNCTION taken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "NEW.holder := 'another'; RETURN NEW; END $$"
        )
        await ledger.one("CREATE TRIGGER taken BEFORE UPDATE ON live.lease FOR EACH ROW EXECUTE FUNCTION taken()")
        killed = await left.kill(close=True, url=database)
        assert left.sales() == []
    assert killed.report["state"] == "RESIDUAL"
    assert "another process has taken the bot's lease" in position(killed)["reason"]
