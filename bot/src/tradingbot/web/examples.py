"""An example of each request and answer, made from its schema: what a model gains or loses, its example does too.

A field's own `examples` come first, then the words below, by `Model.field` where a word means different things, else by
the field's name. A test holds every example to its schema, and every text to have one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tradingbot import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

MICROSECONDS = 1_764_061_200_000_000
CLIENT_ID = "tb5fc01a9e-3-1a"
ORDER = {"client_id": CLIENT_ID, "symbol": "BTC/USD", "state": "CANCELLED", "reason": ""}
HELD = {"symbol": "BTC/USD", "requested": "0", "residual": "0.2", "state": "KEPT", "reason": "positions were not to be "
        "closed"}  # fmt: skip
WORDS: dict[str, Any] = {
    "account": "8f0c2a9b7d61e3f4",
    "action": "enter",
    "active_markets": 1,
    "active_strategies": 1,
    "asset_pair": "BTC/USD",
    "asset_pairs": ["BTC/USD"],
    "bot": "trading/btc-breakout",
    "client_id": CLIENT_ID,
    "code": "",
    "codes": {"PRICE_COLLAR": "the price is too far from the market"},
    "config_hash": "048b5dc2ccb3793c",
    "correlation_id": "2a392b26f4f2f150",
    "currency": "USD",
    "dataset": "recorded",
    "detail": "answers",
    "digest": "sha256:5fc01a9e…",
    "direction": "long",
    "docs": "/api/docs",
    "drawdown": "0.012500",
    "environment": "Production",
    "exchange": "binance",
    "facts": {"equity": "10250.5", "value": "2500"},
    "feed": "Recorded",
    "flags": {"entries": True, "short_selling": False},
    "kept": ["orders", "trades", "decisions", "equity"],
    "market_ts": MICROSECONDS,
    "market_type": "Spot",
    "max_drawdown": "0.04",
    "meaning": "",
    "mode": "simulation",
    "name": "breakout",
    "next": f"{MICROSECONDS}~{CLIENT_ID}",
    "note": "",
    "off": "no new positions",
    "outcome": {"state": "CANCELLED", "orders_cancelled": 1, "message": "no entry order is open; positions kept with "
                "their protective orders: 1", "orders": [ORDER], "positions": [HELD]},
    "parameters": {"entry_lookback": "20"},
    "price": "60000.5",
    "problem": "",
    "profit_factor": "1.7",
    "python": "3.11.7",
    "reason": "close above the 20-candle channel",
    "role": "trading",
    "side": "buy",
    "size": "0.05",
    "state": "ACTIVE",
    "status": "healthy",
    "stop_id": "1f0c2a9b-7",
    "strategy": "breakout",
    "symbol": "BTC/USD",
    "symbols": ["BTC/USD"],
    "system": {"cpu_percent": 12.5, "memory_percent": 41.0, "disk_percent": 30.2},
    "timeframe": "1m",
    "trade_id": "5fc01a9e-17",
    "trading_mode": "simulation",
    "trading_state": "ACTIVE",
    "type": "market",
    "version": __version__,
    "win_rate": "0.55",
    "ConfigPatch.reason": "changed over the API",
    "Dependency.name": "database",
    "Dependency.status": "up",
    "Flag.name": "entries",
    "Info.name": "trading/btc-breakout",
    "LastStop.id": "1f0c2a9b-7",
    "LastStop.reason": "looked at it, all well",
    "Limits.changed": {"max_drawdown": "0.1"},
    "Limits.configured": {"max_drawdown": "0.15", "max_open_positions": 5},
    "Limits.effective": {"max_drawdown": "0.1", "max_open_positions": 5},
    "Live.status": "alive",
    "ManualTrade.reason": "the news",
    "ManualTrade.stop_loss": "59000",
    "ManualTrade.take_profit": "64000",
    "OrderRow.role": "entry",
    "OrderRow.state": "FILLED",
    "Position.average_price": "60000.5",
    "Position.id": "BTC-USD",
    "Position.quantity": "0.05",
    "Position.stop_loss": "59000",
    "Position.take_profit": "64000",
    "Position.unrealized": "12.5",
    "Position.value": "3000.03",
    "Ready.status": "ready",
    "Reason.id": "drawdown-1",
    "Reason.reason": "the loss from the peak is 15.2 %, the limit 15 %",
    "Reason.source": "drawdown",
    "Reason.state": "HALTED",
    "Resume.reason": "looked at it, all well",
    "Start.reason": "the news is over",
    "Stop.id": "1f0c2a9b-7",
    "Stop.reason": "wrong prices",
    "Stop.source": "spec",
    "Switch.name": "entries",
    "Trade.role": "entry",
    "WaitingOrder.quantity": "0.05",
    "WaitingOrder.stop_loss": "59000",
    "WaitingOrder.take_profit": "64000",
    "WaitingOrder.value": "3000.03",
    "Why.reason": "looked at it",
    "WorkingOrder.filled": "0",
    "WorkingOrder.quantity": "0.05",
    "WorkingOrder.role": "stop",
    "WorkingOrder.state": "OPEN",
    "WorkingOrder.stop_price": "59000",
    "WorkingOrder.type": "stop",
}  # fmt: skip
PROBLEMS = {
    400: ("BadParameter", "limit must be a whole number (given: many)"),
    401: ("ApiKeyWrong", "the key in the header X-API-Key is not the one that is configured"),
    403: ("NoApiKeyConfigured", "this bot has no API key, so nothing can be changed over HTTP"),
    404: ("NotFound", "there is no /api/v1/bots; see /api/docs for what there is"),
    409: ("NotTrading", "this process does not trade now: it waits for the lease that another process holds"),
    413: ("BodyTooLarge", "a request's body may have 1048576 bytes at most"),
    415: ("UnsupportedMediaType", "send JSON with the header Content-Type: application/json, not text/plain"),
    422: ("InvalidBody", "max_drawdown must be less than or equal to 1 (given: 2)"),
    503: ("DatabaseUnavailable", "the database does not answer, try again: connection refused"),
}


def problem(status: int) -> dict[str, Any]:
    """Return an example of a problem."""
    title, detail = PROBLEMS[status]
    found = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return {**found, "correlation_id": WORDS["correlation_id"]}


def of(schema: Mapping[str, Any], definitions: Mapping[str, Any], owner: str = "", name: str = "") -> Any:
    """Return an example of a schema; `owner` and `name` are the model and the field that it is of."""
    if "$ref" in schema:
        owner = schema["$ref"].rpartition("/")[2]
        return of(definitions[owner], definitions, owner)
    if "enum" in schema or "const" in schema:
        return schema["const"] if "const" in schema else schema["enum"][0]
    for key in (f"{owner}.{name}", name):
        if key in WORDS and "properties" not in schema and not _models(schema):
            return WORDS[key]
    if schema.get("examples"):
        return schema["examples"][0]
    if "anyOf" in schema:
        return of(next(one for one in schema["anyOf"] if one.get("type") != "null"), definitions, owner, name)
    return _typed(schema, definitions, owner, name)


def _models(schema: Mapping[str, Any]) -> bool:
    """Tell whether a field holds a model of ours, whose example is made of its fields."""
    return any("$ref" in one for one in (schema.get("items", {}), *schema.get("anyOf", ())))


def _typed(schema: Mapping[str, Any], definitions: Mapping[str, Any], owner: str, name: str) -> Any:
    match schema.get("type"):
        case "object" if "properties" in schema:
            fields = schema["properties"].items()
            return {field: of(value, definitions, owner, field) for field, value in fields}
        case "object":
            more = schema.get("additionalProperties")
            return {"BTC/USD": of(more, definitions, owner, name)} if isinstance(more, dict) else {}
        case "array":
            return [of(schema["items"], definitions, owner, name)] if schema.get("items") else []
        case "boolean":
            return True
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "string":
            return schema.get("default", "")
        case _:
            return None
