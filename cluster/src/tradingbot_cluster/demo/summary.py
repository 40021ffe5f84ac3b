"""What a person wants to see at the end: the bots, the last trades, the page, and what to try next."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from tradingbot_cluster.console import output

if TYPE_CHECKING:
    from tradingbot_cluster.demo.tools import Tools


ROWS = """
select (select count(*) from simulation.orders where bot = :'bot'),
       (select count(*) from simulation.trades where bot = :'bot')
"""
LAST_TRADES = """
select to_char(executed_at at time zone 'utc', 'YYYY-MM-DD HH24:MI'), symbol, side, role, quantity,
       round(price, 2), round(fee, 2), round(realized, 2)
from simulation.trades where bot = :'bot' order by market_ts desc limit 5
"""


def query(tools: Tools, namespace: str, bot: str, sql: str) -> list[list[str]]:
    """Ask PostgreSQL itself, in its own pod, as the role of the bots; the password stays there."""
    script = (
        'PGPASSWORD="$(cat /run/secrets/postgresql/simulation-password)"; export PGPASSWORD; '
        'exec psql --no-psqlrc -v ON_ERROR_STOP=1 -v bot="$1" -h 127.0.0.1 -U trading_simulation -d trading -At -F "|"'
    )
    printed = tools.kubectl(
        "exec", "--stdin", "--namespace", namespace, "statefulset/tradingbot-postgresql", "--",
        "sh", "-c", script, "sh", f"{namespace}/{bot}", stdin=f"{sql};\n",
    )  # fmt: skip
    return [line.split("|") for line in printed.splitlines()]


def rows(tools: Tools, namespace: str, bot: str) -> tuple[int, int]:
    """Count the orders and trades of a bot in PostgreSQL; zeros before the bot has made its tables."""
    if query(tools, namespace, bot, "select to_regclass('simulation.trades') is null") == [["t"]]:
        return 0, 0
    ((orders, trades),) = query(tools, namespace, bot, ROWS)
    return int(orders), int(trades)


def counts(tools: Tools, namespace: str, bot: str) -> str:
    """Say the numbers of orders and trades."""
    orders, trades = rows(tools, namespace, bot)
    return f"{orders} orders, {trades} trades in PostgreSQL"


def show(tools: Tools, namespace: str, bot: str) -> None:
    """Print the bots, the last trades, the page's address, and the next commands, the emergency stop first."""
    output.print()
    output.print(tools.kubectl("get", "tbot", "--all-namespaces"), markup=False)
    output.print(_last_trades(tools, namespace, bot))
    output.print(f"\nThe bot's page: {_page(tools, namespace, bot)}", markup=False)
    output.print("\nNext, try:", markup=False)
    for comment, command in _commands(tools, namespace, bot):
        output.print(f"  # {comment}", style="dim", markup=False)
        output.print(f"  {command}", markup=False)


def _last_trades(tools: Tools, namespace: str, bot: str) -> Table:
    table = Table(
        "time (UTC)", "symbol", "side", "role", "quantity", "price", "fee", "profit", box=None, pad_edge=False
    )
    table.title = f"last trades of {bot}"
    table.title_justify = "left"
    for row in query(tools, namespace, bot, LAST_TRADES):
        table.add_row(*row)
    return table


def _page(tools: Tools, namespace: str, bot: str) -> str:
    """Return the page's address: directly where this machine is the node, through a forwarded port elsewhere."""
    service = tools.get("service", f"tradingbot-{bot}", "--namespace", namespace)
    address = f"http://{service['spec']['clusterIP']}:{service['spec']['ports'][0]['port']}/dashboard"
    if tools.services_are_reachable:
        return address
    return (
        f"http://127.0.0.1:8080/dashboard after: kubectl --namespace {namespace} "
        f"port-forward service/tradingbot-{bot} 8080"
    )


def _commands(tools: Tools, namespace: str, bot: str) -> list[tuple[str, str]]:
    programs = f"{Path(sys.executable).parent}:{tools.kubectl_path.parent}"
    stop = """'{"spec":{"emergencyStop":{"active":true,"reason":"trying it"}}}'"""
    return [
        ("kubectl of this cluster in your shell", f'export KUBECONFIG="{tools.kubeconfig}" PATH="{programs}:$PATH"'),
        (
            "stop the bot at once; the stop holds whatever happens to the object",
            f"kubectl --namespace {namespace} patch tbot {bot} --type merge -p {stop}",
        ),
        ("why it does not trade, and what to do", f"kubectl tradingbot status {bot} --namespace {namespace}"),
        ("end this stop, and no other", f"kubectl tradingbot resume {bot} --namespace {namespace} --reason tried"),
        ("what every field means", "kubectl explain tbot.spec.risk"),
        ("follow what it does", f"kubectl --namespace {namespace} logs --follow deployment/tradingbot-{bot}"),
        ("remove everything that the demo made", "make demo-down"),
    ]
