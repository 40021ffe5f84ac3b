"""Commands that talk to a running bot over its API. Nothing is imported here but the parser."""

from __future__ import annotations

from typing import Annotated, Any

import typer

EXITS = (
    "Exit codes: 0 done, 1 the bot says no or is not well, 2 wrong option, 69 it cannot be reached, 75 it cannot do it "
    "now (try again), 77 the key is missing or wrong."
)

Url = Annotated[
    str,
    typer.Option("--api-url", envvar="TRADINGBOT_API_URL", help="Address of the bot's API.", rich_help_panel="API"),
]
Key = Annotated[
    str,
    typer.Option("--api-key", envvar="TRADINGBOT_API_KEY", help="Its key.", rich_help_panel="API", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.", rich_help_panel="API")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is recorded.")]
LOCAL = "http://127.0.0.1:8080"
ASKED = "asked for on the command line"


def _group(name: str, text: str) -> typer.Typer:
    return typer.Typer(name=name, help=text, no_args_is_help=True, epilog=EXITS)


bot = _group("bot", "Start, pause and stop a running bot.")
positions = _group("positions", "Open positions.")
config = _group("config", "Limits of a running bot.")
health = _group("health", "How a running bot is.")
metrics = _group("metrics", "Figures of a running bot.")
flags = _group("flags", "Feature flags.")
orders = _group("orders", "Orders, also those that wait for a person's word.")
GROUPS = (bot, positions, config, health, metrics, flags, orders)


def _go(url: str, key: str, as_json: bool, method: str, path: str, show: str, body: Any = None) -> None:
    from tradingbot.cli.remote_run import run

    raise typer.Exit(run(url, key, method, path, body, show, as_json=as_json))


@bot.command("status")
def status(url: Url = LOCAL, key: Key = "", as_json: Json = False) -> None:
    """Show state and account."""
    _go(url, key, as_json, "GET", "/api/v1/bot/status", "status")


