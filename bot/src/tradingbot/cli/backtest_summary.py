"""The summary of a backtest on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from tradingbot.domain.market import DAY, MINUTE

if TYPE_CHECKING:
    from decimal import Decimal

    from rich.console import Console

    from tradingbot.backtest.result import Inputs, Result

NOTHING = "-"


def money(value: Decimal | None) -> str:
    """Write an amount with two digits and thousands."""
    return NOTHING if value is None else f"{value:,.2f}"


def percent(value: Decimal | float | None) -> str:
    """Write a fraction as percent with a sign."""
    return NOTHING if value is None else f"{float(value) * 100:+.2f} %"


def number(value: Decimal | float | None) -> str:
    """Write a ratio with two digits."""
    return NOTHING if value is None else f"{float(value):.2f}"


def duration(microseconds: int) -> str:
    """Write a time span in days, hours and minutes."""
    days, rest = divmod(microseconds, DAY)
    hours, rest = divmod(rest, 60 * MINUTE)
    parts = [(days, "d"), (hours, "h"), (rest // MINUTE, "min")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 min"


def _span(inputs: Inputs) -> str:
    return f"{inputs.begin[:16]} to {inputs.end[:16]} UTC"


def show(result: Result, console: Console) -> None:
    """Print the figures, why trading ended early, and what the gate denied."""
    inputs, m = result.inputs, result.metrics
    symbols = ", ".join(inputs.symbols)
    source = f"{inputs.dataset} data" if inputs.files else f"synthetic market, seed {inputs.seed}"
    console.print(f"[bold]{inputs.strategy}[/bold] on {symbols} {inputs.timeframe} ({source})")
    console.print(f"{_span(inputs)}, {inputs.candles:,} candles", style="dim")
    table = Table(show_header=False, show_edge=False, box=None, padding=(0, 2, 0, 0))
    for _ in range(2):
        table.add_column(style="dim", no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
    fall = m.max_drawdown
    rows = [
        ("final equity", f"{money(m.final_equity)} {inputs.quote}", "trades", str(m.trades)),
        ("total return", percent(m.total_return), "win rate", percent(m.win_rate).lstrip("+")),
        ("buy and hold", percent(m.buy_and_hold), "profit factor", number(m.profit_factor)),
        (f"CAGR (of {m.days:.0f} days)", percent(m.cagr), "expectancy", money(m.expectancy)),
        ("Sharpe (daily, 365)", number(m.sharpe), "average win", money(m.average_win)),
        ("Sortino (daily, 365)", number(m.sortino), "average loss", money(m.average_loss)),
        ("max drawdown", percent(-fall.depth), "fees", money(m.fees)),
        ("longest under water", duration(m.longest_under_water), "slippage", money(m.slippage)),
        ("Calmar", number(m.calmar), "exposure", percent(m.exposure).lstrip("+")),
    ]
    for row in rows:
        table.add_row(*row)
    console.print(table)
    for halt in result.halts:
        console.print(f"[bold red]trading ended {halt['ts']}[/bold red] ({halt['source']}): ", end="", soft_wrap=True)
        console.print(halt["reason"], markup=False, soft_wrap=True)
    for position in result.open_positions:
        unrealized = money(position["unrealized"])
        console.print(f"open at the end: {position['quantity']} {position['symbol']}, unrealized {unrealized}")
    if result.denials:
        console.print("denied: " + ", ".join(f"{denial.code} {denial.count} times" for denial in result.denials))
    console.print(f"ledger sha256 {result.ledger.sha256}", style="dim", soft_wrap=True)
