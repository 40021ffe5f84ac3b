"""Live updates: each client gets the newest picture, at most twice a second. A slow reader holds nobody up."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import msgspec
from aiohttp import web

from tradingbot.domain.secrecy import conceal_long
from tradingbot.web import answers
from tradingbot.web.advice import Advice
from tradingbot.web.keys import COMMANDS, CONTROL, FLAGS, HEALTH, RELOAD, SETTINGS
from tradingbot.web.problems import HEADERS, Problem
from tradingbot.web.routes.health import dependencies

PAUSE_SECONDS = 0.5
QUIET_SECONDS = 10.0
"""Without news, a line is sent this often, so that both sides notice a broken connection."""
MOST_CLIENTS = 50
CLOSING = web.AppKey("closing", asyncio.Event)
CLIENTS = web.AppKey("clients", set[asyncio.Task[object]])

routes = web.RouteTableDef()


def prepare(app: web.Application) -> None:
    """Set up what the streams share."""
    app[CLOSING] = asyncio.Event()
    app[CLIENTS] = set()
    app.on_shutdown.append(_close)
    app.add_routes(routes)


async def _close(app: web.Application) -> None:
    app[CLOSING].set()
    for task in app[CLIENTS]:
        task.cancel()


def _now(app: web.Application) -> dict[str, Any]:
    """Say everything that the page shows of this moment."""
    settings, control, alone = app[SETTINGS], app[CONTROL], app[COMMANDS].alone
    advice = Advice(settings, alone=alone)
    account = answers.account(settings, control, app[HEALTH])
    held = {entry.source: advice.of(entry) for entry in control.board.restrictions()}
    return {
        **account,
        "reasons": [{**reason, "advice": held.get(reason["source"], "")} for reason in account["reasons"]],
        "now": answers.when(int(control.clock.now().timestamp() * 1_000_000)),
        "test_mode": settings.exchange.test_mode,
        "how": {"stop": advice.stop(), "approve": advice.approve()},
        "open_positions": answers.positions(control.picture),
        "orders": answers.orders(control.picture),
        "waiting": answers.waiting(control.picture),
        "dependencies": dependencies(settings, control, app.get(FLAGS), app.get(RELOAD)),
        "can_resume": alone,
    }


@routes.get("/api/v1/events")
async def events(request: web.Request) -> web.StreamResponse:
    """Stream the account's picture as server-sent events."""
    app = request.app
    if len(app[CLIENTS]) >= MOST_CLIENTS:
        raise Problem(503, "TooManyStreams", f"{MOST_CLIENTS} streams are open already; use /api/v1/bot/status")
    headers = {**HEADERS, "Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    task = asyncio.current_task()
    if task is None:
        return response
    app[CLIENTS].add(task)
    try:
        while not app[CLOSING].is_set():
            changed = app[CONTROL].changed
            told = conceal_long(msgspec.json.encode(_now(app)).decode())
            await response.write(f"data: {told}\n\n".encode())
            await asyncio.sleep(PAUSE_SECONDS)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), QUIET_SECONDS)
    except (ConnectionError, asyncio.CancelledError):
        pass
    finally:
        app[CLIENTS].discard(task)
    return response
