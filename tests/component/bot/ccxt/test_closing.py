"""A live bot that is stopped with `closePositions` where few or none buy: thin books, empty ones, later ones.

What must never happen: more is sold than the bot bought (the account holds a coin of somebody else); anything is sold
below the floor; a position without a stop is left to itself; the status says that it is flat and it is not.
"""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.component.bot.ccxt.trading import PRICE, Trading, bought
from tests.component.bot.ccxt.world import MARKET
from tests.exchange_server import Kind

from tradingbot.core.flattening import ATTEMPTS
from tradingbot.domain.money import plain

pytestmark = pytest.mark.component
SOMEBODYS = Decimal(1)
"""A coin that was in the account before the bot."""


async def with_position(bot: Trading) -> Decimal:
    """Let it buy; return how much it holds when its stop rests."""
    for _ in range(30):
        await bot.seconds()
        if bot.held and bot.server.truth.open_orders:
            break
    assert bot.held > 4
    (stop,) = bot.server.truth.open_orders
    assert stop.side == "SELL"
    bot.moving = False
    return bot.held


def bids(bot: Trading, *levels: tuple[int, str]) -> None:
    bot.server.market.book(MARKET, [(Decimal(price), Decimal(size)) for price, size in levels], [])


async def unsold(bot: Trading) -> Decimal:
    """Let a stop offer a position to an empty book until it is RESIDUAL; return what was held."""
    held = await with_position(bot)
    bids(bot)
    await bot.stop(close=True)
    await bot.seconds(2 * ATTEMPTS + 5)
    return held


def sold(bot: Trading) -> Decimal:
    return sum((order.executed for order in bot.server.truth.orders if order.side == "SELL"), Decimal(0))


def says(bot: Trading) -> tuple[str, str, str]:
    (position,) = bot.outcome["positions"]
    return bot.outcome["state"], position["state"], position["residual"]


def nothing_of_anybody_else(bot: Trading, held: Decimal) -> None:
    """The bot has sold at most what it held, and its ledger says what the exchange says."""
    assert sold(bot) <= held
    assert bot.server.truth.balances()["BTC"] >= SOMEBODYS
    assert bot.engine.state.book.cash("BTC") == bot.server.truth.balances()["BTC"]
    floor = PRICE * Decimal("0.95")
    assert all(fill.price >= floor for fill in bot.server.truth.fills if fill.side == "SELL")


async def test_a_thin_book_is_sold_into_in_parts_as_it_fills() -> None:
    async with Trading(bought()) as bot:
        held = await with_position(bot)
        bids(bot, (49_990, "0.4"), (49_800, "0.2"), (40_000, "5"))
        await bot.stop(close=True)
        await bot.seconds()
        assert sold(bot) == Decimal("0.6"), "what is bid within the collar, and no bid below it"
        assert bot.outcome["state"] == "PENDING"
        for _ in range(60):
            bids(bot, (49_990, "0.4"))
            await bot.seconds(2)
            nothing_of_anybody_else(bot, held)
            if not bot.held:
                break
        assert says(bot)[:2] in (("FLAT", "FLAT"), ("FLAT_WITH_DUST", "FLAT_WITH_DUST"))
        assert len(bot.sales()) > 4
        assert not bot.server.truth.open_orders


async def test_an_empty_book_leaves_the_position_with_its_stop_and_says_what_is_left_and_what_to_do() -> None:
    async with Trading(bought()) as bot:
        held = await unsold(bot)
        assert sold(bot) == 0
        assert says(bot) == ("RESIDUAL", "RESIDUAL", plain(held))
        (position,) = bot.outcome["positions"]
        assert position["reason"] == (
            "nobody buys at 47500 or above; offered again every minute, its stop-loss rests; "
            "a restart of the bot begins anew, at the price of then"
        )
        (stop,) = bot.server.truth.open_orders
        assert stop.quantity <= held
        floors = [order.price for order in bot.sales()]
        assert len(floors) == ATTEMPTS
        assert floors[:4] == [Decimal(49_687) + Decimal("0.5"), 49_375, 48_750, 47_500]
        assert set(floors[4:]) == {Decimal(47_500)}, "and never further"


async def test_a_book_that_fills_again_later_takes_what_is_left_and_the_status_follows() -> None:
    async with Trading(bought()) as bot:
        held = await unsold(bot)
        attempts = len(bot.sales())
        await bot.seconds(180)
        assert 2 <= len(bot.sales()) - attempts <= 4, "once a minute"
        assert says(bot)[0] == "RESIDUAL"
        assert [order.side for order in bot.server.truth.open_orders] == ["SELL"], "protected in between"
        bids(bot, (47_600, "1"))
        await bot.seconds(62)
        assert sold(bot) == 1
        assert says(bot)[0] == "PENDING", "it is being sold again"
        bids(bot, (47_600, "9"))
        await bot.seconds(5)
        assert says(bot)[:2] in (("FLAT", "FLAT"), ("FLAT_WITH_DUST", "FLAT_WITH_DUST"))
        nothing_of_anybody_else(bot, held)
        sent = len(bot.server.truth.orders)
        await bot.seconds(120)
        assert len(bot.server.truth.orders) == sent, "nothing is sold any more"


@pytest.mark.parametrize(("kind", "seconds"), [(Kind.RATE_LIMIT, 20), (Kind.BAN, 120)])
@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_during_a_ban_nothing_is_sold_and_afterwards_all_of_it_at_the_narrowest_floor(
    kind: Kind, seconds: int, method: str
) -> None:
    """Who could not be asked has not said no: the floor does not widen for it."""
    async with Trading(bought()) as bot:
        held = await with_position(bot)
        bids(bot, (49_990, "9"))
        bot.server.faults.add(kind, method, "/api/v3/order", retry_after=seconds)
        await bot.stop(close=True)
        await bot.seconds(seconds - 5)
        assert sold(bot) == 0
        assert says(bot)[0] in ("PENDING", "RESIDUAL", "UNKNOWN")
        await bot.seconds(90)
        assert says(bot)[:2] in (("FLAT", "FLAT"), ("FLAT_WITH_DUST", "FLAT_WITH_DUST"))
        assert [order.price for order in bot.sales()] == [Decimal("49687.5")]
        nothing_of_anybody_else(bot, held)
