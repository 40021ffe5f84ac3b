"""Market data."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tradingbot.domain.instrument import Instrument
    from tradingbot.domain.market import Candle, MarketEvent
    from tradingbot.ports.venue import Unavailable


class Feed(Protocol):
    """A market that can be replayed from any moment. Market time never goes back, also where the data starts over."""

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """Return the instruments by symbol."""
        ...

    def stream(self, symbol: str, after: int) -> Iterator[MarketEvent]:
        """Yield what happens in a symbol after a moment (microseconds), oldest first, no two at the same time.

        Candles that close after it; or trades, and between them the candles that are made of them.
        """
        ...

    def history(self, symbol: str, until: int, count: int) -> Sequence[Candle]:
        """Return at most `count` candles that close at or before a moment, oldest first."""
        ...

    def close(self) -> None:
        """Give back files and memory."""
        ...


class Row(msgspec.Struct, frozen=True):
    """A candle as an exchange tells it; the newest one may not be finished yet."""

    opened: int
    """Microseconds since 1970."""
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    """In base currency."""


class CandleSource(Protocol):
    """An exchange that tells its candles."""

    async def candles(self, symbol: str, timeframe: str, since: int, count: int) -> Sequence[Row] | Unavailable:
        """Return at most `count` candles that open at or after a moment (microseconds), oldest first."""
        ...


class Following(Protocol):
    """A market that is followed as it happens; nothing of it can be replayed."""

    async def history(self, symbol: str, after: int, count: int) -> Sequence[Candle]:
        """Return the newest `count` finished candles that close after a moment, oldest first, as far as there are."""
        ...

    async def run(self) -> None:
        """Follow until cancelled. Errors are waited out."""
        ...

    def take(self) -> Sequence[Candle]:
        """Return what finished since the last call, in order of the close."""
        ...

    def prices(self) -> Mapping[str, int]:
        """Return the last price of each symbol in ticks, also of the candle that is not finished yet."""
        ...

    def stale(self) -> str:
        """Return why prices are not to be trusted, empty when they are."""
        ...
