"""What keeps a bot's process quick: a fast event loop, and no collections that find nothing."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from tradingbot.observe.health import Health
    from tradingbot.ports.clock import Clock

SETTLED_SECONDS = 0.2
"""How often a start is looked at, until it is over."""
COLLECT_AFTER = (10_000, 20, 20)

T = TypeVar("T")


def run(body: Coroutine[None, None, T]) -> T:
    """Run until the coroutine ends, on uvloop where there is one: it takes half the time of asyncio's loop."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(body)
    return uvloop.run(body)


async def freeze_when_settled(health: Health, clock: Clock) -> None:
    """Once the bot has come up, leave what exists by then out of every collection of cycles, and collect less often.

    Modules, models and an exchange's markets stay for as long as the process runs. A collection that looks at all of
    them takes tens of milliseconds, in which no order leaves.
    """
    while not health.settled:
        await clock.sleep(SETTLED_SECONDS)
    freeze()


def freeze() -> None:
    """Collect a last time, and leave what exists out of all that follow."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
