"""Old decisions and points of the equity curve go, in small batches, by the holder of the lease alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tradingbot.ports.store import UnavailableError
from tradingbot.runtime.janitor import BATCH, PAUSE_SECONDS, Janitor


class Table:
    """Counts what is old, and what is deleted of it at once."""

    def __init__(self, old: int) -> None:
        self.old, self.batches, self.pauses = old, list[int](), list[float]()
        self.asked = set[tuple[str, float]]()
        self.away = False

    async def prune(self, table: str, days: float, limit: int) -> int:
        self.asked.add((table, days))
        if self.away:
            raise UnavailableError("away")
        gone = min(self.old, limit)
        self.old -= gone
        self.batches.append(gone)
        return gone

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


def janitor(table: Table, runner: Any) -> Janitor:
    control: Any = SimpleNamespace(store=table, clock=table, runner=runner)
    return Janitor(control, {"decisions": 30, "equity": 365})


async def test_many_old_rows_go_in_small_batches_with_pauses() -> None:
    table = Table(5 * BATCH + 7)
    gone = await janitor(table, SimpleNamespace(lost="")).round()
    assert gone == {"decisions": 5 * BATCH + 7, "equity": 0, "outbox": 0}
    assert max(table.batches) == BATCH
    assert table.pauses == [PAUSE_SECONDS] * 5
    assert table.asked == {("decisions", 30), ("equity", 365), ("outbox", 30)}


@pytest.mark.parametrize("runner", [None, SimpleNamespace(lost="the database does not answer")])
async def test_without_the_lease_or_the_database_nothing_is_deleted(runner: Any) -> None:
    table = Table(10)
    await janitor(table, runner).round()
    assert table.asked == set()


async def test_a_database_that_is_away_is_no_reason_to_end() -> None:
    table = Table(10)
    table.away = True
    assert await janitor(table, SimpleNamespace(lost="")).round() == {}
