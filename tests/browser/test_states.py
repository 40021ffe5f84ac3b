"""The page when something is wrong: it never looks better than it is, says what to do, and finds its way back."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Any

from tests.browser.conftest import SECRET
from tests.browser.test_live import says, sure
from tests.browser.test_page import KEY, opened

from tradingbot.web import sse
from tradingbot.web.app import Server, build

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from tests.component.bot.process import BotProcess
    from tests.support import postgresql
    from tests.support.browser import Page

CONTRAST = """(() => {
  const parse = (text) => (text.match(/[0-9.]+/g) || [0, 0, 0, 0]).map(Number);
  const linear = (v) => (v <= 10 ? v / 3294 : ((v / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!own || !node.checkVisibility() || node.closest(".hidden, canvas, svg")) continue;
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(behind(node))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const text = node.textContent.trim().slice(0, 30);
    if (ratio < 4.5) found.push(`${node.tagName} ${node.id} ${node.className} "${text}" ${ratio.toFixed(2)}`);
  }
  return found;
})()"""


async def test_a_database_that_is_lost_is_said_at_once_and_its_return_too(
    own: postgresql.Server, bots: Callable[..., BotProcess], page: Page
) -> None:
    bot = await opened(page, bots, own.url())
    await asyncio.to_thread(own.stop, hard=True)
    await says(page, "#state", "HALTED")
    await says(page, "#reasons", "Look at the database")
    await says(page, "#dependencies li[data-status='down']", "database")
    await says(page, "#old", "as they were last read")
    assert await page.run("document.querySelectorAll('#trades tbody tr').length") >= 3, "what was read stays"
    text = (await bot.get("/metrics"))[1]
    assert "trading_state 3.0" in text, "the alert TradingBotHalted goes by it"
    assert 'circuit_breaker_state{service="database"} 1.0' in text, "and CircuitBreakerOpen by this"
    await asyncio.to_thread(own.start)
    await says(page, "#state", "ACTIVE")
    await page.until("document.querySelector('#reasons').hidden && document.querySelector('#old').hidden")
    assert await page.run("document.querySelectorAll('#dependencies li[data-status=down]').length") == 0
    assert bot.end() == 0


async def test_a_stop_that_the_database_does_not_have_yet_says_that_it_may_be_lost(
    own: postgresql.Server, bots: Callable[..., BotProcess], page: Page
) -> None:
    bot = await opened(page, bots, own.url())
    await asyncio.to_thread(own.stop, hard=True)
    await says(page, "#state", "HALTED")
    await page.click("#stop")
    await sure(page, SECRET)
    await says(page, "#state", "KILLED")
    await says(page, "#notdurable", "Not in the database yet")
    await asyncio.to_thread(own.start)
    await page.until("document.querySelector('#notdurable') === null")
    assert (await bot.get("/api/v1/status"))[1]["stop"]["durable"] is True
    assert await page.text("#state") == "KILLED"
    assert bot.end() == 0


async def test_a_bot_that_stands_still_with_its_connection_open_is_not_shown_as_if_it_were_there(
    database: str, bots: Callable[..., BotProcess], page: Page
) -> None:
    bot = await opened(page, bots, database)
    bot.send(signal.SIGSTOP)
    try:
        await says(page, "#stale", "No connection since")
        assert await page.text("#link") == "no connection"
    finally:
        bot.send(signal.SIGCONT)
    await says(page, "#link", "connected")
    await page.until("document.querySelector('#stale').hidden")
    assert bot.end() == 0


async def test_an_answer_that_is_no_stream_does_not_end_the_page(
    page: Page, monkeypatch: pytest.MonkeyPatch, quiet_bot: Any
) -> None:
    """A browser gives an EventSource up after a proxy's 502, or this server's own 503."""
    monkeypatch.setattr(sse, "MOST_CLIENTS", 0)
    server = Server(build(*quiet_bot), "127.0.0.1", 0)
    port = await server.start()
    await page.open(f"http://127.0.0.1:{port}/dashboard")
    await says(page, "#stale", "No connection since this page was opened")
    monkeypatch.setattr(sse, "MOST_CLIENTS", 50)
    await says(page, "#link", "connected")
    await server.stop()


async def test_every_text_can_be_read_and_everything_has_a_name_in_light_and_dark(
    database: str, bots: Callable[..., BotProcess], page: Page
) -> None:
    bot = await opened(page, bots, database)
    await bot.ask("POST", "/api/v1/bot/emergency-stop", None, **KEY)
    await says(page, "#reasons", "The exchange has confirmed it")
    for theme in ("light", "dark"):
        await page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
        assert await page.run(CONTRAST) == []
        await page.click("#stop")
        await sure(page, "wrong")
        await says(page, "#answer", "Nothing was done")
        assert await page.run(CONTRAST) == []
        await page.press("Escape")
    tree = (await page.call("Accessibility.getFullAXTree"))["nodes"]
    nameless = [
        (node["role"]["value"], node.get("properties"))
        for node in tree
        if node.get("role", {}).get("value") in {"button", "textbox", "checkbox", "link", "region", "dialog"}
        and not node.get("ignored")
        and not node.get("name", {}).get("value")
    ]
    assert nameless == []
    assert bot.end() == 0


async def test_a_stop_of_a_bot_that_runs_alone_is_resumed_from_the_page(
    database: str, bots: Callable[..., BotProcess], page: Page
) -> None:
    bot = await opened(page, bots, database)
    await bot.ask("POST", "/api/v1/bot/emergency-stop?reason=wrong%20prices", None, **KEY)
    await says(page, "#reasons", "wrong prices")
    await says(page, "#reasons", "press Resume")
    await says(page, "#reasons", "The exchange has confirmed it")
    # What is pressed stays the same element while more is said around it, and keeps the focus.
    await page.run("window.button = document.querySelector('#reasons button'); window.button.focus()")
    await bot.ask("POST", "/api/v1/bot/stop", {"reason": "and paused, too"}, **KEY)
    await says(page, "#reasons", "and paused, too")
    assert await page.run("window.button === document.querySelector('#reasons button')")
    assert await page.run("document.activeElement === window.button")
    await page.click("#reasons button")
    await sure(page, SECRET)
    await says(page, "#state", "PAUSED")
    assert (await bot.get("/api/v1/status"))[1]["last_stop"]["reason"] == "asked for on the page"
    assert bot.end() == 0
