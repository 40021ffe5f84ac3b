"""Real components: up, down, and every kind of crash in between, in instances beside any other cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.files import whole_lines

from tradingbot_cluster.binaries import TOOLS, tool_directory
from tradingbot_cluster.paths import checkout_root
from tradingbot_cluster.processes import describe

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]
CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager")
ISOLATED = Path(__file__).with_name("isolated_node.sh")


class Instance:
    """One instance, driven by the command line as a person drives it."""

    def __init__(self, state: Path, *options: str) -> None:
        self.state = state
        self.options = options

    def command(self, name: str, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "tradingbot_cluster", name, f"--state-dir={self.state}", *arguments]

    def run(self, name: str, *arguments: str, expected: int = 0) -> str:
        environment = {key: value for key, value in os.environ.items() if key != "CLUSTER"}
        done = subprocess.run(
            self.command(name, *arguments), capture_output=True, text=True, check=False, env=environment, timeout=800
        )
        assert done.returncode == expected, done.stdout + done.stderr
        return done.stdout + done.stderr

    def up(self, *arguments: str) -> str:
        return self.run("up", "--control-plane-only", *self.options, *arguments)

    def status(self, expected: int = 0) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self.run("status", "--json", expected=expected))
        return loaded

    def pids(self) -> dict[str, int]:
        return {entry["component"]: entry["pid"] for entry in self.status()["components"]}

    def kubectl(self, *arguments: str) -> str:
        program = tool_directory(TOOLS["kube"]) / "kubectl"
        command = [str(program), f"--kubeconfig={self.state / 'kubeconfig'}", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    made = Instance(tmp_path / "cluster")
    try:
        yield made
    finally:
        made.run("down")


def alive(pid: int) -> bool:
    process = describe(pid)
    return process is not None and process.alive()


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    while alive(pid):
        time.sleep(0.02)


def test_up_status_down(instance: Instance) -> None:
    assert instance.status(expected=3)["running"] is False
    before = os.environ.get("KUBECONFIG"), Path("~/.kube/config").expanduser().exists()
    instance.up()
    status = instance.status()
    assert status["healthy"]
    assert tuple(entry["component"] for entry in status["components"]) == CONTROL_PLANE
    assert all(entry["rss_bytes"] > 0 for entry in status["components"])
    instance.kubectl("create", "namespace", "one")
    assert (os.environ.get("KUBECONFIG"), Path("~/.kube/config").expanduser().exists()) == before
    processes = list(instance.pids().values())
    run = (instance.state / "run").readlink()
    assert "is removed" in instance.run("down")
    assert not any(alive(pid) for pid in processes)
    assert not instance.state.exists()
    assert not run.exists()
    assert "there is no cluster" in instance.run("down")


def test_up_again_does_nothing(instance: Instance) -> None:
    instance.up()
    before = instance.pids()
    again = instance.up()
    assert again.count("already running") == 3
    assert instance.pids() == before


@pytest.mark.parametrize(
    "victims",
    [
        ("kube-apiserver",),
        ("etcd",),
        ("kube-controller-manager",),
        ("etcd", "kube-apiserver", "kube-controller-manager"),
    ],
    ids=lambda victims: "+".join(victims) if len(victims) < 3 else "all",
)
def test_what_was_killed_comes_back_and_nothing_is_lost(instance: Instance, victims: tuple[str, ...]) -> None:
    instance.up()
    instance.kubectl("create", "namespace", "kept")
    before = instance.pids()
    for name in victims:
        kill(before[name])
    status = instance.status(expected=3 if len(victims) == 3 else 4)
    dead = {entry["component"] for entry in status["components"] if entry["pid"] is None}
    # The controller manager ends by itself when it loses its server while it starts, as anywhere.
    may_end = set() if victims == ("kube-controller-manager",) else {"kube-controller-manager"}
    assert set(victims) <= dead <= {*victims, *may_end}
    instance.up()
    after = instance.pids()
    assert set(victims) <= {name for name in after if after[name] != before[name]} <= {*victims, *may_end}
    assert "kept" in instance.kubectl("get", "namespaces", "--output=name")


@pytest.mark.parametrize("seconds", [0.3, 0.6, 1.0, 2.0])
def test_up_that_is_killed_can_be_repeated(instance: Instance, seconds: float) -> None:
    with subprocess.Popen(instance.command("up", "--control-plane-only"), stderr=subprocess.DEVNULL) as child:
        time.sleep(seconds)
        child.kill()
    instance.up()
    assert instance.status()["healthy"]


@pytest.mark.parametrize("seconds", [0.3, 0.6, 1.0, 2.0])
def test_up_that_is_killed_can_be_taken_down(instance: Instance, seconds: float) -> None:
    with subprocess.Popen(instance.command("up", "--control-plane-only"), stderr=subprocess.DEVNULL) as child:
        time.sleep(seconds)
        child.kill()
    instance.run("down")
    assert processes_of(instance) == []
    assert instance.status(expected=3)["running"] is False


def processes_of(instance: Instance) -> list[str]:
    """The processes that name the instance's directory: what a removal must not leave."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if f"{instance.state}/data".encode() in command:
                found.append(command.replace(b"\0", b" ").decode())
    return found


