"""Probes and metrics."""

from __future__ import annotations

from aiohttp import web

from tradingbot.observe import metrics
from tradingbot.web import answers
from tradingbot.web.keys import CONTROL, HEALTH, METRICS, SETTINGS

routes = web.RouteTableDef()


@routes.get("/live")
async def live(request: web.Request) -> web.Response:
    """Say whether the process can go on by itself."""
    health = request.app[HEALTH]
    if health.live:
        return answers.json({"status": "alive", "uptime": round(health.uptime, 1)})
    return answers.json({"status": "dead", "problem": f"task {health.dead} died"}, 503)


@routes.get("/ready")
async def ready(request: web.Request) -> web.Response:
    """Say whether the bot trades, or waits for the lease."""
    health = request.app[HEALTH]
    body = {"status": "ready" if health.ready else "not ready", "role": health.role, "problem": health.not_ready}
    return answers.json(body, 200 if health.ready else 503)


@routes.get("/health")
@routes.get("/api/v1/status/health")
async def well(request: web.Request) -> web.Response:
    """Say how the bot is, in detail."""
    app = request.app
    body = answers.health_of(app[SETTINGS], app[CONTROL], app[HEALTH])
    return answers.json(body, 200 if body["status"] == "healthy" else 503)


@routes.get("/metrics")
async def prometheus(request: web.Request) -> web.Response:
    """Expose the metrics."""
    app = request.app
    if not app[SETTINGS].enable_metrics:
        raise web.HTTPNotFound(text="metrics are switched off: set enable_metrics to true")
    app[METRICS].step_age.set(app[HEALTH].step_age)
    app[METRICS].uptime.set(app[HEALTH].uptime)
    return web.Response(body=app[METRICS].expose(), headers={"Content-Type": metrics.TYPE})
