"""A stop against the clock, and against tools that take it back.

From the patch of the spec to the bot's gate closed: 100 bots at a time, five times, one stop each, with the operator
and with it killed. In the same run a bare client watches the same objects; the ratio of the two p99 is the figure.

Then 1,000 runs of stop against revert after 0 to 1,000 ms, by what acts like Argo CD, Flux, Helm and kubectl, on bots
that trade all the time: each must be latched with the bot and with the operator, and no entry order may follow.
"""

from __future__ import annotations

import base64
import multiprocessing
import random
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import yaml
from tests.api.crd.server import Refused, Server
from tests.support.gitops_actors import ACTORS, MERGE, path_of

from bench import stop_watchers
from bench.figures import Figure
from bench.scale_cluster import Operator, ScaleCluster, scale_cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

BOTS = 100
ROUNDS = 5
RUNS = 1000
THREADS = 20
WITH_OPERATOR = "up"
NAMESPACE = "stops"
SEED = 20261125
STOP = {"spec": {"emergencyStop": {"active": True}}}
SPEC = {
    "strategy": {"name": "breakout", "symbols": ["BTC/USD"]},
    "database": {"secretRef": {"name": "trading-database"}},
}


def manifest(name: str, **spec: Any) -> dict[str, Any]:
    """One TradingBot as it is in Git."""
    return {
        "apiVersion": "tradingbots.dev/v1alpha1",
        "kind": "TradingBot",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {**SPEC, **spec},
    }


def place_of(cluster: ScaleCluster, folder: Path) -> stop_watchers.Place:
    """Make an account that may read and watch TradingBots, as a bot may its own."""
    kubectl = cluster.tools.kubectl
    kubectl("create", "namespace", NAMESPACE)
    kubectl("create", "serviceaccount", "bots", "-n", NAMESPACE)
    kubectl("create", "role", "bots", "-n", NAMESPACE, "--verb=get,watch", "--resource=tradingbots.tradingbots.dev")
    kubectl("create", "rolebinding", "bots", "-n", NAMESPACE, "--role=bots", f"--serviceaccount={NAMESPACE}:bots")
    token, ca = folder / "token", folder / "ca.crt"
    token.write_text(kubectl("create", "token", "bots", "-n", NAMESPACE, "--duration", "2h").strip())
    config = yaml.safe_load(cluster.kubeconfig.read_text())["clusters"][0]["cluster"]
    ca.write_bytes(base64.b64decode(config["certificate-authority-data"]))
    return stop_watchers.Place(config["server"], NAMESPACE, token, ca)


@contextmanager
def process(target: Callable[..., None], *arguments: Any) -> Iterator[Connection]:
    """Run a process of watchers; it is there when all of them watch."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=target, args=(theirs, *arguments), daemon=True)
    child.start()
    try:
        if not ours.poll(120) or ours.recv() != "ready":
            raise RuntimeError("the watchers did not begin to watch")
        yield ours
    finally:
        child.join(10)
        if child.is_alive():
            child.kill()


def ask(pipe: Connection) -> dict[str, Any]:
    """End the watchers and take what they saw."""
    pipe.send("end")
    return cast("dict[str, Any]", pipe.recv())


def p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[98]


def reaction(server: Server, place: stop_watchers.Place, prefix: str) -> tuple[list[float], list[float]]:
    """Seconds from the patch to the gate, and to the bare client's event; one stop of each bot of each round."""
    gates: list[float] = []
    bare: list[float] = []
    for number in range(ROUNDS):
        names = {}
        for index in range(BOTS):
            file = manifest(f"{prefix}-{number}-{index}")
            names[file["metadata"]["name"]] = server.request("POST", path_of(file, name=False), file)["metadata"]["uid"]
        time.sleep(2)
        if prefix == WITH_OPERATOR:
            until_reconciled(server)
        with (
            process(stop_watchers.bots, place, names, 0.0) as watched,
            process(stop_watchers.bare_clients, place, names) as plain,
        ):
            sent = {}
            for name in names:
                sent[name] = time.perf_counter()
                server.request("PATCH", path_of(manifest(name)), STOP, MERGE)
                time.sleep(0.02)
            time.sleep(1)
            seen, events = ask(watched), ask(plain)
        gates += [seen[name].gate_closed - sent[name] for name in names]
        bare += [events[name] - sent[name] for name in names]
        server.request("DELETE", path_of(manifest("x"), name=False))
    return gates, bare


