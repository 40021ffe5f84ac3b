"""Answers of a bot as tables."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console

NOTHING = "-"
_COLORS = {
    "ACTIVE": "green", "PAUSED": "yellow", "REDUCING": "yellow", "HALTED": "red", "KILLED": "red",
    "up": "green", "down": "red", "unused": "dim", "healthy": "green", "unhealthy": "red",
}  # fmt: skip


def _text(value: object) -> str:
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return escape(str(value))


def _colored(word: str) -> str:
    color = _COLORS.get(word)
    return f"[{color}]{escape(word)}[/{color}]" if color else escape(word)


def _time(value: object) -> str:
    if not isinstance(value, str):
        return NOTHING
    return datetime.fromisoformat(value).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _rows(console: Console, columns: Sequence[str], rows: list[list[str]], empty: str) -> None:
    if not rows:
        console.print(empty, style="dim")
        return
    table = Table(*columns, show_edge=False, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _pairs(console: Console, pairs: Sequence[tuple[str, str]]) -> None:
    table = Table(show_header=False, show_edge=False, box=None, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for pair in pairs:
        table.add_row(*pair)
    console.print(table)


def state(answer: dict[str, Any], console: Console) -> None:
    """Show a state and what restricts it."""
    stop = answer.get("stop")
    durable = answer.get("durable", True) and (stop or {}).get("durable", True)
    console.print(_colored(answer["state"]) + ("" if durable else " [yellow](being written)[/]"))
    for one in answer.get("reasons", []):
        name = f" (id {one['id']})" if one.get("id") else ""
        console.print(f"  {_colored(one['state'])} by {escape(one['source'])}{escape(name)}: {escape(one['reason'])}")
    if stop:
        outcome = stop.get("outcome") or {"state": "PENDING", "message": "being carried out"}
        console.print(f"  stop {escape(stop['id'])}: {escape(outcome['state'])}, {escape(outcome['message'])}")


def status(answer: dict[str, Any], console: Console) -> None:
    """Show state and account."""
    console.print(f"[bold]{escape(answer['bot'])}[/bold] {escape(answer['mode'])} {escape(answer['role'])}")
    state(answer, console)
    money = answer.get("account")
    strategy = answer["strategy"]
    pairs = [("strategy", f"{strategy['name']} on {', '.join(strategy['symbols'])} {strategy['timeframe']}")]
    if money:
        currency = money["currency"]
        pairs += [
            ("equity", f"{money['equity']} {currency}"),
            ("today", money["day_change"]),
            ("drawdown", f"{float(money['drawdown']) * 100:.2f} %"),
            ("market time", _time(money["market_time"])),
        ]
    for name, count in (("positions", answer["positions"]), ("open orders", answer["open_orders"])):
        pairs.append((name, "not known" if count is None else str(count)))
    _pairs(console, [(name, escape(text)) for name, text in pairs])


def positions(answer: dict[str, Any], console: Console) -> None:
    """Show positions and working orders."""
    keys = ["id", "direction", "quantity", "average_price", "price", "unrealized", "stop_loss", "take_profit"]
    rows = [[_text(one[key]) for key in keys] for one in answer["positions"]]
    _rows(console, keys, rows, "no position is open")
    keys = ["symbol", "role", "side", "quantity", "filled", "stop_price", "limit_price", "state"]
    rows = [[_text(one[key]) for key in keys] for one in answer["orders"]]
    if rows:
        console.print()
        _rows(console, keys, rows, "")


def decisions(answer: dict[str, Any], console: Console) -> None:
    """Show decisions with their reasons."""
    rows = [
        [
            _time(one["decided_at"]),
            _text(one["symbol"]),
            _text(f"{one['action']} {one['side']}"),
            "[green]approved[/green]" if one["approved"] else f"[red]{escape(one['code'])}[/red]",
            _text(one["reason"] if one["approved"] else f"{one['reason']}: {one['meaning']}"),
        ]
        for one in answer["decisions"]
    ]
    _rows(console, ["market time", "symbol", "what", "answer", "why"], rows, "no decision yet")


def decision(answer: dict[str, Any], console: Console) -> None:
    """Show what became of a command."""
    made = answer.get("decision") or {}
    word = "approved" if made.get("approved", True) else made["code"]
    text = f"{made.get('action', '')} {made.get('symbol', '')}: {word}, order {made.get('client_id', '')}"
    console.print(escape(text.strip()))
    if not answer.get("committed", True):
        console.print("the database does not answer: it is sent as soon as it does", style="yellow")


def limits(answer: dict[str, Any], console: Console) -> None:
    """Show limits."""
    rows = [
        [_text(name), _text(value), _text(answer["configured"][name]), _text(answer["changed"].get(name))]
        for name, value in answer["effective"].items()
    ]
    _rows(console, ["limit", "holds", "configured", "changed"], rows, "")


def health(answer: dict[str, Any], console: Console) -> None:
    """Show dependencies."""
    console.print(f"{_colored(answer['status'])} {escape(answer['problem'])}".strip())
    rows = [[_text(one["name"]), _colored(one["status"]), _text(one["detail"])] for one in answer["dependencies"]]
    _rows(console, ["what", "is", "detail"], rows, "")
    for one in answer["reasons"]:
        console.print(f"{_colored(one['state'])} by {escape(one['source'])}: {escape(one['reason'])}")


def figures(answer: dict[str, Any], console: Console) -> None:
    """Show names and values."""
    _pairs(console, [(escape(name), _text(value)) for name, value in answer.items()])


def flags(answer: dict[str, Any], console: Console) -> None:
    """Show flags."""
    rows = [[_text(name), "[green]on[/green]" if on else "off"] for name, on in answer["flags"].items()]
    for switch in answer["steering"]:
        if not switch["enabled"]:
            console.print(f"off for this bot: {_text(switch['name'])}, {_text(switch['off'])}")
    _rows(console, ["flag", "is"], rows, "no flag is set")


def waiting(answer: dict[str, Any], console: Console) -> None:
    """Show orders that wait for a person's word."""
    keys = ["client_id", "symbol", "side", "quantity", "value", "stop_loss", "take_profit", "expires_at", "reason"]
    rows = [[_text(one[key]) for key in keys] for one in answer["orders"]]
    _rows(console, keys, rows, "no order waits")


SHOWERS: dict[str, Callable[[dict[str, Any], Console], None]] = {
    "state": state,
    "status": status,
    "positions": positions,
    "decisions": decisions,
    "decision": decision,
    "limits": limits,
    "health": health,
    "figures": figures,
    "flags": flags,
    "waiting": waiting,
}
