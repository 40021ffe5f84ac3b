"""Follows one kind: what the first LIST began, its watch goes on with, for as long as the operator runs.

kopf watches the custom resources. Their children make twenty events for each bot, and kopf starts a task for each
object of each event; here an event costs its JSON and two dictionaries. What is promised is the same: nothing is lost
between LIST and watch, a version that the server no longer has means a new LIST, and silence means a new connection.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Any

import structlog

from tradingbot_operator.kube.errors import ExpiredError, KubeError
from tradingbot_operator.reconcile.audit import selector_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tradingbot_operator.desired.kinds import Kind
    from tradingbot_operator.kube.api import KubeApi
    from tradingbot_operator.reconcile.audit import Audit

    Seen = Callable[[str, str | None, Mapping[str, Any]], None]

log = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
SHORT_LIFE_SECONDS = 1.0
STUCK_SECONDS = 300.0
"""Silence, time outs and pauses are all shorter: a watch that did nothing for so long never will again."""


class Watch:
    """One kind in one namespace ("": all), from the version of the LIST that the audit has made."""

    def __init__(
        self,
        kube: KubeApi,
        audit: Audit,
        seen: Seen,
        kind: Kind,
        namespace: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._kube = kube
        self._audit = audit
        self._seen = seen
        self.kind = kind
        self.namespace = namespace
        self._clock = clock
        self._jitter = jitter
        self._version = audit.versions.get((kind.kind, namespace), "")
        self._failures = 0
        self._moved = clock()
        """When the server sent something last, were it a bookmark, or was asked last."""

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            try:
                await self._once()
            except ExpiredError:
                log.info("a watch starts over from a new list", kind=self.kind.kind)
                self._version = ""
                await self._pause()
            except KubeError as error:
                log.warning("a watch broke, will be opened again", kind=self.kind.kind, error=str(error))
                await self._pause()

    def problem(self) -> str | None:
        """Return what is wrong, or None. A server that does not answer is not: the watch goes on asking."""
        idle = self._clock() - self._moved
        where = self.namespace or "all namespaces"
        return f"that of {self.kind.plural} in {where} did nothing for {idle:.0f} s" if idle > STUCK_SECONDS else None

    async def _once(self) -> None:
        self._moved = self._clock()
        if not self._version:
            self._version = await self._audit.again(self.kind, self.namespace)
        opened = self._clock()
        watched = self._kube.watch(
            self.kind, namespace=self.namespace, label_selector=selector_of(self.kind), version=self._version
        )
        async for events in watched:
            self._moved = self._clock()
            self._failures = 0
            for event, obj in events:
                if event != "BOOKMARK":
                    self._seen(self.kind.kind, event, obj)
                self._version = str(obj["metadata"]["resourceVersion"])
        self._moved = self._clock()
        if self._moved - opened < SHORT_LIFE_SECONDS:
            await self._pause()

    async def _pause(self) -> None:
        seconds: float = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(self._failures, 16))
        self._failures += 1
        await asyncio.sleep(seconds * (0.5 + self._jitter() / 2))
