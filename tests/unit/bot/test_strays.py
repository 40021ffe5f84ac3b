"""What a runner makes of the exchange's list of its open orders, and of cancels that were not confirmed."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from tradingbot.core.stops import Listing
from tradingbot.domain import ids
from tradingbot.domain.orders import Side
from tradingbot.ports import venue as answers
from tradingbot.runtime.cancels import Cancels
from tradingbot.runtime.strays import Strays

if TYPE_CHECKING:
    from collections.abc import Collection

    from tradingbot.domain import events
    from tradingbot.runtime.runner import Runner

BOT = "test/btc"
STRAY = answers.OpenOrder(ids.client_id(BOT, 9, 1), "BTC/USDT", Side.BUY, Decimal("0.01"), Decimal(0))
DONE = answers.Accepted("1", 0, Decimal(0))


class Exchange:
    """Says what it is told to say, one answer after the other; the last one stays."""

    def __init__(self, lists: list[list[answers.OpenOrder] | answers.Unavailable], cancels: list[Any]) -> None:
        self.lists, self.cancels = lists, cancels
        self.asked: list[Collection[str] | None] = []
        self.taken_back: list[str] = []

    async def listing(self, symbols: Collection[str] | None = None) -> list[answers.OpenOrder] | answers.Unavailable:
        self.asked.append(symbols)
        return self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]

    async def cancel(self, client_id: str, symbol: str) -> answers.Outcome:
        assert symbol == STRAY.symbol
        self.taken_back.append(client_id)
        found = self.cancels.pop(0) if len(self.cancels) > 1 else self.cancels[0]
        if isinstance(found, Exception):
            raise found
        return cast("answers.Outcome", found)


class Bot:
    """As much of a runner as strays need; what was stepped is in `said`."""

    def __init__(self, exchange: Exchange) -> None:
        self.said: list[events.Listed] = []
        self.venue, self.busy = exchange, asyncio.Lock()
        self.clock = SimpleNamespace(monotonic=lambda: 0.0)
        state = SimpleNamespace(listing=Listing())
        self.engine = SimpleNamespace(
            state=state, board=SimpleNamespace(stop=object()), config=SimpleNamespace(bot=BOT)
        )
        self.keeper = SimpleNamespace(valid=True)
        self.metrics = SimpleNamespace(answered=lambda _: None)
        self.cancels = Cancels(cast("Runner", self))
        self.strays = Strays(cast("Runner", self), cast("Any", exchange))

    def order(self, _: str) -> None:
        return None

    def now(self) -> int:
        return 0

    def step(self, event: events.Listed) -> None:
        self.said.append(event)

    def hurry(self) -> None:
        pass

    async def look(self) -> tuple[bool, str, list[str]]:
        """Look, and return whether nothing is open, why it is not said, and what became of the strays."""
        await self.strays.look()
        return self.said[-1].none, self.said[-1].problem, [stray.state for stray in self.said[-1].strays]


async def test_nothing_listed_is_nothing_open() -> None:
    bot = Bot(Exchange([[]], [DONE]))
    assert await bot.look() == (True, "", [])
    assert bot.venue.taken_back == []


async def test_a_list_that_is_not_told_confirms_nothing() -> None:
    bot = Bot(Exchange([answers.Unavailable("the balances cannot be read")], [DONE]))
    assert await bot.look() == (False, "the balances cannot be read", [])


async def test_what_is_taken_back_and_not_listed_any_more_is_cancelled() -> None:
    bot = Bot(Exchange([[STRAY], []], [DONE]))
    assert await bot.look() == (True, "", ["CANCELLED"])


async def test_an_error_on_the_way_to_a_cancel_is_no_cancel_whatever_the_next_list_says() -> None:
    """No balance speaks against the list of one symbol, so the order itself is asked for until it is known."""
    lost, unknown = OSError("connection reset"), answers.Unknown("HTTP 503")
    bot = Bot(Exchange([[STRAY], []], [lost, unknown, DONE]))
    assert await bot.look() == (False, f"the cancel of {STRAY.client_id} was not confirmed", ["UNKNOWN"])
    assert await bot.look() == (False, f"the cancel of {STRAY.client_id} was not confirmed", ["UNKNOWN"])
    assert await bot.look() == (True, "", ["CANCELLED"])
    assert await bot.look() == (True, "", [])
    assert bot.venue.taken_back == [STRAY.client_id] * 3
    assert bot.venue.asked == [None, ["BTC/USDT"], None, None, None]


async def test_one_that_was_faster_than_a_cancel_that_was_lost_is_filled() -> None:
    bot = Bot(Exchange([[STRAY], []], [answers.Unknown("lost"), answers.Accepted("1", 0, STRAY.quantity)]))
    await bot.look()
    assert await bot.look() == (True, "", ["FILLED"])


async def test_one_that_is_listed_nowhere_and_known_to_nobody_is_gone() -> None:
    gone = answers.Refused(answers.NOT_FOUND, "it is not known, asked twice")
    bot = Bot(Exchange([[STRAY], [STRAY], []], [gone]))
    assert await bot.look() == (False, f"it lists {STRAY.client_id}", ["UNKNOWN"]), "a list that has it is believed"
    assert await bot.look() == (True, "", ["GONE"])
