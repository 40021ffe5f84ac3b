"""Every name that the requirements give is there: endpoints with their fields, commands with their options, metrics.

The tables are what users of the older systems have in their scripts, dashboards and alerts. A name that goes missing
breaks one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.component.bot.process import BotProcess, until_rows
from typer.main import get_command

from tradingbot.cli.main import app
from tradingbot.config.load import ENVIRONMENT
from tradingbot.observe.metrics import Metrics
from tradingbot.web import openapi
from tradingbot.web.routes import docs

if TYPE_CHECKING:
    from collections.abc import Callable

BODIES = {
    "POST /api/v1/bot/start": "asset_pairs autonomous take_profit stop_loss dry_run",
    "PATCH /api/v1/bot/config": "stop_loss_pct position_size_pct confidence_threshold max_concurrent_trades",
    "POST /api/v1/bot/manual-trade": "asset_pair action size price stop_loss take_profit",
}
QUERIES = {"POST /api/v1/bot/emergency-stop": "close_positions", "GET /api/v1/decisions": "limit"}
ANSWERS = {
    "/api/v1/status/health": "status timestamp version uptime database_connected exchange_connected simulation_running "
    "trading_mode",
    "/health": "active_strategies active_markets",
    "/api/v1/status/health/detailed": "dependencies",
    "/api/v1/status/metrics": "daily_pnl uptime",
    "/api/v1/status/info": "version",
    "/api/v1/status": "state",
    "/api/v1/bot/status": "account",
    "/api/v1/bot/positions": "positions",
    "/api/v1/simulation/status": "",
    "/api/v1/simulation/performance": "",
    "/api/v1/decisions": "decisions",
    "/ready": "status",
    "/live": "status",
}
LOGGED = "timestamp level message logger correlation_id service version symbol side trading_mode"
PLAIN = ("/metrics", "/dashboard", "/api/docs", "/api/v1/openapi.json")
COMMANDS = {
    "bot start": "--api-url",
    "bot stop": "--api-url",
    "bot emergency-stop": "--api-url --close-positions",
    "bot status": "--api-url",
    "positions list": "--api-url",
    "positions close": "--api-url",
    "config update": "--api-url",
    "health check": "--api-url",
    "metrics show": "--api-url",
}
METRICS = {
    "trades_total": "strategy symbol direction",
    "active_positions": "strategy",
    "trade_execution_latency_seconds": "",
    "orders_placed_total": "strategy market_type",
    "order_placement_duration_seconds": "",
    "unrealized_pnl": "strategy",
    # The rest is asked for in words only; docs/metrics.md gave the names.
    "decision_latency_seconds": "provider asset_pair",
    "provider_requests_total": "provider status",
    "trade_pnl": "asset_pair",
    "circuit_breaker_state": "service",
    "portfolio_value": "platform",
    "active_trades": "platform",
    "trading_state": "",
    "decision_confidence": "asset_pair action",
    "daily_pnl": "strategy",
    "system_cpu_percent": "",
    "system_memory_percent": "",
    "system_disk_percent": "",
    "system_network_sent_bytes": "",
    "system_network_received_bytes": "",
    "system_processes": "",
    "system_load_average": "",
}
VARIABLES = """
TRADING_MODE TRADING_APPROVED ORDER_CONFIRMATION_REQUIRED MAX_OPEN_POSITIONS MAX_RISK_PER_TRADE MIN_RISK_REWARD_RATIO
EXCHANGE BINANCE_API_KEY BINANCE_API_SECRET BINANCE_TEST_MODE BINANCE_RATE_LIMIT SIMULATION_INITIAL_CAPITAL
SIMULATION_COMMISSION SIMULATION_SLIPPAGE SIMULATION_TICK_INTERVAL SIMULATION_STRATEGY_INTERVAL TELEGRAM_BOT_TOKEN
TELEGRAM_CHAT_ID TELEGRAM_ENABLED DB_URL DB_POOL_SIZE DB_MAX_OVERFLOW RISK_MAX_DRAWDOWN RISK_DAILY_LOSS_LIMIT
RISK_MAX_POSITION_SIZE RISK_RISK_PER_TRADE ENVIRONMENT LOG_LEVEL ENABLE_METRICS
"""


def fields(operation: dict[str, Any], document: dict[str, Any]) -> set[str]:
    """Name the fields of a request's body."""
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    while "$ref" in schema:
        found: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return set(schema["properties"])


@pytest.mark.parametrize("endpoint", [*BODIES, *QUERIES])
def test_each_request_takes_the_fields_that_are_asked_for(endpoint: str) -> None:
    document = openapi.document(docs.endpoints())
    method, path = endpoint.split()
    operation = document["paths"][path][method.lower()]
    if endpoint in BODIES:
        assert set(BODIES[endpoint].split()) <= fields(operation, document)
    else:
        assert set(QUERIES[endpoint].split()) <= {
            one["name"] for one in operation["parameters"] if one["in"] == "query"
        }


async def test_each_answer_has_the_fields_that_are_asked_for(database: str, bots: Callable[..., BotProcess]) -> None:
    bot = bots("pod", database).start()
    await bot.trading()
    await until_rows(database, "SELECT count(*) FROM simulation.trades")
    for path, names in ANSWERS.items():
        code, body = await bot.get(path)
        assert code == 200, path
        assert set(names.split()) <= set(body), path
    for path in PLAIN:
        assert (await bot.get(path))[0] == 200, path
    assert bot.end() == 0
    told = {line["message"]: line for line in bot.lines()}
    for message in ("approved", "order", "executed"):
        assert set(LOGGED.split()) <= set(told[message]), message
    assert "confidence" in told["approved"]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_its_options(command: str) -> None:
    group, name = command.split()
    found = get_command(app).commands[group].commands[name]  # type: ignore[attr-defined]
    options = {option for parameter in found.params for option in parameter.opts}
    assert set(COMMANDS[command].split()) <= options


@pytest.mark.parametrize("name", METRICS)
def test_each_metric_has_its_labels(name: str) -> None:
    metrics = Metrics("breakout", "Spot", "binance")
    labels = {
        f"{family.name}_total" if family.type == "counter" else family.name: getattr(one, "_labelnames", ())
        for one in vars(metrics).values()
        if hasattr(one, "describe")
        for family in one.describe()
    }
    assert set(labels[name]) == set(METRICS[name].split())


def test_the_latency_of_trades_has_the_buckets_that_are_asked_for() -> None:
    text = Metrics("breakout", "Spot", "binance").expose().decode()
    for bound in ("0.1", "0.5", "1.0", "2.0", "5.0", "+Inf"):
        assert f'trade_execution_latency_seconds_bucket{{le="{bound}"}}' in text


def test_each_environment_variable_is_read() -> None:
    assert set(VARIABLES.split()) <= set(ENVIRONMENT)
