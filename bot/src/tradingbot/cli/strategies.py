"""Listing strategies."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from tradingbot.strategy.registry import installed


def show() -> None:
    """Print every installed strategy with its parameters; one that cannot be loaded with the reason."""
    console = Console()
    for entry in installed():
        if entry.cls is None:
            console.print(f"[red]{entry.name}[/red] ({entry.source}) cannot be loaded: {entry.error}")
            continue
        summary = (entry.cls.__doc__ or "").strip().splitlines()[0]
        table = Table(title=f"{entry.name}: {summary}", title_justify="left", show_edge=False)
        for column in ("parameter", "default", "permitted"):
            table.add_column(column)
        for name, field in entry.cls.Params.model_fields.items():
            bounds = ", ".join(str(item) for item in field.metadata)
            table.add_row(name, str(field.default), bounds)
        console.print(table)
        console.print()
