"""The application: routes, page, limits."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from tradingbot.config.model import Mode
from tradingbot.runtime.commands import Commands
from tradingbot.web import keys, problems, sse
from tradingbot.web.routes import docs

if TYPE_CHECKING:
    from tradingbot.config.flags import Flags
    from tradingbot.config.model import Settings
    from tradingbot.observe.metrics import Metrics
    from tradingbot.runtime.control import Control
    from tradingbot.runtime.reload import Reload

STATIC = Path(__file__).resolve().parent / "static"
BODY_BYTES = 1024 * 1024
"""A request whose body is larger is refused with 413 before it is read."""
IDLE_SECONDS = 30.0
CLOSE_SECONDS = 2.0


def build(
    settings: Settings, control: Control, metrics: Metrics, flags: Flags | None = None, reload: Reload | None = None
) -> web.Application:
    """Put the application together; `flags` where there is a Redis, `reload` where there is a configuration file."""
    app = web.Application(middlewares=[problems.middleware], client_max_size=BODY_BYTES)
    app[keys.SETTINGS], app[keys.CONTROL], app[keys.METRICS] = settings, control, metrics
    app[keys.HEALTH], app[keys.STORE] = control.health, control.store
    app[keys.COMMANDS] = Commands(control, live=settings.mode is Mode.LIVE, alone=not settings.kubernetes.name)
    if flags is not None:
        app[keys.FLAGS] = flags
    if reload is not None:
        app[keys.RELOAD] = reload
    for module in docs.MODULES:
        app.add_routes(module.api.routes)
    app.add_routes(docs.routes)
    app.router.add_get("/", _home)
    app.router.add_get("/dashboard", _dashboard)
    app.router.add_static("/static/", STATIC, append_version=False)
    sse.prepare(app)
    return app


async def _home(_: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("/dashboard")


async def _dashboard(_: web.Request) -> web.StreamResponse:
    return web.FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})


class Server:
    """The listening socket."""

    def __init__(self, app: web.Application, host: str, port: int) -> None:
        # Connections that say nothing, from their first moment or after an answer, are dropped: a thousand of them
        # cost memory for that long, and trading does not notice.
        self._runner = web.AppRunner(
            app, access_log=None, keepalive_timeout=IDLE_SECONDS, shutdown_timeout=CLOSE_SECONDS
        )
        self._host, self._port = host, port

    async def start(self) -> int:
        """Listen; return the port."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port, reuse_address=True)
        await site.start()
        port: int = self._runner.addresses[0][1]
        return port

    async def stop(self) -> None:
        """Stop listening and end what is under way, within bounds."""
        try:
            await asyncio.wait_for(self._runner.cleanup(), CLOSE_SECONDS + 1.0)
        except TimeoutError:
            return
