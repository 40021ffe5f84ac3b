"""Real programs as processes, and what their Go modules hold beside them."""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.waiting import ANSWER_SECONDS

from tradingbot_cluster.binaries import TOOLS, program, source_directory
from tradingbot_cluster.prerequisites import go_environment, require_go

if TYPE_CHECKING:
    from collections.abc import Iterator


class Program:
    """One process, its output in a file."""

    def __init__(self, name: str, *arguments: str, log: Path, environment: dict[str, str]) -> None:
        self.log = log
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [str(program(name)), *arguments], env={"PATH": "/usr/bin:/bin", **environment}, stdout=out, stderr=out
            )

    def assert_runs(self) -> None:
        assert self._process.poll() is None, self.log.read_text(encoding="utf-8")[-4000:]

    def end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(ANSWER_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(ANSWER_SECONDS)


@contextmanager
def running(name: str, *arguments: str, log: Path, **environment: str) -> Iterator[Program]:
    """Run a program until the block ends."""
    started = Program(name, *arguments, log=log, environment=environment)
    try:
        yield started
    finally:
        started.end()


def of_module(name: str, path: str) -> str:
    """What a file of a tool's Go module says, in the version that the tool was built from."""
    tool = TOOLS[name]
    folder = source_directory() / tool.module
    go = require_go(folder / "go.mod")
    environment = go_environment(go, folder / "go.mod")
    command = [go, "mod", "download", "-json", tool.version_of]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True, timeout=600)
    return (Path(json.loads(done.stdout)["Dir"]) / path).read_text(encoding="utf-8")


def open_crd(group: str, version: str, kind: str, plural: str) -> dict[str, Any]:
    """A CRD that takes anything, for a kind that a program must know of and that nothing validates here."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
            "scope": "Namespaced",
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                    "subresources": {"status": {}},
                }
            ],
        },
    }