def test_down_that_is_killed_can_be_repeated(instance: Instance) -> None:
    instance.up()
    with subprocess.Popen(instance.command("down"), stderr=subprocess.DEVNULL) as child:
        time.sleep(0.5)
        child.kill()
    instance.run("down")
    assert processes_of(instance) == []
    assert not instance.state.exists()


def test_two_ups_at_once_make_one_cluster(instance: Instance) -> None:
    children = [
        subprocess.Popen(instance.command("up", "--control-plane-only"), stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [child.communicate(timeout=600)[1] for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert sum("waiting:" in text for text in said) == 1
    assert sum(text.count(": already running") for text in said) == 3


def test_deleting_the_state_directory_leaves_a_cluster_that_down_removes(instance: Instance) -> None:
    instance.up()
    processes = list(instance.pids().values())
    subprocess.run(["rm", "-rf", str(instance.state)], check=True)
    instance.run("down")
    assert not any(alive(pid) for pid in processes)


def test_service_accounts_requests_are_audited(instance: Instance) -> None:
    instance.up()
    instance.kubectl("create", "namespace", "audited")
    instance.kubectl("create", "serviceaccount", "reader", "--namespace=audited")
    token = instance.kubectl("create", "token", "reader", "--namespace=audited").strip()
    server = instance.status()["server"]
    refused = subprocess.run(
        [
            str(tool_directory(TOOLS["kube"]) / "kubectl"),
            "--kubeconfig=/dev/null",
            f"--server={server}",
            f"--certificate-authority={instance.state / 'pki' / 'ca.crt'}",
            f"--token={token}",
            "--namespace=audited",
            "get",
            "pods",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Forbidden" in refused.stderr
    events = [json.loads(line) for line in whole_lines(instance.state / "logs" / "audit.log")]
    assert {event["user"]["username"] for event in events} == {"system:serviceaccount:audited:reader"}
    assert any(event.get("objectRef", {}).get("resource") == "pods" and event["verb"] == "list" for event in events)
    assert token not in (instance.state / "logs" / "audit.log").read_text()


def test_an_instance_keeps_what_it_is(instance: Instance) -> None:
    instance.up()
    said = instance.run("up", expected=2)
    assert "only a control plane" in said
    assert "needs" not in instance.run("load-image", "x/y:1", expected=3)


def test_a_whole_node_comes_up_runs_pods_and_leaves_nothing(tmp_path: Path) -> None:
    """In a network and mount namespace of its own, so that it does not meet the demo's node."""
    assert os.geteuid() == 0, "a node needs root: run the tests with sudo"
    # Its namespace has no network to build from.
    build = ["build-images", "--provider=local", "--cache-only", "redis"]
    subprocess.run([sys.executable, "-m", "tradingbot_cluster", *build], check=True)
    done = subprocess.run(
        ["unshare", "--net", "--mount", "bash", str(ISOLATED), sys.executable, str(tmp_path / "cluster")],
        capture_output=True,
        text=True,
        check=False,
        cwd=checkout_root(),
        timeout=850,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "clean", done.stdout + done.stderr
