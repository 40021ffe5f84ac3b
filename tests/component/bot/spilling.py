"""The command `tradingbot`, in which something fails that holds secrets: `python spilling.py SCENE COMMAND …`.

Every scene replaces one function of a library, or of ours, by one that raises the library's own error with everything
in its text and in its variables: what a library may do any day.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = (
    "DB_URL",
    "REDIS_URL",
    "API_KEY",
    "TRADINGBOT_API_KEY",
    "EXCHANGE_API_KEY",
    "EXCHANGE_API_SECRET",
    "TELEGRAM_BOT_TOKEN",
    "SLACK_WEBHOOK_URL",
    "DISCORD_WEBHOOK_URL",
    "SMTP_PASSWORD",
)
SECRETS = {name: os.environ[name] for name in NAMES if os.environ.get(name)}


def spill() -> str:
    """Everything that this process knows, as a careless library would write it."""
    return f"failed with {SECRETS!r}"


def raising(kind: type[BaseException]) -> Callable[..., Any]:
    def fail(*arguments: Any, **more: Any) -> Any:
        held = {"everything": SECRETS, "arguments": arguments, "more": more}
        raise kind(f"{spill()} {held['everything']}")

    return fail


def raising_later(kind: type[BaseException]) -> Callable[..., Any]:
    fail = raising(kind)

    async def later(*arguments: Any, **more: Any) -> Any:
        return fail(*arguments, **more)

    return later


def replace(owner: Any, name: str, by: Callable[..., Any]) -> None:
    """Put something that fails in the place of what is there."""
    assert hasattr(owner, name)
    setattr(owner, name, by)


def database() -> None:
    import asyncpg

    replace(asyncpg, "create_pool", raising_later(asyncpg.InterfaceError))


def database_breaks() -> None:
    import asyncpg

    replace(asyncpg, "create_pool", raising_later(RuntimeError))


def exchange() -> None:
    from ccxt import NetworkError
    from ccxt.async_support.base.exchange import Exchange

    replace(Exchange, "fetch", raising_later(NetworkError))


def exchange_breaks() -> None:
    from tradingbot.venues.ccxt.gateway import Gateway

    replace(Gateway, "call", raising_later(ValueError))


def redis() -> None:
    from redis.asyncio import Redis
    from redis.exceptions import ConnectionError as LostError

    replace(Redis, "execute_command", raising_later(LostError))


def api() -> None:
    from aiohttp import ClientError

    from tradingbot.web import answers

    replace(answers, "account", raising(ClientError))


def problem() -> None:
    from tradingbot.web import answers
    from tradingbot.web.problems import Problem

    def fail(*_: Any) -> Any:
        raise Problem(409, "Careless", spill())

    replace(answers, "positions", fail)


def messages() -> None:
    from apprise.plugins.base import NotifyBase

    replace(NotifyBase, "notify", raising(OSError))


def start() -> None:
    from tradingbot.wiring import Application

    replace(Application, "__init__", raising(KeyError))


def beside() -> None:
    """Threads, tasks that nobody waits for, warnings, lines of libraries; at last a task of ours dies."""
    from tradingbot.runtime.janitor import Janitor

    async def run(janitor: Janitor) -> None:
        held = dict(SECRETS)
        while janitor.control.picture is None:  # noqa: ASYNC110 - what is waited for knows no event
            await asyncio.sleep(0.05)
        warnings.warn(spill(), ResourceWarning, stacklevel=1)
        logging.getLogger("a.library").error("connecting to %s", held)
        thread = threading.Thread(target=raising(OSError))
        thread.start()
        thread.join()
        lost = asyncio.ensure_future(raising_later(LookupError)())
        await asyncio.sleep(0.05)
        del lost
        asyncio.get_running_loop().call_soon(raising(ArithmeticError))
        await asyncio.sleep(0.05)
        raise AssertionError(spill())

    replace(Janitor, "run", run)


def command_line() -> None:
    import urllib.request

    replace(urllib.request, "build_opener", raising(RuntimeError))


SCENES: dict[str, Callable[[], None]] = {
    scene.__name__: scene
    for scene in (
        database, database_breaks, exchange, exchange_breaks, redis, api, problem, messages, start, beside,
        command_line,
    )
}  # fmt: skip

if __name__ == "__main__":
    from tradingbot.cli.main import main

    SCENES[sys.argv.pop(1)]()
    warnings.simplefilter("always")
    main()
