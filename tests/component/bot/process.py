"""The bot as a process of its own: started, asked, killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import aiohttp
import asyncpg
from tests.support.files import replace_text, whole_lines
from tests.support.ports import free_port
from tests.support.waiting import ANSWER_SECONDS, PATIENCE_SECONDS, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOBODY = {"SSL_CERT_FILE": os.devnull}
"""Whom the processes of tests trust beside those that a test names: the others need not be read at every start."""
CONFIG = {
    "bot": {"name": "btc", "namespace": "test"},
    "strategy": {"name": "breakout", "parameters": {"entry_lookback": 5, "exit_lookback": 15, "cooldown": 2}},
    "risk": {"daily_loss_limit": 1, "max_drawdown": 1},
    "simulation": {"feed": {"type": "Recorded", "speed": 3600, "loop": True}},
}


class BotProcess:
    """One process. Start it again after its end: it is the next process of the same pod."""

    def __init__(self, folder: Path, name: str, url: str, **changes: Any) -> None:
        self.folder, self.name, self.url = folder, name, url
        self.port = free_port()
        self.environment: dict[str, str] = {key: str(value) for key, value in changes.pop("environment", {}).items()}
        self.config = {**CONFIG, **changes}
        self.log = folder / f"{name}.log"
        self.termination = folder / f"{name}.termination"
        self.process: subprocess.Popen[bytes] | None = None
        self.program = [sys.executable, "-m", "tradingbot.cli.main"]

    def configure(self, **changes: Any) -> Path:
        """Write its configuration, with changes for this once; whoever reads it now finds the old or the new one."""
        path = self.folder / f"{self.name}.yaml"
        replace_text(path, json.dumps({**self.config, **changes}))
        return path

    def start(self) -> BotProcess:
        path = self.configure()
        keep = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
        environment = {
            **keep,
            **NOBODY,
            "CONFIG_PATH": str(path),
            "DB_URL": self.url,
            "HTTP_PORT": str(self.port),
            "HTTP_HOST": "127.0.0.1",
            "POD_NAME": self.name,
            "TERMINATION_LOG": str(self.termination),
            **self.environment,
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([*self.program, "run"], env=environment, stdout=log, stderr=log)
        return self

    def send(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def kill(self) -> None:
        """End at once, as a lost node would."""
        self.send(signal.SIGKILL)
        if self.process is not None:
            self.process.wait(ANSWER_SECONDS)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end, and return its exit code."""
        self.send(number)
        return self.wait()

    def wait(self) -> int:
        assert self.process is not None
        return self.process.wait(ANSWER_SECONDS)

    async def get(self, path: str, **headers: str) -> tuple[int, Any]:
        return await self.ask("GET", path, **headers)

    async def ask(self, method: str, path: str, body: Any = None, /, **headers: str) -> tuple[int, Any]:
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.request(method, f"http://127.0.0.1:{self.port}{path}", headers=headers, json=body) as response,
        ):
            text = await response.text()
            return response.status, json.loads(text) if "json" in response.content_type else text

    async def until(self, check: Callable[[dict[str, Any]], bool], seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """Wait until /api/v1/status says what is wanted."""

        async def look() -> dict[str, Any]:
            try:
                status: dict[str, Any] = (await self.get("/api/v1/status"))[1]
            except (aiohttp.ClientError, TimeoutError, OSError):
                status = {}
            return status

        return await until(
            look,
            lambda: f"what {self.name} is to say; {self.tail()}",
            holds=lambda status: status and check(status),
            ended=self.ended,
            seconds=seconds,
        )

    def ended(self) -> str | None:
        """Say with what the process ended, if it did."""
        if self.process is None or self.process.poll() is None:
            return None
        return f"{self.name} ended with {self.process.returncode}: {self.tail()}"

    async def trading(self) -> dict[str, Any]:
        return await self.until(lambda status: status["role"] == "trading" and status["ready"])

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in whole_lines(self.log) if line.startswith("{")]

    def tail(self) -> str:
        return self.log.read_text()[-3000:]


