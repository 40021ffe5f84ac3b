"""Reading what happened page by page loses no row and repeats none, and a filter leaves nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from tests.component.bot.store_contract import batch
from tests.component.bot.test_store import store
from tests.unit.bot.harness import Bot, Scripted, buy, candle, flat

from tradingbot.ports.store import FILTERS, TIES


def traded() -> Bot:
    robot = Bot(lambda: Scripted({1: buy(990, 1040), 5: buy(960, 1100), 6: buy(960, 1100)}))
    return robot.show(
        flat(0, 1000.0), flat(1, 1000.0), candle(2, (1000, 1000, 980, 980)), *(flat(n, 980.0) for n in range(3, 9))
    )


@pytest.mark.parametrize("table", TIES)
@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_pages_join_to_the_whole(database: str, table: str, limit: int) -> None:
    one = store(database)
    lease = await one.acquire("pod")
    assert lease is not None
    await one.commit(batch(1, traded()), lease.epoch)
    whole = [dict(row) for row in await one.rows(table, 100)]
    joined: list[dict[str, Any]] = []
    before, tie = None, ""
    while page := await one.rows(table, limit, before, tie=tie):
        joined += [dict(row) for row in page]
        before, tie = page[-1]["market_ts"], str(page[-1][TIES[table]])
    assert joined == whole
    assert table in ("equity", "audit") or len(whole) > 1
    await one.close()


async def test_a_filter_leaves_what_it_names_and_nothing_else(database: str) -> None:
    one = store(database)
    lease = await one.acquire("pod")
    assert lease is not None
    await one.commit(batch(1, traded()), lease.epoch)
    for table, columns in FILTERS.items():
        whole = await one.rows(table, 100)
        for column in columns:
            for value in {row[column] for row in whole}:
                text = str(value).lower() if isinstance(value, bool) else str(value)
                found = await one.rows(table, 100, where={column: text})
                assert found == [row for row in whole if row[column] == value], (table, column, value)
    assert await one.rows("decisions", 100, where={"code": "no such", "symbol": "BTC/USD"}) == []
    with pytest.raises(ValueError, match="cannot be chosen by facts"):
        await one.rows("decisions", 100, where={"facts": "x"})
    await one.close()
