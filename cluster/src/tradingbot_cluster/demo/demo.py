"""The demo: each step is idempotent, what is there is left alone and what is missing is made."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from tradingbot_cluster.console import step
from tradingbot_cluster.demo import environment, releases, summary
from tradingbot_cluster.demo.record import Record
from tradingbot_cluster.demo.releases import Release
from tradingbot_cluster.demo.tools import CommandError
from tradingbot_cluster.errors import ClusterError
from tradingbot_cluster.paths import checkout_root

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tradingbot_cluster.demo.tools import Tools

ROOT: Final = checkout_root()
EXAMPLES: Final = ROOT / "examples"
OPERATOR_NAMESPACE: Final = "tradingbot-system"
BOT_NAMESPACE: Final = "trading"
BOT: Final = "btc-breakout"
CRDS: Final = ("tradingbots", "backupschedules", "recoveryjobs")
READY_SECONDS: Final = 240.0


class DemoError(ClusterError):
    """A step of the demo did not come to its end."""


def up() -> Tools:
    """Do what is missing until a TradingBot trades; return kubectl and helm of the cluster.

    Raises ClusterError (or CommandError) with what failed and what to do.
    """
    record = Record.load(environment.record_path())
    tools, images = _cluster(record)
    _namespaces(tools, record)
    operator, stack = _releases(images)
    for release, name in ((stack, "PostgreSQL, Redis and S3"), (operator, "the operator")):
        with step(f"helm install {release.name}") as running:
            running.update(name)
            if release is operator and tools.get_or_none("crd", f"{CRDS[0]}.tradingbots.dev") is None:
                record.note(crds=True)
            running.result(releases.install(tools, release))
    with step("kubectl apply -f examples/") as running:
        established = ("--for=condition=Established", "--timeout=120s")
        tools.kubectl("wait", *established, *(f"crd/{name}.tradingbots.dev" for name in CRDS), timeout=130)
        printed = tools.kubectl("apply", "--namespace", BOT_NAMESPACE, "-f", str(EXAMPLES))
        running.result("unchanged" if all("unchanged" in line for line in printed.splitlines()) else "applied")
    _wait(tools)
    return tools


def down() -> None:
    """Remove what the demo made, as its record says, and nothing else."""
    record = Record.load(environment.record_path())
    if record.cluster:
        # Everything else that the demo made lives in the cluster that it started.
        environment.cluster_down()
        record.forget()
        return
    tools = environment.tools_or_none()
    if tools is not None:
        _remove(tools, record)
        if not environment.cluster_is_ours():
            environment.cluster_down()  # It goes on; its kubeconfig in the checkout is forgotten.
    record.forget()


def _cluster(record: Record) -> tuple[Tools, Mapping[str, str]]:
    if not environment.cluster_runs():
        if environment.cluster_is_ours():
            record.note(cluster=True)
        environment.cluster_up()
    images = environment.build_images()
    return environment.tools(), images


def _namespaces(tools: Tools, record: Record) -> None:
    for namespace in (BOT_NAMESPACE, OPERATOR_NAMESPACE):
        if tools.get_or_none("namespace", namespace) is None:
            record.note(namespaces=namespace)
            tools.kubectl("create", "namespace", namespace)
            tools.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")


def _releases(images: Mapping[str, str]) -> tuple[Release, Release]:
    charts = ROOT / "charts"
    operator = Release(
        "tradingbot-operator",
        OPERATOR_NAMESPACE,
        charts / "tradingbot-operator",
        {
            "image": environment.image_values(images["operator"]),
            "bot": {"image": environment.image_values(images["bot"])},
        },
    )
    stack_images = {
        name: {"image": environment.image_values(images[name])}
        for name in ("postgresql", "redis", "s3")
        if name in images
    }
    return operator, Release("tradingbot-stack", BOT_NAMESPACE, charts / "tradingbot-stack", stack_images)


def _wait(tools: Tools) -> None:
    with step("the database is ready") as running:
        _until(lambda: _not_rolled_out(tools, BOT_NAMESPACE, "statefulset/tradingbot-postgresql"), running.update)
    with step("the operator is ready") as running:
        _until(lambda: _not_rolled_out(tools, OPERATOR_NAMESPACE, "deployment/tradingbot-operator"), running.update)
    with step(f"TradingBot {BOT} is ready") as running:
        _until(lambda: _not_ready(tools), running.update)
    with step("the first trade") as running:
        _until(lambda: _no_trade(tools), running.update)
        running.result(summary.counts(tools, BOT_NAMESPACE, BOT))


def _until(missing: Callable[[], str | None], show: Callable[[str], None], seconds: float = READY_SECONDS) -> None:
    """Look every half second until nothing is missing; what is missing is the progress that is shown."""
    deadline = time.monotonic() + seconds
    last: str | None = None
    while time.monotonic() < deadline:
        try:
            last = missing()
        except CommandError as error:
            last = (error.output or str(error)).splitlines()[-1]
        if last is None:
            return
        show(last)
        time.sleep(0.5)
    raise DemoError(f"not within {seconds:.0f} s: {last}\nLook with: make cluster-status; kubectl get events -A")


def _not_rolled_out(tools: Tools, namespace: str, name: str) -> str | None:
    found = tools.get_or_none(name, "--namespace", namespace)
    if found is None:
        return f"no {name} yet"
    ready, wanted = found.get("status", {}).get("readyReplicas", 0), found["spec"].get("replicas", 1)
    behind = found.get("status", {}).get("observedGeneration", 0) < found["metadata"]["generation"]
    return None if ready >= wanted and not behind else f"{ready} of {wanted} pods ready"


def _not_ready(tools: Tools) -> str | None:
    status = tools.get("tradingbot", BOT, "--namespace", BOT_NAMESPACE).get("status", {})
    conditions = {each["type"]: each for each in status.get("conditions", [])}
    ready = conditions.get("Ready", {})
    if ready.get("status") == "True":
        return None
    degraded = conditions.get("Degraded", {})
    shown = degraded if degraded.get("status") == "True" else ready
    return f"{shown.get('reason', 'no status yet')} {shown.get('message', '')}".strip()


def _no_trade(tools: Tools) -> str | None:
    orders, trades = summary.rows(tools, BOT_NAMESPACE, BOT)
    return None if trades else f"{orders} orders, {trades} trades in PostgreSQL"


def _remove(tools: Tools, record: Record) -> None:
    operator, stack = _releases(dict.fromkeys(("operator", "bot"), "none:none"))
    with step("remove the examples") as running:
        running.update("waiting until the bots have stopped")
        if tools.get_or_none("crd", f"{CRDS[0]}.tradingbots.dev") is not None:
            tools.kubectl(
                "delete", "--namespace", BOT_NAMESPACE, "-f", str(EXAMPLES), "--ignore-not-found", timeout=120
            )
    for release in (operator, stack):
        with step(f"helm uninstall {release.name}") as running:
            running.result("removed" if releases.uninstall(tools, release) else "was not there")
    with step("remove namespaces and custom resource definitions"):
        if record.crds:
            names = [f"{name}.tradingbots.dev" for name in CRDS]
            tools.kubectl("delete", "crd", *names, "--ignore-not-found", timeout=120)
        for namespace in record.namespaces:
            tools.kubectl("delete", "namespace", namespace, "--ignore-not-found", timeout=180)
