"""The operator without kopf: store, queue and reconciler over the server in memory, driven step by step."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.component.operator.fake_kube import CrashedError, FakeKube
from tests.support.clock import Clock
from tests.support.waiting import ANSWER_SECONDS

from tradingbot_operator.desired.config import BuildConfig
from tradingbot_operator.desired.ownership import bot_of
from tradingbot_operator.reconcile.audit import Audit
from tradingbot_operator.reconcile.tradingbot import TradingBotReconciler
from tradingbot_operator.runtime.controller import RetryError
from tradingbot_operator.runtime.informer import Informer
from tradingbot_operator.runtime.keys import Key
from tradingbot_operator.runtime.parking import QUIET_SECONDS, Parking
from tradingbot_operator.runtime.store import Store
from tradingbot_operator.runtime.workqueue import Priority, WorkQueue
from tradingbot_operator.status.observation import BotReport
from tradingbot_operator.status.projection import PROJECTIONS

if TYPE_CHECKING:
    from tradingbot_operator.runtime.fleet import Shown

NAMESPACE = "trading"
SPEC: dict[str, Any] = {
    "strategy": {"name": "breakout", "symbols": ["BTC/USD"], "parameters": {"entry_lookback": 20}},
    "database": {"secretRef": {"name": "db"}},
}
KINDS = (
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "ConfigMap",
    "Service",
    "Deployment",
)


class FakeBots:
    """A poller that answers what the test says."""

    def __init__(self, *, enabled: bool = False) -> None:
        self.enabled = enabled
        self.reports: dict[Key, BotReport] = {}
        self.followed: dict[Key, tuple[str | None, bool]] = {}

    def follow(self, key: Key, address: str | None, *, urgent: bool) -> None:
        self.followed[key] = (address, urgent)

    def forget(self, key: Key) -> None:
        self.followed.pop(key, None)

    def report(self, key: Key) -> BotReport:
        return self.reports.get(key, BotReport())


class World:
    """One cluster, and one operator that may be killed and started again."""

    def __init__(self, *, polled: bool = False) -> None:
        self.kube = FakeKube()
        self.bots = FakeBots(enabled=polled)
        self.time = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
        self.passes: list[Key] = []
        self.errors: list[Exception] = []
        self.requeues: dict[Key, float | None] = {}
        self.image = "bot:1"
        """The operator's default, from its next start on."""
        self.start()

    def start(self) -> None:
        """Start a new operator: empty memory."""
        self.queue: WorkQueue[Key] = WorkQueue()
        self.store = Store(owner_of=_owner_of)
        for kind, project in PROJECTIONS.items():
            self.store.project(kind, project)
        self.clock = Clock()
        queue = self.queue
        self.parking: Parking[Key] = Parking(
            lambda key: queue.add(key, Priority.LOW), clock=self.clock, call_later=self.clock.later
        )
        self.reconciler = TradingBotReconciler(
            self.kube,
            self.store,
            BuildConfig(bot_image=self.image),
            self.bots,
            self.parking,
            now=lambda: self.time,
            clock=self.clock,
            on_shown=self._show,
        )
        self.informer = Informer(
            self.store,
            self.queue,
            root="TradingBot",
            note=self.reconciler.note,
            note_namespace=self.reconciler.note_namespace,
            counted=lambda _kind, _change: None,
        )
        self.audit = Audit(self.kube, self.store, self.informer, ())

    def _show(self, _: Key, shown: Shown | None) -> None:
        if shown is not None:
            self.shown = shown

    async def restart(self) -> None:
        """Kill the operator and start it again."""
        self.start()
        self.kube.events.clear()
        await self.audit.seed()

    def create(self, name: str = "a", **spec: Any) -> dict[str, Any]:
        """Apply a TradingBot as a person does it (again: with another spec)."""
        return self.kube.put(
            "TradingBot",
            {
                "apiVersion": "tradingbots.dev/v1alpha1",
                "kind": "TradingBot",
                "metadata": {"name": name, "namespace": NAMESPACE},
                "spec": SPEC | spec,
            },
        )

    def deliver(self) -> None:
        """Hand all watch events over."""
        while self.kube.events:
            event, kind, obj = self.kube.events.pop(0)
            if kind != "Event":
                self.informer.seen(kind, event, obj)

    async def settle(self) -> int:
        """Deliver and reconcile until nothing is left to do and to report; return the number of passes."""
        count = await self.work()
        while len(self.parking):
            self.clock.advance(QUIET_SECONDS)
            count += await self.work()
        return count

    async def work(self) -> int:
        """Deliver and reconcile until what is left to report waits for a quiet second; return the number of passes."""
        count = 0
        self.deliver()
        while len(self.queue):
            await self.step()
            self.deliver()
            count += 1
            assert count < 100, "the operator does not come to rest"
        return count

    async def step(self) -> None:
        """Run one pass."""
        key = await asyncio.wait_for(self.queue.get(), ANSWER_SECONDS)
        self.passes.append(key)
        again = None
        try:
            result = await self.reconciler.reconcile(key)
            self.requeues[key], again = result.requeue_after, result.again
        except CrashedError:
            raise
        except RetryError as error:
            self.errors.append(error)
        self.queue.done(key, again=again)

    async def converged(self, name: str = "a", **spec: Any) -> None:
        """Create a bot and bring it about."""
        self.create(name, **spec)
        await self.settle()

    def bot(self, name: str = "a") -> dict[str, Any]:
        return self.kube.objects["TradingBot", NAMESPACE, name]

    def status(self, name: str = "a") -> dict[str, Any]:
        status: dict[str, Any] = self.bot(name).get("status", {})
        return status

    def condition(self, kind: str, name: str = "a") -> dict[str, Any]:
        return next(c for c in self.status(name)["conditions"] if c["type"] == kind)

    def children(self) -> set[tuple[str, str]]:
        return {(kind, name) for kind, _, name in self.kube.objects if kind in KINDS}

    def state(self) -> dict[Any, Any]:
        """Everything but versions and times, to compare two worlds."""
        found = {}
        for name, obj in self.kube.objects.items():
            meta = {k: v for k, v in obj["metadata"].items() if k not in {"resourceVersion", "uid", "ownerReferences"}}
            found[name] = {**obj, "metadata": meta}
        return found

    def pod(self, name: str = "a", *, ready: bool = False, **container: Any) -> None:
        """Do what kubelet and Deployment controller do: a pod of the present template, and the counts."""
        deployment = self.kube.objects["Deployment", NAMESPACE, f"tradingbot-{name}"]
        template = deployment["spec"]["template"]
        config_map = template["spec"]["volumes"][0]["configMap"]["name"]
        maker = self.replica_set(deployment)
        self.kube.put(
            "Pod",
            {
                "metadata": {
                    "name": f"tradingbot-{name}-{config_map[-4:]}",
                    "namespace": NAMESPACE,
                    "labels": template["metadata"]["labels"],
                    "ownerReferences": [
                        {
                            "kind": "ReplicaSet",
                            "name": maker["metadata"]["name"],
                            "uid": maker["metadata"]["uid"],
                            "controller": True,
                        }
                    ],
                },
                "spec": template["spec"],
                "status": {
                    "phase": "Running",
                    "podIP": "198.18.0.9",
                    "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
                    "containerStatuses": [{"name": "bot", "ready": ready, **container}],
                },
            },
        )
        mine = [p for p in self.kube.of("Pod") if p["metadata"]["labels"] == template["metadata"]["labels"]]
        others = [p for p in mine if p["spec"] != template["spec"]]
        count = 1 if ready else 0

        def counts(whole: dict[str, Any]) -> None:
            whole["status"] = {
                "observedGeneration": whole["metadata"]["generation"],
                "replicas": 1 + len(others),
                "updatedReplicas": 1,
                "availableReplicas": count + len(others),
            }

        self.kube.edit("Deployment", NAMESPACE, f"tradingbot-{name}", counts)

    def replica_set(self, deployment: dict[str, Any]) -> dict[str, Any]:
        """Do what the Deployment controller does first."""
        meta = deployment["metadata"]
        owner = {"kind": "Deployment", "name": meta["name"], "uid": meta["uid"], "controller": True}
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        made = {"name": f"{meta['name']}-abc", "namespace": NAMESPACE, "labels": labels, "ownerReferences": [owner]}
        return self.kube.put("ReplicaSet", {"metadata": made})

    def end_kill(self, how: str = "Complete", **said: Any) -> None:
        """Do what kubelet and Job controller do when the last kill Job ends with these words."""
        job = next(job for job in reversed(self.kube.of("Job")) if "-kill-" in job["metadata"]["name"])
        name = job["metadata"]["name"]
        report = {"kind": "kill", "stop_id": self.status()["emergencyStop"]["id"], "state": "CANCELLED"} | said
        self.kube.put(
            "Pod",
            {
                "metadata": {
                    "name": f"{name}-x",
                    "namespace": NAMESPACE,
                    "labels": job["spec"]["template"]["metadata"]["labels"],
                    "ownerReferences": [
                        {"kind": "Job", "name": name, "uid": job["metadata"]["uid"], "controller": True}
                    ],
                },
                "spec": job["spec"]["template"]["spec"],
                "status": {
                    "phase": "Succeeded",
                    "containerStatuses": [{"name": "bot", "state": {"terminated": {"message": json.dumps(report)}}}],
                },
            },
        )

        def ended(whole: dict[str, Any]) -> None:
            whole["status"] = {"conditions": [{"type": how, "status": "True"}]}

        self.kube.edit("Job", NAMESPACE, name, ended)

    def later(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


def _owner_of(kind: str, obj: Any) -> Key | None:
    bot = bot_of(kind, obj)
    return Key(obj["metadata"]["namespace"], bot) if bot else None
