"""`positions`: what the bot itself says that it holds and what waits for a person, asked through the API server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tradingbot_operator.kube.errors import ForbiddenError, KubeError, NotFoundError
from tradingbot_operator.plugin.errors import ExitCode, PluginError, explain
from tradingbot_operator.plugin.output import dump
from tradingbot_operator.plugin.picture import take
from tradingbot_operator.plugin.text import MISSING, columns, plain

if TYPE_CHECKING:
    from tradingbot_operator.plugin.context import Context
    from tradingbot_operator.plugin.picture import Picture

PATH: Final = "/api/v1/bot/positions"
WAITING: Final = "/api/v1/bot/orders/waiting"
CONFIRM: Final = "tradingbot orders confirm"
FIRST: Final = (
    "symbol",
    "direction",
    "side",
    "quantity",
    "average_price",
    "entry_price",
    "price",
    "value",
    "unrealized",
)

HEADINGS: Final = {"ts": "placed"}


def run(context: Context) -> ExitCode:
    """Print the positions of one bot."""
    args, terminal = context.args, context.terminal
    picture = take(context.fetch(args.name))
    try:
        answer = context.api.ask(picture.namespace, picture.name, PATH)
    except ForbiddenError as error:
        raise explain(error) from None
    except KubeError as error:
        known = "unknown" if picture.positions is None else str(picture.positions)
        raise PluginError(
            f"{picture.key} does not answer: {error}",
            hint=f"Open positions by its last status: {known}. Why it does not answer:\n"
            f"  kubectl tradingbot status {picture.name} -n {picture.namespace}",
        ) from None
    if args.output in {"json", "yaml"}:
        terminal.say(dump(answer, args.output))
        return ExitCode.OK
    positions, orders = read(answer, "positions"), read(answer, "orders")
    terminal.say(tabulate(positions) if positions else f"{picture.key} has no open positions.")
    if orders:
        terminal.say("\nOpen orders\n" + tabulate(orders))
    waiting = _waiting(context, picture)
    if waiting:
        terminal.say(f"\nOrders that wait for a person's word: on the bot's page, or `{CONFIRM} CLIENT-ID`")
        terminal.say(tabulate(waiting))
    return ExitCode.OK


def _waiting(context: Context, picture: Picture) -> list[dict[str, Any]]:
    """Return the orders that wait for a confirmation: none of a bot that is too old to be asked for them."""
    try:
        return read(context.api.ask(picture.namespace, picture.name, WAITING), "orders")
    except NotFoundError:
        return []


def read(answer: Any, part: str) -> list[dict[str, Any]]:
    """Return positions or orders of an answer. An older bot answers with the list of positions alone."""
    alone = answer if part == "positions" else []
    found = answer.get(part) if isinstance(answer, dict) else alone
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def tabulate(positions: list[dict[str, Any]]) -> str:
    """Return a table of whatever the bot tells of a position; the well-known columns first."""
    keys = list(dict.fromkeys(key for entry in positions for key, value in entry.items() if _scalar(value)))
    keys.sort(key=lambda key: FIRST.index(key) if key in FIRST else len(FIRST))
    rows = [[_heading(key) for key in keys]]
    rows += [[plain(entry[key]) if entry.get(key) is not None else MISSING for key in keys] for entry in positions]
    return columns(rows)


def _heading(key: str) -> str:
    return plain(HEADINGS.get(key, key)).upper().replace("_", "-")


def _scalar(value: Any) -> bool:
    return not isinstance(value, dict | list)
