"""A bot on its way to live trading, with everybody who takes part played by the test: kubelet, bot, two people."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from tests.component.operator.world import NAMESPACE, World

from tradingbot_operator.runtime.keys import Key
from tradingbot_operator.status.observation import BotReport

KEY = Key(NAMESPACE, "a")
LIVE: dict[str, Any] = {
    "mode": "live",
    "requestedBy": "alice",
    "exchange": {"credentialsSecretRef": {"name": "keys"}},
}
SIMULATES: dict[str, Any] = {
    "mode": "simulation",
    "state": "ACTIVE",
    "role": "trading",
    "ready": True,
    "positions": 0,
    "open_orders": 0,
    "reasons": [],
    "stop": None,
    "last_stop": None,
}
FOUND: dict[str, Any] = {
    "kind": "preflight",
    "verdict": "OK",
    "reasons": [],
    "account": "k1",
    "skew_ms": 3,
    "test_mode": True,
    "checked_at": "2026-11-21T09:00:00Z",
}


class LiveWorld(World):
    """Alice asks, Bob approves."""

    def __init__(self) -> None:
        super().__init__(polled=True)
        self.spec: dict[str, Any] = {}

    async def apply(self, **spec: Any) -> None:
        """Change the spec as a person does; a value of None takes the field away."""
        self.spec = {key: value for key, value in (self.spec | spec).items() if value is not None}
        self.kube.objects.get(("TradingBot", NAMESPACE, "a"), {}).pop("spec", None)
        self.create(**self.spec)
        await self.settle()

    async def report(self, **fields: Any) -> None:
        self.bots.reports[KEY] = BotReport(SIMULATES | fields, address="198.18.0.9")
        await self.again()

    async def again(self) -> None:
        self.queue.add(KEY)
        await self.settle()

    async def wait(self, seconds: float) -> None:
        """Let time pass: no event comes, only what the operator asked for itself."""
        asked = self.requeues[KEY]
        assert asked is not None, "the operator has not asked to be called again"
        assert asked <= seconds, f"the operator comes back in {asked} s only"
        self.later(seconds)
        await self.again()

    def job(self) -> dict[str, Any]:
        (job,) = self.kube.of("Job")
        return job

    async def preflight(self, image_id: str = "sha256:aa", job_uid: str = "", **found: Any) -> None:
        """Run the Job as Job controller and kubelet do."""
        said = {"checked_at": self.time.isoformat().replace("+00:00", "Z")} | found
        state = {"terminated": {"exitCode": 0, "message": json.dumps(FOUND | said)}}
        await self.job_pod(job_uid, state=state, imageID=image_id)

    async def job_pod(self, job_uid: str = "", **container: Any) -> None:
        job = self.job()
        template = job["spec"]["template"]
        self.kube.put(
            "Pod",
            {
                "metadata": {
                    "name": f"{job['metadata']['name']}-x",
                    "namespace": NAMESPACE,
                    "labels": template["metadata"]["labels"],
                    "ownerReferences": [
                        {
                            "apiVersion": "batch/v1",
                            "kind": "Job",
                            "name": job["metadata"]["name"],
                            "uid": job_uid or job["metadata"]["uid"],
                            "controller": True,
                        }
                    ],
                },
                "spec": template["spec"],
                "status": {"phase": "Pending", "containerStatuses": [{"name": "bot", "ready": False, **container}]},
            },
        )
        await self.settle()

    def live_status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.status()["live"]
        return found

    def digest(self) -> str:
        return str(self.status()["approval"]["requiredDigest"])

    async def approve(self, digest: str = "", *, by: str = "bob", hours: float = 24) -> None:
        expires = (self.time + timedelta(hours=hours)).isoformat().replace("+00:00", "Z")
        await self.apply(approval={"digest": digest or self.digest(), "approvedBy": by, "expiresAt": expires})

    async def simulating(self) -> LiveWorld:
        """A bot that simulates well."""
        await self.apply()
        self.pod(ready=True)
        await self.settle()
        await self.report()
        return self

    async def asking(self, **spec: Any) -> LiveWorld:
        """Live trading is asked for, and the account was looked at."""
        await self.simulating()
        await self.apply(**LIVE | spec)
        await self.preflight()
        return self

    async def live(self, **spec: Any) -> LiveWorld:
        """It trades live."""
        await self.asking(**spec)
        await self.approve()
        self.pod(ready=True)
        await self.settle()
        await self.report(mode="live", account="k1")
        assert self.env()["TRADING_MODE"] == "live", self.gates()
        return self

    def template(self) -> dict[str, Any]:
        template: dict[str, Any] = self.kube.objects["Deployment", NAMESPACE, "tradingbot-a"]["spec"]["template"]
        return template

    def bot_pods(self) -> list[dict[str, Any]]:
        """The bot's own pods, the newest last."""
        return [p for p in self.kube.of("Pod") if p["metadata"]["labels"]["app.kubernetes.io/component"] == "bot"]

    def env(self) -> dict[str, Any]:
        return {e["name"]: e.get("value") for e in self.template()["spec"]["containers"][0]["env"]}

    def config(self) -> str:
        name = self.template()["spec"]["volumes"][0]["configMap"]["name"]
        return str(self.kube.objects["ConfigMap", NAMESPACE, name]["data"]["config.yaml"])

    def gates(self) -> dict[str, tuple[str, str]]:
        return {gate["name"]: (gate["state"], gate.get("message", "")) for gate in self.status().get("gates", [])}

    def closed(self) -> set[str]:
        return {name for name, (state, _) in self.gates().items() if state != "Open"}

    def told(self) -> list[str]:
        return [event["reason"] for event in self.kube.of("Event")]
