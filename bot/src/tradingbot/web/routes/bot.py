"""State, account, positions; and the emergency stop."""

from __future__ import annotations

from aiohttp import web

from tradingbot.observe import logs
from tradingbot.web import answers
from tradingbot.web.auth import require_key
from tradingbot.web.keys import CONTROL, HEALTH, SETTINGS
from tradingbot.web.problems import Problem

routes = web.RouteTableDef()
_log = logs.get(__name__)


@routes.get("/api/v1/status")
async def status(request: web.Request) -> web.Response:
    """Say what the operator wants to know."""
    app = request.app
    return answers.json(answers.status(app[SETTINGS], app[CONTROL], app[HEALTH]))


@routes.get("/api/v1/bot/status")
async def account(request: web.Request) -> web.Response:
    """Say how the bot and its account stand."""
    app = request.app
    return answers.json(answers.account(app[SETTINGS], app[CONTROL], app[HEALTH]))


@routes.get("/api/v1/bot/positions")
async def positions(request: web.Request) -> web.Response:
    """List open positions and orders."""
    picture = request.app[CONTROL].picture
    return answers.json({"positions": answers.positions(picture), "orders": answers.orders(picture)})


@routes.post("/api/v1/bot/emergency-stop")
async def emergency_stop(request: web.Request) -> web.Response:
    """Stop everything now; the answer says which stop counts, its outcome follows in /api/v1/status."""
    require_key(request)
    text = request.query.get("close_positions", "false").lower()
    if text not in ("true", "false"):
        raise Problem(400, "BadParameter", f"close_positions is true or false, not {text!r}")
    control = request.app[CONTROL]
    stop_id = f"api-{int(control.clock.now().timestamp() * 1000)}"
    reason = request.query.get("reason", "")[:200] or "asked for over the API"
    row = control.emergency_stop(stop_id, "api", reason, close_positions=text == "true")
    _log.warning("emergency stop asked for over the API", stop_id=row.stop_id)
    return answers.json(answers.status(request.app[SETTINGS], control, request.app[HEALTH]), 202)
