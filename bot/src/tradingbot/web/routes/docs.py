"""The OpenAPI document and the page that shows it, both from this server alone."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from tradingbot.web import answers, openapi
from tradingbot.web.routes import bot, confirm, flags, health, history, simulation, trading

STATIC = Path(__file__).resolve().parents[1] / "static"
MODULES = (health, bot, trading, confirm, flags, history, simulation)

routes = web.RouteTableDef()


def endpoints() -> list[openapi.Endpoint]:
    """Return every endpoint that is documented."""
    return [each for module in MODULES for each in module.api.endpoints]


@routes.get("/api/v1/openapi.json")
async def document(_: web.Request) -> web.Response:
    """Answer with the OpenAPI document."""
    return answers.json(openapi.document(endpoints()))


@routes.get("/api/docs")
async def page(_: web.Request) -> web.StreamResponse:
    """Answer with the page that reads it."""
    return web.FileResponse(STATIC / "docs.html", headers={"Cache-Control": "no-cache"})
