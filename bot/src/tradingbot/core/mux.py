"""Many sources, one order: the smallest (time, source number) comes first. No tie is left to chance."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tradingbot.domain.market import MarketEvent

M = TypeVar("M", bound="MarketEvent")


def merge(sources: Sequence[Iterator[M]]) -> Iterator[M]:
    """Yield the events of all sources in order of time; of equal ones the earlier source's first."""
    if len(sources) == 1:
        yield from sources[0]
        return
    heap: list[tuple[int, int, M]] = []
    for number, source in enumerate(sources):
        first = next(source, None)
        if first is not None:
            heap.append((first.ts, number, first))
    heapq.heapify(heap)
    while heap:
        _, number, event = heap[0]
        yield event
        following = next(sources[number], None)
        if following is None:
            heapq.heappop(heap)
        else:
            heapq.heapreplace(heap, (following.ts, number, following))
