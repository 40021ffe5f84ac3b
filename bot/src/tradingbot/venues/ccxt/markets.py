"""What an exchange says of the markets that are wanted: those it trades, those that are closed, and what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tradingbot.domain.instrument import split_symbol
from tradingbot.venues.ccxt import mapping
from tradingbot.venues.ccxt.mapping import MalformedError, Rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Markets(msgspec.Struct, frozen=True):
    """The markets, each symbol in one of the first three."""

    rules: dict[str, Rules] = {}
    untraded: tuple[str, ...] = ()
    """Symbols of the configuration that the exchange does not trade, each with a sentence."""
    gone: tuple[str, ...] = ()
    """Symbols that the configuration names no more and the exchange lists no more: only a position is left."""
    closed: tuple[str, ...] = ()
    """A sentence for each symbol whose market is closed at the moment: its orders are refused until it opens."""

    @property
    def assets(self) -> frozenset[str]:
        """Return what may be owned."""
        pairs = [(rules.instrument.base, rules.instrument.quote) for rules in self.rules.values()]
        return frozenset(asset for pair in (*pairs, *map(split_symbol, self.gone)) for asset in pair)


def read(
    told: Mapping[str, Any], symbols: Iterable[str], held: frozenset[str], exchange: str, precision: int
) -> Markets:
    """Sort the symbols; those in `held` are there for a position alone."""
    rules: dict[str, Rules] = {}
    untraded, gone, closed = [], [], []
    for symbol in symbols:
        market = told.get(symbol)
        if market is None or not market.get("spot"):
            if symbol in held:
                gone.append(symbol)
            else:
                text = f"{symbol} is not traded on {exchange}'s spot market: take it out of strategy.symbols"
                untraded.append(f"{text}; a position that is open in it is kept")
            continue
        if market.get("active") is False:
            closed.append(f"the market {symbol} is closed at {exchange}")
        try:
            rules[symbol] = mapping.rules(market, precision)
        except (MalformedError, KeyError, TypeError) as error:
            untraded.append(f"the market {symbol} cannot be read: {error}")
    return Markets(rules, tuple(untraded), tuple(gone), tuple(closed))
