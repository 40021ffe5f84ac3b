"""The account at the exchange, as the configuration names it: the same for bot, preflight and kill."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tradingbot.config.model import Mode
from tradingbot.domain.errors import ConfigurationError
from tradingbot.domain.instrument import MarketType
from tradingbot.domain.market import timeframe
from tradingbot.feeds.live import LiveFeed
from tradingbot.venues.ccxt.gateway import Credentials
from tradingbot.venues.ccxt.live import LiveVenue
from tradingbot.venues.ccxt.terms import VenueConfig
from tradingbot.venues.ccxt.venue import CcxtVenue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tradingbot.config.model import Settings
    from tradingbot.domain.instrument import Instrument
    from tradingbot.ports.clock import Clock
    from tradingbot.ports.feed import Following

RECEIVE_MS = 5000
"""An order that reaches the exchange later than so long after it was signed is refused there."""
ABSENT_SECONDS = RECEIVE_MS / 1000 + 2.0
"""So long after it was sent an order that is not found can only be one that never arrived."""
ANSWER_SECONDS = 5.0


def credentials(settings: Settings) -> Credentials:
    """Return the account's key, or say where to put it."""
    exchange = settings.exchange
    missing = [name for name in ("api_key", "api_secret") if getattr(exchange, name) is None]
    if exchange.api_key is None or exchange.api_secret is None:
        text = ", ".join(f"exchange.{name} (EXCHANGE_{name.upper()})" for name in missing)
        raise ConfigurationError("InvalidConfiguration", f"{text} is not set: give the account's key by environment")
    # A Secret that was made from a file often ends in a line break, which no key has.
    return Credentials(exchange.api_key.get_secret_value().strip(), exchange.api_secret.get_secret_value().strip())


def foreign(settings: Settings) -> str:
    """Say that the key is not that of the account that was approved; empty when it is, or when none is named."""
    wanted = settings.approval.account if settings.approval is not None else ""
    found = credentials(settings).fingerprint if wanted else ""
    if found == wanted:
        return ""
    return (
        f"live trading is approved for the account with the key {wanted}, and the key given is {found}: put the "
        "approved one back into the Secret (spec.exchange.credentialsSecretRef), or have this account approved"
    )


def terms(settings: Settings) -> VenueConfig:
    """Return the terms of the connection."""
    exchange = settings.exchange
    if exchange.market_type is not MarketType.SPOT:
        text = f"exchange.market_type: {exchange.market_type.value} is not traded live in this version; write Spot"
        raise ConfigurationError("InvalidConfiguration", text)
    return VenueConfig(
        exchange=exchange.name,
        symbols=tuple(settings.strategy.symbols),
        test_mode=exchange.test_mode,
        api_url=exchange.api_url,
        weight_per_minute=exchange.rate_limit_per_minute,
    )


def venue(settings: Settings, clock: Clock) -> CcxtVenue:
    """Make the connection; it imports and asks nothing before it is used."""
    return CcxtVenue(terms(settings), credentials(settings), clock)


class Link:
    """The exchange as a session uses it: `runtime.link.Link` says what each method promises."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.live = settings.mode is Mode.LIVE
        if self.live and (why := foreign(settings)):
            raise ConfigurationError("AnotherAccount", why)
        key = credentials(settings) if self.live else Credentials("", "")
        self.account = key.fingerprint if self.live else ""
        wanted = msgspec.structs.replace(
            terms(settings),
            # Prices alone are asked of the real market, whose prices mean something.
            test_mode=self.live and settings.exchange.test_mode,
            timeout=ANSWER_SECONDS,
            visibility_delay=ABSENT_SECONDS,
        )
        self.venue = LiveVenue(wanted, key, clock, options={"options": {"recvWindow": RECEIVE_MS}})
        self._timeframe = (settings.strategy.timeframe, timeframe(settings.strategy.timeframe))
        self._clock = clock

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """Return what is traded, once opened."""
        return self.venue.instruments

    async def open(self, symbols: frozenset[str], held: frozenset[str]) -> str:
        """Connect; return why not, empty when it is done."""
        return await self.venue.open(symbols | held, held=held - symbols, account=self.live)

    def follow(self, arrived: Callable[[], None]) -> Following:
        """Return the market of what is connected."""
        return LiveFeed(self.venue, self.instruments, self._timeframe, self._clock, arrived)

    async def close(self) -> None:
        """End the connections."""
        await self.venue.close()