@bot.command("start")
def start(
    asset_pair: Annotated[list[str] | None, typer.Option(help="What it must trade; again for more.")] = None,
    autonomous: Annotated[
        bool | None, typer.Option("--autonomous/--ask", help="Whether entries are sent without a person's word.")
    ] = None,
    take_profit: Annotated[str | None, typer.Option(help="Largest distance of a take-profit: 0.05 is 5 %.")] = None,
    stop_loss: Annotated[str | None, typer.Option(help="Largest distance of a stop-loss: 0.02 is 2 %.")] = None,
    confidence_threshold: Annotated[str | None, typer.Option(help="Least confidence of a signal, 0 to 1.")] = None,
    dry_run: Annotated[
        bool | None, typer.Option("--dry-run/--no-dry-run", help="What it must be: a simulation, or live.")
    ] = None,
    reason: Reason = ASKED,
    url: Url = LOCAL,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Lift the pause of `bot stop`. A stop, a limit's halt and the configuration's pause stay."""
    said = {
        "asset_pairs": asset_pair or None,
        "autonomous": autonomous,
        "take_profit": take_profit,
        "stop_loss": stop_loss,
        "confidence_threshold": confidence_threshold,
        "dry_run": dry_run,
    }
    body = {"reason": reason, **{name: value for name, value in said.items() if value is not None}}
    _go(url, key, as_json, "POST", "/api/v1/bot/start", "state", body)


@bot.command("stop")
def stop(reason: Reason = ASKED, url: Url = LOCAL, key: Key = "", as_json: Json = False) -> None:
    """Pause: no new positions, entry orders are cancelled. It outlives restarts."""
    _go(url, key, as_json, "POST", "/api/v1/bot/stop", "state", {"reason": reason})


@bot.command("emergency-stop")
def emergency_stop(
    close_positions: Annotated[bool, typer.Option("--close-positions", help="Close all positions at market.")] = False,
    reason: Reason = ASKED,
    url: Url = LOCAL,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Stop everything now. Only a resume by the stop's own id ends it."""
    from urllib.parse import urlencode

    query = urlencode({"close_positions": str(close_positions).lower(), "reason": reason})
    _go(url, key, as_json, "POST", f"/api/v1/bot/emergency-stop?{query}", "state")


@bot.command("resume")
def resume(
    stop_id: Annotated[str, typer.Argument(help="Id of the stop or halt, from `bot status`.")],
    reason: Reason = ASKED,
    url: Url = LOCAL,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Lift a stop or halt of a bot that runs without the operator."""
    _go(url, key, as_json, "POST", "/api/v1/bot/resume", "state", {"stop_id": stop_id, "reason": reason})


@bot.command("trade")
def trade(
    symbol: Annotated[str, typer.Argument(help="For example BTC/USD.")],
    action: Annotated[str, typer.Argument(help="buy or sell.")],
    stop_loss: Annotated[str, typer.Option(help="Price at which the position is given up.")],
    take_profit: Annotated[str, typer.Option(help="Price at which the profit is taken.")],
    size: Annotated[str | None, typer.Option(help="In base currency; what the limits allow without it.")] = None,
    price: Annotated[str | None, typer.Option(help="Worst price.")] = None,
    reason: Reason = "manual trade on the command line",
    url: Url = LOCAL,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Open a position of your own, within the same limits."""
    body: dict[str, str | None] = {"asset_pair": symbol, "action": action}
    body |= {"stop_loss": stop_loss, "take_profit": take_profit}
    body |= {"size": size, "price": price, "reason": reason}
    _go(url, key, as_json, "POST", "/api/v1/bot/manual-trade", "decision", body)


@positions.command("list")
def list_positions(url: Url = LOCAL, key: Key = "", as_json: Json = False) -> None:
    """List open positions and working orders."""
    _go(url, key, as_json, "GET", "/api/v1/bot/positions", "positions")


@positions.command("close")
def close_position(
    position: Annotated[str, typer.Argument(help="Its id or symbol, for example BTC-USD.")],
    reason: Reason = ASKED,
    url: Url = LOCAL,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Close a position at market."""
    path = f"/api/v1/bot/positions/{position.replace('/', '-')}/close"
    _go(url, key, as_json, "POST", path, "decision", {"reason": reason})


@config.command("show")
def show_config(url: Url = LOCAL, key: Key = "", as_json: Json = False) -> None:
    """Show the limits that hold, those of the configuration, and what was changed since."""
    _go(url, key, as_json, "GET", "/api/v1/bot/config", "limits")


@config.command("update")
def update_config(
    changes: Annotated[
        list[str], typer.Argument(metavar="NAME=VALUE…", help="For example max_drawdown=0.1; null takes a change back.")
    ],
    reason: Reason = ASKED,
    url: Url = LOCAL,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Change limits at once. What permits more is refused for a live bot."""
    body: dict[str, Any] = {"reason": reason}
    for change in changes:
        name, sign, value = change.partition("=")
        if not (name and sign and value):
            raise typer.BadParameter(f"write NAME=VALUE, not {change!r}")
        words = {"null": None, "true": True, "false": False}
        body[name.strip()] = words.get(value.strip(), value.strip())
    _go(url, key, as_json, "PATCH", "/api/v1/bot/config", "limits", body)


@health.command("check")
def check_health(url: Url = LOCAL, key: Key = "", as_json: Json = False) -> None:
    """Show how the bot and everything that it needs are."""
    _go(url, key, as_json, "GET", "/api/v1/status/health/detailed", "health")


@metrics.command("show")
def show_metrics(url: Url = LOCAL, key: Key = "", as_json: Json = False) -> None:
    """Show the figures of the day."""
    _go(url, key, as_json, "GET", "/api/v1/status/metrics", "figures")


@flags.command("list")
def list_flags(url: Url = LOCAL, key: Key = "", as_json: Json = False) -> None:
    """List all feature flags."""
    _go(url, key, as_json, "GET", "/api/v1/flags", "flags")


@flags.command("get")
def get_flag(name: str, url: Url = LOCAL, key: Key = "", as_json: Json = False) -> None:
    """Say whether a flag is on."""
    _go(url, key, as_json, "GET", f"/api/v1/flags/{name}", "figures")


@flags.command("set")
def set_flag(
    name: str,
    value: Annotated[str, typer.Argument(help="on or off.")],
    url: Url = LOCAL,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Switch a flag."""
    words = {"on": True, "1": True, "true": True, "off": False, "0": False, "false": False}
    if value.lower() not in words:
        raise typer.BadParameter(f"write on or off, not {value!r}")
    _go(url, key, as_json, "PUT", f"/api/v1/flags/{name}", "figures", {"enabled": words[value.lower()]})


@orders.command("waiting")
def waiting_orders(url: Url = LOCAL, key: Key = "", as_json: Json = False) -> None:
    """List orders that wait for a person's word."""
    _go(url, key, as_json, "GET", "/api/v1/bot/orders/waiting", "waiting")


@orders.command("confirm")
def confirm_order(
    client_id: str, reason: Reason = ASKED, url: Url = LOCAL, key: Key = "", as_json: Json = False
) -> None:
    """Confirm an order that waits; the risk gate judges it once more."""
    _go(url, key, as_json, "POST", f"/api/v1/bot/orders/{client_id}/confirm", "decision", {"reason": reason})


@orders.command("refuse")
def refuse_order(
    client_id: str, reason: Reason = ASKED, url: Url = LOCAL, key: Key = "", as_json: Json = False
) -> None:
    """Refuse an order that waits."""
    _go(url, key, as_json, "POST", f"/api/v1/bot/orders/{client_id}/refuse", "decision", {"reason": reason})


def decisions(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Rows at most.")] = 20,
    denied: Annotated[bool, typer.Option("--denied", help="Only what the risk gate denied.")] = False,
    code: Annotated[str | None, typer.Option(help="Only this denial code.")] = None,
    url: Url = LOCAL,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """List what was proposed and what the risk gate said, with reasons.

    Exit codes: as for `tradingbot bot`.
    """
    from urllib.parse import urlencode

    query: dict[str, Any] = {"limit": limit}
    if denied:
        query["approved"] = "false"
    if code is not None:
        query["code"] = code
    _go(url, key, as_json, "GET", f"/api/v1/decisions?{urlencode(query)}", "decisions")
