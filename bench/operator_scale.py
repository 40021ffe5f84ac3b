"""1,000 TradingBots: from the first create to all reconciled, at rest, at a restart, and one edit among them.

A round is two fresh control planes with fake nodes (kwok): on one a bare client writes the children of 1,000
TradingBots (which were created before), on the other the operator does it, from the first create on. Both write with
the token of the operator's ServiceAccount, so the API server checks the same rights and audits the same requests.
Three rounds, medians.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.figures import Figure
from bench.kube import Kube, connect, each
from bench.scale_cluster import WRITES, Operator, ScaleCluster, scale_cluster
from tradingbot_operator.api.v1alpha1.safety import Mode
from tradingbot_operator.api.v1alpha1.tradingbot import TradingBot
from tradingbot_operator.desired.config import BuildConfig
from tradingbot_operator.desired.tradingbot import build

if TYPE_CHECKING:
    from collections.abc import Callable

BOTS = 1000
ROUNDS = 3
EDITS = 200
REST_SECONDS = 60
NAMESPACE = "scale"
SPEC = {
    "strategy": {"name": "breakout", "symbols": ["BTC/USD"]},
    "database": {"secretRef": {"name": "trading-database"}},
}


def manifest(number: int) -> dict[str, Any]:
    """One of the TradingBots."""
    return {
        "apiVersion": "tradingbots.dev/v1alpha1",
        "kind": "TradingBot",
        "metadata": {"name": f"bot-{number:04d}", "namespace": NAMESPACE},
        "spec": SPEC,
    }


async def make_namespace(kube: Kube) -> None:
    await kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})


async def bare_client(cluster: ScaleCluster) -> float:
    """Seconds that a bare client needs for the children of 1,000 TradingBots."""
    config = BuildConfig(bot_image="localhost/tradingbot/bot:bench")
    made: list[dict[str, Any]] = []
    async with connect(cluster.kubeconfig) as admin:
        await make_namespace(admin)

        async def create(number: int) -> None:
            made.append(await admin.create(manifest(number)))

        await each(range(BOTS), create)
    children = [build(TradingBot.model_validate(bot), Mode.SIMULATION, config).manifests for bot in made]
    with tempfile.TemporaryDirectory() as folder:
        kubeconfig = await asyncio.to_thread(cluster.operator_kubeconfig, Path(folder))
        return await bare_writes(kubeconfig, children)


async def bare_writes(kubeconfig: Path, children: list[tuple[dict[str, Any], ...]]) -> float:
    """Seconds for writing so many bots' children."""
    async with connect(kubeconfig) as kube:

        async def write(manifests: tuple[dict[str, Any], ...]) -> None:
            for child in manifests:
                await kube.apply(child)

        started = time.perf_counter()
        await each(children, write)
        return time.perf_counter() - started


def reconciled(bot: dict[str, Any]) -> bool:
    """Whether the operator has done all of the object's present spec."""
    return bool(bot.get("status", {}).get("observedGeneration") == bot["metadata"]["generation"])


async def until_all(kube: Kube, holds: Callable[[dict[str, Any]], bool], wanted: int) -> None:
    """Watch until `wanted` TradingBots hold; a watch that the server ends is begun again, from a new list."""
    done: set[str] = set()
    while True:
        listed = await kube.list("TradingBot", NAMESPACE)
        done.update(bot["metadata"]["name"] for bot in listed["items"] if holds(bot))
        if len(done) == wanted:
            return
        async for event in kube.watch("TradingBot", NAMESPACE, listed["metadata"]["resourceVersion"]):
            if event["type"] in {"ADDED", "MODIFIED"} and holds(event["object"]):
                done.add(event["object"]["metadata"]["name"])
                if len(done) == wanted:
                    return


async def by_the_operator(cluster: ScaleCluster) -> float:
    """Seconds from the first create to all reconciled."""
    async with connect(cluster.kubeconfig) as kube:
        started = time.perf_counter()
        watching = asyncio.create_task(until_all(kube, reconciled, BOTS))
        await each(range(BOTS), lambda number: kube.create(manifest(number)))
        await asyncio.wait_for(watching, 600)
        return time.perf_counter() - started


async def settle(cluster: ScaleCluster) -> None:
    """Wait until every bot is ready (its fake pod runs) and nothing was written for five seconds."""

    def ready(bot: dict[str, Any]) -> bool:
        conditions = bot.get("status", {}).get("conditions", [])
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    async with connect(cluster.kubeconfig) as kube:
        deadline = time.monotonic() + 600
        bots: list[dict[str, Any]] = []
        while time.monotonic() < deadline:
            bots = (await kube.list("TradingBot", NAMESPACE))["items"]
            if len(bots) == BOTS and all(ready(bot) for bot in bots):
                break
            await asyncio.sleep(1)
        else:
            raise RuntimeError(f"only {sum(map(ready, bots))} of {BOTS} bots became ready")
    seen = -1
    while seen != (now := len(cluster.operator_requests())):
        seen = now
        await asyncio.sleep(5)