def until_reconciled(server: Server) -> None:
    """Wait until the operator has brought all bots about: its work is not what is measured."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        bots = server.request("GET", path_of(manifest("x"), name=False))["items"]
        if all((bot.get("status") or {}).get("observedGeneration") for bot in bots):
            return
        time.sleep(0.5)
    raise RuntimeError("the operator did not bring the bots about within two minutes")


def reaction_figure(name: str, server: Server, place: stop_watchers.Place, prefix: str) -> Figure:
    gates, bare = reaction(server, place, prefix)
    if min(gates) < 0 or min(bare) < 0:
        raise RuntimeError("a stop was not seen at all")
    shown = [f"{p99(each) * 1e3:.1f} ms (p50 {statistics.median(each) * 1e3:.1f})" for each in (gates, bare)]
    text = f"{len(gates)} stops of {BOTS} bots: p99 {shown[0]}, of a bare client that watches the same {shown[1]}"
    return Figure.at_most(name, p99(gates) / p99(bare), "x", 3.0, text)


def against_reverts(cluster: ScaleCluster, server: Server, place: stop_watchers.Place) -> list[Figure]:
    """Stop bots that trade, have a tool take it back, and look at what is left of the stop."""
    dice = random.Random(SEED)
    latched = after = before = 0
    lost: list[str] = []
    for batch in range(RUNS // BOTS):
        runs = []
        for index in range(BOTS):
            git = {"emergencyStop": {"active": False}} if dice.random() < 0.5 else {}
            actor = dice.choice(list(ACTORS.values()))
            runs.append((manifest(f"r{batch}-{index}", **git), actor, dice.random()))
        names = {file["metadata"]["name"]: actor.create(server, file)["metadata"]["uid"] for file, actor, _ in runs}
        with process(stop_watchers.bots, place, names, 0.2) as watched:
            with ThreadPoolExecutor(THREADS) as pool:
                list(pool.map(lambda run: stop_and_revert(cluster, *run), runs))
            time.sleep(2)
            seen = ask(watched)
        for name, one in seen.items():
            status = server.request("GET", path_of(manifest(name))).get("status") or {}
            if one.latched and status.get("emergencyStop"):
                latched += 1
            else:
                lost.append(f"{name}: bot {one.latched}, operator {bool(status.get('emergencyStop'))}")
            after += one.orders_after
            before += one.orders_before
        server.request("DELETE", path_of(manifest("x"), name=False))
    if lost:
        print("\n".join(lost[:20]))
    if before < RUNS:
        raise RuntimeError(f"the bots hardly traded: {before} entry orders before their stops")
    tools = f"{len(ACTORS)} tools, seed {SEED}, half of the files declare active: false"
    return [
        Figure.at_least("gitops_revert_latched", latched, "of 1000", RUNS, f"{RUNS} runs; {tools}"),
        Figure.at_most(
            "orders_after_stop", after, "orders", 0, f"{before} entry orders of the same bots before their stops"
        ),
    ]


def stop_and_revert(cluster: ScaleCluster, file: dict[str, Any], actor: Any, seconds: float) -> None:
    """One run, with a connection of its own: patch, wait, one pass of the tool. A conflict is the tool's problem."""
    server = Server(cluster.kubeconfig)
    server.request("PATCH", f"{path_of(file)}?fieldManager=kubectl-patch", STOP, MERGE)
    try:
        actor.revert(server, file, after=seconds)
    except Refused as refusal:
        if refusal.code != 409:
            raise


def run() -> list[Figure]:
    """Measure on one fresh control plane."""
    with tempfile.TemporaryDirectory() as name, scale_cluster("stops") as cluster:
        folder = Path(name)
        place, server = place_of(cluster, folder), Server(cluster.kubeconfig)
        operator = Operator(cluster, NAMESPACE, folder)
        try:
            operator.wait_ready()
            figures = [reaction_figure("stop_p99_vs_watch_ratio", server, place, WITH_OPERATOR)]
            figures += against_reverts(cluster, server, place)
        finally:
            operator.stop()
        figures.append(reaction_figure("stop_p99_vs_watch_ratio_operator_down", server, place, "down"))
    return figures
