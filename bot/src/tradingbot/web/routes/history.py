"""What happened: trades, decisions, orders, the equity curve. Read from the database, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tradingbot.ports.store import FILTERS, TIES
from tradingbot.web import answers, asks, models
from tradingbot.web.keys import STORE
from tradingbot.web.openapi import Api, Call, Nothing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiohttp import web

api = Api()
TAG = "history"


async def _page(call: Call[Any, Nothing], table: str, write: Callable[[Mapping[str, Any]], Any]) -> web.Response:
    asked = call.query
    before, tie = _cursor(asked.before)
    where = {}
    for name in FILTERS[table]:
        value = getattr(asked, name, None)
        if value is not None:
            where[name] = str(value).lower() if isinstance(value, bool) else str(value)
    rows = await call.app[STORE].rows(table, asked.limit, before, tie=tie, where=where)
    last = None
    if len(rows) == asked.limit:
        last = str(rows[-1]["market_ts"])
        if table != "equity":
            last += f"~{rows[-1][TIES[table]]}"
    return answers.json({table: [write(row) for row in rows], "next": last})


def _cursor(text: str | None) -> tuple[int | None, str]:
    """Read where a page begins: a market time, and the row of that time that was last."""
    if text is None:
        return None, ""
    before, _, tie = text.partition("~")
    return int(before), tie


@api.add("GET", "/api/v1/trades", TAG, query=asks.TradePage, answer=models.Trades, problems=(503,))
async def trades(call: Call[asks.TradePage, Nothing]) -> web.Response:
    """List executions, newest first."""
    return await _page(call, "trades", answers.row)


@api.add("GET", "/api/v1/orders", TAG, query=asks.OrderPage, answer=models.Orders, problems=(503,))
async def orders(call: Call[asks.OrderPage, Nothing]) -> web.Response:
    """List orders, newest first."""
    return await _page(call, "orders", answers.row)


@api.add("GET", "/api/v1/decisions", TAG, query=asks.DecisionPage, answer=models.Decisions, problems=(503,))
async def decisions(call: Call[asks.DecisionPage, Nothing]) -> web.Response:
    """List what was proposed and what the risk gate said, newest first, each denial with its meaning."""
    return await _page(call, "decisions", answers.decision)


@api.add("GET", "/api/v1/equity", TAG, query=asks.EquityPage, answer=models.Equity, problems=(503,))
async def equity(call: Call[asks.EquityPage, Nothing]) -> web.Response:
    """List points of the equity curve, newest first."""
    return await _page(call, "equity", answers.row)
