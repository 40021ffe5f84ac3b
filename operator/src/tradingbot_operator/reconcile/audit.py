"""Finds deletions that no watch told of: by listing again, after a watch had to start over and every now and then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from tradingbot_operator.desired.kinds import CHILDREN, JOB, NAMESPACE, POD, REPLICA_SET, TRADING_BOT
from tradingbot_operator.desired.naming import CHILD_SELECTOR
from tradingbot_operator.runtime.keys import ObjectId

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tradingbot_operator.desired.kinds import Kind
    from tradingbot_operator.kube.api import KubeApi
    from tradingbot_operator.runtime.informer import Informer
    from tradingbot_operator.runtime.store import Store

log = structlog.get_logger(__name__)

FOLLOWED: tuple[Kind, ...] = (NAMESPACE, *CHILDREN, REPLICA_SET, JOB, POD)
"""Kinds with a watch of our own; that of the custom resources is kopf's."""
WATCHED: tuple[Kind, ...] = (TRADING_BOT, *FOLLOWED)


def selector_of(kind: Kind) -> str:
    """Return the label selector with which a kind is listed and watched."""
    return "" if kind in {TRADING_BOT, NAMESPACE} else CHILD_SELECTOR


class Audit:
    """Lists kinds into the store: once before the start, and again when deletions may have been missed."""

    def __init__(
        self,
        kube: KubeApi,
        store: Store,
        informer: Informer,
        namespaces: Iterable[str],
        *,
        namespace_stops: bool = True,
    ) -> None:
        self._kube = kube
        self._store = store
        self._informer = informer
        self.namespaces = tuple(namespaces) or ("",)
        self._namespace_stops = namespace_stops
        self.versions: dict[tuple[str, str], str] = {}
        """Version of the first LIST, by kind and namespace: where a watch goes on."""

    def places(self, kind: Kind) -> tuple[str, ...]:
        """Return the namespaces in which a kind is listed and watched; Namespaces are in none."""
        if kind is NAMESPACE:
            return ("",) if self._namespace_stops else ()
        return self.namespaces

    async def seed(self) -> int:
        """Fill the store; children first, so that the first pass over a bot sees them. Return the number of objects."""
        for kind in (*FOLLOWED, TRADING_BOT):
            for namespace in self.places(kind):
                pages = self._kube.list_pages(kind, namespace=namespace, label_selector=selector_of(kind))
                async for page in pages:
                    self.versions[kind.kind, namespace] = page.version
                    for obj in page.items:
                        self._informer.seed(kind.kind, obj)
        return len(self._store)

    async def all_again(self, kinds: Iterable[Kind]) -> None:
        """List kinds in all namespaces and drop what is gone."""
        for kind in kinds:
            for namespace in self.places(kind):
                await self.again(kind, namespace)

    async def again(self, kind: Kind, namespace: str) -> str:
        """List a kind, drop what is gone, and return the version of the list."""
        name = kind.kind
        before = {oid for oid in self._store.ids(name) if namespace in {"", oid.namespace}}
        listed: set[ObjectId] = set()
        version = ""
        pages = self._kube.list_pages(kind, namespace=namespace, label_selector=selector_of(kind))
        async for page in pages:
            version = page.version
            for obj in page.items:
                meta = obj["metadata"]
                listed.add(ObjectId(name, meta.get("namespace", ""), meta["name"]))
                self._informer.seen(name, None, obj)
        owners = {oid: self._store.owner(oid) for oid in before - listed}
        lost = self._store.replace(name, listed, before, version)
        for oid in lost:
            self._informer.lost(oid, owners.get(oid))
        if lost:
            log.warning("a watch had missed deletions", kind=name, count=len(lost))
        return version
