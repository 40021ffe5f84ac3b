"""Probes, health, metrics, and what this bot is."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tradingbot import __version__
from tradingbot.domain.money import plain
from tradingbot.observe import metrics, system
from tradingbot.web import answers, figures
from tradingbot.web.auth import weakness
from tradingbot.web.keys import CONTROL, FLAGS, HEALTH, METRICS, RELOAD, SETTINGS
from tradingbot.web.openapi import Api, Call, Nothing

if TYPE_CHECKING:
    from tradingbot.config.flags import Flags
    from tradingbot.config.model import Settings
    from tradingbot.runtime.control import Control
    from tradingbot.runtime.reload import Reload

api = Api()
TAG = "health"
Plain = Call[Nothing, Nothing]


@api.add("GET", "/live", TAG, answer=figures.Live, also=(503,))
async def live(call: Plain) -> web.Response:
    """Say whether the process can go on by itself."""
    health = call.app[HEALTH]
    if health.live:
        return answers.json({"status": "alive", "uptime": round(health.uptime, 1)})
    return answers.json({"status": "dead", "problem": f"task {health.dead} died"}, 503)


@api.add("GET", "/ready", TAG, answer=figures.Ready, also=(503,))
async def ready(call: Plain) -> web.Response:
    """Say whether the bot trades, or waits for the lease."""
    health = call.app[HEALTH]
    body = {"status": "ready" if health.ready else "not ready", "role": health.role, "problem": health.not_ready}
    return answers.json(body, 200 if health.ready else 503)


@api.add("GET", "/health", TAG, answer=figures.Health, also=(503,))
@api.add("GET", "/api/v1/status/health", TAG, answer=figures.Health, also=(503,))
async def well(call: Plain) -> web.Response:
    """Say how the bot is."""
    app = call.app
    body = answers.health_of(app[SETTINGS], app[CONTROL], app[HEALTH])
    return answers.json(body, 200 if body["status"] == "healthy" else 503)


@api.add("GET", "/api/v1/status/health/detailed", TAG, answer=figures.DetailedHealth, also=(503,))
async def detailed(call: Plain) -> web.Response:
    """Say how the bot and everything that it needs are."""
    app = call.app
    settings, control = app[SETTINGS], app[CONTROL]
    body = answers.health_of(settings, control, app[HEALTH])
    found = {
        **body,
        "dependencies": dependencies(settings, control, app.get(FLAGS), app.get(RELOAD)),
        "reasons": answers.restrictions(control),
        "system": system.figures(),
    }
    return answers.json(found, 200 if body["status"] == "healthy" else 503)


def dependencies(
    settings: Settings, control: Control, flags: Flags | None = None, reload: Reload | None = None
) -> list[dict[str, str]]:
    """List what the bot needs, and whether it has it."""
    health = control.health
    held = {entry.source: entry.reason for entry in control.board.restrictions()}
    trading = health.role == "trading"
    feed = settings.simulation.feed
    database = "answers" if health.database else health.problem or "does not answer"
    exchange = f"simulated {settings.exchange.name}" if settings.mode.value == "simulation" else settings.exchange.name
    watched = settings.kubernetes.name
    return [
        _dependency("database", health.database, database),
        _dependency("exchange", trading and "reconcile" not in held, held.get("reconcile", exchange)),
        _dependency("price feed", trading and "feed" not in held, held.get("feed", feed.type.value)),
        _dependency("kubernetes", "watch" not in held, held.get("watch", watched))
        if watched
        else _unused("kubernetes"),
        _redis(control, flags) if flags else _unused("redis"),
        _configuration(reload) if reload else _unused("configuration file"),
        _api_key(settings) if settings.http.api_key else _unused("API key"),
    ]


def _redis(control: Control, flags: Flags) -> dict[str, str]:
    detail = flags.problem or "answers"
    if control.picture is not None and control.picture.flags_off:
        detail += f"; switched off: {', '.join(control.picture.flags_off)}"
    return _dependency("redis", not flags.problem, detail)


def _configuration(reload: Reload) -> dict[str, str]:
    detail = reload.problem or "read"
    if reload.waiting:
        detail += f"; counts with the next start: {', '.join(reload.waiting)}"
    return _dependency("configuration file", not reload.problem, detail)


def _api_key(settings: Settings) -> dict[str, str]:
    weak = weakness(settings.http.api_key)
    return _dependency("API key", not weak, weak or "set")


def _dependency(name: str, up: object, detail: str) -> dict[str, str]:
    return {"name": name, "status": "up" if up else "down", "detail": detail}


def _unused(name: str) -> dict[str, str]:
    return {"name": name, "status": "unused", "detail": "not configured"}


@api.add("GET", "/api/v1/status/metrics", TAG, answer=figures.Figures)
async def of_the_day(call: Plain) -> web.Response:
    """Say the figures of the day. Prometheus reads /metrics instead."""
    picture = call.app[CONTROL].picture
    found: dict[str, Any] = {
        "daily_pnl": plain(picture.day_change) if picture else None,
        "equity": plain(picture.equity) if picture else None,
        "unrealized_pnl": plain(picture.unrealized) if picture else None,
        "drawdown": f"{picture.drawdown:.6f}" if picture else None,
        "positions": len(picture.positions) if picture else None,
        "open_orders": len(picture.orders) if picture else None,
        "orders_placed": picture.orders_placed if picture else None,
        "trades": picture.tally.fills if picture else None,
        "uptime": round(call.app[HEALTH].uptime, 1),
    }
    return answers.json(found)


@api.add("GET", "/api/v1/status/info", TAG, answer=figures.Info)
async def info(call: Plain) -> web.Response:
    """Say what this bot is. No secret is in it."""
    settings = call.app[SETTINGS]
    found = {
        "name": settings.bot.full_name,
        "version": __version__,
        "mode": settings.mode.value,
        "environment": settings.environment,
        "exchange": settings.exchange.name,
        "market_type": settings.exchange.market_type.value,
        "strategy": answers.strategy(settings),
        "config_hash": settings.config_hash,
        "python": platform.python_version(),
        "docs": "/api/docs",
    }
    return answers.json(found)


@api.add("GET", "/metrics", TAG, media="text/plain", problems=(404,))
async def prometheus(call: Plain) -> web.Response:
    """Expose the metrics for Prometheus."""
    app = call.app
    if not app[SETTINGS].enable_metrics:
        raise web.HTTPNotFound(text="metrics are switched off: set enable_metrics to true")
    app[CONTROL].measure()
    app[METRICS].step_age.set(app[HEALTH].step_age)
    app[METRICS].uptime.set(app[HEALTH].uptime)
    return web.Response(body=app[METRICS].expose(), headers={"Content-Type": metrics.TYPE})
