"""A bot on a person's own machine: no configuration, no cluster, no database server. What it keeps is in one folder."""

from __future__ import annotations

import errno
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradingbot.cli.terminal import Terminal
from tradingbot.config.load import Option, load, source
from tradingbot.domain.errors import ConfigurationError
from tradingbot.domain.secrecy import conceal
from tradingbot.observe import logs
from tradingbot.observe.logfile import LogFile
from tradingbot.ports.store import SchemaError, StoreError
from tradingbot.runtime import process
from tradingbot.wiring import EXIT_CONFIGURATION, EXIT_SOFTWARE, application, ledger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradingbot.config.load import Source
    from tradingbot.config.model import Settings
    from tradingbot.wiring import Application

DEFAULTS: dict[str, Any] = {
    "strategy": {"name": "breakout"},
    "simulation": {"feed": {"type": "Synthetic", "speed": 60}},
    "http": {"host": "127.0.0.1"},
}
"""Where neither a file nor the environment nor an option says anything. A market minute passes in a second."""

IN_A_POD = ("CONFIG_PATH", "POD_NAME", "TRADINGBOT_NAME", "KUBERNETES_SERVICE_HOST")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line says."""

    config: Path | None = None
    data_dir: Path | None = None
    options: list[Option] = field(default_factory=list)


def is_alone(environment: Mapping[str, str], wanted: Wanted) -> bool:
    """Tell whether nothing speaks of a cluster or a database. A folder that is named is meant to be used."""
    if environment.get("DB_URL"):
        return False
    return wanted.data_dir is not None or not any(environment.get(name) for name in IN_A_POD)


def data_folder(environment: Mapping[str, str], given: Path | None, platform: str = sys.platform) -> Path:
    """Return where the ledger of this user is kept."""
    if given is not None:
        return given.expanduser().absolute()
    home = Path(environment.get("HOME") or Path.home())
    if environment.get("XDG_STATE_HOME"):
        return Path(environment["XDG_STATE_HOME"]) / "tradingbot"
    if platform == "darwin":
        return home / "Library" / "Application Support" / "tradingbot"
    if platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or home) / "tradingbot"
    return home / ".local" / "state" / "tradingbot"


def run_alone(wanted: Wanted) -> int:
    """Run until Ctrl-C; return the exit code."""
    folder = data_folder(os.environ, wanted.data_dir)
    try:
        settings = _settings(wanted, folder)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        log = LogFile(folder / "tradingbot.log")
    except ConfigurationError as error:
        return _refuse(f"{error.reason}: {error.message}", EXIT_CONFIGURATION)
    except OSError as error:
        return _refuse(
            f"{folder} cannot be used ({error.strerror}): choose another with --data-dir", EXIT_CONFIGURATION
        )
    logs.configure(settings.log_level, settings.mode.value, settings.bot.full_name, log, settings.environment)
    again = source(os.environ, wanted.config, wanted.options, _defaults(folder))
    return process.run(_run(settings, Terminal(settings, ledger(settings), log.path), again))


def _defaults(folder: Path) -> dict[str, Any]:
    return {**DEFAULTS, "database": {"path": str(folder)}}


def _settings(wanted: Wanted, folder: Path) -> Settings:
    return load(os.environ, wanted.config, defaults=_defaults(folder), options=wanted.options)


async def _run(settings: Settings, terminal: Terminal, again: Source | None) -> int:
    try:
        app = application(settings, os.environ, again)
    except ConfigurationError as error:
        return _refuse(f"{error.reason}: {error.message}", EXIT_CONFIGURATION)
    try:
        await app.store.open()
        code = await app.run(lambda port: terminal.show(app, port))
    except (ConfigurationError, SchemaError) as error:
        return _refuse(str(error), EXIT_CONFIGURATION)
    except StoreError as error:
        return _refuse(f"the ledger cannot be opened: {error}", EXIT_SOFTWARE)
    except OSError as error:
        return _refuse(await _not_listening(app, error), EXIT_SOFTWARE)
    terminal.farewell(app, code)
    return code


async def _not_listening(app: Application, error: OSError) -> str:
    http = app.settings.http
    if error.errno == errno.EADDRINUSE:
        text = f"port {http.port} of {http.host} is in use: choose another with --port, or end what uses it"
        holder = await app.store.holder()
        await app.store.close()
        return f"{text}. {holder} trades with the ledger in {app.settings.database.path}" if holder else text
    return f"{http.host}:{http.port} cannot be listened on ({error.strerror}): choose with --host and --port"


def _refuse(text: str, code: int) -> int:
    print(conceal(f"tradingbot: {text}"), file=sys.stderr)
    return code
