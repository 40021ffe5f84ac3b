"""Running the bot: load, check, start; and saying in the termination log why it cannot start."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from tradingbot.cli.alone import Wanted, is_alone, run_alone
from tradingbot.cli.termination import refuse
from tradingbot.config.load import load, source
from tradingbot.domain.errors import ConfigurationError
from tradingbot.domain.secrecy import conceal
from tradingbot.observe import logs
from tradingbot.runtime import process
from tradingbot.wiring import EXIT_CONFIGURATION, EXIT_SOFTWARE, application, describe

if TYPE_CHECKING:
    from pathlib import Path

_log = logs.get(__name__)


def run_bot(wanted: Wanted) -> int:
    """Run until stopped; return the exit code (78: the configuration cannot work)."""
    if is_alone(os.environ, wanted):
        return run_alone(wanted)
    logs.configure("INFO", "simulation", "")
    try:
        settings = load(os.environ, wanted.config, options=wanted.options)
        bot, environment = settings.bot.full_name, settings.environment
        logs.configure(settings.log_level, settings.mode.value, bot, environment=environment)
        again = source(os.environ, wanted.config, wanted.options)

        async def body() -> int:
            return await application(settings, os.environ, again).run()

        return process.run(body())
    except ConfigurationError as error:
        return refuse(error.reason, error.message)
    except OSError as error:
        text = f"http.port (HTTP_PORT): the address cannot be listened on: {error}"
        _log.error(text)
        return EXIT_SOFTWARE


def check(file: Path) -> int:
    """Check a file and print what it amounts to, or what is wrong with it."""
    try:
        print(json.dumps(describe(load(os.environ, file), os.environ), indent=2))
    except ConfigurationError as error:
        print(conceal(f"{error.reason}: {error.message}"), file=sys.stderr)
        return EXIT_CONFIGURATION
    return 0
