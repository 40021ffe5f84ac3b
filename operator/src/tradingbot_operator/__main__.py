"""The operator's process: settings, logs, then everything else. Exit codes: 0 stopped, 1 failed, 2 wrong settings."""

from __future__ import annotations

import sys

import structlog
import uvloop

from tradingbot_operator import settings as settings_module
from tradingbot_operator.runtime import logs


def main() -> int:
    """Run the operator until it is told to stop."""
    try:
        settings = settings_module.load()
    except settings_module.SettingsError as error:
        sys.stderr.write(f"tradingbot-operator: {error}\n")
        return 2
    logs.configure(settings.log_level)
    log = structlog.get_logger("tradingbot_operator")

    from tradingbot_operator import wiring

    try:
        uvloop.run(wiring.run(settings))
    except wiring.FatalError as error:
        log.critical("failed", error=str(error))
        return 1
    log.info("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
