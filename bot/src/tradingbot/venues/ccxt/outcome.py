"""What an answer of the exchange means for an order. Pure, as tables; silence and doubt are never a refusal.

ccxt's exception classes do not tell whether an order exists (`tests/exchange_server/README.md` has what was measured),
so the evidence beside them decides: the HTTP status and the exchange's own code, read from the body itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from tradingbot.domain.money import ZERO
from tradingbot.ports.venue import Accepted, Found, Refused, Unavailable, Unknown
from tradingbot.venues.ccxt import mapping

if TYPE_CHECKING:
    from collections.abc import Mapping

OVERLOADED = "-1008"
"""The one code of a 5xx answer for which Binance documents that nothing was done."""
DUPLICATE = "Duplicate order sent."
GONE = "-2026"
"""Cancelled or expired without a fill more than 90 days ago."""
NO_ORDER = frozenset({"-2013"})
LONGEST_TEXT = 200

REFUSALS: Mapping[str, str] = {
    "-1002": "KEY_REFUSED",
    "-1003": "RATE_LIMITED",
    OVERLOADED: "OVERLOADED",
    "-1013": "FILTER",
    "-1014": "PARAMETER",
    "-1015": "RATE_LIMITED",
    "-1020": "PARAMETER",
    "-1021": "CLOCK_SKEW",
    "-1022": "SIGNATURE",
    "-1121": "UNKNOWN_SYMBOL",
    "-2010": "REJECTED",
    "-2014": "KEY_REFUSED",
    "-2015": "KEY_REFUSED",
}
"""Codes of Binance after which the order certainly does not exist, when they come with a status of 4xx."""

TEXTS: tuple[tuple[str, str, str], ...] = (
    ("-1013", "PRICE_FILTER", "TICK_SIZE"),
    ("-1013", "PERCENT_PRICE", "PRICE_COLLAR"),
    ("-1013", "LOT_SIZE", "LOT_SIZE"),
    ("-1013", "NOTIONAL", "MIN_NOTIONAL"),
    ("-1013", "MAX_NUM", "TOO_MANY_ORDERS"),
    ("-2010", "insufficient balance", "INSUFFICIENT_BALANCE"),
    ("-2010", "immediately match", "WOULD_TAKE"),
    ("-2010", "would trigger immediately", "WOULD_TRIGGER"),
    ("-2010", "Market is closed", "MARKET_CLOSED"),
    ("-2010", "may not place or cancel", "NOT_PERMITTED"),
)
"""(code, words of the message, our word); the first that fits."""

REFUSING_CLASSES: Mapping[str, str] = {
    "InsufficientFunds": "INSUFFICIENT_BALANCE",
    "InvalidOrder": "REJECTED",
    "BadSymbol": "UNKNOWN_SYMBOL",
    "BadRequest": "PARAMETER",
    "AuthenticationError": "KEY_REFUSED",
    "PermissionDenied": "NOT_PERMITTED",
}
"""For exchanges whose codes are not tabulated: these classes, when the exchange's JSON answer came with them."""


class Evidence(msgspec.Struct):
    """What one call left behind, beside ccxt's own word."""

    sent: bool = False
    """A request left, or may have left."""
    status: int = 0
    """HTTP status of the last answer; 0 when none came whole."""
    shape: str = ""
    """`list` or `dict` for a body of JSON, else empty."""
    code: str = ""
    text: str = ""
    retry_after: float | None = None
    """Seconds."""
    used_weight: int | None = None
    """Request weight of this minute that the exchange has counted for our address."""


class Ask(msgspec.Struct, frozen=True):
    """The answer does not say it: the order has to be looked up."""

    cause: str


class Missing(msgspec.Struct, frozen=True):
    """The exchange answered that it knows no such order. One such answer proves nothing yet."""

    cause: str


