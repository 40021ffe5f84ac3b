"""No value of a secret leaves a process, whatever fails in it and whatever the failure says.

Each process holds every secret that a bot can have; something in it fails and says all of them. Then everything that it
wrote is searched: standard output and error, log and termination log, the answers of its API, what people were told.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import aiohttp
import asyncpg
import pytest
from tests.component.bot.live.world import LiveWorld
from tests.component.bot.messengers import DISCORD, SLACK, TOKEN, Messengers
from tests.component.bot.spilling import SCENES
from tests.support.waiting import ANSWER_SECONDS, PATIENCE_SECONDS, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from tests.component.bot.alone import AloneProcess
    from tests.component.bot.process import BotProcess

PREFLIGHT = ["preflight"]
KILL = ["kill", "--stop-id", "a-1", "--deadline", "10"]
PROGRAM = [sys.executable, str(Path(__file__).with_name("spilling.py"))]
ROOT = Path(__file__).resolve().parents[3]
PASSWORD = "p@ss/word \"of' the database 0123"
CACHE = "cache-password-0123"
API_KEY = "api-key-of-this-bot-0123"
OWN = {
    "API_KEY": API_KEY,
    "REDIS_URL": f"redis://:{CACHE}@127.0.0.1:1/0",
    "SMTP_USERNAME": "mail-user-0123456",
    "SMTP_PASSWORD": "mail-password-0123",
    "EXCHANGE_API_KEY": "exchange-key-0123456789abcdef",
    "EXCHANGE_API_SECRET": "exchange-secret-0123456789abcdef",
    "PYTHONPATH": str(ROOT),
}
SECRETS = {
    PASSWORD, CACHE, API_KEY, TOKEN, SLACK.split("/")[-1], DISCORD.split("/")[-1],
    *(value for name, value in OWN.items() if name not in ("REDIS_URL", "PYTHONPATH")),
}  # fmt: skip


def spellings(secret: str) -> set[str]:
    return {secret, quote(secret), quote(secret, safe=""), json.dumps(secret)[1:-1], repr(secret)[1:-1]}


def leaks(text: str, more: Iterable[str] = ()) -> list[str]:
    """Name the secrets that a text holds."""
    return sorted(secret for secret in {*SECRETS, *more} if any(form in text for form in spellings(secret)))


@pytest.fixture
async def messengers() -> AsyncIterator[Messengers]:
    made = await Messengers().start()
    yield made
    await made.stop()


@pytest.fixture
async def guarded(database: str) -> str:
    """Give the database to somebody whose password is hard to write."""
    connection = await asyncpg.connect(database)
    words = PASSWORD.replace("'", "''")
    await connection.execute(
        f"DO $$ BEGIN CREATE ROLE guarded SUPERUSER LOGIN PASSWORD '{words}'; "
        "EXCEPTION WHEN duplicate_object THEN END $$"
    )
    await connection.close()
    address = urlsplit(database)
    return database.replace(address.netloc, f"guarded:{quote(PASSWORD, safe='')}@{address.hostname}:{address.port}")


async def everything_told(bot: BotProcess) -> str:
    """Ask a running bot everything that can be asked without a key; what is not answered says nothing."""
    said = []
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS)) as session:
        base = f"http://127.0.0.1:{bot.port}"
        async with session.get(f"{base}/api/v1/openapi.json") as response:
            document = await response.json()
        paths = [path for path, methods in document["paths"].items() if "get" in methods and "{" not in path]
        assert {"/health", "/metrics", "/api/v1/status", "/api/v1/status/health/detailed"} <= set(paths)
        for path in paths:
            async with session.get(base + path) as response:
                said.append(f"{path} {response.status} {await response.text()} {dict(response.headers)}")
        async with session.get(f"{base}/api/v1/events") as response:
            said.append((await response.content.readline()).decode())
    return "\n".join(said)


def written(bot: BotProcess) -> str:
    return bot.log.read_text() + (bot.termination.read_text() if bot.termination.exists() else "")


async def fails(bot: BotProcess, what: str) -> str:
    """Wait until the failure is in the log or on standard error; return everything that the bot tells meanwhile."""
    await until(lambda: what in written(bot), lambda: f"{what} to be said; {bot.tail()}")
    if bot.process is not None and bot.process.poll() is None:
        return await everything_told(bot)
    return ""


@pytest.mark.parametrize(
    ("scene", "what"),
    [
        ("database", "InterfaceError"),
        ("database_breaks", "a task died"),
        ("redis", "ConnectionError"),
        ("start", "KeyError"),
        ("messages", "could not be sent"),
    ],
)
async def test_a_bot_that_fails_says_why_and_no_secret(
    scene: str, what: str, guarded: str, bots: Callable[..., BotProcess], messengers: Messengers
) -> None:
    bot = bots(scene, guarded, environment={**messengers.environment(), **OWN})
    bot.program = [*PROGRAM, scene]
    bot.start()
    if scene == "start":
        assert await asyncio.to_thread(bot.wait) == 70
    told = await fails(bot, what)
    bot.kill()
    text = written(bot)
    assert leaks(text) == []
    assert leaks(told) == []
    assert "[not shown]" in text, "it did say something, and it was taken out"
    for channel in messengers.told:
        # Mail is base64 and what the messenger was told is the message alone: its address holds the token.
        assert leaks(messengers.texts(channel)) == [], channel


async def test_threads_tasks_warnings_and_libraries_all_end_in_the_log(
    guarded: str, bots: Callable[..., BotProcess], messengers: Messengers
) -> None:
    bot = bots("beside", guarded, environment={**messengers.environment(), **OWN})
    bot.program = [*PROGRAM, "beside"]
    bot.start()
    await fails(bot, "AssertionError")
    for _ in range(200):
        if "HALTED" in messengers.texts("slack"):
            break
        await asyncio.sleep(0.1)
    bot.kill()
    text = written(bot)
    for kind in ("ResourceWarning", "connecting to", "OSError", "LookupError", "ArithmeticError", "AssertionError"):
        assert kind in text, kind
    assert leaks(messengers.texts("slack")) == []
    assert leaks(text) == []


@pytest.mark.parametrize("scene", ["api", "problem"])
async def test_an_answer_that_fails_is_a_problem_without_secrets(
    scene: str, guarded: str, bots: Callable[..., BotProcess]
) -> None:
    bot = bots(scene, guarded, environment={**OWN, "REDIS_URL": ""})
    bot.program = [*PROGRAM, scene]
    bot.start()
    path = {"api": "/api/v1/bot/status", "problem": "/api/v1/bot/positions"}[scene]
    await bot.trading()
    code, body = await bot.get(path)
    assert code == {"api": 500, "problem": 409}[scene]
    assert leaks(json.dumps(body, ensure_ascii=False)) == []
    assert leaks(str(body)) == []
    bot.kill()
    assert leaks(written(bot)) == []
    if scene == "api":
        assert "a request failed" in written(bot)


@pytest.mark.parametrize(("scene", "what"), [("exchange", "NetworkError"), ("exchange_breaks", "ValueError")])
async def test_a_live_bot_whose_exchange_fails_says_no_key(
    scene: str, what: str, guarded: str, bots: Callable[..., BotProcess]
) -> None:
    async with LiveWorld() as world:
        own = {name: value for name, value in OWN.items() if not name.startswith(("EXCHANGE", "REDIS"))}
        bot = bots(scene, guarded, **world.settings(environment=own))
        bot.program = [*PROGRAM, scene]
        bot.start()
        told = await fails(bot, what)
        bot.kill()
        keys = (world.key.key, world.key.secret)
    assert leaks(written(bot), keys) == []
    assert leaks(told, keys) == []


@pytest.mark.parametrize(
    ("scene", "command"),
    [("exchange", PREFLIGHT), ("exchange_breaks", PREFLIGHT), ("exchange_breaks", KILL), ("database_breaks", KILL)],
)
async def test_a_job_that_fails_reports_no_secret(scene: str, command: list[str], tmp_path: Path) -> None:
    config, termination = tmp_path / "config.yaml", tmp_path / "termination"
    exchange = {"test_mode": False, "api_url": "http://127.0.0.1:1"}
    config.write_text(
        json.dumps({"mode": "live", "strategy": {"name": "breakout", "symbols": ["BTC/USDT"]}, "exchange": exchange})
    )
    environment = {
        **OWN,
        "CONFIG_PATH": str(config),
        "TERMINATION_LOG": str(termination),
        "DB_URL": f"postgresql://trading:{quote(PASSWORD, safe='')}@127.0.0.1:1/trading",
    }
    process = await asyncio.create_subprocess_exec(
        *PROGRAM, scene, *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
    text = output.decode() + (termination.read_text() if termination.exists() else "")
    assert process.returncode != 0
    assert text
    assert leaks(text) == []


async def test_a_bot_that_runs_alone_keeps_its_file_clean(alone: Callable[..., AloneProcess]) -> None:
    bot = alone("one", **OWN)
    bot.program = [*PROGRAM, "beside"]
    bot.start()
    log = bot.data / "tradingbot.log"
    await until(lambda: log.exists() and "AssertionError" in log.read_text(), "the failure to be in the log")
    bot.kill()
    log_text = log.read_text()
    assert leaks(log_text + bot.log.read_text()) == []


@pytest.mark.parametrize("scene", [*SCENES][-1:])
@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("http://127.0.0.1:1", "RuntimeError"),
        (f"ftp://me:{quote(PASSWORD, safe='')}@127.0.0.1", "must be written"),
        (f"http://me:{quote(PASSWORD, safe='')}@127.0.0.1:1", "RuntimeError"),
    ],
)
def test_the_command_line_tells_neither_its_key_nor_a_password_of_the_address(scene: str, url: str, word: str) -> None:
    environment = {"TRADINGBOT_API_KEY": API_KEY, "TRADINGBOT_API_URL": url, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*PROGRAM, scene, "bot", "stop"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode != 0
    assert word in done.stderr
    assert leaks(done.stdout + done.stderr) == []
