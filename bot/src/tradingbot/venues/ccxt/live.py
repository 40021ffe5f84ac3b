"""The exchange as a session uses it: opened before the first order, its candles followed, its doubts said in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tradingbot.domain.errors import ConfigurationError
from tradingbot.ports.feed import Row
from tradingbot.ports.venue import Unavailable
from tradingbot.venues.ccxt import mapping
from tradingbot.venues.ccxt.limits import Lane
from tradingbot.venues.ccxt.mapping import MalformedError
from tradingbot.venues.ccxt.preflight import Verdict
from tradingbot.venues.ccxt.venue import CcxtVenue

if TYPE_CHECKING:
    from collections.abc import Sequence

WEIGHT_CANDLES = 2
REFUSED = "PreflightRefused"
"""Reason of the configuration error when the exchange, or the key, will not do."""
ATTEMPTS = 3
"""A clock that seems wrong is measured so often before it is believed: a slow answer looks the same."""
_PASSING = ("UNREACHABLE", "CLOCK_UNKNOWN", "KEY_RIGHTS_UNKNOWN")


class LiveVenue(CcxtVenue):
    """`ports.venue.RealVenue` and `ports.feed.CandleSource` of one account at one exchange."""

    async def open(self, symbols: frozenset[str], *, held: frozenset[str] = frozenset(), account: bool = True) -> str:
        """Connect; return why not, empty when it is done. Raise `ConfigurationError` for what only a person can mend.

        `held` are those of the symbols that are there for a position alone: if the exchange has delisted one, the
        others are to be managed all the same. Without `account`, prices alone are wanted, and no key is needed.
        """
        self.held = held
        if symbols != frozenset(self.config.symbols):
            self.config = msgspec.structs.replace(self.config, symbols=tuple(sorted(symbols)))
        if not account:
            await self.gateway.load()
            problem = await self.load_markets()
            if self.markets.untraded:
                raise ConfigurationError("UnknownSymbol", "; ".join(self.markets.untraded))
            return problem
        report = await self.connect()
        for _ in range(ATTEMPTS - 1):
            if any(reason.startswith("CLOCK_SKEW") for reason in report.reasons):
                report = await self.check()
        if report.verdict is Verdict.OK:
            return ""
        text = "; ".join(report.reasons)
        if report.verdict is Verdict.REFUSED or not all(reason.startswith(_PASSING) for reason in report.reasons):
            raise ConfigurationError(REFUSED, self.gateway.credentials.scrub(text))
        return text

    @property
    def problem(self) -> str:
        """Return why it takes no entries, empty when it does."""
        report = self.preflight
        if report is None:
            return "not connected yet"
        if self.markets.gone:
            return (
                f"{', '.join(self.markets.gone)}: {self.config.exchange} does not list it any more, and a position is "
                "open in it; look there what becomes of it. Nothing is entered meanwhile, all else is managed"
            )
        return "" if report.verdict is Verdict.OK else "; ".join(report.reasons)

    async def candles(self, symbol: str, timeframe: str, since: int, count: int) -> Sequence[Row] | Unavailable:
        """Return candles that open at or after a moment, oldest first; the newest may not be finished."""
        args = (symbol, timeframe, since // 1000, count)
        reply = await self.gateway.call("fetch_ohlcv", *args, lane=Lane.QUERY, weight=WEIGHT_CANDLES)
        problem = reply.unreadable("list")
        if problem:
            return Unavailable(problem)
        try:
            return [_row(row) for row in reply.answer]
        except (MalformedError, IndexError, TypeError) as error:
            return Unavailable(f"candles of {symbol}: {error}")


def _row(row: Any) -> Row:
    prices = [mapping.number(row[place], "candle") for place in range(1, 6)]
    return Row(1000 * int(row[0]), *prices)
