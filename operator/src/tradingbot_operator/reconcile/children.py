"""Writing children: only what differs, never over somebody else's object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from tradingbot_operator.api.conditions import Reason
from tradingbot_operator.desired.kinds import BY_NAME, CONFIG_MAP
from tradingbot_operator.desired.ownership import Ownership, ownership
from tradingbot_operator.kube.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    KubeError,
    NotFoundError,
    TerminatingError,
    ThrottledError,
    UnavailableError,
)
from tradingbot_operator.policy.drift import intruders, needs_apply
from tradingbot_operator.policy.prune import superseded_config_maps
from tradingbot_operator.reconcile.live import is_preflight
from tradingbot_operator.runtime.keys import Key, ObjectId
from tradingbot_operator.status.observation import Obstacle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tradingbot_operator.kube.api import KubeApi, Manifest
    from tradingbot_operator.policy.contest import Guard
    from tradingbot_operator.reconcile.contests import Contests
    from tradingbot_operator.runtime.store import Store

log = structlog.get_logger(__name__)

NAME_TAKEN_RETRY_SECONDS = 60.0
PREDECESSOR_RETRY_SECONDS = 2.0


class Blocked(Exception):  # noqa: N818 - an outcome of one child, not an error of the program
    """A child cannot be written as things are; the pass goes on with the others."""

    def __init__(self, obstacle: Obstacle, *, retry_after: float | None = None) -> None:
        super().__init__(obstacle.message)
        self.obstacle = obstacle
        self.retry_after = retry_after


class Children:
    """Applies and prunes the children of one custom resource, during one pass."""

    def __init__(
        self, kube: KubeApi, store: Store, contests: Contests, guard: Guard, *, on_write: Callable[[], None]
    ) -> None:
        self._kube = kube
        self._store = store
        self._contests = contests
        self._guard = guard
        self._on_write = on_write
        self.written: list[str] = []
        """What was written, for the log: one line a pass."""

    async def ensure(self, key: Key, uid: str, manifest: Manifest) -> None:
        """Make one child what it should be. Raise Blocked, or UnavailableError and ThrottledError of the server."""
        kind = BY_NAME[manifest["kind"]]
        oid = ObjectId(kind.kind, key.namespace, manifest["metadata"]["name"])
        live = self._store.get(oid)
        try:
            if live is None:
                await self._write_new(key, manifest)
            else:
                await self._write_over(key, uid, manifest, live)
        except (ConflictError, InvalidError, NotFoundError) as error:
            await self._look_again(key, uid, manifest, error)
        except TerminatingError:
            raise
        except ForbiddenError as error:
            raise _refused(manifest, error) from error

    async def prune(self, key: Key, uid: str, current: str, deployment: dict[str, Any] | None) -> None:
        """Delete the ConfigMaps of earlier configurations once the rollout is complete."""
        owned = [
            config_map
            for config_map in self._store.children(key, CONFIG_MAP.kind)
            if ownership(config_map, key.name, uid) is Ownership.OURS and not is_preflight(config_map)
        ]
        for config_map in superseded_config_maps(owned, current, deployment):
            meta = config_map["metadata"]
            try:
                await self._kube.delete(CONFIG_MAP, key.namespace, meta["name"], uid=meta["uid"])
            except (NotFoundError, ConflictError):
                log.debug("a ConfigMap was gone before it was pruned", name=meta["name"])
            self._store.discard(ObjectId(CONFIG_MAP.kind, key.namespace, meta["name"]))
            self.written.append(f"pruned {CONFIG_MAP.kind} {meta['name']}")

    async def _write_new(self, key: Key, manifest: Manifest) -> None:
        # What was here and is gone has been removed by somebody else.
        again = self._store.was_here(ObjectId(manifest["kind"], *_place(manifest)))
        if again and await self._contests.waits(key, manifest, None, self._guard):
            return
        written = await self._kube.apply_new(BY_NAME[manifest["kind"]], manifest)
        self._take("created", manifest, written)
        self._count(key, manifest, written, again=again)

    async def _write_over(self, key: Key, uid: str, manifest: Manifest, live: dict[str, Any]) -> None:
        whose = ownership(live, key.name, uid)
        if whose in {Ownership.FOREIGN, Ownership.PREDECESSOR}:
            raise _taken(manifest, whose)
        if not needs_apply(manifest, live):
            self._contests.right(key, manifest)
            return
        again = self._contests.was_written(key, manifest, live)
        if again and await self._contests.waits(key, manifest, live, self._guard):
            return
        # The uid makes the server refuse when the object was replaced by another one in the meantime.
        bound = manifest | {"metadata": manifest["metadata"] | {"uid": live["metadata"]["uid"]}}
        written = await self._kube.apply(BY_NAME[manifest["kind"]], bound, force=True)
        if (patch := intruders(manifest, written)) is not None:
            log.warning("somebody's additions to the bot's container are removed", name=manifest["metadata"]["name"])
            same = {"metadata": {"uid": written["metadata"]["uid"]}}
            written = await self._kube.patch(BY_NAME[manifest["kind"]], *_place(manifest), patch | same)
        self._take("changed", manifest, written)
        if not again:
            self._contests.wrote(key, manifest)
        self._count(key, manifest, written, again=again)

    def _take(self, what: str, manifest: Manifest, written: Manifest) -> None:
        self._store.put(manifest["kind"], written)
        self.written.append(f"{what} {manifest['kind']} {manifest['metadata']['name']}")

    def _count(self, key: Key, manifest: Manifest, written: Manifest, *, again: bool) -> None:
        # A contest does not end, and the reports of all other bots would wait for that.
        if not again or not self._contests.repaired(key, manifest, written):
            self._on_write()

    async def _look_again(self, key: Key, uid: str, manifest: Manifest, error: KubeError) -> None:
        """Ask for the object, which is not what the store says, and decide once more."""
        kind, name = BY_NAME[manifest["kind"]], manifest["metadata"]["name"]
        known = self._store.get(ObjectId(kind.kind, key.namespace, name))
        try:
            try:
                live = await self._kube.get(kind, key.namespace, name)
            except NotFoundError:
                self._store.discard(ObjectId(kind.kind, key.namespace, name))
                if known is None:
                    raise error from None
                await self._write_new(key, manifest)
                return
            if isinstance(error, InvalidError) and known and known["metadata"]["uid"] == live["metadata"]["uid"]:
                raise _refused(manifest, error) from error
            if ownership(live, key.name, uid) in {Ownership.OURS, Ownership.ORPHAN}:
                self._store.put(kind.kind, live)
            await self._write_over(key, uid, manifest, live)
        except TerminatingError:
            raise
        except (InvalidError, ForbiddenError, NotFoundError) as refusal:
            raise _refused(manifest, refusal) from refusal
        except ConflictError as conflict:
            raise UnavailableError(f"{kind.kind} {name} changes while it is written") from conflict


async def ensure_all(children: Children, key: Key, uid: str, manifests: Sequence[Manifest]) -> list[Blocked]:
    """Write all children in order; return what was blocked.

    The last one, the Deployment, is left as it is when anything that its pod needs is blocked: a pod must not start
    with somebody else's ServiceAccount or without its NetworkPolicy. An unreachable server ends the pass at once.
    """
    blocked: list[Blocked] = []
    for manifest in manifests[:-1]:
        try:
            await children.ensure(key, uid, manifest)
        except Blocked as error:
            blocked.append(error)
    if not blocked:
        try:
            await children.ensure(key, uid, manifests[-1])
        except Blocked as error:
            blocked.append(error)
    return blocked


def retryable(error: KubeError) -> float | None:
    """Return the server's own wish for a pause (seconds), if it has one."""
    return error.retry_after if isinstance(error, ThrottledError) else None


def _place(manifest: Manifest) -> tuple[str, str]:
    return manifest["metadata"]["namespace"], manifest["metadata"]["name"]


def _taken(manifest: Manifest, whose: Ownership) -> Blocked:
    kind, meta = manifest["kind"], manifest["metadata"]
    if whose is Ownership.PREDECESSOR:
        message = f"{kind} {meta['name']} belongs to a deleted TradingBot of the same name and is about to go."
        return Blocked(Obstacle(Reason.RECONCILING, message), retry_after=PREDECESSOR_RETRY_SECONDS)
    plural = BY_NAME[kind].plural
    message = (
        f"{kind} {meta['name']} exists and belongs to somebody else: rename this TradingBot, or remove the other "
        f"object (kubectl -n {meta['namespace']} delete {plural} {meta['name']})."
    )
    return Blocked(Obstacle(Reason.NAME_TAKEN, message), retry_after=NAME_TAKEN_RETRY_SECONDS)


def _refused(manifest: Manifest, error: KubeError) -> Blocked:
    message = f"{manifest['kind']} {manifest['metadata']['name']} was refused by the API server: {error}"
    return Blocked(Obstacle(Reason.API_REFUSED, " ".join(message.split())[:900]))
