"""What the endpoints say, as plain values. Amounts are text, so that no digit is lost; times are UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from tradingbot import __version__
from tradingbot.config.model import Mode
from tradingbot.domain.denial import MEANING, DenialCode
from tradingbot.domain.money import plain
from tradingbot.domain.orders import Role
from tradingbot.domain.states import State
from tradingbot.risk.limits import CHANGEABLE, Limits
from tradingbot.runtime import resume

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradingbot.config.model import Settings
    from tradingbot.core.picture import Picture
    from tradingbot.domain.effects import Decision
    from tradingbot.observe.health import Health
    from tradingbot.ports.store import LatchRow
    from tradingbot.runtime.control import Control


def _default(value: Any) -> Any:
    raise TypeError(f"{type(value).__name__} has no JSON form here")


def json(value: object, status: int = 200) -> web.Response:
    """Answer with JSON."""
    return web.Response(
        status=status,
        body=msgspec.json.encode(value, enc_hook=_default),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def when(ts: int) -> str:
    """Write microseconds since 1970 as UTC."""
    return datetime.fromtimestamp(ts / 1_000_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _second(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def row(values: Mapping[str, Any]) -> dict[str, Any]:
    """Write a row of the database."""
    return {key: _cell(value) for key, value in values.items()}


def _cell(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value


def restrictions(control: Control) -> list[dict[str, Any]]:
    """Write what restricts trading, the most restrictive first."""
    return [
        {"source": r.source, "state": r.state.name, "reason": r.reason, "id": r.latch_id or None}
        for r in control.board.restrictions()
    ]


def status(settings: Settings, control: Control, health: Health) -> dict[str, Any]:
    """Answer /api/v1/status: the contract with the operator. No balances, no key needed."""
    picture = control.picture
    stop, last = control.stop, control.last_stop
    complaint = control.resume.complaint()
    reasons = restrictions(control)
    if complaint:
        # It restricts nothing: it says why a resume does not lift what is listed above it.
        reasons.append({"source": resume.SOURCE, "state": State.ACTIVE.name, "reason": complaint, "id": None})
    return {
        "bot": settings.bot.full_name,
        "version": __version__,
        "mode": settings.mode.value,
        "state": control.board.state.name,
        "role": health.role,
        "ready": health.ready,
        "config_hash": settings.config_hash,
        "epoch": control.epoch,
        # Not known is not none: null before the ledger was read, and while another process trades. The operator takes a
        # live bot away once it says that no entry order is left.
        "positions": len(picture.positions) if picture else None,
        "open_orders": len(picture.orders) if picture else None,
        "entry_orders": sum(order.role == Role.ENTRY.value for order in picture.orders) if picture else None,
        "entries_gone": picture.entries_gone if picture else None,
        "account": control.account or None,
        "approval": control.approval.told() if control.approval is not None else None,
        "promotion": control.promotion,
        "confirmations": len(picture.waiting) if picture else 0,
        "reasons": reasons,
        "stop": None
        if stop is None
        else {
            "id": stop.stop_id,
            "since": _second(stop.since),
            "source": stop.origin,
            "reason": stop.reason,
            "close_positions": stop.close_positions,
            "durable": control.durable,
            "outcome": _outcome(settings, control, stop),
        },
        "last_stop": None
        if last is None or last.cleared_at is None
        else {"id": last.stop_id, "resumed_at": _second(last.cleared_at), "reason": last.cleared_reason},
    }


def _outcome(settings: Settings, control: Control, stop: LatchRow) -> dict[str, Any] | None:
    """Return what came of a stop. What the exchange told a process that is gone says nothing of what is open now."""
    told = control.picture is not None or settings.mode is Mode.SIMULATION
    return stop.outcome if told else None


def health_of(settings: Settings, control: Control, health: Health) -> dict[str, Any]:
    """Answer /health, with the keys that the requirements name."""
    away = any(entry.source == "exchange" for entry in control.board.restrictions())
    picture = control.picture
    return {
        "status": "healthy" if health.ready and health.live else "unhealthy",
        "problem": health.not_ready,
        "timestamp": health.clock.now().isoformat(timespec="seconds").replace("+00:00", "Z"),
        "version": __version__,
        "uptime": round(health.uptime, 1),
        "database_connected": health.database,
        "exchange_connected": health.role == "trading" and not away,
        "simulation_running": health.role == "trading" and health.settled and settings.mode is Mode.SIMULATION,
        "trading_mode": settings.mode.value,
        "trading_state": control.board.state.name,
        "role": health.role,
        "active_strategies": 1 if health.role == "trading" else 0,
        "active_markets": len(picture.prices) if picture else 0,
        "step_age_seconds": round(health.step_age, 1),
        "notifications": health.notifications,
    }


def account(settings: Settings, control: Control, health: Health) -> dict[str, Any]:
    """Answer /api/v1/bot/status: state and account."""
    answer = status(settings, control, health)
    answer["strategy"] = strategy(settings)
    answer["uptime"] = round(health.uptime, 1)
    answer["ready"], answer["problem"] = health.ready, health.not_ready
    answer["database_connected"] = health.database
    answer["speed"] = plain(settings.simulation.feed.speed)
    answer["account"] = money(control.picture) if control.picture else None
    return answer


def strategy(settings: Settings) -> dict[str, Any]:
    """Write what trades."""
    return {
        "name": settings.strategy.name,
        "symbols": settings.strategy.symbols,
        "timeframe": settings.strategy.timeframe,
        "parameters": {key: str(value) for key, value in settings.strategy.parameters.items()},
    }


def money(picture: Picture) -> dict[str, Any]:
    """Write the account."""
    return {
        "market_time": when(picture.ts),
        "currency": picture.quote,
        "equity": plain(picture.equity),
        "capital": plain(picture.capital),
        "cash": plain(picture.cash),
        "unrealized": plain(picture.unrealized),
        "realized": plain(picture.realized),
        "fees": plain(picture.fees),
        "peak": plain(picture.peak),
        "drawdown": f"{picture.drawdown:.6f}",
        "day_start": plain(picture.day_start),
        "day_change": plain(picture.day_change),
        "prices": {symbol: plain(price) for symbol, price in picture.prices.items()},
    }


def waiting(picture: Picture | None) -> list[dict[str, Any]]:
    """Write the orders that wait for a person."""
    return [
        {
            "client_id": each.client_id,
            "symbol": each.symbol,
            "side": each.side.value,
            "quantity": plain(each.quantity),
            "value": plain(each.value),
            "stop_loss": plain(each.stop_loss),
            "take_profit": plain(each.take_profit),
            "strategy": each.strategy,
            "reason": each.reason,
            "since": when(each.since),
            "expires_at": when(each.expires),
        }
        for each in (picture.waiting if picture else ())
    ]


def position_id(symbol: str) -> str:
    """Return the id of the position in a symbol, as it stands in a path."""
    return symbol.replace("/", "-")


def positions(picture: Picture | None) -> list[dict[str, Any]]:
    """Answer /api/v1/bot/positions."""
    found = picture.positions if picture else ()
    return [{"id": position_id(one.symbol), **_texts(msgspec.structs.asdict(one))} for one in found]


def orders(picture: Picture | None) -> list[dict[str, Any]]:
    """Write the orders that may still execute."""
    return [_texts(msgspec.structs.asdict(order)) for order in picture.orders] if picture else []


def _texts(values: dict[str, Any]) -> dict[str, Any]:
    found = {key: _cell(value) for key, value in values.items()}
    for key in ("opened", "ts"):
        if key in found:
            found[key] = when(values[key])
    return found


def decision(values: Mapping[str, Any]) -> dict[str, Any]:
    """Write a decision of the database, with the meaning of its code."""
    found = row(values)
    found["facts"] = msgspec.json.decode(values["facts"])
    found["meaning"] = meaning(values["code"])
    return found


def decided(made: Decision) -> dict[str, Any]:
    """Write a decision that was just made, as the database will have it."""
    found = msgspec.structs.asdict(made)
    ts = found.pop("ts")
    found |= {"side": made.side.value, "facts": dict(made.facts), "meaning": meaning(made.code)}
    return {**found, "market_ts": ts, "decided_at": when(ts)}


def meaning(code: str) -> str:
    """Say a denial code in words."""
    return MEANING[DenialCode(code)] if code in DenialCode.__members__ else ""


def limits(picture: Picture) -> dict[str, Any]:
    """Write the limits that hold, those of the configuration, and what was changed since."""
    return limits_of(picture.limits, picture.base_limits, picture.changed_limits, committed=True)


def limits_of(effective: Limits, configured: Limits, changes: Mapping[str, str], *, committed: bool) -> dict[str, Any]:
    """Write limits; `committed` says whether a restart would keep them."""
    return {
        "effective": _limits(effective),
        "configured": _limits(configured),
        "changed": dict(changes),
        "committed": committed,
    }


def _limits(found: Limits) -> dict[str, Any]:
    return {name: _limit(getattr(found, name)) for name in CHANGEABLE}


def _limit(value: object) -> object:
    return plain(value) if isinstance(value, Decimal) else value
