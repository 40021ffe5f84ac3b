"""A process of the bot's image that is no bot (`preflight`, `kill`), and the exchange that it talks to."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from tests.component.bot.process import NOBODY
from tests.exchange_server import ApiKey, ExchangeServer, WallClock

if TYPE_CHECKING:
    from pathlib import Path

SYMBOL, MARKET = "BTC/USDT", "BTCUSDT"
KEY = "key-of-a-person-" + "k" * 48
SECRET = "secret-of-a-person-" + "s" * 45
CONFIG: dict[str, Any] = {
    "bot": {"name": "btc", "namespace": "test"},
    "mode": "live",
    "strategy": {"name": "breakout", "symbols": [SYMBOL]},
}


class Ended:
    """What a process left behind."""

    def __init__(self, code: int, output: str, termination: Path) -> None:
        self.code, self.output = code, output
        self.left = json.loads(termination.read_text()) if termination.exists() else None

    @property
    def report(self) -> dict[str, Any]:
        """The last line that it printed, which is also what it left in the termination log."""
        found: dict[str, Any] = json.loads(self.output.strip().splitlines()[-1])
        assert found == self.left
        return found


def exchange(**settings: Any) -> ExchangeServer:
    """An exchange on the machine's own clock."""
    key = settings.pop("key", None) or ApiKey(KEY, SECRET)
    balances = settings.pop("balances", {"USDT": 100_000, "BTC": 1})
    return ExchangeServer(clock=WallClock(settings.pop("skew_ms", 0)), keys=[key], balances=balances, **settings)


async def run_job(
    folder: Path, *command: str, url: str, environment: dict[str, str] | None = None, **changes: Any
) -> Ended:
    """Run `tradingbot COMMAND` to its end."""
    section = {"test_mode": False, "api_url": url, **changes.pop("exchange", {})}
    path, termination = folder / "job.yaml", folder / "job.termination"
    path.write_text(json.dumps({**CONFIG, "exchange": section, **changes}))
    termination.unlink(missing_ok=True)
    keep = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tradingbot.cli.main", *command),
        env={
            **keep,
            **NOBODY,
            "CONFIG_PATH": str(path),
            "TERMINATION_LOG": str(termination),
            "EXCHANGE_API_KEY": KEY,
            "EXCHANGE_API_SECRET": SECRET,
            **(environment or {}),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(120):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        raise
    assert process.returncode is not None
    text = output.decode()
    assert SECRET not in text
    assert KEY not in text
    return Ended(process.returncode, text, termination)
