"""config.yaml, the bot's configuration, exactly as docs/architecture.md has it."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from tradingbot_operator.api.v1alpha1.safety import Mode
from tradingbot_operator.api.v1alpha1.trading import Faults, Resolution

if TYPE_CHECKING:
    from tradingbot_operator.api.v1alpha1.live import LiveStatus
    from tradingbot_operator.api.v1alpha1.tradingbot import TradingBot, TradingBotSpec

_PLAIN_KEY: Final = re.compile(r"^(?!(?:y|n|yes|no|on|off|true|false|null)$)[a-z][a-z0-9_]*")
_UNPRINTABLE: Final = re.compile("[^\n -~\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
HEADER: Final = "# Written by tradingbot-operator. Change the TradingBot, not this file.\n"


def config_values(bot: TradingBot, mode: Mode, approval: LiveStatus | None = None) -> dict[str, Any]:
    """Return the bot's configuration; `mode` is the one that it may trade in, not the one that was asked for.

    A live bot gets its approval too, so that it can tell by itself when it ends.
    """
    spec = bot.spec
    approved = {} if approval is None else {"approval": _approval(approval)}
    return (
        approved
        | {
            "bot": {"name": bot.metadata.name, "namespace": bot.metadata.namespace},
            "mode": mode.value,
            "trading": spec.trading.value,
            "environment": spec.environment.value,
            "log_level": spec.log_level.value,
            "exchange": _exchange(spec),
            "strategy": {
                "name": spec.strategy.name,
                "symbols": list(spec.strategy.symbols),
                "timeframe": spec.strategy.timeframe.value,
                "parameters": spec.strategy.parameters or {},
            },
            "risk": _risk(spec),
            "simulation": _simulation(spec, mode),
            "database": {
                "pool_size": spec.database.pool_size,
                "max_overflow": spec.database.max_overflow,
                "keep_decisions_days": spec.database.keep_decisions_days,
                "keep_equity_days": spec.database.keep_equity_days,
            },
        }
        | _notifications(spec)
    )


def _notifications(spec: TradingBotSpec) -> dict[str, Any]:
    """Return what is no secret; tokens, addresses of webhooks and passwords come in the environment."""
    section: dict[str, Any] = {}
    if spec.notifications is None:
        return section
    for name in ("telegram", "slack", "discord"):
        channel = getattr(spec.notifications, name)
        if channel is not None:
            section[name] = {"enabled": channel.enabled}
    email = spec.notifications.email
    if email is not None:
        section["email"] = {
            "enabled": email.enabled,
            "host": email.host,
            "port": email.port,
            "sender": email.sender,
            "recipients": list(email.recipients),
        }
    return {"notifications": section}


def _approval(live: LiveStatus) -> dict[str, Any]:
    values = {
        "digest": live.digest,
        "approved_by": live.approved_by,
        "expires_at": live.expires_at.isoformat().replace("+00:00", "Z"),
    }
    if live.build and live.account:
        # A bot that does not say what code it is knows neither of the two, and refuses what it does not know.
        values |= {"account": live.account, "build": live.build}
    return values


def _exchange(spec: TradingBotSpec) -> dict[str, Any]:
    exchange = spec.exchange
    values: dict[str, Any] = {
        "name": exchange.name,
        "market_type": exchange.market_type.value,
        "test_mode": exchange.test_mode,
        "rate_limit_per_minute": exchange.rate_limit_per_minute,
    }
    if exchange.api_url is not None:
        values["api_url"] = exchange.api_url
    if exchange.order_confirmation_threshold is not None:
        values["order_confirmation_threshold"] = _number(exchange.order_confirmation_threshold)
    if exchange.order_confirmation_threshold is not None or not spec.risk.autonomous:
        values["order_confirmation_seconds"] = exchange.order_confirmation_seconds
    return values


def _risk(spec: TradingBotSpec) -> dict[str, Any]:
    risk = spec.risk
    optional = ("max_order_value", "max_stop_distance", "max_target_distance", "min_confidence")
    values = {name: _number(value) for name in optional if (value := getattr(risk, name)) is not None} | {
        "max_drawdown": _number(risk.max_drawdown),
        "daily_loss_limit": _number(risk.daily_loss_limit),
        "max_position_size": _number(risk.max_position_size),
        "risk_per_trade": _number(risk.risk_per_trade),
        "max_open_positions": risk.max_open_positions,
        "min_risk_reward_ratio": _number(risk.min_risk_reward_ratio),
        "max_orders_per_minute": risk.max_orders_per_minute,
        "price_collar": _number(risk.price_collar),
        "max_price_jump": _number(risk.max_price_jump),
        "autonomous": risk.autonomous,
        "on_breach": risk.on_breach.value,
    }
    return {name: value for name, value in values.items() if name not in risk.as_before}


def _simulation(spec: TradingBotSpec, mode: Mode) -> dict[str, Any]:
    simulation = spec.simulation
    feed: dict[str, Any] = {"type": simulation.feed.type.value}
    if simulation.feed.dataset is not None:
        feed["dataset"] = simulation.feed.dataset
    if simulation.feed.resolution is Resolution.TICKS:
        feed["resolution"] = simulation.feed.resolution.value
    feed |= {"speed": _number(simulation.feed.speed), "loop": simulation.feed.loop}
    faults = simulation.faults if mode is Mode.SIMULATION else None
    wrong = {"faults": _faults(faults)} if faults is not None else {}
    return {
        "initial_capital": _number(simulation.initial_capital),
        "commission": _number(simulation.commission),
        "slippage": _number(simulation.slippage),
        "tick_interval_seconds": simulation.tick_interval_seconds,
        "strategy_interval_seconds": simulation.strategy_interval_seconds,
        "seed": simulation.seed,
        "feed": feed,
        **wrong,
    }


def _faults(faults: Faults) -> dict[str, Any]:
    return {name: _number(getattr(faults, name)) for name in Faults.model_fields}


class _Plain(str):
    """A number that is written digit for digit: 0.0001, never 1e-04, never 0.1 with a tail."""

    __slots__ = ()


def _number(value: Decimal | int) -> _Plain:
    text = f"{value:f}"
    return _Plain(text.rstrip("0").rstrip(".") if "." in text else text)


def render(values: dict[str, Any]) -> str:
    """Write YAML with the keys in their order. Strings are quoted, so nothing is read as another type."""
    return HEADER + "".join(_lines(values, 0))


def _lines(values: dict[str, Any], indent: int) -> list[str]:
    lines = []
    for key, value in values.items():
        start = f"{' ' * indent}{_key(key)}:"
        if isinstance(value, dict) and value:
            lines.append(f"{start}\n")
            lines.extend(_lines(value, indent + 2))
        else:
            lines.append(f"{start} {_flow(value)}\n")
    return lines


def _key(key: str) -> str:
    return key if _PLAIN_KEY.fullmatch(key) else _string(key)


def _flow(value: Any) -> str:
    """Write anything on one line."""
    if isinstance(value, _Plain):
        return str(value)
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, float):
        text = f"{Decimal(repr(value)):f}"
        return text if "." in text else f"{text}.0"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_string(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    return json.dumps(value)


def _string(text: str) -> str:
    """Write a double-quoted string; what YAML does not allow as it is, is escaped."""
    quoted = json.dumps(text, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: f"\\U{ord(found[0]):08X}", quoted)
