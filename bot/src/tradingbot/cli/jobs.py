"""`preflight` and `kill` as processes: read the configuration, work, leave the report where it is looked for."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any

from tradingbot.cli import termination
from tradingbot.config.load import load
from tradingbot.domain.errors import ConfigurationError
from tradingbot.domain.secrecy import conceal_all
from tradingbot.observe import logs
from tradingbot.runtime.clock import WallClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tradingbot.config.model import Settings
    from tradingbot.ports.clock import Clock


def run_preflight(config: Path | None) -> int:
    """Look at the account; 0 when a bot may trade on it, 1 when not, 78 when the configuration cannot work."""
    from tradingbot.jobs.preflight import OK, preflight

    return _report(config, preflight, lambda report: report["verdict"] == OK)


def run_kill(config: Path | None, stop_id: str, deadline: float, *, close_positions: bool) -> int:
    """End what a bot has left at the exchange; 0 when all of it is confirmed, 1 when something is left or unknown."""
    from tradingbot.jobs.kill import Order, good, kill
    from tradingbot.jobs.outcome import bounded

    order = Order(stop_id=stop_id, close_positions=close_positions, deadline=deadline)
    return _report(config, lambda settings, clock: kill(settings, clock, order), good, bounded)


def _report(
    config: Path | None,
    work: Callable[[Settings, Clock], Awaitable[dict[str, Any]]],
    good: Callable[[dict[str, Any]], bool],
    shorten: Callable[[dict[str, Any]], dict[str, Any]] = lambda report: report,
) -> int:
    logs.configure("INFO", "", "")
    try:
        settings = load(os.environ, config)
        bot, environment = settings.bot.full_name, settings.environment
        logs.configure(settings.log_level, settings.mode.value, bot, environment=environment)

        async def body() -> dict[str, Any]:
            return await work(settings, WallClock())

        report = asyncio.run(body())
    except ConfigurationError as error:
        return termination.refuse(error.reason, error.message)
    report = conceal_all(report)
    print(json.dumps(report, ensure_ascii=False), flush=True)
    termination.leave(shorten(report))
    return 0 if good(report) else 1
