"""Listing strategies."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tradingbot.strategy.params import permitted
from tradingbot.strategy.registry import installed


def show() -> None:
    """Print every installed strategy with its parameters; one that cannot be loaded with the reason."""
    console = Console()
    for entry in installed():
        if entry.cls is None:
            console.print(f"[red]{entry.name}[/red] ({entry.source}) cannot be loaded: {entry.error}")
            continue
        summary = (entry.cls.__doc__ or "").strip().splitlines()[0]
        console.print(Text.assemble((entry.name, "bold"), f": {summary}"), soft_wrap=True)
        table = Table(show_edge=False)
        for column in ("parameter", "default", "permitted"):
            table.add_column(column)
        for name, field in entry.cls.Params.model_fields.items():
            default = str(field.default)
            table.add_row(name, default.lower() if isinstance(field.default, bool) else default, permitted(field))
        console.print(table)
        console.print()
