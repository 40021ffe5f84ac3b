"""What the operator itself does about a latched stop: watch whether the bot answers, and stand in for it if not.

The decisions are in `policy.kill`, and durable in the status before they are carried out.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import structlog

from tradingbot_operator.api.conditions import Reason
from tradingbot_operator.desired.killjob import kill_job
from tradingbot_operator.desired.kinds import DEPLOYMENT, JOB
from tradingbot_operator.desired.naming import KILL_COMPONENT, child_name
from tradingbot_operator.desired.ownership import Ownership, controller_of, ownership
from tradingbot_operator.desired.tradingbot import Desired, scaled_down, without_pods
from tradingbot_operator.kube.errors import ConflictError, KubeError, UnavailableError
from tradingbot_operator.policy import kill
from tradingbot_operator.policy.deletion import waits
from tradingbot_operator.reconcile.lineage import pods_of
from tradingbot_operator.runtime.keys import Key, ObjectId
from tradingbot_operator.status.pods import has_started, is_ready

if TYPE_CHECKING:
    from collections.abc import Callable

    from tradingbot_operator.api.v1alpha1.safety import EmergencyStopStatus
    from tradingbot_operator.kube.api import KubeApi, Manifest
    from tradingbot_operator.runtime.store import Store
    from tradingbot_operator.status.observation import Observed

log = structlog.get_logger(__name__)


class Stopping:
    """Kill Jobs of all bots. In memory is only since when a bot has been silent; a restart counts anew."""

    def __init__(self, kube: KubeApi, store: Store, *, now: Callable[[], datetime]) -> None:
        self._kube = kube
        self._store = store
        self._now = now
        self._silent: dict[Key, datetime] = {}
        self._refused: dict[Key, str] = {}
        """Why a kill Job cannot be made, as the server says."""
        self._news: dict[Key, str] = {}

    def advance(self, key: Key, obj: Manifest, stop: EmergencyStopStatus, observed: Observed) -> EmergencyStopStatus:
        """Return the stop with what the kill Job found, and with the decision for one where it is time."""
        uid = str(obj["metadata"]["uid"])
        job = self._job(key, uid, stop)
        stop = kill.take_in(stop, job, self._job_pods(key, stop))
        if job is None and key in self._refused:
            stop = kill.unmade(stop, self._refused[key])
        sight = self._sight(key, observed)
        known = stop.kill
        if known is not None and known.job == kill.job_of(key.name, stop):
            return stop
        reason = (
            known.reason if known is not None else kill.why_kill(stop, sight, self._now(), deleting=waits(obj, stop))
        )
        return stop if reason is None else kill.begin(key.name, stop, reason, self._now())

    def forget(self, key: Key) -> None:
        """Forget a bot that is gone, or whose stop is over."""
        self._silent.pop(key, None)
        self._refused.pop(key, None)
        self._news.pop(key, None)

    def news(self, key: Key) -> list[tuple[Reason, str]]:
        """Return what nobody was told of yet, once."""
        text = self._news.pop(key, "")
        return [(Reason.KILL_JOB_FAILED, text)] if text else []

    def hold_down(self, key: Key, desired: Desired) -> Desired:
        """Return the children with a Deployment that has no pods."""
        log.debug("the bot is held down", bot=str(key))
        return without_pods(desired)

    async def carry_out(self, key: Key, uid: str, stop: EmergencyStopStatus, desired: Desired | None) -> list[str]:
        """Take the pods away and have the kill Job there; return what was written. Raises KubeError."""
        written = []
        live = self._deployment(key, uid)
        if live is not None and live["spec"].get("replicas") != 0:
            self._store.put(DEPLOYMENT.kind, await self._kube.apply(DEPLOYMENT, scaled_down(live), force=True))
            written.append(f"no pods in Deployment {live['metadata']['name']}")
        template = self._template(live, desired)
        if template is None or not kill.needs_job(stop) or stop.kill is None or self._job(key, uid, stop) is not None:
            return written
        job = kill_job(key.name, key.namespace, uid, stop, stop.kill.job, template)
        try:
            self._store.put(JOB.kind, await self._kube.apply_new(JOB, job))
        except ConflictError:
            await self._make_room(key, uid, stop.kill.job)
            return written
        except KubeError as error:
            text = f"Kill Job {stop.kill.job} cannot be made: {error}"
            if self._refused.get(key) != text and not error.retryable:
                self._refused[key] = self._news[key] = text
            raise
        self._refused.pop(key, None)
        log.error("a kill Job carries the stop out", job=stop.kill.job, reason=stop.kill.reason)
        return [*written, f"created Job {stop.kill.job}"]

    def _sight(self, key: Key, observed: Observed) -> kill.Sight:
        pods = [pod for pod in observed.pods if "deletionTimestamp" not in pod["metadata"]]
        made = max((str(pod["metadata"].get("creationTimestamp") or "") for pod in pods), default="")
        if any(has_started(pod) for pod in pods):
            made = ""  # A pod that hangs is not ready for that; it is not starting.
        elif not pods and observed.deployment is not None:
            made = str(observed.deployment["metadata"].get("creationTimestamp") or "")
        sight = kill.Sight(
            failures=observed.report.failures,
            followed=any(pod["status"].get("podIP") for pod in pods),
            polled=observed.polled,
            running=any(is_ready(pod) for pod in pods),
            starting_since=datetime.fromisoformat(made) if made else None,
        )
        if not sight.nobody:
            self._silent.pop(key, None)
            return sight
        return replace(sight, silent_since=self._silent.setdefault(key, self._now()))

    def _deployment(self, key: Key, uid: str) -> Manifest | None:
        found = self._store.get(ObjectId(DEPLOYMENT.kind, key.namespace, child_name(key.name)))
        return found if found is not None and ownership(found, key.name, uid) is Ownership.OURS else None

    @staticmethod
    def _template(live: Manifest | None, desired: Desired | None) -> Manifest | None:
        whole = live or (desired.manifests[-1] if desired is not None else None)
        template: Manifest | None = whole["spec"]["template"] if whole is not None else None
        return template

    async def _make_room(self, key: Key, uid: str, name: str) -> None:
        """Remove a Job that somebody else has made under the kill Job's name, which is no secret. Raises KubeError."""
        async for page in self._kube.list_pages(JOB, namespace=key.namespace):
            for found in page.items:
                meta = found["metadata"]
                if meta["name"] != name:
                    continue
                if ownership(found, key.name, uid) is Ownership.OURS:
                    self._store.put(JOB.kind, found)
                    log.info("the kill Job is there already", job=name)
                    return
                log.error("somebody else's Job has the name of the kill Job, and is removed", job=name)
                await self._kube.delete(JOB, key.namespace, name, uid=meta["uid"])
        raise UnavailableError(f"the name of the kill Job {name} was taken; it is made again")

    def _job(self, key: Key, uid: str, stop: EmergencyStopStatus) -> dict[str, Any] | None:
        """Return the kill Job, and no other of its name: it would be waited for in the place of the real one."""
        if stop.kill is None:
            return None
        found = self._store.get(ObjectId(JOB.kind, key.namespace, stop.kill.job))
        return found if found is not None and ownership(found, key.name, uid) is Ownership.OURS else None

    def _job_pods(self, key: Key, stop: EmergencyStopStatus) -> list[dict[str, Any]]:
        if stop.kill is None:
            return []
        pods = pods_of(self._store, key, KILL_COMPONENT)
        mine = [pod for pod in pods if (controller_of(pod) or {}).get("name") == stop.kill.job]
        return sorted(mine, key=lambda pod: str(pod["metadata"].get("creationTimestamp")))