def submitted(
    answer: Any, error: BaseException | None, evidence: Evidence, client_id: str
) -> Accepted | Refused | Unknown | Ask:
    """Judge a new order."""
    if error is None:
        order = mapping.order(answer)
        if order is None or order.client_id not in {None, client_id}:
            return Unknown(f"an answer without our order (HTTP {evidence.status})")
        return Accepted(order.venue_id, order.ts)
    if _from_transport(error):
        return Unknown(cause(error))
    if not evidence.sent and _is(error, "BaseError") and not _is(error, "OperationFailed"):
        return Refused("NOT_SENT", cause(error))
    if evidence.text == DUPLICATE or _is(error, "DuplicateOrderId"):
        return Ask("the exchange has an order with this id")
    return refusal(error, evidence) or Unknown(cause(error, evidence))


def cancelled(answer: Any, error: BaseException | None, evidence: Evidence, client_id: str) -> Accepted | Ask:
    """Judge a cancel. Only the exchange's own word that it is over ends an order here; all else is looked up."""
    if error is not None:
        return Ask(cause(error, evidence))
    order = mapping.order(answer)
    if order is None or order.live is not False or _original_id(answer) not in {None, client_id}:
        return Ask(f"an answer without our cancelled order (HTTP {evidence.status})")
    return Accepted(order.venue_id, order.ts, order.filled)


def _original_id(answer: Any) -> Any:
    """Return whose order was cancelled; `clientOrderId` is the cancel's own id there."""
    info = answer.get("info")
    return info.get("origClientOrderId") if isinstance(info, dict) else None


def looked_up(
    answer: Any, error: BaseException | None, evidence: Evidence, client_id: str
) -> Found | Missing | Unavailable:
    """Judge a look-up by client id."""
    if error is None:
        order = mapping.order(answer)
        if order is None or order.client_id != client_id or order.live is None or order.filled is None:
            return Unavailable(f"an answer without our order (HTTP {evidence.status})")
        return Found(order.venue_id, live=order.live, filled=order.filled)
    if _from_transport(error) or not 400 <= evidence.status < 500:
        return Unavailable(cause(error, evidence))
    if evidence.code == GONE:
        return Found("", live=False, filled=ZERO)
    if evidence.code in NO_ORDER or (_is(error, "OrderNotFound") and evidence.shape and not evidence.code):
        return Missing(evidence.text)
    return Unavailable(cause(error, evidence))


def refusal(error: BaseException, evidence: Evidence) -> Refused | None:
    """Return the refusal that an error certainly is, or None."""
    if _from_transport(error):
        return None
    if evidence.code:
        certain = 400 <= evidence.status < 500 or evidence.code == OVERLOADED
        word = _word(evidence.code, evidence.text) if certain else None
        return Refused(word, f"{evidence.code} {evidence.text}") if word else None
    if evidence.shape and 200 <= evidence.status < 500 and _is(error, "ExchangeError"):
        for base in type(error).__mro__:
            if base.__name__ in REFUSING_CLASSES:
                return Refused(REFUSING_CLASSES[base.__name__], cause(error))
    return None


def _word(code: str, text: str) -> str | None:
    for coded, words, word in TEXTS:
        if code == coded and words in text:
            return word
    if re.fullmatch(r"-11\d\d", code) and code not in REFUSALS:
        return "PARAMETER"
    return REFUSALS.get(code)


def cause(error: BaseException, evidence: Evidence | None = None) -> str:
    """Write an error for a log: its class, the exchange's words or ccxt's without the address it asked."""
    if evidence is not None and evidence.code:
        return f"{type(error).__name__}: HTTP {evidence.status} {evidence.code} {evidence.text}"
    text = without_query(str(error))[:LONGEST_TEXT]
    status = f"HTTP {evidence.status} " if evidence is not None and evidence.status else ""
    return f"{type(error).__name__}: {status}{text}".strip()


def without_query(text: str) -> str:
    """Cut the parameters, and with them the signature, off each address in a text."""
    return re.sub(r"\?\S*", "", text)


def _is(error: BaseException, name: str) -> bool:
    return any(base.__name__ == name for base in type(error).__mro__)


def _from_transport(error: BaseException) -> bool:
    """Tell whether the HTTP library failed below ccxt, whatever class ccxt made of it."""
    seen: BaseException | None = error
    while seen is not None:
        if type(seen).__module__.partition(".")[0] == "aiohttp":
            return True
        seen = seen.__cause__
    return False
