"""`tradingbot preflight`: it says of an account whether a bot could trade on it, and trades nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.component.bot.job import KEY, SECRET, exchange, run_job
from tests.exchange_server import ApiKey, Kind

from tradingbot.venues.ccxt.gateway import Credentials

if TYPE_CHECKING:
    from pathlib import Path

    from tests.component.bot.job import Ended
    from tests.exchange_server import ExchangeServer

ACCOUNT = Credentials(KEY, SECRET).fingerprint


async def look(folder: Path, server: ExchangeServer, **changes: Any) -> Ended:
    async with server:
        server.market.move("BTCUSDT", "50000")
        found = await run_job(folder, "preflight", url=server.url, **changes)
        assert {entry.method for entry in server.journal.entries} <= {"GET"}
        assert server.truth.orders == []
    return found


def codes(ended: Ended) -> list[str]:
    return [reason.partition(":")[0] for reason in ended.report["reasons"]]


async def test_a_good_account_is_ok_and_named_by_its_fingerprint(tmp_path: Path) -> None:
    ended = await look(tmp_path, exchange())
    report = ended.report
    assert (ended.code, report["kind"], report["verdict"], report["reasons"]) == (0, "preflight", "OK", [])
    assert (report["account"], report["test_mode"]) == (ACCOUNT, False)
    assert isinstance(report["skew_ms"], int)
    assert report["checked_at"].endswith("Z")
    assert set(report) == {"kind", "verdict", "reasons", "account", "build", "skew_ms", "test_mode", "checked_at"}


REFUSED: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("a key that may withdraw", {"key": ApiKey(KEY, SECRET, may_withdraw=True)}, {}, "KEY_MAY_WITHDRAW"),
    ("a key that may only read", {"key": ApiKey(KEY, SECRET, may_trade=False)}, {}, "KEY_MAY_NOT_TRADE"),
    ("a key that is not known", {"key": ApiKey("x" * 64, SECRET)}, {}, "KEY_REFUSED"),
    ("another key's secret", {"key": ApiKey(KEY, "another")}, {}, "KEY_REFUSED"),
    ("a key in test mode that is not known", {"key": ApiKey("x" * 64, SECRET)}, {"exchange": {"test_mode": True}},
     "KEY_REFUSED"),
    ("a clock that is wrong", {"skew_ms": 4_000}, {}, "CLOCK_SKEW"),
    ("a symbol that is not traded", {}, {"strategy": {"name": "breakout", "symbols": ["DOGE/USDT", "BTC/USDT"]}},
     "UNKNOWN_SYMBOL"),
]  # fmt: skip


@pytest.mark.parametrize(("server", "changes", "code"), [case[1:] for case in REFUSED], ids=[c[0] for c in REFUSED])
async def test_it_refuses(tmp_path: Path, server: dict[str, Any], changes: dict[str, Any], code: str) -> None:
    ended = await look(tmp_path, exchange(**server), **changes)
    assert (ended.code, ended.report["verdict"], codes(ended)) == (1, "REFUSED", [code])


async def test_an_exchange_that_does_not_answer_is_unreachable_and_not_refused(tmp_path: Path) -> None:
    server = exchange()
    server.faults.add(Kind.HTTP_ERROR, "GET", status=502, times=None)
    ended = await look(tmp_path, server)
    assert (ended.code, ended.report["verdict"]) == (1, "UNREACHABLE")
    assert ended.report["account"] == ACCOUNT


async def test_an_address_where_nobody_listens_is_unreachable(tmp_path: Path) -> None:
    server = exchange()
    async with server:
        url = server.url
    ended = await run_job(tmp_path, "preflight", url=url)
    assert (ended.code, ended.report["verdict"], ended.report["skew_ms"]) == (1, "UNREACHABLE", None)


async def test_rights_that_are_not_told_may_be_told_a_minute_later(tmp_path: Path) -> None:
    server = exchange()
    server.faults.add(Kind.HTTP_ERROR, "GET", "/sapi/*", status=503, times=None)
    ended = await look(tmp_path, server)
    assert (ended.code, ended.report["verdict"], codes(ended)) == (1, "UNREACHABLE", ["ACCOUNT_UNREADABLE"])


UNWORKABLE: list[tuple[dict[str, Any], dict[str, str], str]] = [
    ({"exchange": {"name": "nosuchexchange"}}, {}, "exchange.name"),
    ({"exchange": {"name": "kraken", "test_mode": True}}, {}, "exchange.testMode"),
    ({"exchange": {"market_type": "Futures"}}, {}, "exchange.market_type"),
    ({}, {"EXCHANGE_API_SECRET": ""}, "EXCHANGE_API_SECRET"),
    ({"risk": {"max_drawdwn": 1}}, {}, "max_drawdown"),
]


@pytest.mark.parametrize(("changes", "environment", "hint"), UNWORKABLE, ids=[case[2] for case in UNWORKABLE])
async def test_a_configuration_that_cannot_work_ends_with_78(
    tmp_path: Path, changes: dict[str, Any], environment: dict[str, str], hint: str
) -> None:
    ended = await run_job(tmp_path, "preflight", url="http://127.0.0.1:9", environment=environment, **changes)
    assert ended.code == 78
    assert ended.left is not None
    assert ended.left["reason"] == "InvalidConfiguration"
    assert hint in ended.left["message"]
