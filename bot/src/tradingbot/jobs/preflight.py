"""`tradingbot preflight`: would this account do? Looks at key, clock, markets and reachability, and trades nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tradingbot import account
from tradingbot.observe import build
from tradingbot.ports.venue import Unavailable
from tradingbot.venues.ccxt.limits import Lane
from tradingbot.venues.ccxt.outcome import REFUSALS
from tradingbot.venues.ccxt.preflight import Right, tells_rights

if TYPE_CHECKING:
    from tradingbot.config.model import Settings
    from tradingbot.ports.clock import Clock
    from tradingbot.venues.ccxt.preflight import Preflight
    from tradingbot.venues.ccxt.venue import CcxtVenue

MOST_REASONS, LONGEST_REASON = 8, 400
SECONDS = 60.0
"""How long it may take, all questions together."""
OK, REFUSED, UNREACHABLE = "OK", "REFUSED", "UNREACHABLE"
SILENT = ("UNREACHABLE", "CLOCK_UNKNOWN", "ACCOUNT_UNREADABLE")
"""Codes of an exchange that did not answer, or not all of it."""
PASSING = (*SILENT, "MARKET_CLOSED")
"""Codes of what may be otherwise a minute later; every other reason needs a person."""


async def preflight(settings: Settings, clock: Clock) -> dict[str, Any]:
    """Ask the exchange and return the report, which holds nothing secret. Raise where the configuration cannot work."""
    venue = account.venue(settings, clock)
    reasons: list[str]
    found: Preflight | None = None
    try:
        async with asyncio.timeout(SECONDS):
            found = await venue.connect()
            reasons = [*found.reasons, *(f"MARKET_CLOSED: {text}" for text in venue.markets.closed)]
            if found.reachable:
                reasons += await _account(venue)
    except TimeoutError:
        reasons = [f"UNREACHABLE: the exchange took longer than {SECONDS:.0f} s to answer"]
    finally:
        await venue.close()
    reasons = _without_consequences(reasons, venue)
    return {
        "kind": "preflight",
        "verdict": _verdict(reasons),
        "reasons": [venue.gateway.credentials.scrub(reason)[:LONGEST_REASON] for reason in reasons][:MOST_REASONS],
        "account": venue.gateway.credentials.fingerprint,
        "build": build.fingerprint(),
        "skew_ms": None if found is None or found.skew is None else found.skew.offset_ms,
        "test_mode": settings.exchange.test_mode,
        "checked_at": clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


async def _account(venue: CcxtVenue) -> list[str]:
    """Read the account as a bot would: a key that the exchange does not know is found here, in test mode too."""
    balances = await venue.reader.balances(Lane.QUERY)
    if not isinstance(balances, Unavailable):
        return []
    if any(f" {code} " in balances.cause for code, word in REFUSALS.items() if word in {"KEY_REFUSED", "SIGNATURE"}):
        return [f"KEY_REFUSED: {balances.cause}; write the account's own key and secret into the Secret"]
    return [f"ACCOUNT_UNREADABLE: {balances.cause}"]


def _without_consequences(reasons: list[str], venue: CcxtVenue) -> list[str]:
    """Leave out what follows from another reason: who is not answered, or not known, is not told of rights either."""
    report = venue.preflight
    silent = report is not None and report.rights.withdraw is Right.UNKNOWN and tells_rights(venue.gateway)
    if not silent:
        return reasons
    causes = [reason for reason in reasons if not reason.startswith("KEY_RIGHTS_UNKNOWN")]
    if any(reason.startswith(("KEY_REFUSED", *SILENT)) for reason in causes):
        return causes
    text = "ACCOUNT_UNREADABLE: the exchange did not say what the key may do"
    return [text + reason.partition(":")[2] if reason not in causes else reason for reason in reasons]


def _verdict(reasons: list[str]) -> str:
    if not reasons:
        return OK
    return UNREACHABLE if all(reason.startswith(PASSING) for reason in reasons) else REFUSED
