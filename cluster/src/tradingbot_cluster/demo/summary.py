"""What a person wants to see at the end: the bots, the last trades, the page, and what to try next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.table import Table

from tradingbot_cluster.console import output

if TYPE_CHECKING:
    from tradingbot_cluster.demo.tools import Tools

COLUMNS: Final = "to_char(market_time, 'YYYY-MM-DD HH24:MI'), symbol, side, quantity, price, fee"


def query(tools: Tools, namespace: str, sql: str) -> list[list[str]]:
    """Ask PostgreSQL itself, in its own pod; the password stays there."""
    script = 'PGPASSWORD="$(cat "$PASSWORD_FILE")" exec psql -h 127.0.0.1 -U trading_simulation -d trading -At -F "|" -f -'
    printed = tools.kubectl(
        "exec", "--stdin", "--namespace", namespace, "statefulset/tradingbot-postgresql", "--", "sh", "-c", script,
        stdin=sql,
    )  # fmt: skip
    return [line.split("|") for line in printed.splitlines()]


def rows(tools: Tools, namespace: str, bot: str) -> tuple[int, int]:
    """The numbers of orders and trades of a bot in PostgreSQL."""
    key = f"{namespace}/{bot}"
    ((orders, trades),) = query(
        tools,
        namespace,
        f"select (select count(*) from simulation.orders where bot = '{key}'), "
        f"(select count(*) from simulation.trades where bot = '{key}')",
    )
    return int(orders), int(trades)


def counts(tools: Tools, namespace: str, bot: str) -> str:
    """Say the numbers of orders and trades."""
    orders, trades = rows(tools, namespace, bot)
    return f"{orders} orders and {trades} trades in PostgreSQL"
