"""Each row of what ccxt was measured to do, judged: an order that exists is never called refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import aiohttp
import ccxt.async_support as ccxt
import msgspec
import pytest
from tests.exchange_server import Kind, measure
from tests.exchange_server.faults import Rule
from tests.exchange_server.server import _spoiled

from tradingbot.ports.venue import Accepted, Found, Refused, Unavailable, Unknown
from tradingbot.venues.ccxt import outcome
from tradingbot.venues.ccxt.gateway import _read
from tradingbot.venues.ccxt.outcome import Ask, Evidence, Missing

ROWS = measure.saved()
CASES = {case.name: case for case in measure.CASES}
CERTAIN = {
    "429 -1003": "RATE_LIMITED",
    "418 ban": "RATE_LIMITED",
    "503 -1008 overloaded": "OVERLOADED",
    "-1021 clock skew": "CLOCK_SKEW",
    "-1015 too many orders": "RATE_LIMITED",
    "-1022 signature": "SIGNATURE",
    "-2014 key format": "KEY_REFUSED",
    "-2015 key, after a success": "KEY_REFUSED",
    "-1111 precision": "PARAMETER",
    "-1013 PRICE_FILTER": "TICK_SIZE",
    "-1013 LOT_SIZE": "LOT_SIZE",
    "-1013 MARKET_LOT_SIZE": "LOT_SIZE",
    "-1013 NOTIONAL": "MIN_NOTIONAL",
    "-1013 PERCENT_PRICE_BY_SIDE": "PRICE_COLLAR",
    "-1013 MAX_NUM_ORDERS": "TOO_MANY_ORDERS",
    "-1013 MAX_NUM_ALGO_ORDERS": "TOO_MANY_ORDERS",
    "-2010 balance": "INSUFFICIENT_BALANCE",
    "-2010 would take": "WOULD_TAKE",
    "-2010 would trigger": "WOULD_TRIGGER",
    "-2010 market closed": "MARKET_CLOSED",
    "-2010 account may not": "NOT_PERMITTED",
}
"""The rows after which a new order certainly does not exist, with our word. Every other error leaves it open."""
SILENT = {Kind.TIMEOUT, Kind.DROP, Kind.CUT_BODY}
NAME = "measure-1"


def evidence_of(row: measure.Outcome) -> Evidence:
    """What the gateway would have noted."""
    found, rule = Evidence(sent=True), Rule(**CASES[row.fault].settings)
    if rule.kind in SILENT:
        return found
    if rule.kind is Kind.REJECT:
        _read(found, rule.status or 400, {}, msgspec.json.encode({"code": rule.code, "msg": rule.msg}).decode())
    elif rule.kind is Kind.CLOCK_SKEW:
        _read(found, 400, {}, '{"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}')
    elif rule.kind in {Kind.SLOW, Kind.CANCEL_RACES_FILL, Kind.FILL_AFTER_CANCEL}:
        _read(found, 200, {}, "{}")
    else:
        answer = _spoiled(rule, None)
        _read(found, answer.status, answer.headers, answer.text)
    return found


def happened(row: measure.Outcome) -> tuple[Any, Exception | None]:
    """What ccxt returned or raised."""
    if row.family == "returned":
        if "no id" in row.gives:
            return {"id": None, "status": None, "clientOrderId": None, "info": {}}, None
        status = row.gives.rpartition(" ")[2]
        return {"id": "7", "status": status, "clientOrderId": NAME, "filled": "0.00000000", "timestamp": 5}, None
    error = getattr(ccxt, row.gives)("binance POST https://api.binance.com/api/v3/order")
    if CASES[row.fault].settings["kind"] is Kind.CUT_BODY:
        error.__cause__ = aiohttp.ClientPayloadError("cut")
    return None, error


def rows(operation: str) -> list[Any]:
    return [pytest.param(r, id=f"{r.urls}: {r.fault}") for r in ROWS if r.operation == operation]


def test_every_row_is_judged_by_one_of_these_tests() -> None:
    assert {row.operation for row in ROWS} == {"create_order", "cancel_order", "fetch_order"}
    assert set(CERTAIN) <= {row.fault for row in ROWS if row.operation == "create_order"}


@pytest.mark.parametrize("row", rows("create_order"))
def test_a_new_order(row: measure.Outcome) -> None:
    answer, error = happened(row)
    judged = outcome.submitted(answer, error, evidence_of(row), NAME)
    if row.fault in CERTAIN:
        assert isinstance(judged, Refused)
        assert judged.code == CERTAIN[row.fault]
        assert not row.processed
    elif "an id" in row.gives:
        assert judged == Accepted("7", 5000)
    elif row.fault == "-2010 duplicate client id":
        assert isinstance(judged, Ask)
    else:
        assert isinstance(judged, Unknown)
        assert judged.cause


@pytest.mark.parametrize("row", rows("cancel_order"))
def test_a_cancel(row: measure.Outcome) -> None:
    answer, error = happened(row)
    judged = outcome.cancelled(answer, error, evidence_of(row), NAME)
    assert isinstance(judged, Accepted if "an id" in row.gives else Ask)


@pytest.mark.parametrize("row", rows("fetch_order"))
def test_a_look_up(row: measure.Outcome) -> None:
    answer, error = happened(row)
    judged = outcome.looked_up(answer, error, evidence_of(row), NAME)
    if "an id" in row.gives:
        assert judged == Found("7", live=True, filled=Decimal(0))
    elif row.fault == "-2013 no such order":
        assert isinstance(judged, Missing)
    elif row.fault == "-2026 archived":
        assert judged == Found("", live=False, filled=Decimal(0))
    else:
        assert isinstance(judged, Unavailable)
        assert judged.cause


def test_an_answer_about_another_order_is_no_answer() -> None:
    answer = {"id": "7", "status": "open", "clientOrderId": "another", "filled": "0"}
    assert isinstance(outcome.submitted(answer, None, Evidence(True, 200, "dict"), NAME), Unknown)
    assert isinstance(outcome.looked_up(answer, None, Evidence(True, 200, "dict"), NAME), Unavailable)


def test_a_cancel_of_another_order_ends_nothing() -> None:
    answer = {"id": "7", "status": "canceled", "clientOrderId": "cancel-1", "info": {"origClientOrderId": "another"}}
    assert isinstance(outcome.cancelled(answer, None, Evidence(True, 200, "dict"), NAME), Ask)
    assert isinstance(outcome.cancelled(answer, None, Evidence(True, 200, "dict"), "another"), Accepted)


def test_what_ccxt_refuses_itself_was_never_sent() -> None:
    error = ccxt.InvalidOrder("triggerPrice parameter is not allowed")
    judged = outcome.submitted(None, error, Evidence(), NAME)
    assert isinstance(judged, Refused)
    assert judged.code == "NOT_SENT"
    assert isinstance(outcome.submitted(None, error, Evidence(sent=True), NAME), Unknown)


def test_a_programming_error_is_unknown() -> None:
    assert isinstance(outcome.submitted(None, KeyError("x"), Evidence(), NAME), Unknown)


@pytest.mark.parametrize(
    ("kind", "status", "shape", "refused"),
    [
        ("InsufficientFunds", 200, "dict", True),
        ("InvalidOrder", 400, "dict", True),
        ("OrderImmediatelyFillable", 400, "dict", True),
        ("InvalidOrder", 502, "dict", False),
        ("InvalidOrder", 0, "", False),
        ("ExchangeError", 200, "dict", False),
        ("RequestTimeout", 200, "dict", False),
    ],
)
def test_an_exchange_whose_codes_are_not_known(kind: str, status: int, shape: str, refused: bool) -> None:
    judged = outcome.submitted(None, getattr(ccxt, kind)("no"), Evidence(True, status, shape), NAME)
    assert isinstance(judged, Refused) is refused


def test_a_5xx_answer_refuses_nothing_whatever_its_code() -> None:
    for code in outcome.REFUSALS:
        judged = outcome.submitted(None, ccxt.InvalidOrder("no"), Evidence(True, 500, "dict", code, "no"), NAME)
        assert isinstance(judged, Refused) is (code == outcome.OVERLOADED), code


def test_no_address_in_a_cause() -> None:
    error = ccxt.RequestTimeout("binance GET https://api.binance.com/api/v3/order?timestamp=1&signature=abc")
    assert outcome.cause(error) == "RequestTimeout: binance GET https://api.binance.com/api/v3/order"
