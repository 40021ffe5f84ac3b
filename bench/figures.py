"""A figure with its baseline and its bound, its file, and the table that people read."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable

RESULTS = Path(__file__).parent / "results"
DOCUMENT = Path(__file__).parents[1] / "docs" / "benchmarks.md"

NOTES = (
    "## What `reconcile_1000_ratio` compares",
    "",
    "Two fresh control planes, the same 8,000 children by server-side apply, sixteen bots at a time, both with a",
    "token of the operator's ServiceAccount. So the API server checks the same rights (a Role may not give more than",
    "its writer has, and to look that up costs more than the write; an administrator is not checked) and audits the",
    "same requests. The bare client's TradingBots are there beforehand. The operator's time runs from their first",
    "create on, and has its watches and one status write a bot in it.",
    "",
    "## What `tick_to_order_p99_ms` compares",
    "",
    "From a tick to the moment at which the simulated exchange has the order: strategy, risk, and one commit of the",
    "intent, the order, the decision, the money set aside and the bot's state, with an fsync. In turn with each order",
    "a bare INSERT of one row, and one of as many bytes as an order writes, on a connection of their own. What the",
    "disk or a neighbour takes shows in all three; ours alone is the difference of the medians, and a p99 far above",
    "both others.",
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value. `baseline` says what it was measured against, with its own value; `bound` is the promise."""

    figure: str
    value: float
    unit: str
    baseline: str
    bound: float
    holds: bool

    @classmethod
    def at_most(cls, figure: str, value: float, unit: str, bound: float, baseline: str = "") -> Figure:
        """A figure that is to stay at or below its bound."""
        return cls(figure, round(value, 4), unit, baseline, bound, value <= bound)

    @classmethod
    def at_least(cls, figure: str, value: float, unit: str, bound: float, baseline: str = "") -> Figure:
        """A figure that is to reach its bound."""
        return cls(figure, round(value, 4), unit, baseline, bound, value >= bound)


def write(name: str, figures: Iterable[Figure]) -> None:
    """Write `bench/results/<name>.json`."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps([asdict(each) for each in figures], indent=2) + "\n")


def read_all() -> dict[str, list[Figure]]:
    """Every result that was written, by benchmark."""
    return {
        path.stem: [Figure(**each) for each in json.loads(path.read_text())] for path in sorted(RESULTS.glob("*.json"))
    }


def table(figures: Iterable[Figure]) -> Table:
    """The table for a terminal."""
    shown = Table("figure", "value", "unit", "bound", "holds", "baseline", box=None, pad_edge=False)
    for each in figures:
        verdict = "[green]yes[/green]" if each.holds else "[red]no[/red]"
        shown.add_row(each.figure, f"{each.value:g}", each.unit, f"{each.bound:g}", verdict, each.baseline)
    return shown


def write_document() -> None:
    """Write `docs/benchmarks.md` from the last results."""
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench` from `bench/results/`: the last run of each benchmark, on a shared machine of",
        (
            f"{os.cpu_count()} cores ({platform.machine()}, Linux {platform.release().split('-')[0]}, Python "
            f"{platform.python_version()}). Trust ratios more than absolute times."
        ),
        "",
        "| figure | value | unit | bound | holds | baseline, in the same run |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for figures in read_all().values():
        lines += [
            f"| `{each.figure}` | {each.value:g} | {each.unit} | {each.bound:g} | {'yes' if each.holds else '**no**'} "
            f"| {each.baseline} |"
            for each in figures
        ]
    DOCUMENT.write_text("\n".join([*lines, "", *NOTES]) + "\n")
