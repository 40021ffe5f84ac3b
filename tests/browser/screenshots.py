"""`python -m tests.browser.screenshots`: the pictures in docs/, of a real bot that trades recorded candles."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from tests.component.bot.process import BotProcess, until_rows
from tests.support import browser, postgresql

KEY = {"API_KEY": "the-key-of-this-page"}
DOCS = Path(__file__).resolve().parents[2] / "docs"
TRADES = 40
CONFIG = {
    "bot": {"name": "btc-breakout", "namespace": "trading"},
    "strategy": {"name": "breakout", "parameters": {"entry_lookback": 60, "exit_lookback": 120, "cooldown": 30}},
    "risk": {},
    "simulation": {"feed": {"type": "Recorded", "speed": 7200, "loop": True}},
}


async def main() -> None:
    """Trade for a while, then take the pictures: a desktop's and a phone's."""
    with postgresql.running() as server, tempfile.TemporaryDirectory() as folder:
        bot = BotProcess(Path(folder), "pod", server.url(), environment=KEY, **CONFIG).start()
        try:
            await bot.trading()
            await until_rows(server.url(), "SELECT count(*) FROM simulation.trades", TRADES)
            await bot.until(lambda status: status["positions"] == 1, 60)
            async with browser.page() as page:
                await page.size(1280, 1420)
                await page.open(f"http://127.0.0.1:{bot.port}/dashboard")
                await page.until("document.querySelectorAll('#trades tbody tr').length > 3")
                await page.until("document.querySelectorAll('#dependencies li').length > 3")
                await asyncio.sleep(1.0)
                await page.until("document.querySelector('#npositions').innerText === '1'", 120)
                await page.screenshot(DOCS / "dashboard.png")
                await page.size(390, 844, phone=True, scale=2)
                await asyncio.sleep(1.0)
                await page.until("document.querySelector('#npositions').innerText === '1'", 120)
                await page.screenshot(DOCS / "dashboard-phone.png")
        finally:
            bot.kill()


if __name__ == "__main__":
    asyncio.run(main())
