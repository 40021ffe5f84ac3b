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
from tradingbot_operator.desired.kinds import CONFIG_MAP, DEPLOYMENT, JOB
from tradingbot_operator.desired.naming import HASH_ANNOTATION, KILL_COMPONENT, child_name
from tradingbot_operator.desired.ownership import Ownership, controller_of, ownership
from tradingbot_operator.desired.tradingbot import Desired, is_of_its_content, scaled_down, without_pods
from tradingbot_operator.kube.errors import ConflictError, KubeError, UnavailableError
from tradingbot_operator.policy import kill
from tradingbot_operator.policy.beside import NOT_BELIEVED, why_not_believed
from tradingbot_operator.policy.deletion import waits
from tradingbot_operator.reconcile.lineage import pods_of
from tradingbot_operator.runtime.keys import Key, ObjectId
from tradingbot_operator.status.pods import has_started, is_ready

if TYPE_CHECKING:
    from collections.abc import Callable

    from tradingbot_operator.api.v1alpha1.safety import EmergencyStopStatus, KillStatus
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
        self._deaf: dict[Key, datetime] = {}
        self._refused: dict[Key, str] = {}
        """Why a kill Job cannot be made, as the server says."""
        self._made: dict[Key, tuple[str, str]] = {}
        """Name and uid of the kill Job that was made, until they are in the status, and where its CRD keeps no uid."""
        self._news: dict[Key, str] = {}

    def advance(self, key: Key, obj: Manifest, stop: EmergencyStopStatus, observed: Observed) -> EmergencyStopStatus:
        """Return the stop with what the kill Job found, and with the decision for one where it is time."""
        stop = self._with_uid(key, stop)
        job = self._job(key, stop)
        stop = kill.take_in(stop, job, self._words(key, job))
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
        self._deaf.pop(key, None)
        self._refused.pop(key, None)
        self._made.pop(key, None)
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
        template, stop = self._template(live, desired), self._with_uid(key, stop)
        if template is None or not kill.needs_job(stop) or stop.kill is None or self._job(key, stop) is not None:
            return written
        job = kill_job(key.name, key.namespace, uid, stop, stop.kill.job, template)
        try:
            made = await self._kube.apply_new(JOB, job)
        except ConflictError:
            await self._make_room(key, stop.kill)
            return written
        except KubeError as error:
            text = f"Kill Job {stop.kill.job} cannot be made: {error}"
            if self._refused.get(key) != text and not error.retryable:
                self._refused[key] = self._news[key] = text
            raise
        self._store.put(JOB.kind, made)
        self._made[key] = (stop.kill.job, str(made["metadata"]["uid"]))
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
            deaf_since=self._deaf_since(key, observed),
        )
        if not sight.nobody:
            self._silent.pop(key, None)
            return sight
        return replace(sight, silent_since=self._silent.setdefault(key, self._now()))

    def _deaf_since(self, key: Key, observed: Observed) -> datetime | None:
        report = observed.report
        if not kill.is_deaf(report.body):
            self._deaf.pop(key, None)
            return None
        return self._deaf.get(key) if report.failures else self._deaf.setdefault(key, self._now())

    def _deployment(self, key: Key, uid: str) -> Manifest | None:
        found = self._store.get(ObjectId(DEPLOYMENT.kind, key.namespace, child_name(key.name)))
        return found if found is not None and ownership(found, key.name, uid) is Ownership.OURS else None

    @staticmethod
    def _template(live: Manifest | None, desired: Desired | None) -> Manifest | None:
        """Return what the bot's pods are, by the Deployment; without what others put there, where that is known."""
        whole = live
        if desired is not None and (live is None or _is_applied(desired, live)):
            whole = desired.manifests[-1]
        template: Manifest | None = whole["spec"]["template"] if whole is not None else None
        return template

    async def _make_room(self, key: Key, known: KillStatus) -> None:
        """Remove what has the kill Job's name, which is no secret, and was not made by this operator for all it knows.

        It may be our own, whose uid was not written down any more: it is made again, which does no harm. Raises
        KubeError.
        """
        name = known.job
        async for page in self._kube.list_pages(JOB, namespace=key.namespace):
            for found in page.items:
                meta = found["metadata"]
                if meta["name"] != name:
                    continue
                if meta["uid"] == known.uid:
                    self._store.put(JOB.kind, found)
                    log.info("the kill Job is there already", job=name)
                    return
                log.error("a Job that nobody knows of has the name of the kill Job, and is removed", job=name)
                await self._kube.delete(JOB, key.namespace, name, uid=meta["uid"])
        raise UnavailableError(f"the name of the kill Job {name} was taken; it is made again")

    def _with_uid(self, key: Key, stop: EmergencyStopStatus) -> EmergencyStopStatus:
        """Return the stop with the uid of the Job that was made for it, also when that is not in the status yet."""
        name, uid = self._made.get(key, ("", ""))
        if stop.kill is None or stop.kill.job != name or stop.kill.uid == uid:
            return stop
        return stop.model_copy(update={"kill": stop.kill.model_copy(update={"uid": uid})})

    def _job(self, key: Key, stop: EmergencyStopStatus) -> dict[str, Any] | None:
        """Return the kill Job, and no other of its name: it would be waited for in the place of the real one."""
        if stop.kill is None or not stop.kill.uid:
            return None
        found = self._store.get(ObjectId(JOB.kind, key.namespace, stop.kill.job))
        return found if found is not None and found["metadata"]["uid"] == stop.kill.uid else None

    def _words(self, key: Key, job: Manifest | None) -> list[tuple[Manifest, str]]:
        """Return the pods of the kill Job, oldest first, each with why it is not believed, or nothing."""
        if job is None:
            return []
        pods = pods_of(self._store, key, KILL_COMPONENT)
        mine = [pod for pod in pods if (controller_of(pod) or {}).get("uid") == job["metadata"]["uid"]]
        mine.sort(key=lambda pod: str(pod["metadata"].get("creationTimestamp")))
        return [(pod, self._doubt(key, job, pod)) for pod in mine]

    def _doubt(self, key: Key, job: Manifest, pod: Manifest) -> str:
        """Whoever may make pods names the Job as their owner; with the pod as asked for, it runs what was asked for.

        Its configuration says which exchange it asks: that one has its name by its content, and was there before.
        """
        if why := why_not_believed(job["spec"]["template"]["spec"], pod):
            return why
        name = str(pod["spec"]["configMap"])
        found = self._store.get(ObjectId(CONFIG_MAP.kind, key.namespace, name))
        if found is None or not is_of_its_content(found) or _made_at(found) > _made_at(job):
            return NOT_BELIEVED.format(what="configuration", where=f"the ConfigMap {name}")
        return ""


def _is_applied(desired: Desired, live: Manifest) -> bool:
    """Return whether a Deployment was last written as it is wanted now, whatever somebody has done to it since."""
    hashes = {
        each.manifests[-1]["metadata"]["annotations"][HASH_ANNOTATION] for each in (desired, without_pods(desired))
    }
    return (live["metadata"].get("annotations") or {}).get(HASH_ANNOTATION) in hashes


def _made_at(obj: Manifest) -> str:
    return str(obj["metadata"].get("creationTimestamp") or "")
