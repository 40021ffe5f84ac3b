"""What happened: trades, decisions, orders, the equity curve. Read from the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from tradingbot.web import answers
from tradingbot.web.keys import STORE
from tradingbot.web.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

routes = web.RouteTableDef()
MOST = 1000


def _limit(request: web.Request, default: int) -> int:
    text = request.query.get("limit", str(default))
    if not (text.isascii() and text.isdigit()) or len(text) > 6 or not 1 <= int(text) <= MOST:
        raise Problem(400, "BadParameter", f"limit is a number from 1 to {MOST}, not {text!r}")
    return int(text)


def _before(request: web.Request) -> int | None:
    text = request.query.get("before")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise Problem(400, "BadParameter", f"before is the market_ts of a row, not {text!r}")
    return int(text)


async def _rows(request: web.Request, table: str, default: int) -> list[Mapping[str, Any]]:
    return await request.app[STORE].rows(table, _limit(request, default), _before(request))


@routes.get("/api/v1/trades")
async def trades(request: web.Request) -> web.Response:
    """List executions, newest first."""
    return answers.json({"trades": [answers.row(row) for row in await _rows(request, "trades", 50)]})


@routes.get("/api/v1/orders")
async def orders(request: web.Request) -> web.Response:
    """List orders, newest first."""
    return answers.json({"orders": [answers.row(row) for row in await _rows(request, "orders", 50)]})


@routes.get("/api/v1/decisions")
async def decisions(request: web.Request) -> web.Response:
    """List what the strategy proposed and what the risk gate said, newest first."""
    return answers.json({"decisions": [answers.decision(row) for row in await _rows(request, "decisions", 50)]})


@routes.get("/api/v1/equity")
async def equity(request: web.Request) -> web.Response:
    """List points of the equity curve, newest first."""
    return answers.json({"equity": [answers.row(row) for row in await _rows(request, "equity", 500)]})
