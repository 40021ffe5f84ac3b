"""The account at the exchange, as the configuration names it: the same for bot, preflight and kill."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradingbot.domain.errors import ConfigurationError
from tradingbot.domain.instrument import MarketType
from tradingbot.venues.ccxt.gateway import Credentials
from tradingbot.venues.ccxt.terms import VenueConfig
from tradingbot.venues.ccxt.venue import CcxtVenue

if TYPE_CHECKING:
    from tradingbot.config.model import Settings
    from tradingbot.ports.clock import Clock


def credentials(settings: Settings) -> Credentials:
    """Return the account's key, or say where to put it."""
    exchange = settings.exchange
    missing = [name for name in ("api_key", "api_secret") if getattr(exchange, name) is None]
    if exchange.api_key is None or exchange.api_secret is None:
        text = ", ".join(f"exchange.{name} (EXCHANGE_{name.upper()})" for name in missing)
        raise ConfigurationError("InvalidConfiguration", f"{text} is not set: give the account's key by environment")
    # A Secret that was made from a file often ends in a line break, which no key has.
    return Credentials(exchange.api_key.get_secret_value().strip(), exchange.api_secret.get_secret_value().strip())


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
