"""A stop while the exchange wants silence (429, a ban) or little of the rate limit is left. Several orders are open.

What must never happen: an order is said to be cancelled that is open; the stop counts as carried out before the
exchange has listed nothing; the outcome stays UNKNOWN or PENDING once the exchange answers again.
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.component.bot.ccxt.trading import Trading
from tests.component.bot.ccxt.world import DELAY, intent
from tests.exchange_server import Kind

from tradingbot.domain import ids
from tradingbot.ports.venue import Accepted
from tradingbot.venues.ccxt.limits import LEAST_FOR_STOPS, Budget, Lane

pytestmark = pytest.mark.component
ORDER, OPEN_ORDERS = "/api/v3/order", "/api/v3/openOrders"
PATIENCE = 400
"""Seconds of the exchange's clock: a ban, and some minutes for the budget to come free."""


def drain(bot: Trading) -> None:
    """Ask for all that questions may ask for."""
    while bot.venue.budget.spend(Lane.QUERY, 1) is None:
        pass


async def carried_out(bot: Trading, seconds: int = PATIENCE, *, busy: bool = False) -> dict[str, Any]:
    """Let time pass until the stop is carried out; it must not be said before it is so."""
    for _ in range(seconds):
        if busy:
            drain(bot)
        said = bot.outcome
        cancelled = {row["client_id"] for row in said["orders"] if row["state"] == "CANCELLED"}
        assert not cancelled & bot.open(), said
        if said["state"] == "CANCELLED":
            assert said["confirmed"]
            assert bot.open() == set()
            return said
        assert not said["confirmed"] or not bot.open(), said
        await bot.seconds()
    raise AssertionError(f"not carried out after {seconds} s: {bot.outcome}; open: {bot.open()}")


def all_cancelled(said: dict[str, Any], names: list[str]) -> None:
    assert {row["client_id"]: row["state"] for row in said["orders"]} == dict.fromkeys(names, "CANCELLED")
    assert said["orders_cancelled"] == len(names)


@pytest.mark.parametrize(
    ("kind", "method", "path", "settings"),
    [
        (Kind.RATE_LIMIT, "DELETE", ORDER, {"retry_after": 20}),
        (Kind.RATE_LIMIT, "DELETE", ORDER, {"retry_after": 20, "skip": 2}),
        (Kind.RATE_LIMIT, "DELETE", ORDER, {"retry_after": 5, "times": 8}),
        (Kind.BAN, "DELETE", ORDER, {"retry_after": 120}),
        (Kind.BAN, "DELETE", ORDER, {"retry_after": 120, "skip": 3}),
        (Kind.RATE_LIMIT, "GET", OPEN_ORDERS, {"retry_after": 20, "times": 3}),
        (Kind.BAN, "GET", OPEN_ORDERS, {"retry_after": 120}),
        (Kind.RATE_LIMIT, "*", "*", {"retry_after": 10, "times": 5}),
    ],
    ids=["429", "429 in the middle", "429 again and again", "ban", "ban in the middle", "429 list", "ban list", "all"],
)
async def test_a_stop_during_silence_ends_when_the_exchange_answers_again(
    kind: Kind, method: str, path: str, settings: dict[str, Any]
) -> None:
    async with Trading() as bot:
        names = await bot.rest(6)
        bot.server.faults.add(kind, method, path, **settings)
        await bot.stop()
        said = await carried_out(bot)
        assert bot.server.journal.faulty()
        all_cancelled(said, names)
        assert {row["state"] for row in said["positions"]} == set()


async def test_with_everything_used_up_by_questions_the_reserve_takes_the_orders_back_and_confirms_it() -> None:
    async with Trading(weight_per_minute=1200) as bot:
        names = await bot.rest(20)
        drain(bot)
        await bot.stop()
        assert bot.open() == set(), "at once"
        all_cancelled(await carried_out(bot, seconds=3), names)


@pytest.mark.parametrize("weight", [60, 99, 100, 200, 400])
async def test_with_a_small_rate_limit_a_stop_is_confirmed_all_the_same(weight: int) -> None:
    """A busy bot asks for all that it may: the list of a stop, which costs 100, has to be left room for."""
    async with Trading() as bot:
        names = await bot.rest(3)
        budget = Budget(bot.clock.monotonic, weight, least_for_stops=LEAST_FOR_STOPS)
        bot.venue.budget = bot.venue.gateway.budget = budget
        drain(bot)
        await bot.stop()
        all_cancelled(await carried_out(bot, busy=True), names)


async def test_an_entry_that_the_ledger_lacks_is_taken_back_after_a_ban() -> None:
    async with Trading() as bot:
        stray = ids.client_id("test/bot", 9, 1)
        other = bot.make_venue()
        await other.connect()
        assert isinstance(await other.submit(intent(stray)), Accepted)
        await other.close()
        bot.server.faults.add(Kind.BAN, "DELETE", ORDER, retry_after=120)
        await bot.stop()
        assert bot.outcome["state"] == "UNKNOWN"
        assert stray in bot.open()
        all_cancelled(await carried_out(bot), [stray])
        assert bot.clock.monotonic() > DELAY
