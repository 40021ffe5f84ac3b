"""Many sources, one order: the smallest (time, source number) comes first. No tie is left to chance."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tradingbot.domain.market import Candle


def merge(sources: Sequence[Iterator[Candle]]) -> Iterator[Candle]:
    """Yield the candles of all sources in order of their close; of equal ones the earlier source's first."""
    heap: list[tuple[int, int, Candle]] = []
    for number, source in enumerate(sources):
        first = next(source, None)
        if first is not None:
            heap.append((first.ts, number, first))
    heapq.heapify(heap)
    while heap:
        _, number, candle = heap[0]
        yield candle
        following = next(sources[number], None)
        if following is None:
            heapq.heappop(heap)
        else:
            heapq.heapreplace(heap, (following.ts, number, following))
