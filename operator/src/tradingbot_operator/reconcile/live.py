"""The way to live trading and back, as a pass sees it: what is observed for the decision, and the preflight's Job."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import structlog

from tradingbot_operator.api.conditions import Reason
from tradingbot_operator.api.v1alpha1.live import LiveState
from tradingbot_operator.api.v1alpha1.safety import Mode
from tradingbot_operator.desired.kinds import BACKUP_SCHEDULE, CONFIG_MAP, DEPLOYMENT, JOB, POD
from tradingbot_operator.desired.naming import BOT_COMPONENT, COMPONENT_LABEL, PREFLIGHT_COMPONENT, child_name
from tradingbot_operator.desired.ownership import Ownership, controller_of, ownership
from tradingbot_operator.desired.preflight import preflight, preflight_name
from tradingbot_operator.desired.workload import image_of
from tradingbot_operator.kube.errors import ConflictError, KubeError, NotFoundError
from tradingbot_operator.policy.beside import NOT_BELIEVED, why_not_believed
from tradingbot_operator.policy.judging import Facts
from tradingbot_operator.policy.live import Plan, decide, distrusted, unheard
from tradingbot_operator.policy.preflight import JobLook, inputs_of, remembered, run_id
from tradingbot_operator.reconcile.lineage import pods_of
from tradingbot_operator.runtime.keys import Key, ObjectId
from tradingbot_operator.status.live import LivePart
from tradingbot_operator.status.pods import problem_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from tradingbot_operator.api.v1alpha1 import TradingBot, TradingBotStatus
    from tradingbot_operator.api.v1alpha1.safety import EmergencyStopStatus
    from tradingbot_operator.desired.config import BuildConfig
    from tradingbot_operator.desired.tradingbot import Desired
    from tradingbot_operator.kube.api import KubeApi, Manifest
    from tradingbot_operator.runtime.store import Store
    from tradingbot_operator.status.observation import BotReport

log = structlog.get_logger(__name__)


TWO_PODS = '{"reason": "TwoPods", "message": "the run has more than one pod, so none of them is believed"}'


class LiveTrading:
    """Decides what one bot may do, and has its account looked at."""

    def __init__(self, kube: KubeApi, store: Store, config: BuildConfig) -> None:
        self._kube = kube
        self._store = store
        self._config = config
        self._asked: dict[Key, tuple[str, Manifest]] = {}
        """Configuration of the run that was started last, by its name: the spec may have changed since."""

    async def plan(
        self,
        key: Key,
        bot: TradingBot,
        recorded: TradingBotStatus,
        report: BotReport,
        stop: EmergencyStopStatus | None,
        now: datetime,
    ) -> Plan:
        """Decide from what the store has. The BackupSchedules are read once there is something to approve."""
        image = image_of(bot, self._config)[0]
        facts = Facts(
            now=now,
            image=image,
            running=self._running(key),
            report=None if report.unreachable else report.body,
            image_digest=self._image_digest(key, recorded),
            refused=recorded.live is not None and self._refused(key),
            look=self._look(key, bot, recorded, image),
            stop=stop.id if stop else None,
            stop_is_open=stop is not None and not stop.verified,
        )
        plan = decide(bot, recorded, facts)
        waiting = {gate.name for gate in plan.gates if not gate.is_open}
        if not {"Backup"} <= waiting <= {"Backup", "Approval"}:
            return plan
        schedules = await self._schedules(key.namespace)
        return decide(
            bot,
            recorded,
            Facts(**{field: getattr(facts, field) for field in Facts.__slots__} | {"schedules": schedules}),
        )

    def checked(self, key: Key, recorded: TradingBotStatus, plan: Plan, desired: Desired, report: BotReport) -> Plan:
        """Hold the plan against what the pod of the present configuration says that it runs."""
        if plan.live is None:
            return plan
        if report.body is None:
            return unheard(plan, recorded)
        found = report.body.get("config_hash")
        if report.body.get("mode") != Mode.LIVE.value or not report.address or not isinstance(found, str):
            return plan
        for pod in pods_of(self._store, key, BOT_COMPONENT):
            present = pod["spec"]["configMap"] == desired.config_map
            if present and pod["status"]["podIP"] == report.address:
                return distrusted(plan, desired.config_hash, found)
        return plan

    async def look(self, key: Key, bot: TradingBot, plan: Plan) -> list[str]:
        """Start the preflight if it is due, and remove earlier ones; return what was written. Raise KubeError."""
        if plan.preflight is None:
            return await self._prune(key, bot, keep="")
        if not plan.look_due:
            return []
        run = run_id(bot.metadata.uid, plan.preflight)
        name = preflight_name(bot.metadata.name, run)
        if self._store.get(ObjectId(JOB.kind, key.namespace, name)) is not None:
            return []
        written = await self._prune(key, bot, keep=name)
        manifests = preflight(bot, self._config, run)
        self._asked[key] = (name, manifests[0])
        for kind, manifest in zip((CONFIG_MAP, JOB), manifests, strict=True):
            try:
                made = await self._kube.apply_new(kind, manifest)
            except ConflictError:
                log.debug("a part of the preflight exists already", kind=kind.kind, name=name)
                continue
            self._store.put(kind.kind, made)
            written.append(f"created {kind.kind} {name}")
        return written

    # --- what is seen ---------------------------------------------------------------------------------------------

    def _running(self, key: Key) -> bool:
        deployment = self._store.get(ObjectId(DEPLOYMENT.kind, key.namespace, child_name(key.name)))
        return deployment is not None and _environment(deployment).get("TRADING_MODE") == Mode.LIVE.value

    def _refused(self, key: Key) -> bool:
        """Return whether a pod of the bot has found other keys in its Secret than those that were approved."""
        problems = [problem_of(pod, key.namespace) for pod in pods_of(self._store, key, BOT_COMPONENT)]
        return any(problem is not None and problem.reason is Reason.ANOTHER_ACCOUNT for problem in problems)

    def _image_digest(self, key: Key, recorded: TradingBotStatus) -> str | None:
        """Return what the newest pod of the approved image runs."""
        live = recorded.live
        if live is None:
            return None
        since, image = stamp(live.changed_at or live.since), live.approved.get("image")
        pods = [
            pod
            for pod in pods_of(self._store, key, BOT_COMPONENT)
            if pod["spec"]["image"] == image and str(pod["metadata"].get("creationTimestamp")) >= since
        ]
        pods.sort(key=lambda pod: str(pod["metadata"].get("creationTimestamp")))
        found = [pod["status"]["container"].get("imageID") for pod in pods]
        return next((str(image_id)[:512] for image_id in reversed(found) if image_id), None)

    def _look(self, key: Key, bot: TradingBot, recorded: TradingBotStatus, image: str) -> JobLook | None:
        """Return what is seen of the run whose result is awaited; of no other one, whatever its pod says."""
        known = remembered(recorded.preflight, inputs_of(bot.spec, image))
        run = run_id(bot.metadata.uid, known)
        name = preflight_name(bot.metadata.name, run)
        job = self._store.get(ObjectId(JOB.kind, key.namespace, name))
        if job is None or ownership(job, key.name, bot.metadata.uid) is not Ownership.OURS:
            return None
        pods = [pod for pod in self._store.children(key, POD.kind) if _is_made_by(pod, job)]
        if len(pods) > 1:
            # The Job controller adopts a pod that carries the labels of its own one; a run has one pod, so none counts.
            return JobLook(ended=True, message=TWO_PODS)
        pod = next(iter(pods), None)
        failed = any(
            c.get("type") == "Failed" and c.get("status") == "True" for c in (job.get("status") or {})["conditions"]
        )
        if pod is None:
            return JobLook(ended=failed)
        if doubt := self._doubt(key, bot, run, pod):
            # Of two pods the Job controller ends one, and that may be its own before this pass has seen both.
            return JobLook(ended=True, message=json.dumps({"reason": "AnotherPod", "message": doubt}))
        container = pod["status"]["container"]
        ended = (container.get("state") or {}).get("terminated")
        if ended is not None:
            return JobLook(
                ended=True, message=str(ended.get("message") or ""), image_digest=container.get("imageID") or None
            )
        problem = problem_of(pod, key.namespace)
        return JobLook(
            ended=failed,
            problem=problem.reason if problem else None,
            problem_message=problem.message if problem else "",
        )

    def _doubt(self, key: Key, bot: TradingBot, run: str, pod: Manifest) -> str:
        """Return why the words of a run's pod are not believed, or nothing.

        Whoever makes a pod may write the Job into it as its owner, or make the Job or its ConfigMap first: what counts
        is what the pod has, compared with what the operator asks for.
        """
        wanted, job = preflight(bot, self._config, run)
        name = wanted["metadata"]["name"]
        asked = self._asked.get(key)
        if asked is not None and asked[0] == name:
            wanted = asked[1]
        if why := why_not_believed(job["spec"]["template"]["spec"], pod):
            return why
        found = self._store.get(ObjectId(CONFIG_MAP.kind, key.namespace, name))
        if found is None or found.get("immutable") is not True or found.get("data") != wanted["data"]:
            return NOT_BELIEVED.format(what="configuration", where=f"the ConfigMap {name}")
        return ""

    async def _schedules(self, namespace: str) -> Sequence[Mapping[str, Any]] | None:
        found: list[Mapping[str, Any]] = []
        try:
            async for page in self._kube.list_pages(BACKUP_SCHEDULE, namespace=namespace):
                found.extend(page.items)
        except KubeError as error:
            log.warning("the BackupSchedules were not read", error=str(error))
            return None
        return found

    async def _prune(self, key: Key, bot: TradingBot, *, keep: str) -> list[str]:
        """Remove the preflights of before. Their pods go with them."""
        pruned = []
        for kind in (JOB, CONFIG_MAP):
            for oid in self._store.child_ids(key, kind.kind):
                child = self._store.get(oid) if f"-{PREFLIGHT_COMPONENT}-" in oid.name and oid.name != keep else None
                if child is None or not is_preflight(child):
                    continue
                meta = child["metadata"]
                if ownership(child, key.name, bot.metadata.uid) is not Ownership.OURS:
                    continue
                try:
                    await self._kube.delete(kind, key.namespace, meta["name"], uid=meta["uid"])
                except (NotFoundError, ConflictError):
                    log.debug("a preflight was gone before it was pruned", name=meta["name"])
                self._store.discard(ObjectId(kind.kind, key.namespace, meta["name"]))
                pruned.append(f"pruned {kind.kind} {meta['name']}")
        return pruned


def is_awaited(plan: Plan | None, report: Mapping[str, Any] | None) -> bool:
    """Return whether the live bot has been told to open nothing more, and has not said yet that it does."""
    if plan is None or plan.live is None or plan.live.state is LiveState.TRADING:
        return False
    return plan.live.state is LiveState.LEAVING or str((report or {}).get("state")) in {"ACTIVE", "PAUSED"}


def part_of(plan: Plan) -> LivePart:
    """Return what the status says about a plan."""
    return LivePart(
        plan.approval, plan.gate_status, plan.preflight, plan.live, plan.reason, plan.message, silent=plan.silent
    )


def stamp(moment: datetime) -> str:
    """Return a moment as Kubernetes writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def is_preflight(child: Mapping[str, Any]) -> bool:
    """Return whether a child is a part of a preflight."""
    return bool((child["metadata"].get("labels") or {}).get(COMPONENT_LABEL) == PREFLIGHT_COMPONENT)


def _is_made_by(pod: Manifest, job: Manifest) -> bool:
    """Return whether this Job controls the pod: a pod that only looks like its own says nothing."""
    owner = controller_of(pod)
    return owner is not None and owner.get("uid") == job["metadata"]["uid"]


def _environment(deployment: Manifest) -> dict[str, str]:
    containers = deployment.get("spec", {}).get("template", {}).get("spec", {}).get("containers") or []
    return {
        variable["name"]: str(variable.get("value"))
        for container in containers
        if container.get("name") == "bot"
        for variable in container.get("env") or []
    }
