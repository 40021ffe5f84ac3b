"""Market data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tradingbot.domain.instrument import Instrument
    from tradingbot.domain.market import Candle


class Feed(Protocol):
    """A market that can be replayed from any moment. Market time never goes back, also where the data starts over."""

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """Return the instruments by symbol."""
        ...

    def stream(self, symbol: str, after: int) -> Iterator[Candle]:
        """Yield the candles of a symbol that close after a moment (microseconds), oldest first."""
        ...

    def history(self, symbol: str, until: int, count: int) -> Sequence[Candle]:
        """Return at most `count` candles that close at or before a moment, oldest first."""
        ...

    def close(self) -> None:
        """Give back files and memory."""
        ...
