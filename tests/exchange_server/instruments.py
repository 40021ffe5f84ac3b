"""What can be traded, and the filters an order must pass."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from . import errors
from .amounts import PLACES, ZERO, is_multiple, plain

ORDER_TYPES = (
    "LIMIT",
    "LIMIT_MAKER",
    "MARKET",
    "STOP_LOSS",
    "STOP_LOSS_LIMIT",
    "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
)
PERMISSIONS = ["SPOT"]


@dataclass(frozen=True, slots=True)
class Instrument:
    """A pair with its filters. The defaults are those of a large Binance pair."""

    base: str
    quote: str
    tick: Decimal = Decimal("0.01")
    step: Decimal = Decimal("0.00001")
    min_price: Decimal = Decimal("0.01")
    max_price: Decimal = Decimal(1_000_000)
    min_quantity: Decimal = Decimal("0.00001")
    max_quantity: Decimal = Decimal(9_000)
    max_market_quantity: Decimal = Decimal(100)
    min_notional: Decimal = Decimal(5)
    max_notional: Decimal = Decimal(9_000_000)
    multiplier_up: Decimal = Decimal(5)
    multiplier_down: Decimal = Decimal("0.2")
    max_orders: int = 200
    max_stops: int = 5
    status: str = "TRADING"

    def __post_init__(self) -> None:
        if not is_multiple(self.tick * self.step, Decimal(1).scaleb(-PLACES)):
            msg = f"{self.symbol}: tick {self.tick} times step {self.step} needs more than {PLACES} places"
            raise ValueError(msg)

    @property
    def symbol(self) -> str:
        return self.base + self.quote

    def check_price(self, price: Decimal) -> None:
        if not self.min_price <= price <= self.max_price or not is_multiple(price, self.tick):
            raise errors.filter_failure("PRICE_FILTER")

    def check_quantity(self, quantity: Decimal, *, market: bool) -> None:
        if not self.min_quantity <= quantity <= self.max_quantity or not is_multiple(quantity, self.step):
            raise errors.filter_failure("LOT_SIZE")
        if market and quantity > self.max_market_quantity:
            raise errors.filter_failure("MARKET_LOT_SIZE")

    def check_notional(self, notional: Decimal, *, market: bool) -> None:
        if notional < self.min_notional or (notional > self.max_notional and not market):
            raise errors.filter_failure("NOTIONAL")

    def check_collar(self, price: Decimal, average: Decimal) -> None:
        """Refuse a price that is far away from the market."""
        if average == ZERO:
            return
        if not average * self.multiplier_down <= price <= average * self.multiplier_up:
            raise errors.filter_failure("PERCENT_PRICE_BY_SIDE")

    def json(self) -> dict[str, object]:
        return {
            "symbol": self.symbol,
            "status": self.status,
            "baseAsset": self.base,
            "baseAssetPrecision": PLACES,
            "quoteAsset": self.quote,
            "quotePrecision": PLACES,
            "quoteAssetPrecision": PLACES,
            "baseCommissionPrecision": PLACES,
            "quoteCommissionPrecision": PLACES,
            "orderTypes": list(ORDER_TYPES),
            "icebergAllowed": False,
            "ocoAllowed": False,
            "otoAllowed": False,
            "quoteOrderQtyMarketAllowed": True,
            "allowTrailingStop": False,
            "cancelReplaceAllowed": False,
            "isSpotTradingAllowed": True,
            "isMarginTradingAllowed": False,
            "filters": self._filters(),
            "permissions": [],
            "permissionSets": [PERMISSIONS],
            "defaultSelfTradePreventionMode": "NONE",
            "allowedSelfTradePreventionModes": ["NONE"],
        }

    def _filters(self) -> list[dict[str, object]]:
        up, down = plain(self.multiplier_up), plain(self.multiplier_down)
        return [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": plain(self.min_price),
                "maxPrice": plain(self.max_price),
                "tickSize": plain(self.tick),
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": plain(self.min_quantity),
                "maxQty": plain(self.max_quantity),
                "stepSize": plain(self.step),
            },
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": plain(ZERO),
                "maxQty": plain(self.max_market_quantity),
                "stepSize": plain(ZERO),
            },
            {
                "filterType": "PERCENT_PRICE_BY_SIDE",
                "bidMultiplierUp": up,
                "bidMultiplierDown": down,
                "askMultiplierUp": up,
                "askMultiplierDown": down,
                "avgPriceMins": 5,
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": plain(self.min_notional),
                "applyMinToMarket": True,
                "maxNotional": plain(self.max_notional),
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": self.max_orders},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": self.max_stops},
        ]


DEFAULT_INSTRUMENTS = (
    Instrument("BTC", "USDT"),
    Instrument("ETH", "USDT", step=Decimal("0.0001"), min_quantity=Decimal("0.0001")),
)