async def edits(cluster: ScaleCluster) -> list[float]:
    """Seconds from sending an edit of a spec to its Deployment changed, one edit after the other."""
    async with connect(cluster.kubeconfig) as kube:
        version = (await kube.list("Deployment", NAMESPACE))["metadata"]["resourceVersion"]
        generations: dict[str, int] = {}
        changed: dict[str, asyncio.Event] = {}

        async def look() -> None:
            async for event in kube.watch("Deployment", NAMESPACE, version):
                meta = event["object"]["metadata"]
                if meta["generation"] > generations.get(meta["name"], 0) and meta["name"] in changed:
                    changed[meta["name"]].set()

        for deployment in (await kube.list("Deployment", NAMESPACE))["items"]:
            generations[deployment["metadata"]["name"]] = deployment["metadata"]["generation"]
        watching = asyncio.create_task(look())
        latencies = []
        for number in range(0, BOTS, BOTS // EDITS):
            name = f"bot-{number:04d}"
            changed[f"tradingbot-{name}"] = asyncio.Event()
            started = time.perf_counter()
            await kube.request(
                "PATCH",
                f"/apis/tradingbots.dev/v1alpha1/namespaces/{NAMESPACE}/tradingbots/{name}",
                {"spec": {"risk": {"maxOpenPositions": 4}}},
                "application/merge-patch+json",
            )
            await asyncio.wait_for(changed[f"tradingbot-{name}"].wait(), 30)
            latencies.append(time.perf_counter() - started)
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        return latencies


def writes(requests: list[dict[str, Any]], *, status: bool) -> int:
    """The number of writes to TradingBots' status, or of all others."""
    return sum(
        1
        for event in requests
        if event["verb"] in WRITES and (event["objectRef"].get("subresource") == "status") is status
    )


def run() -> list[Figure]:
    """Measure, print the progress, return the figures."""
    bare, operated, cpu = [], [], []
    figures: list[Figure] = []
    for turn in range(1, ROUNDS + 1):
        with scale_cluster() as cluster:
            bare.append(asyncio.run(bare_client(cluster)))
        with scale_cluster() as cluster, tempfile.TemporaryDirectory() as folder:
            cluster.tools.kubectl("create", "namespace", NAMESPACE)
            operator = Operator(cluster, NAMESPACE, Path(folder))
            try:
                operator.wait_ready()
                operated.append(asyncio.run(by_the_operator(cluster)))
                cpu.append(operator.cpu_seconds())
                print(f"round {turn}: bare {bare[-1]:.1f} s, operator {operated[-1]:.1f} s ({cpu[-1]:.1f} CPU seconds)")
                if turn == ROUNDS:
                    figures = at_scale(cluster, operator, Path(folder))
            finally:
                operator.stop()
    ratio = statistics.median(operated) / statistics.median(bare)
    baseline = (
        f"bare client with the same rights {statistics.median(bare):.1f} s, "
        f"operator {statistics.median(operated):.1f} s ({statistics.median(cpu):.1f} CPU s), medians of {ROUNDS}"
    )
    return [Figure.at_most("reconcile_1000_ratio", ratio, "ratio", 1.3, baseline), *figures]


def at_scale(cluster: ScaleCluster, operator: Operator, folder: Path) -> list[Figure]:
    """The figures with 1,000 bots there."""
    at_reconciled = cluster.operator_requests()
    asyncio.run(settle(cluster))
    until_ready = cluster.operator_requests()
    per_bot = writes(at_reconciled, status=True) / BOTS
    figures = [
        Figure.at_most(
            "status_writes_per_bot", per_bot, "writes", 1.0,
            f"{writes(at_reconciled, status=False) / BOTS:g} child writes per bot; "
            f"{writes(until_ready, status=True) / BOTS:g} status writes until every bot was also Ready",
        )
    ]  # fmt: skip
    time.sleep(REST_SECONDS)
    resting = [e for e in cluster.operator_requests()[len(until_ready) :] if e["verb"] != "watch"]
    figures.append(
        Figure.at_most(
            "requests_at_rest", len(resting), "requests", 0, f"{REST_SECONDS} s, from the API server's audit log"
        )
    )
    figures.append(Figure.at_most("operator_rss_mib_1000", operator.rss_mib(), "MiB", 150, "resident, at rest"))
    latencies = sorted(asyncio.run(edits(cluster)))
    p99 = latencies[min(len(latencies) - 1, int(len(latencies) * 0.99))]
    figures.append(
        Figure.at_most(
            "edit_to_deployment_p99_s",
            p99,
            "s",
            1.0,
            f"{EDITS} edits, median {statistics.median(latencies) * 1000:.0f} ms",
        )
    )
    asyncio.run(settle(cluster))
    operator.stop()
    before = len(cluster.operator_requests())
    again = Operator(cluster, NAMESPACE, folder)
    try:
        again.wait_ready()
        asyncio.run(settle(cluster))
        requests = cluster.operator_requests()[before:]
        passes = again.metric("controller_runtime_reconcile_total")
    finally:
        again.stop()
    written = writes(requests, status=True) + writes(requests, status=False)
    figures.append(
        Figure.at_most("writes_on_restart", written, "writes", 0, f"{passes:g} passes over {BOTS} unchanged bots")
    )
    return figures
