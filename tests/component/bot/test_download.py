"""Candles of an exchange that speaks HTTP become a file that a backtest takes; what is missing is fetched, once."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from tests.exchange_server import ExchangeServer, ManualClock
from tests.exchange_server.faults import Kind
from tests.exchange_server.market import Candle

from tradingbot.cli import download_run
from tradingbot.cli.download_run import Wanted, run
from tradingbot.feeds.parquet import rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

MINUTE_MS = 60_000
DAY = "2026-11-20"
START_MS = 1_795_132_800_000
"""2026-11-20T00:00:00Z; the exchange's clock stands a day later."""
COUNT = 2500
GAP = range(1200, 1260)


@pytest.fixture
async def exchange() -> AsyncIterator[ExchangeServer]:
    """Give an exchange with 2,500 minutes of candles, an hour of them missing."""
    async with ExchangeServer(clock=ManualClock(START_MS + COUNT * MINUTE_MS)) as server:
        market = server.exchange.engine.market("BTCUSDT")
        market.candles.clear()
        for number in range(COUNT):
            if number not in GAP:
                price = Decimal(50_000) + number
                one = Candle(START_MS + number * MINUTE_MS, price, price + 5, price - 5, price + 1, Decimal(2))
                market.add_candle(one)
        yield server


def wanted(server: ExchangeServer, folder: Path, **changes: Any) -> Wanted:
    values: dict[str, Any] = {
        "exchange": "binance", "symbols": ("BTC/USDT",), "timeframe": "1m", "begin": DAY, "end": None,
        "output": folder, "exchange_url": server.url,
    }  # fmt: skip
    return Wanted(**{**values, **changes})


async def done(capsys: pytest.CaptureFixture[str], asked: Wanted) -> tuple[int, Any]:
    code = await asyncio.to_thread(run, asked, as_json=True)
    said = capsys.readouterr()
    return code, json.loads(said.out)["BTC/USDT"] if said.out else said.err


def klines(server: ExchangeServer) -> int:
    return len(server.journal.of("GET", "/api/v3/klines"))


async def test_every_candle_is_there_once_and_the_gap_is_named(
    exchange: ExchangeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = await done(capsys, wanted(exchange, tmp_path))
    assert (code, told["candles"], told["added"], told["missing"]) == (0, COUNT - len(GAP), COUNT - len(GAP), len(GAP))
    assert told["gaps"] == [{"from": "2026-11-20T20:00:00Z", "to": "2026-11-20T21:00:00Z"}]
    path = tmp_path / "candles" / "binance" / "BTC-USDT" / "1m.parquet"
    assert told["file"] == str(path)
    read = list(rows(str(path)))
    assert [ts for ts, _, _ in read] == [(START_MS + n * MINUTE_MS) * 1000 for n in range(COUNT) if n not in GAP]
    assert read[7] == ((START_MS + 7 * MINUTE_MS) * 1000, (50_007.0, 50_012.0, 50_002.0, 50_008.0), 2.0)
    steps = json.loads(path.with_name("instrument.json").read_text())
    assert (steps["volume"], set(steps)) == ("base", {"tick", "lot", "min_notional", "volume"})


async def test_again_only_what_is_missing_is_asked_for(
    exchange: ExchangeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = await done(capsys, wanted(exchange, tmp_path, end="2026-11-20T10:00"))
    assert first[1]["candles"] == 600
    asked = klines(exchange)
    code, told = await done(capsys, wanted(exchange, tmp_path, end="2026-11-20T10:00"))
    assert (code, told["added"], klines(exchange)) == (0, 0, asked)
    code, told = await done(capsys, wanted(exchange, tmp_path))
    assert (code, told["candles"], told["added"]) == (0, COUNT - len(GAP), COUNT - len(GAP) - 600)


async def test_what_came_before_the_exchange_fell_silent_is_kept(
    exchange: ExchangeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_run, "ATTEMPTS", 1)
    exchange.faults.add(Kind.HTTP_ERROR, "GET", "/api/v3/klines", status=500, skip=1, times=None)
    code, text = await done(capsys, wanted(exchange, tmp_path))
    assert code == 69
    assert "run it again" in text
    exchange.faults.clear()
    kept = len(list(rows(str(tmp_path / "candles/binance/BTC-USDT/1m.parquet"))))
    assert 0 < kept < COUNT - len(GAP)
    code, told = await done(capsys, wanted(exchange, tmp_path))
    assert (code, told["candles"], told["added"]) == (0, COUNT - len(GAP), COUNT - len(GAP) - kept)


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({"symbols": ("BTC/XYZ",)}, 65, "BTC/XYZ"),
        ({"timeframe": "1x"}, 2, "a timeframe is"),
        ({"begin": "yesterday"}, 2, "--from yesterday: write a date"),
        ({"begin": "2026-11-21", "end": "2026-11-20"}, 2, "must lie before"),
        ({"exchange_url": "http://127.0.0.1:9"}, 69, "does not answer"),
        ({"begin": "2020-01-01", "end": "2020-01-02"}, 65, "no candles of that time"),
    ],
)
async def test_what_cannot_be_done_says_why(
    exchange: ExchangeServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    code: int,
    text: str,
) -> None:
    answered = await asyncio.to_thread(run, wanted(exchange, tmp_path, **changes), as_json=False)
    said = capsys.readouterr()
    assert answered == code, said
    assert text in said.err + said.out


async def test_a_backtest_takes_the_file(
    exchange: ExchangeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tradingbot.backtest.setup import Options
    from tradingbot.cli.backtest_run import run as backtest

    await done(capsys, wanted(exchange, tmp_path))
    options = Options(strategy="breakout", symbols=("BTC/USDT",), data=str(tmp_path / "candles" / "binance"))
    assert await asyncio.to_thread(backtest, options, None, as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["inputs"]["candles"] == COUNT - len(GAP)
