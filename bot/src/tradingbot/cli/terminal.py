"""What a person sees of a bot that runs alone: what it does, where its page is, each trade, and a line that is live."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.text import Text

from tradingbot import __version__
from tradingbot.config.model import FeedType, Mode
from tradingbot.domain.market import SECOND
from tradingbot.domain.money import plain, total
from tradingbot.domain.states import State
from tradingbot.ports.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal
    from pathlib import Path

    from tradingbot.config.model import Settings
    from tradingbot.core.picture import Picture
    from tradingbot.wiring import Application

PAUSE_SECONDS = 0.5
MOST_TRADES = 20
"""More than these in one look are only counted."""

_COLORS = {State.ACTIVE: "green", State.PAUSED: "yellow", State.REDUCING: "yellow"}


class Terminal:
    """Prints. Looks at the bot through what the page sees as well."""

    def __init__(self, settings: Settings, ledger: Path, log: Path, console: Console | None = None) -> None:
        self.settings, self.ledger, self.log = settings, ledger, log
        self.console = console or Console(highlight=False, soft_wrap=True)
        self._said = ""
        self._seen: set[str] = set()
        self._begun = False

    async def show(self, app: Application, port: int) -> None:
        """Introduce the bot, then tell what happens until cancelled."""
        self._introduce(port)
        with contextlib.ExitStack() as stack:
            live: Live | None = None
            if self.console.is_terminal:
                live = stack.enter_context(Live(console=self.console, auto_refresh=False, transient=True))
            while True:
                changed = app.control.changed
                with contextlib.suppress(StoreError):
                    await self._tell(app)
                if live is not None:
                    live.update(self._line(app), refresh=True)
                await asyncio.sleep(PAUSE_SECONDS)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), 5.0)

    def _introduce(self, port: int) -> None:
        settings, feed = self.settings, self.settings.simulation.feed
        market = (
            f"{feed.type.value.lower()} market" if feed.type is not FeedType.RECORDED else f"dataset {feed.dataset}"
        )
        pace = "as fast as it can" if feed.speed == 0 else f"{plain(feed.speed)} times as fast as the clock"
        quote = settings.strategy.symbols[0].rpartition("/")[2].partition(":")[0]
        host = settings.http.host
        shown = "127.0.0.1" if host == "0.0.0.0" else f"[{host}]" if ":" in host else host  # noqa: S104 - compared only
        money = (
            "no real money moves" if settings.mode is Mode.SIMULATION or settings.exchange.test_mode else "REAL MONEY"
        )
        self.console.print(f"[bold]tradingbot {__version__}[/bold], {settings.mode.value}: {money}")
        strategy = settings.strategy
        rows = {
            "trades": f"{strategy.name} on {', '.join(strategy.symbols)}, {strategy.timeframe}",
            "market": f"{market}, {pace}",
            "account": f"{plain(settings.simulation.initial_capital)} {quote} to begin with",
            "page": f"http://{shown}:{port}/dashboard",
            "ledger": str(self.ledger),
            "log": str(self.log),
        }
        for name, value in rows.items():
            self.console.print(f"  {name:<8} {escape(value)}")
        self.console.print("  Ctrl-C   ends in order: open entries are taken back, and the ledger is complete")

    async def _tell(self, app: Application) -> None:
        await self._tell_state(app)
        rows = await app.store.rows("trades", MOST_TRADES + 1)
        fresh = [row for row in reversed(rows) if row["trade_id"] not in self._seen]
        if self._begun and len(fresh) > MOST_TRADES:
            self._print("more trades than fit here; all of them are on the page")
        if self._begun:
            for fills in _by_order(fresh):
                self._print(_trade(fills))
        self._seen = {row["trade_id"] for row in rows}
        self._begun = True

    async def _tell_state(self, app: Application) -> None:
        state, health = app.control.board.state, app.health
        reasons = "; ".join(f"{r.source}: {r.reason}" for r in app.control.board.restrictions() if r.reason)
        text = f"[{_COLORS.get(state, 'red')}]{state.name}[/]"
        if not health.ready:
            text = f"not ready: {escape(health.not_ready)}" if app.control.picture is not None else self._said
        elif health.role == "standby":
            holder = await app.store.holder() or "another process"
            text = f"waiting: {escape(holder)} trades with this ledger; this one takes over when it ends"
        elif reasons:
            text += f" {escape(reasons)}"
        if text != self._said:
            self._said = text
            self._print(text)

    def _print(self, text: str) -> None:
        self.console.print(f"{datetime.now(UTC):%H:%M:%S}  {text}")

    def _line(self, app: Application) -> Text:
        picture = app.control.picture
        if picture is None:
            return Text("starting …", style="dim")
        return Text(_summary(picture), style="bold")

    def farewell(self, app: Application, code: int) -> None:
        """Say how it ended."""
        picture = app.control.picture
        how = "ended in order" if code == 0 else f"ended with an error, see {self.log}"
        self.console.print(escape(f"{how}{': ' + _summary(picture) if picture is not None else ''}"))


def _summary(picture: Picture) -> str:
    at = datetime.fromtimestamp(picture.ts / SECOND, UTC)
    prices = ", ".join(f"{symbol} {plain(price)}" for symbol, price in list(picture.prices.items())[:3])
    change = picture.equity - picture.capital
    return (
        f"{at:%Y-%m-%d %H:%M} market time | {prices} | equity {_money(picture.equity)} {picture.quote} "
        f"({change:+,.2f}) | open positions {len(picture.positions)}, orders {len(picture.orders)}"
    )


def _money(value: Decimal) -> str:
    return f"{value:,.2f}"


def _by_order(rows: list[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Put the fills of an order together."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["client_id"], []).append(row)
    return list(found.values())


def _trade(fills: list[Mapping[str, Any]]) -> str:
    first = fills[0]
    quantity = total(row["quantity"] for row in fills)
    realized = total(row["realized"] for row in fills)
    verb = "[green]bought[/]" if first["side"] == "buy" else "[red]sold[/]"
    text = f"{verb} {plain(quantity)} {first['symbol']} at {plain(fills[-1]['price'])} ({first['role']})"
    return f"{text}, realized {realized:+,.2f}" if realized else text
