"""The page of a bot that trades money: what waits, what was stopped and what became of it, what is about to end.

Real processes: the bot, PostgreSQL, an exchange that loses answers, an API server with the bot's TradingBot.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.component.bot.api_server import ApiServer
from tests.component.bot.live.world import LiveWorld, until
from tests.exchange_server import Kind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.component.bot.process import BotProcess
    from tests.support.browser import Page

KEY = "the key of the page, thirty-two characters"
DIGEST = "sha256:" + 64 * "a"
PHONE = (390, 844)


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    server = await ApiServer().start()
    yield server
    await server.stop()


@pytest.fixture
async def world() -> AsyncIterator[LiveWorld]:
    async with LiveWorld() as made:
        yield made


def stamp(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


async def approve(api: ApiServer, seconds: float) -> str:
    """Approve the bot for so long, as a person does."""
    ends = stamp(seconds)
    await api.edit(
        mode="live", requestedBy="alice", approval={"digest": DIGEST, "approvedBy": "bob", "expiresAt": ends}
    )
    await api.tell(live={"state": "Trading"})
    return ends


async def settings(api: ApiServer, world: LiveWorld, **changes: Any) -> dict[str, Any]:
    """What a bot needs that trades live with an approval of a day."""
    ends = await approve(api, 86_400)
    return world.settings(
        environment={**api.environment, "API_KEY": KEY},
        approval={"digest": DIGEST, "approved_by": "bob", "expires_at": ends},
        **changes,
    )


async def seen(page: Page, bot: BotProcess) -> None:
    """Open the page, and wait until it shows the bot."""
    await page.open(f"http://127.0.0.1:{bot.port}/dashboard")
    await page.until("document.querySelector('#link').innerText === 'connected'")


async def says(page: Page, selector: str, text: str) -> None:
    """Wait until an element that is shown holds this text."""
    await page.until(
        f"document.querySelector({selector!r})?.checkVisibility() && "
        f"document.querySelector({selector!r}).innerText.includes({text!r})"
    )


async def sure(page: Page, key: str = KEY) -> None:
    """Give the key, and say yes."""
    await page.until("document.querySelector('#ask').open")
    await page.type("#key", key)
    await page.click("#really")


@pytest.fixture
async def asking(
    database: str, bots: Callable[..., BotProcess], api: ApiServer, world: LiveWorld, page: Page
) -> BotProcess:
    """A live bot that has just asked whether it may buy."""
    exchange = {"order_confirmation_threshold": 100, "order_confirmation_seconds": 600}
    bot = bots("asking", database, **await settings(api, world, exchange=exchange)).start()
    await bot.trading()
    await seen(page, bot)
    assert await page.run("document.querySelector('#waiting').hidden")
    world.rise()
    await page.until("!document.querySelector('#waiting').hidden")
    world.level_off()
    return bot


async def test_an_order_that_waits_says_what_it_is_worth_and_how_long_and_is_sent_when_confirmed(
    asking: BotProcess, world: LiveWorld, page: Page
) -> None:
    said = await page.text("#confirmations")
    for part in ("BUY", "BTC for", "USDT", "Stop", "Target", "close above the 5-candle channel", "min"):
        assert part in said, part
    left = await page.text("#confirmations .clock")
    await page.until(f"document.querySelector('#confirmations .clock').innerText !== {left!r}")
    assert world.truth.orders == []
    await page.click("#confirmations .actions button:first-child")
    assert (await page.text("#question")).startswith("Confirm: buy")
    await sure(page)
    await until(world.resting, "it was sent, and its stop rests", asking)
    await page.until("document.querySelector('#waiting').hidden")
    await says(page, "#positions tbody", "BTC")
    await says(page, "#orders tbody", "STOP")
    assert await asyncio.to_thread(asking.end) == 0


async def test_an_order_that_is_refused_is_gone_and_was_never_sent(
    asking: BotProcess, world: LiveWorld, page: Page
) -> None:
    await page.click("#confirmations .actions button:last-child")
    assert (await page.text("#question")).startswith("Refuse: buy")
    await sure(page)
    await says(page, "#decisions", "a person refused the order")
    assert world.truth.orders == []
    assert await asyncio.to_thread(asking.end) == 0


async def test_an_order_that_nobody_answers_goes_away_by_itself(
    database: str, bots: Callable[..., BotProcess], api: ApiServer, world: LiveWorld, page: Page
) -> None:
    exchange = {"order_confirmation_threshold": 100, "order_confirmation_seconds": 3}
    bot = bots("unheard", database, **await settings(api, world, exchange=exchange)).start()
    await bot.trading()
    await seen(page, bot)
    world.rise()
    await says(page, "#decisions", "nobody confirmed the order in time")
    assert world.truth.orders == []
    assert await asyncio.to_thread(bot.end) == 0


async def test_on_a_phone_an_answer_and_the_stop_are_always_within_reach(asking: BotProcess, page: Page) -> None:
    await page.size(*PHONE, phone=True, scale=2)
    reach = (
        "[...document.querySelectorAll('#confirmations button, .act button')].map(e => e.getBoundingClientRect())"
        ".every(b => b.width > 60 && b.height >= 36 && b.left >= 0 && b.right <= innerWidth && b.bottom <= innerHeight)"
    )
    await page.until(reach)
    await page.click("#confirmations .actions button:first-child")
    await sure(page)
    await says(page, "#positions tbody", "BTC")
    await page.run("scrollTo(0, document.body.scrollHeight)")
    await page.until("document.querySelector('#stop').getBoundingClientRect().bottom <= innerHeight")
    inside = (
        "[...document.querySelectorAll('#positions td')].filter(e => e.checkVisibility())"
        ".every(e => e.getBoundingClientRect().right <= innerWidth)"
    )
    assert await page.run(inside), "nothing of a position is out of sight, and its button least of all"
    assert await asyncio.to_thread(asking.end) == 0


async def test_a_stop_says_what_the_exchange_has_confirmed_of_each_position_and_how_it_ends(
    database: str, bots: Callable[..., BotProcess], api: ApiServer, world: LiveWorld, page: Page
) -> None:
    bot = bots("stopped", database, **await settings(api, world)).start()
    await bot.trading()
    world.rise()
    await until(world.resting, "the stop rests", bot)
    await seen(page, bot)
    world.server.faults.add(Kind.HTTP_ERROR, "POST", status=503, times=None)
    await page.click("#stop")
    assert "kubectl tradingbot stop btc -n test" in await page.text("#ask"), "it can be stopped without the key, too"
    await page.click("#flat")
    await sure(page)
    await says(page, "#reasons", "The exchange has not confirmed it yet")
    await says(page, "#reasons", "positions are to be closed")
    await says(page, "#reasons table", "PENDING")
    assert "kubectl tradingbot resume btc -n test" in await page.text("#reasons code")
    assert (await page.text("#state"), (await page.run("document.title"))[:6]) == ("KILLED", "KILLED")
    world.server.faults.rules.clear()
    await says(page, "#reasons", "The exchange has confirmed it")
    await says(page, "#reasons table", "FLAT")
    await says(page, "#positions", "Nothing is held.")
    assert world.resting() == []
    assert await asyncio.to_thread(bot.end) == 0


async def test_a_wrong_key_stops_nothing_and_says_so(
    database: str, bots: Callable[..., BotProcess], api: ApiServer, world: LiveWorld, page: Page
) -> None:
    bot = bots("guarded", database, **await settings(api, world)).start()
    await bot.trading()
    await seen(page, bot)
    # With the keyboard alone: the button, a wrong key, Enter, and again.
    await page.run("document.querySelector('#stop').focus()")
    await page.press("Enter")
    await page.until("document.activeElement.id === 'key'")
    await page.press("Enter")
    await says(page, "#answer", "the API key is missing")
    await page.write("wrong")
    await page.press("Enter")
    await says(page, "#answer", "Nothing was done")
    assert "not the one that is configured" in await page.text("#answer")
    assert await page.run("document.activeElement.id + document.querySelector('#key').value") == "key"
    assert (await bot.get("/api/v1/status"))[1]["state"] == "ACTIVE"
    await page.press("Escape")
    await page.until("!document.querySelector('#ask').open")
    assert await page.run("document.activeElement.id") == "stop", "back where it was opened"
    assert await page.text("#state") == "ACTIVE"
    assert await asyncio.to_thread(bot.end) == 0


async def test_an_approval_that_is_about_to_end_is_said_before_and_its_end_after(
    database: str, bots: Callable[..., BotProcess], api: ApiServer, world: LiveWorld, page: Page
) -> None:
    bot = bots("ending", database, **await settings(api, world)).start()
    await bot.trading()
    await seen(page, bot)
    await says(page, "#mode", "LIVE · real money")
    await says(page, "#approval", "approval ends in")
    assert await page.run("document.querySelector('#reasons').hidden")
    await approve(api, 1800)
    await says(page, "#reasons", "The approval ends")
    await says(page, "#reasons", "kubectl tradingbot approve btc -n test")
    assert await page.text("#state") == "ACTIVE"
    await approve(api, 1)
    await says(page, "#state", "REDUCING")
    await says(page, "#approval", "not approved")
    await says(page, "#reasons", "the approval ran out")
    await approve(api, 86_400)
    await says(page, "#state", "ACTIVE")
    await page.until("document.querySelector('#reasons').hidden")
    assert await asyncio.to_thread(bot.end) == 0


async def test_a_process_that_waits_never_says_that_nothing_is_held(
    database: str, bots: Callable[..., BotProcess], api: ApiServer, world: LiveWorld, page: Page
) -> None:
    given = await settings(api, world)
    first = bots("first", database, **given).start()
    await first.trading()
    world.rise()
    await until(world.resting, "the stop rests", first)
    second = bots("second", database, **given).start()
    await second.until(lambda status: status["role"] == "standby" and status["ready"])
    await seen(page, second)
    await says(page, "#state", "STANDBY")
    await says(page, "#reasons", "Another process of this bot trades")
    await says(page, "#positions", "Not known to this process")
    assert "Nothing is held" not in await page.run("document.body.innerText")
    assert "ACTIVE" not in await page.run("document.body.innerText")
    assert await asyncio.to_thread(first.end) == 0
    await says(page, "#state", "ACTIVE")
    await says(page, "#positions tbody", "BTC")
    await page.until("document.querySelector('#reasons').hidden")
    assert await asyncio.to_thread(second.end) == 0
