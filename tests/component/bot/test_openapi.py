"""The OpenAPI document is valid, and the running bot does what it says, also for requests that nobody thinks of."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from openapi_spec_validator import validate
from tests.component.bot.process import BotProcess, audit

from tradingbot.web import openapi
from tradingbot.web.routes import docs

if TYPE_CHECKING:
    from collections.abc import Callable

WANTED = """
GET /live /ready /health /metrics /api/v1/status /api/v1/status/health /api/v1/status/health/detailed
GET /api/v1/status/metrics /api/v1/status/info /api/v1/simulation/status /api/v1/simulation/performance
GET /api/v1/bot/status /api/v1/bot/positions /api/v1/bot/config /api/v1/decisions /api/v1/orders /api/v1/trades
GET /api/v1/equity
POST /api/v1/simulation/reset /api/v1/bot/start /api/v1/bot/stop /api/v1/bot/emergency-stop /api/v1/bot/resume
POST /api/v1/bot/positions/{id}/close /api/v1/bot/manual-trade /api/v1/decisions
PATCH /api/v1/bot/config
"""


def test_every_endpoint_of_the_requirements_is_documented_and_what_changes_something_needs_the_key() -> None:
    found = {(each.method, each.path): each for each in docs.endpoints()}
    for line in WANTED.strip().splitlines():
        method, *paths = line.split()
        for path in paths:
            assert (method, path) in found
    for (method, _), each in found.items():
        assert each.key is (method != "GET")
        assert each.summary.endswith(".")


def test_the_document_is_valid_and_names_every_answer() -> None:
    document = openapi.document(docs.endpoints())
    validate(document)
    names = [one["operationId"] for verbs in document["paths"].values() for one in verbs.values()]
    assert len(names) == len(set(names))


async def test_the_running_bot_keeps_to_its_document(
    database: str, bots: Callable[..., BotProcess], tmp_path: Path
) -> None:
    bot = bots("pod", database, environment={"API_KEY": "key"}).start()
    await bot.trading()
    command = [
        str(Path(sys.executable).parent / "schemathesis"),
        "run", f"http://127.0.0.1:{bot.port}/api/v1/openapi.json",
        "--header", "X-API-Key: key", "--max-examples", "8", "--seed", "1", "--no-color", "--warnings", "off",
        "--generation-database", "none",
        # A decimal number as text has bounds that a schema cannot say.
        "--exclude-checks", "positive_data_acceptance",
    ]  # fmt: skip
    done = await asyncio.to_thread(subprocess.run, command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    status = (await bot.get("/api/v1/status"))[1]
    assert (status["ready"], status["role"]) == (True, "trading")
    assert not [line for line in bot.lines() if line["message"] == "a request failed"]
    assert bot.end() == 0
    await audit(database)
