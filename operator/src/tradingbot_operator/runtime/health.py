"""Health that proves progress, and the two small HTTP servers that show it.

`/healthz` fails when the operator no longer does its work: keys wait and none is taken, or a pass takes longer than the
bound, a worker or a watch has died. A long line that moves is work, not a failure. A blocked event loop cannot answer
at all, so a watchdog of the interpreter ends the process then.
"""

from __future__ import annotations

import asyncio
import faulthandler
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable

    from tradingbot_operator.runtime.metrics import Metrics

log = structlog.get_logger(__name__)

BEAT_SECONDS = 1.0


@dataclass(slots=True)
class Health:
    """The checks: each returns what is wrong, or None. All ages are seconds."""

    stall_seconds: float
    checks: dict[str, Callable[[], str | None]] = field(default_factory=dict)
    ready: bool = False
    loop_lag_seconds: float = 0.0
    last_event: float = field(default_factory=time.monotonic)

    def event_seen(self) -> None:
        """Note that a watch delivered something."""
        self.last_event = time.monotonic()

    def event_age(self) -> float:
        """Return how long ago (seconds) a watch delivered something."""
        return time.monotonic() - self.last_event

    def bound(self, name: str, age: Callable[[], float]) -> None:
        """Add a check that fails when an age exceeds the stall bound."""

        def check() -> str | None:
            value = age()
            return f"{name} for {value:.0f} s" if value > self.stall_seconds else None

        self.checks[name] = check

    def problems(self) -> list[str]:
        """Return what is wrong now."""
        return [f"{name}: {problem}" for name, check in self.checks.items() if (problem := check()) is not None]


async def heartbeat(health: Health, on_stall: Callable[[str], None]) -> None:
    """Measure the loop's lag each second; call `on_stall` when a problem lasts; end the process if the loop blocks."""
    bad_since: float | None = None
    try:
        while True:
            faulthandler.dump_traceback_later(health.stall_seconds, exit=True)
            before = time.monotonic()
            await asyncio.sleep(BEAT_SECONDS)
            health.loop_lag_seconds = max(0.0, time.monotonic() - before - BEAT_SECONDS)
            problems = health.problems()
            if not problems:
                bad_since = None
                continue
            bad_since = bad_since or before
            if time.monotonic() - bad_since > health.stall_seconds:
                on_stall("; ".join(problems))
                return
    finally:
        faulthandler.cancel_dump_traceback_later()


def health_app(health: Health) -> web.Application:
    """Build the application of the probes."""

    async def live(_: web.Request) -> web.Response:
        problems = health.problems()
        return web.json_response({"problems": problems}, status=500 if problems else 200)

    async def ready(_: web.Request) -> web.Response:
        return web.json_response({"ready": health.ready}, status=200 if health.ready else 503)

    app = web.Application()
    app.router.add_get("/healthz", live)
    app.router.add_get("/readyz", ready)
    return app


def metrics_app(metrics: Metrics) -> web.Application:
    """Build the application that Prometheus scrapes."""

    async def scrape(_: web.Request) -> web.Response:
        return web.Response(body=metrics.render(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    app = web.Application()
    app.router.add_get("/metrics", scrape)
    return app


async def serve(app: web.Application, port: int) -> web.AppRunner:
    """Serve an application on all addresses; the caller cleans the runner up. Raise OSError when the port is taken."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, None, port).start()
    return runner
