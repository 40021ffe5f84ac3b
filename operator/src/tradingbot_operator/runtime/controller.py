"""The workers: take a key, reconcile it, give it back. Supervised, and stopped within a bound."""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import structlog

from tradingbot_operator.runtime.logs import pass_context
from tradingbot_operator.runtime.workqueue import Priority, QueueClosedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tradingbot_operator.runtime.keys import Key
    from tradingbot_operator.runtime.metrics import Metrics
    from tradingbot_operator.runtime.workqueue import WorkQueue

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Result:
    """How a pass ended well."""

    requeue_after: float | None = None
    """Seconds until the next pass at the latest."""
    again: Priority | None = None
    """Ask for one more pass as soon as this priority has its turn."""


class RetryError(Exception):
    """A pass did what it could and must run again; `after` (seconds) overrides the back-off."""

    def __init__(self, message: str, *, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class Reconciler(Protocol):
    """One level-triggered function for one kind of custom resource."""

    async def reconcile(self, key: Key) -> Result:
        """Bring the world to what the object says. Raise RetryError, or anything, to be called again later."""


class Controller:
    """A bounded number of workers over one queue."""

    def __init__(
        self,
        name: str,
        queue: WorkQueue[Key],
        reconciler: Reconciler,
        metrics: Metrics,
        *,
        workers: int,
        pass_timeout_seconds: float = 120.0,
        on_crash: Callable[[BaseException], None],
    ) -> None:
        self._name = name
        self._queue = queue
        self._reconciler = reconciler
        self._metrics = metrics
        self._workers = workers
        self._pass_timeout = pass_timeout_seconds
        self._on_crash = on_crash
        self._tasks: list[asyncio.Task[None]] = []
        self._ids = itertools.count(1)

    def start(self) -> None:
        """Start the workers."""
        for number in range(self._workers):
            task = asyncio.create_task(self._work(), name=f"{self._name}-worker-{number}")
            task.add_done_callback(self._watch)
            self._tasks.append(task)

    async def stop(self, grace_seconds: float) -> None:
        """Finish the passes under way within `grace_seconds`, then cancel them."""
        self._queue.close()
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=grace_seconds)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=grace_seconds)

    @property
    def alive(self) -> bool:
        """Whether all workers run."""
        return bool(self._tasks) and not any(task.done() for task in self._tasks)

    def _watch(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_crash(error)

    async def _work(self) -> None:
        while True:
            try:
                key = await self._queue.get()
            except QueueClosedError:
                return
            await self._pass(key)

    async def _pass(self, key: Key) -> None:
        started = time.perf_counter()
        outcome = "success"
        failed = False
        after: float | None = None
        again: Priority | None = None
        with pass_context(controller=self._name, key=str(key), reconcile_id=f"{next(self._ids):x}"):
            try:
                async with asyncio.timeout(self._pass_timeout):
                    result = await self._reconciler.reconcile(key)
                after, again = result.requeue_after, result.again
                outcome = "requeue_after" if after is not None else "success"
            except RetryError as error:
                outcome, failed, after = "error", error.after is None, error.after
                log.warning("pass incomplete, will be repeated", reason=str(error), after_seconds=after)
            except asyncio.CancelledError:
                self._queue.done(key)
                raise
            except Exception:
                outcome, failed = "error", True
                log.exception("pass failed, will be repeated")
            self._metrics.reconciled(self._name, outcome, time.perf_counter() - started)
        self._queue.done(key, failed=failed, requeue_after=after, again=again)
