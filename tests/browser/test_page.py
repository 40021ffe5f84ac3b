"""The page as a person sees it: live, quiet towards the outside, and able to stop the bot."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests.browser.conftest import SECRET
from tests.component.bot.process import BotProcess, until_rows
from tests.unit.bot.harness import Bot, Scripted, buy, flat

from tradingbot.core import picture
from tradingbot.core.snapshot import Waiting
from tradingbot.domain.orders import Side
from tradingbot.web.app import Server, build

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.browser import Page

    from tradingbot.config.model import Settings
    from tradingbot.observe.metrics import Metrics
    from tradingbot.runtime.control import Control

TRADES = "SELECT count(*) FROM simulation.trades"
KEY = {"X-API-Key": SECRET}
PHONE = (390, 844)


async def opened(page: Page, bots: Callable[..., BotProcess], database: str, **changes: Any) -> BotProcess:
    bot = bots("pod", database, environment={"API_KEY": SECRET}, **changes).start()
    await bot.trading()
    await until_rows(database, TRADES, 6)
    await page.open(f"http://127.0.0.1:{bot.port}/dashboard")
    await page.until("document.querySelector('#link').dataset.link === 'live'")
    await page.until("document.querySelectorAll('#trades tbody tr').length >= 3")
    return bot


async def test_it_shows_the_account_and_goes_on_without_being_loaded_again(
    database: str, bots: Callable[..., BotProcess], page: Page
) -> None:
    bot = await opened(page, bots, database)
    assert await page.text("#state") == "ACTIVE"
    assert await page.text("#bot") == "test/btc"
    assert (await page.run("document.title")).startswith("ACTIVE")
    for selector in ("#equity", "#day", "#drawdown", "#price"):
        assert any(letter.isdigit() for letter in await page.text(selector)), selector
    assert await page.run("document.querySelectorAll('#chart canvas, #depth canvas').length") == 2
    first = await page.text("#clock")
    await page.run("window.mark = 'the same page'")
    await page.until(f"document.querySelector('#clock').innerText !== {json.dumps(first)}")
    trades = await page.text("#trades tbody")
    await page.until(f"document.querySelector('#trades tbody').innerText !== {json.dumps(trades)}", 60)
    assert await page.run("window.mark") == "the same page"
    names = await page.run("[...document.querySelectorAll('#dependencies li')].map(e => e.dataset.status)")
    assert names.count("up") >= 3
    assert "down" not in names
    assert bot.end() == 0


async def test_no_request_leaves_this_server_and_the_browser_has_nothing_to_complain_of(
    database: str, bots: Callable[..., BotProcess], page: Page
) -> None:
    bot = await opened(page, bots, database)
    origin = f"http://127.0.0.1:{bot.port}/"
    await page.open(f"{origin}api/docs")
    await page.until("document.querySelectorAll('#operations details').length > 20")
    assert page.errors == []
    assert {url for url in page.requests if not url.startswith(origin)} == set()
    # And if a line of it wanted to: the policy forbids it.
    blocked = "fetch('http://127.0.0.1:1/').then(() => 'sent', () => 'blocked')"
    assert await page.run(blocked) == "blocked"
    assert any("Content Security Policy" in error for error in page.errors)
    assert bot.end() == 0


async def test_the_stop_button_asks_for_the_key_and_closes_positions_if_told(
    database: str, bots: Callable[..., BotProcess], page: Page
) -> None:
    bot = await opened(page, bots, database)
    await page.click("#stop")
    await page.until("document.querySelector('#ask').open")
    await page.type("#key", "wrong")
    await page.click("#really")
    await page.until("document.querySelector('#answer').innerText.includes('not the one that is configured')")
    assert (await bot.get("/api/v1/status"))[1]["state"] == "ACTIVE"
    assert await page.run("document.querySelector('#key').value") == ""
    await page.type("#key", SECRET)
    await page.click("#flat")
    await page.click("#really")
    await page.until("!document.querySelector('#ask').open")
    await page.until("document.querySelector('#state').innerText === 'KILLED'")
    await page.until("document.querySelector('#reasons').innerText.includes('FLAT')")
    await page.until("document.querySelector('#positions').innerText === 'Nothing is held.'")
    stop = (await bot.get("/api/v1/status"))[1]["stop"]
    assert (stop["source"], stop["close_positions"]) == ("api", True)
    assert bot.end() == 0


async def test_a_position_is_closed_from_its_row(database: str, bots: Callable[..., BotProcess], page: Page) -> None:
    quiet = {"name": "breakout", "parameters": {"entry_lookback": 5000}}
    slow = {"feed": {"type": "Recorded", "speed": 60, "loop": True}}
    bot = bots("pod", database, environment={"API_KEY": SECRET}, strategy=quiet, simulation=slow).start()
    await bot.trading()
    await page.open(f"http://127.0.0.1:{bot.port}/dashboard")
    price = float(await page.until("Number(document.querySelector('#price').innerText.replaceAll(',', ''))"))
    body = {
        "asset_pair": "BTC/USD",
        "action": "buy",
        "stop_loss": round(price * 0.9),
        "take_profit": round(price * 1.5),
    }
    assert (await bot.ask("POST", "/api/v1/bot/manual-trade", body, **KEY))[0] == 202
    await page.until("document.querySelector('#positions button') !== null")
    # The row is written anew twice a second, and the button in it stays the same.
    await page.run("window.button = document.querySelector('#positions button')")
    shown = await page.text("#clock")
    await page.until(f"document.querySelector('#clock').innerText !== {json.dumps(shown)}")
    assert await page.run("window.button === document.querySelector('#positions button')")
    await page.click("#positions button")
    await page.type("#key", SECRET)
    await page.click("#really")
    await page.until("document.querySelector('#positions').innerText === 'Nothing is held.'")
    await page.until("document.querySelector('#decisions').innerText.toLowerCase().includes('exit sell')")
    assert bot.end() == 0


async def test_pause_and_start(database: str, bots: Callable[..., BotProcess], page: Page) -> None:
    bot = await opened(page, bots, database)
    for button, state in (("Pause", "PAUSED"), ("Start", "ACTIVE")):
        await page.until(f"document.querySelector('#pause').innerText === '{button}'")
        await page.click("#pause")
        await page.type("#key", SECRET)
        await page.click("#really")
        await page.until(f"document.querySelector('#state').innerText === '{state}'")
        await page.until("!document.querySelector('#ask').open")
    assert bot.end() == 0


async def test_what_people_write_is_shown_as_text_and_never_run(
    database: str, bots: Callable[..., BotProcess], page: Page
) -> None:
    bot = await opened(page, bots, database)
    evil = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    await bot.ask("POST", "/api/v1/bot/stop", {"reason": evil}, **KEY)
    await page.until("document.querySelector('#state').innerText === 'PAUSED'")
    assert evil in await page.text("#reasons")
    assert await page.run("document.images.length") == 0
    assert (await page.run("document.title")).startswith("PAUSED")
    assert page.errors == []
    assert bot.end() == 0


async def test_a_bot_that_is_away_is_shown_so_and_found_again_without_loading(
    database: str, bots: Callable[..., BotProcess], page: Page
) -> None:
    bot = await opened(page, bots, database)
    await page.run("window.mark = 'the same page'")
    bot.kill()
    await page.until("document.querySelector('#link').innerText === 'no connection'")
    assert "No connection since 20" in await page.text("#stale")
    assert await page.run("getComputedStyle(document.querySelector('main')).opacity") < "0.6", "nothing looks current"
    assert (await page.run("document.title")).startswith("no connection")
    bot.start()
    await bot.trading()
    await page.until("document.querySelector('#link').innerText === 'connected'")
    assert await page.run("document.querySelector('#stale').hidden")
    await page.until("document.title.startsWith('ACTIVE')")
    first = await page.text("#clock")
    await page.until(f"document.querySelector('#clock').innerText !== {json.dumps(first)}")
    assert await page.run("window.mark") == "the same page"
    assert bot.end() == 0


async def test_it_fits_a_phone(database: str, bots: Callable[..., BotProcess], page: Page) -> None:
    bot = await opened(page, bots, database)
    await page.size(*PHONE, phone=True, scale=2)
    await asyncio.sleep(0.2)
    assert await page.run("document.documentElement.scrollWidth") <= PHONE[0]
    wide = (
        "[...document.querySelectorAll('button, .tile, .badge, h1')]"
        ".filter(e => !e.closest('.scroll') && e.getBoundingClientRect().width && "
        "(e.getBoundingClientRect().right > innerWidth || e.getBoundingClientRect().left < 0)).map(e => e.id)"
    )
    assert await page.run(wide) == []
    # Every row of every table can be read without moving it sideways; looked at while all four have rows.
    cut = await page.until(
        "['positions', 'orders', 'trades', 'decisions'].every(id => document.querySelector(`#${id} tbody`)) && "
        "{cut: [...document.querySelectorAll('.scroll, .cards td')].filter(e => e.scrollWidth > e.clientWidth)"
        ".map(e => e.innerText)}",
        120,
    )
    assert cut == {"cut": []}
    await page.click("#stop")
    await page.until("document.querySelector('#ask').open")
    assert await page.run("document.querySelector('#ask').getBoundingClientRect().width") <= PHONE[0]
    assert bot.end() == 0


async def test_the_page_of_the_api_shows_every_operation_and_tries_what_it_describes(
    database: str, bots: Callable[..., BotProcess], page: Page
) -> None:
    bot = await opened(page, bots, database)
    document = (await bot.get("/api/v1/openapi.json"))[1]
    wanted = {f"{verb.upper()} {path}" for path, verbs in document["paths"].items() for verb in verbs}
    await page.open(f"http://127.0.0.1:{bot.port}/api/docs")
    await page.until("document.querySelectorAll('#operations details').length > 20")
    names = (
        "[...document.querySelectorAll('summary')].map(e => e.children[0].innerText + ' ' + e.children[1].innerText)"
    )
    shown = await page.run(names)
    assert set(shown) == wanted
    assert len(shown) == len(wanted)
    # Everything that only reads, by its own button, one after the other.
    readable = [at for at, name in enumerate(shown) if name.startswith("GET") and "{" not in name]
    assert len(readable) > 15
    for at in readable:
        await page.run(f"window.one = document.querySelectorAll('details')[{at}]; one.open = true; one.id = 'one-{at}'")
        await page.click(f"#one-{at} button")
        said = await page.until(
            f"(e => e.innerText.length > 1 && e.innerText)(document.querySelector('#one-{at} pre[role]'))"
        )
        assert said.startswith(("HTTP 200", "HTTP 409") if "flags" in shown[at] else "HTTP 200"), (shown[at], said)
    example = "[...document.querySelectorAll('details')].every(e => e.innerText.includes('/metrics') || "
    example += "[...e.querySelectorAll('h3')].some(h => h.innerText === 'Example'))"
    await page.run("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    assert await page.run(example)
    await page.size(*PHONE, phone=True)
    assert await page.run("document.documentElement.scrollWidth") <= PHONE[0]
    assert bot.end() == 0


@pytest.mark.parametrize("word", ["confirm", "refuse"])
async def test_orders_that_wait_are_shown_with_what_can_be_said_to_them(
    page: Page, word: str, quiet_bot: tuple[Settings, Control, Metrics]
) -> None:
    settings, control, metrics = quiet_bot
    robot = Bot(lambda: Scripted({1: buy(990, 1040)})).show(flat(0, 1000.0), flat(1, 1000.0))
    taken = picture.take(robot.engine)
    one = Waiting(
        client_id="tb-1-2", symbol="BTC/USD", side=Side.BUY, quantity=taken.positions[0].quantity, value=taken.equity,
        stop_loss=taken.equity, take_profit=taken.equity, strategy="breakout", reason="close above the channel",
        epoch=1, seq=2, worst_price=None,
        since=taken.ts, expires=taken.ts + 300_000_000,
    )  # fmt: skip
    control.publish(msgspec.structs.replace(taken, waiting=(one,)))
    server = Server(build(settings, control, metrics), "127.0.0.1", 0)
    port = await server.start()
    await page.open(f"http://127.0.0.1:{port}/dashboard")
    await page.until("!document.querySelector('#waiting').hidden")
    assert "close above the channel" in await page.text("#confirmations")
    await page.click(f"#confirmations button:{'first' if word == 'confirm' else 'last'}-child")
    question = await page.until("document.querySelector('#question').innerText")
    assert question.startswith(f"{word.capitalize()}: buy")
    await page.type("#key", SECRET)
    await page.click("#really")
    # This process trades nothing, and says so: the request went to the order that was shown.
    await page.until("document.querySelector('#answer').innerText.includes('does not trade now')")
    assert any(url.endswith(f"/api/v1/bot/orders/tb-1-2/{word}") for url in page.requests)
    control.publish(taken)
    await page.until("document.querySelector('#waiting').hidden")
    await server.stop()
