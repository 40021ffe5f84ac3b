"""Public routes: time, instruments and the market."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from . import errors
from .amounts import ZERO, plain
from .limits import DAY_MS
from .market import INTERVALS_MS, candle_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from .calls import Call
    from .market import Level, Market

MOST = 1000


def ping(_: Call) -> object:
    return {}


def server_time(call: Call) -> object:
    return {"serverTime": call.exchange.clock.now_ms()}


def system_status(_: Call) -> object:
    return {"status": 0, "msg": "normal"}


def exchange_info(call: Call) -> object:
    limits = call.exchange.limiter.limits
    return {
        "timezone": "UTC",
        "serverTime": call.exchange.clock.now_ms(),
        "rateLimits": [
            _limit("REQUEST_WEIGHT", "MINUTE", 1, limits.weight_per_minute),
            _limit("ORDERS", "SECOND", 10, limits.orders_per_10_seconds),
            _limit("ORDERS", "DAY", 1, limits.orders_per_day),
        ],
        "exchangeFilters": [],
        "symbols": [market.instrument.json() for market in _wanted(call)],
    }


def no_contracts(call: Call) -> object:
    """The futures exchanges are there, and list nothing."""
    return {"timezone": "UTC", "serverTime": call.exchange.clock.now_ms(), "rateLimits": [], "symbols": []}


def depth(call: Call) -> object:
    market = call.exchange.engine.market(call.symbol())
    limit = call.integer("limit", 100)
    return {
        "lastUpdateId": market.update_id,
        "bids": [_level(level) for level in market.bids[:limit]],
        "asks": [_level(level) for level in market.asks[:limit]],
    }


def klines(call: Call) -> object:
    market = call.exchange.engine.market(call.symbol())
    interval = INTERVALS_MS.get(call.text("interval"))
    if interval is None:
        raise errors.ApiError(-1120, "Invalid interval.")
    start, end = call.integer("startTime", 0), call.integer("endTime", 2**62)
    limit = min(call.integer("limit", 500), MOST)
    found = [candle for candle in market.candles_of(interval) if start <= candle.open_ts <= end]
    return [candle_json(candle, interval) for candle in (found[:limit] if start else found[-limit:])]


def trades(call: Call) -> object:
    market = call.exchange.engine.market(call.symbol())
    return [
        {
            "id": trade.trade_id,
            "price": plain(trade.price),
            "qty": plain(trade.quantity),
            "quoteQty": plain(trade.price * trade.quantity),
            "time": trade.ts,
            "isBuyerMaker": trade.buyer_is_maker,
            "isBestMatch": True,
        }
        for trade in list(market.trades)[-call.integer("limit", 500) :]
    ]


def aggregate_trades(call: Call) -> object:
    market = call.exchange.engine.market(call.symbol())
    start = call.integer("startTime", 0)
    found = [trade for trade in market.trades if trade.ts >= start]
    return [
        {
            "a": trade.trade_id,
            "p": plain(trade.price),
            "q": plain(trade.quantity),
            "f": trade.trade_id,
            "l": trade.trade_id,
            "T": trade.ts,
            "m": trade.buyer_is_maker,
            "M": True,
        }
        for trade in found[-call.integer("limit", 500) :]
    ]


def ticker_24h(call: Call) -> object:
    return _one_or_all(call, _day)


def ticker_book(call: Call) -> object:
    return _one_or_all(call, _best)


def ticker_price(call: Call) -> object:
    return _one_or_all(call, lambda _, market: {"symbol": market.instrument.symbol, "price": plain(market.last)})


def _limit(kind: str, interval: str, number: int, most: int) -> dict[str, object]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": most}


def _level(level: Level) -> list[str]:
    return [plain(level.price), plain(level.quantity)]


def _wanted(call: Call) -> list[Market]:
    engine = call.exchange.engine
    if "symbol" in call.params:
        return [engine.market(call.params["symbol"])]
    if "symbols" in call.params:
        return [engine.market(symbol) for symbol in json.loads(call.params["symbols"])]
    return list(engine.markets.values())


def _one_or_all(call: Call, tell: Callable[[Call, Market], dict[str, object]]) -> object:
    told = [tell(call, market) for market in _wanted(call)]
    return told[0] if "symbol" in call.params else told


def _best(_: Call, market: Market) -> dict[str, object]:
    bid, ask = market.bids[:1], market.asks[:1]
    return {
        "symbol": market.instrument.symbol,
        "bidPrice": plain(bid[0].price if bid else ZERO),
        "bidQty": plain(bid[0].quantity if bid else ZERO),
        "askPrice": plain(ask[0].price if ask else ZERO),
        "askQty": plain(ask[0].quantity if ask else ZERO),
    }


def _day(call: Call, market: Market) -> dict[str, object]:
    now = call.exchange.clock.now_ms()
    day = [candle for ts, candle in market.candles.items() if ts > now - DAY_MS]
    volume, turnover = sum((c.volume for c in day), ZERO), sum((c.quote_volume for c in day), ZERO)
    first = day[0].open if day else market.last
    change = market.last - first
    best = _best(call, market)
    return {
        **best,
        "priceChange": plain(change),
        "priceChangePercent": f"{change / first * 100 if first else ZERO:.3f}",
        "weightedAvgPrice": plain(turnover / volume if volume else market.last),
        "prevClosePrice": plain(first),
        "lastPrice": plain(market.last),
        "lastQty": plain(market.trades[-1].quantity if market.trades else ZERO),
        "openPrice": plain(first),
        "highPrice": plain(max((c.high for c in day), default=market.last)),
        "lowPrice": plain(min((c.low for c in day), default=market.last)),
        "volume": plain(volume),
        "quoteVolume": plain(turnover),
        "openTime": now - DAY_MS,
        "closeTime": now,
        "firstId": market.trades[0].trade_id if market.trades else -1,
        "lastId": market.trades[-1].trade_id if market.trades else -1,
        "count": sum(c.trades for c in day),
    }