async def until_rows(url: str, query: str, count: int = 1) -> int:
    """Wait until a counting query reaches a number."""
    connection = await asyncpg.connect(url)

    async def look() -> int:
        try:
            found: int = await connection.fetchval(query)
        except asyncpg.UndefinedTableError:
            found = 0
        return found

    try:
        return await until(look, f"{count} of {query}", holds=lambda found: found >= count)
    finally:
        await connection.close()


async def audit(url: str) -> dict[str, int]:
    """Check what must hold of the rows, whatever happened to the process."""
    connection = await asyncpg.connect(url)
    try:
        rules = {
            "every asset balances": "SELECT count(*) FROM (SELECT asset FROM simulation.postings GROUP BY tx, asset "
            "HAVING sum(amount) <> 0) x",
            "no order is sent without an intent": "SELECT count(*) FROM simulation.orders o "
            "LEFT JOIN simulation.intents i USING (bot, client_id) WHERE i.client_id IS NULL",
            "no intent is forgotten": "SELECT count(*) FROM simulation.intents i "
            "LEFT JOIN simulation.orders o USING (bot, client_id) WHERE o.client_id IS NULL",
            "orders are filled by their trades": "SELECT count(*) FROM simulation.orders o WHERE filled <> (SELECT "
            "coalesce(sum(quantity), 0) FROM simulation.trades t WHERE t.bot = o.bot AND t.client_id = o.client_id)",
            "nothing is filled beyond its intent": "SELECT count(*) FROM simulation.orders WHERE filled > quantity",
            "positions are the sum of trades": "SELECT count(*) FROM simulation.positions p WHERE quantity <> (SELECT "
            "coalesce(sum(CASE side WHEN 'buy' THEN quantity ELSE -quantity END), 0) FROM simulation.trades t "
            "WHERE t.bot = p.bot AND t.symbol = p.symbol)",
            "positions are in the ledger": "SELECT count(*) FROM simulation.positions p WHERE quantity <> (SELECT "
            "coalesce(sum(amount), 0) FROM simulation.postings l WHERE l.bot = p.bot AND account = 'available' "
            "AND asset = split_part(p.symbol, '/', 1))",
            "fees are in the ledger": "SELECT count(*) FROM (SELECT bot, sum(fee) AS paid FROM simulation.trades "
            "GROUP BY bot) t WHERE paid <> (SELECT sum(amount) FROM simulation.postings l WHERE l.bot = t.bot "
            "AND account = 'fees' AND cause NOT LIKE 'account closed%')",
            "one candle, one entry": "SELECT count(*) FROM (SELECT 1 FROM simulation.intents i "
            "JOIN simulation.orders o USING (bot, client_id) WHERE i.role = 'entry' AND o.state <> 'NEVER_ARRIVED' "
            "GROUP BY i.bot, i.symbol, i.market_ts HAVING count(*) > 1) x",
            "one position, one stop": "SELECT count(*) FROM (SELECT 1 FROM simulation.orders WHERE role = 'stop' "
            "AND state IN ('OPEN', 'PARTIAL', 'SENT', 'INTENT') GROUP BY bot, symbol HAVING count(*) > 1) x",
            "no position without a stop": "SELECT count(*) FROM simulation.positions p WHERE quantity <> 0 AND NOT "
            "EXISTS (SELECT FROM simulation.orders o WHERE o.bot = p.bot AND o.symbol = p.symbol AND role IN "
            "('stop', 'exit', 'flatten') AND state IN ('OPEN', 'PARTIAL', 'SENT', 'INTENT'))",
        }
        for rule, query in rules.items():
            assert await connection.fetchval(query) == 0, rule
        tables = ("intents", "orders", "trades", "decisions", "equity")
        return {table: await connection.fetchval(f"SELECT count(*) FROM simulation.{table}") for table in tables}
    finally:
        await connection.close()
