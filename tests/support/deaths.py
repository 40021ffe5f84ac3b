"""Killed as by a crash, without a signal that could be handled: what a stop needs, or might seem to need."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING, Any

from tests.support.bots import NAMESPACE
from tests.support.installed_operator import OPERATOR
from tests.support.live import own_pods, processes
from tests.support.waiting import eventually

from tradingbot_cluster.demo import environment
from tradingbot_cluster.paths import Layout
from tradingbot_cluster.processes import recorded, wait_ended

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.support.bots import Bot

    from tradingbot_cluster.demo.tools import Tools

PROGRAMS = {"postgresql": b"postgres", "redis": b"redis-server"}


def _kill(pods: list[dict[str, Any]], program: bytes) -> None:
    pids = {pid for pod in pods for pid in processes(pod, program)}
    assert pids, f"no process of {program.decode()} on this machine"
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _restarts(pods: list[dict[str, Any]]) -> int:
    statuses = [status for pod in pods for status in pod["status"].get("containerStatuses", [])]
    return sum(status["restartCount"] for status in statuses)


def server(tools: Tools, name: str) -> Callable[[], Callable[[], None]]:
    """Return what kills a server of the demo's stack; that returns what waits until it is back."""
    selector = ("--namespace", NAMESPACE, "--selector", f"app.kubernetes.io/component={name}")

    def kill() -> Callable[[], None]:
        pods = tools.get("pods", *selector)["items"]
        before = _restarts(pods)
        _kill(pods, PROGRAMS[name])
        return lambda: _is_back(tools, selector, before, name)

    return kill


def _is_back(tools: Tools, selector: Sequence[str], before: int, name: str) -> None:
    def back() -> bool:
        pods = tools.get("pods", *selector)["items"]
        statuses = [status for pod in pods for status in pod["status"].get("containerStatuses", [])]
        return _restarts(pods) > before and bool(statuses) and all(status["ready"] for status in statuses)

    eventually(back, what=f"{name} is back")


def operator(tools: Tools) -> Callable[[], Callable[[], None]]:
    """Return what kills the operator's process."""
    selector = (*OPERATOR[:2], "--selector", "app.kubernetes.io/name=tradingbot-operator")

    def kill() -> Callable[[], None]:
        pods = tools.get("pods", *selector)["items"]
        before = _restarts(pods)
        _kill(pods, b"tradingbot")
        return lambda: _is_back(tools, selector, before, "the operator")

    return kill


def bots(those: Sequence[Bot]) -> Callable[[], Callable[[], None]]:
    """Return what kills the processes of bots, all in one moment."""

    def kill() -> Callable[[], None]:
        _kill([pod for bot in those for pod in own_pods(bot)], b"tradingbot")
        return lambda: None  # Whether they come back is a matter of the stop.

    return kill


def api_server() -> Callable[[], None]:
    """Kill the API server of the local cluster; return what starts it again."""
    process = recorded(Layout.of().processes / "kube-apiserver")
    assert process is not None, "the API server is not a process of this machine"
    process.send(signal.SIGKILL)
    assert wait_ended(process, 10)
    return environment.cluster_up
