"""Every task is watched. One that ends although it must not halts trading and takes readiness away."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tradingbot.domain.secrecy import describe
from tradingbot.domain.states import State
from tradingbot.observe import logs

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from tradingbot.runtime.control import Control

_log = logs.get(__name__)


class Supervisor:
    """Starts tasks and notices their end."""

    def __init__(self, control: Control) -> None:
        self.control = control
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.died = asyncio.Event()
        self._stopping = False

    def start(self, name: str, work: Coroutine[None, None, None]) -> None:
        """Start a task that must run until the process stops."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        self.tasks[name] = task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self._stopping or task.cancelled():
            return
        name, error = task.get_name(), task.exception()
        text = describe(error) if error is not None else "it ended"
        self.control.health.task_died(name)
        _log.error("a task died; trading is halted", task=name, error=text, exc_info=error)
        self.control.runner = None if name == "session" else self.control.runner
        self.control.hold(f"task {name}", State.HALTED, text)
        self.died.set()

    def expect_end(self) -> None:
        """From now on the end of a task is what is wanted."""
        self._stopping = True

    async def stop(self, seconds: float) -> None:
        """Cancel all tasks and wait a bounded time for them."""
        self._stopping = True
        for task in self.tasks.values():
            task.cancel()
        if self.tasks:
            await asyncio.wait(set(self.tasks.values()), timeout=seconds)
