"""kill -9 at any moment: nothing doubled, nothing forgotten, nothing unprotected."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest
from tests.component.bot.process import BotProcess, audit, until_rows

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 7


@pytest.mark.parametrize("seed", [1, 2])
async def test_killed_at_random_moments(database: str, bots: Callable[..., BotProcess], seed: int) -> None:
    rng = random.Random(seed)
    busy = {"feed": {"type": "Recorded", "speed": 14_400, "loop": True}, "volume_share": 0.0001}
    bot = bots("pod", database, simulation=busy)
    counts: dict[str, int] = {}
    for number in range(ROUNDS):
        bot.start()
        await bot.trading()
        if number % 2:  # The others may be too short a life to trade in.
            await until_rows(database, "SELECT count(*) FROM simulation.intents", counts["intents"] + 1)
        await asyncio.sleep(rng.uniform(0.0, 1.5))
        bot.kill()
        counts = await audit(database)
    bot.start()
    status = await bot.trading()
    assert status["epoch"] == ROUNDS + 1
    assert [reason["source"] for reason in status["reasons"]] == []
    await until_rows(database, "SELECT count(*) FROM simulation.trades", counts["trades"] + 2)
    assert bot.end() == 0
    await audit(database)


async def test_restarting_twice_is_the_same_as_once(database: str, bots: Callable[..., BotProcess]) -> None:
    bot = bots("pod", database).start()
    await bot.trading()
    await until_rows(database, "SELECT count(*) FROM simulation.trades", 3)
    bot.kill()
    slow = {"feed": {"type": "Recorded", "speed": 0.001, "loop": True}}
    bot.config["simulation"] = slow
    counts = []
    for _ in range(3):
        bot.start()
        await bot.trading()
        await asyncio.sleep(0.3)
        bot.kill()
        counts.append(await audit(database))
    assert counts[1] == counts[2]
