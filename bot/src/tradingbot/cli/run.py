"""Running the bot: load, check, start; and saying in the termination log why it cannot start."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from tradingbot.config.load import load
from tradingbot.domain.errors import ConfigurationError
from tradingbot.observe import logs
from tradingbot.wiring import EXIT_CONFIGURATION, EXIT_SOFTWARE, application, describe

TERMINATION_LOG = "/dev/termination-log"
_log = logs.get(__name__)


def run_bot(config: Path | None) -> int:
    """Run until stopped; return the exit code (78: the configuration cannot work)."""
    logs.configure("INFO", "simulation", "")
    try:
        settings = load(os.environ, config)
        logs.configure(settings.log_level, settings.mode.value, settings.bot.full_name)

        async def body() -> int:
            return await application(settings, os.environ).run()

        return asyncio.run(body())
    except ConfigurationError as error:
        return _refuse(error.reason, error.message)
    except OSError as error:
        text = f"http.port (HTTP_PORT): the address cannot be listened on: {error}"
        _log.error(text)
        return EXIT_SOFTWARE


def check(file: Path) -> int:
    """Check a file and print what it amounts to, or what is wrong with it."""
    try:
        print(json.dumps(describe(load(os.environ, file), os.environ), indent=2))
    except ConfigurationError as error:
        print(f"{error.reason}: {error.message}", file=sys.stderr)
        return EXIT_CONFIGURATION
    return 0


def _refuse(reason: str, message: str) -> int:
    """Say why, in the log and where Kubernetes (and the operator) read it."""
    _log.error(message, reason=reason, exit_code=EXIT_CONFIGURATION)
    path = Path(os.environ.get("TERMINATION_LOG") or TERMINATION_LOG)
    # Kubernetes keeps the last 4096 bytes.
    body = json.dumps({"reason": reason, "message": message[:3500]}, ensure_ascii=False)
    try:
        if os.environ.get("TERMINATION_LOG") or path.exists():
            path.write_text(body, encoding="utf-8")
    except OSError as error:
        _log.warning("the termination log cannot be written", path=str(path), error=str(error))
    return EXIT_CONFIGURATION
