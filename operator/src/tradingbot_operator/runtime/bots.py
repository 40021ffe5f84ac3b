"""Polls the bots' own status, apart from reconciling: a bot that does not answer holds up nobody.

A poll that changes what a person should see causes a pass; counters that move all the time do not, they are written
when a pass happens anyway. Intervals are seconds, spread by a fifth so that bots are not asked in step.
"""

from __future__ import annotations

import asyncio
import heapq
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import structlog

from tradingbot_operator.api.said import json_object
from tradingbot_operator.status.observation import UNREACHABLE_POLLS, BotReport

if TYPE_CHECKING:
    from collections.abc import Callable

    from tradingbot_operator.runtime.keys import Key

log = structlog.get_logger(__name__)

PORT: Final = 8080
URGENT_SECONDS: Final = 1.0
SPREAD: Final = 0.2
ANSWER_LENGTH: Final = 65_536
_QUIET: Final = {"open_orders", "epoch"}


@dataclass(slots=True)
class _Target:
    address: str
    urgent: bool = False
    due: float = 0.0
    polling: bool = False
    body: dict[str, Any] | None = None
    failures: int = 0
    answered: str = ""
    """The address that gave `body`."""


@dataclass(order=True, slots=True)
class _Slot:
    due: float
    serial: int
    key: Any = field(compare=False)


class BotPoller:
    """Asks each bot that is followed for its status. Disabled with an interval of 0."""

    def __init__(
        self,
        *,
        seconds: float,
        concurrency: int,
        timeout_seconds: float,
        on_change: Callable[[Key], None],
        on_poll: Callable[[str], None] = lambda _result: None,
        port: int = PORT,
    ) -> None:
        self.enabled = seconds > 0
        self._seconds = seconds
        self._limit = asyncio.Semaphore(concurrency)
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._concurrency = concurrency
        self._on_change = on_change
        self._on_poll = on_poll
        self._port = port
        self._targets: dict[Key, _Target] = {}
        self._slots: list[_Slot] = []
        self._serial = 0
        self._wake = asyncio.Event()
        self._polls: set[asyncio.Task[None]] = set()

    def follow(self, key: Key, address: str | None, *, urgent: bool) -> None:
        """Poll the bot at this address from now on, or, without one, no longer; what it last said is kept."""
        if not self.enabled:
            return
        target = self._targets.get(key)
        if address is None:
            if target is not None:
                target.address, target.failures, target.due = "", 0, float("inf")
            return
        if target is None:
            target = self._targets[key] = _Target(address, urgent)
            self._schedule(key, target, 0.0)
            return
        moved = target.address != address
        hurry = urgent and not target.urgent
        target.address, target.urgent = address, urgent
        if moved:
            target.failures = 0
        if moved or hurry:
            self._schedule(key, target, 0.0)

    def forget(self, key: Key) -> None:
        """Stop polling a bot that is gone, and forget what it said."""
        self._targets.pop(key, None)

    def report(self, key: Key) -> BotReport:
        """Return the last answer, and how many polls since then failed."""
        target = self._targets.get(key)
        return BotReport(target.body, target.failures, target.answered) if target is not None else BotReport()

    async def run(self) -> None:
        """Poll until cancelled."""
        connector = aiohttp.TCPConnector(limit=self._concurrency, force_close=True)
        async with aiohttp.ClientSession(connector=connector, timeout=self._timeout) as session:
            try:
                while True:
                    await self._pause()
                    now = time.monotonic()
                    while self._slots and self._slots[0].due <= now:
                        slot = heapq.heappop(self._slots)
                        target = self._targets.get(slot.key)
                        if target is None or target.due != slot.due or target.polling:
                            continue
                        target.polling = True
                        task = asyncio.create_task(self._poll(session, slot.key, target), name=f"poll {slot.key}")
                        self._polls.add(task)
                        task.add_done_callback(self._polls.discard)
            finally:
                for task in self._polls:
                    task.cancel()

    async def _pause(self) -> None:
        self._wake.clear()
        wait = self._slots[0].due - time.monotonic() if self._slots else None
        if wait is not None and wait <= 0:
            return
        try:
            async with asyncio.timeout(wait):
                await self._wake.wait()
        except TimeoutError:
            return

    def _schedule(self, key: Key, target: _Target, seconds: float) -> None:
        target.due = time.monotonic() + seconds
        self._serial += 1
        heapq.heappush(self._slots, _Slot(target.due, self._serial, key))
        self._wake.set()

    async def _poll(self, session: aiohttp.ClientSession, key: Key, target: _Target) -> None:
        asked, due = target.address, target.due
        async with self._limit:
            body = await self._ask(session, asked)
        target.polling = False
        if self._targets.get(key) is not target or not target.address:
            return
        before = (target.body, target.failures)
        if body is not None:
            target.body, target.failures, target.answered = body, 0, asked
        elif asked == target.address:
            target.failures += 1
        self._on_poll("ok" if body is not None else "error")
        moved = target.due != due
        interval = URGENT_SECONDS if target.urgent else self._seconds
        spread = 1 + SPREAD * (2 * random.random() - 1)
        self._schedule(key, target, 0.0 if moved else interval * spread)
        if _matters(before, (target.body, target.failures)):
            self._on_change(key)

    async def _ask(self, session: aiohttp.ClientSession, address: str) -> dict[str, Any] | None:
        host = f"[{address}]" if ":" in address else address
        try:
            async with session.get(f"http://{host}:{self._port}/api/v1/status", allow_redirects=False) as response:
                if response.status != 200:
                    return None
                return json_object(await _whole(response.content))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return None


async def _whole(content: aiohttp.StreamReader) -> bytes:
    """Read an answer to its end, in however many pieces it comes, and no further than a status may be long."""
    text = b""
    while len(text) < ANSWER_LENGTH and (piece := await content.read(ANSWER_LENGTH - len(text))):
        text += piece
    return text


def _matters(before: tuple[dict[str, Any] | None, int], after: tuple[dict[str, Any] | None, int]) -> bool:
    """Return whether a person would see a difference."""
    if before[0] is None or after[0] is None:
        return before[0] is not after[0] or after[1] == UNREACHABLE_POLLS + 1
    if (before[1] > UNREACHABLE_POLLS) != (after[1] > UNREACHABLE_POLLS):
        return True
    return {k: v for k, v in before[0].items() if k not in _QUIET} != {
        k: v for k, v in after[0].items() if k not in _QUIET
    }
