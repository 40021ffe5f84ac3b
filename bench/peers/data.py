"""A synthetic market for the peers' comparison: the same for everyone, the same every time. Standard library only.

Prices are whole hundredths. Where the two averages of the signal would be exactly equal, the price is moved by one
tick, so that a float average and an exact one never disagree about which is above.
"""

from __future__ import annotations

import csv
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SEED = 7
FAST, SLOW = 50, 200
START = 100_000
"""1,000.00"""
BEGIN = 1_640_995_200
"""2022-01-01 00:00:00 UTC, in seconds."""


def closes(count: int, low: int = 60_000, high: int = 160_000) -> list[int]:
    """Make prices in hundredths: a random walk that stays within bounds."""
    rng = random.Random(SEED)
    made: list[int] = []
    price = START
    fast = slow = 0
    for number in range(count):
        step = round(rng.gauss(0.0, 30.0))
        price = min(high, max(low, price + step))
        if number >= FAST:
            fast -= made[number - FAST]
        if number >= SLOW:
            slow -= made[number - SLOW]
        if number >= SLOW - 1 and (fast + price) * SLOW == (slow + price) * FAST:
            price += 1
        fast += price
        slow += price
        made.append(price)
    return made


def write(folder: Path, ticks: int, bars: int) -> None:
    """Write `ticks.csv` (second, price) and `bars.csv` (second, open, high, low, close), prices in hundredths."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "ticks.csv").open("w", newline="") as file:
        csv.writer(file).writerows((BEGIN + number, price) for number, price in enumerate(closes(ticks)))
    made = closes(bars)
    rng = random.Random(SEED + 1)
    with (folder / "bars.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        before = made[0]
        for number, close in enumerate(made):
            opened = before + rng.choice((-5, 0, 0, 5))
            high, low = max(opened, close) + rng.randrange(40), min(opened, close) - rng.randrange(40)
            writer.writerow((BEGIN + 60 * number, opened, high, low, close))
            before = close


def read(path: Path) -> list[tuple[int, ...]]:
    """Read the rows of a file."""
    with path.open(newline="") as file:
        return [tuple(map(int, row)) for row in csv.reader(file)]
