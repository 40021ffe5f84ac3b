"""kubectl and helm as the demo and the end-to-end tests call them: one kubeconfig, a time limit, readable errors."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class CommandError(Exception):
    """A command failed or took too long; `str()` is what a person needs to see."""

    def __init__(self, command: Sequence[str], exit_code: int | None, output: str) -> None:
        self.command = tuple(command)
        self.exit_code = exit_code
        self.output = output.strip()
        what = "took too long" if exit_code is None else f"failed with exit code {exit_code}"
        super().__init__(f"`{' '.join(self.command)}` {what}:\n{self.output or '(no output)'}")


def run(command: Sequence[str], *, stdin: str | None = None, timeout: float = 60.0, env: dict[str, str]) -> str:
    """Return the standard output of a command; CommandError when it fails or exceeds `timeout` seconds."""
    try:
        done = subprocess.run(
            list(command), input=stdin, capture_output=True, text=True, timeout=timeout, env=env, check=False
        )
    except subprocess.TimeoutExpired as late:
        raise CommandError(command, None, str(late)) from late
    if done.returncode:
        raise CommandError(command, done.returncode, done.stderr or done.stdout)
    return done.stdout


@dataclass(frozen=True, slots=True)
class Tools:
    """kubectl and helm bound to one cluster."""

    kubectl_path: Path
    helm_path: Path
    kubeconfig: Path
    services_are_reachable: bool = False
    """Whether this machine is the node, so that the addresses of Services answer here."""

    @property
    def env(self) -> dict[str, str]:
        """The environment of every call: the demo's cluster, never the user's current context."""
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig)}

    def kubectl(self, *arguments: str, stdin: str | None = None, timeout: float = 60.0) -> str:
        """Run kubectl and return its standard output."""
        return run([str(self.kubectl_path), *arguments], stdin=stdin, timeout=timeout, env=self.env)

    def get(self, *arguments: str) -> dict[str, Any]:
        """`kubectl get … -o json` as a dict."""
        result: dict[str, Any] = json.loads(self.kubectl("get", *arguments, "-o", "json"))
        return result

    def get_or_none(self, *arguments: str) -> dict[str, Any] | None:
        """Like `get`, None when there is no such object."""
        printed = self.kubectl("get", *arguments, "-o", "json", "--ignore-not-found")
        return json.loads(printed) if printed.strip() else None

    def kubectl_answer(self, *arguments: str) -> str:
        """Run a kubectl that answers with its exit code too, such as `auth can-i`; return what it printed."""
        try:
            return self.kubectl(*arguments)
        except CommandError as error:
            if error.exit_code == 1:
                return error.output
            raise

    def through_service(self, namespace: str, service: str, path: str) -> str:
        """GET a path of a Service through the API server: works from anywhere that reaches the cluster."""
        return self.kubectl("get", "--raw", f"/api/v1/namespaces/{namespace}/services/{service}:http/proxy{path}")

    def helm(self, *arguments: str, stdin: str | None = None, timeout: float = 120.0) -> str:
        """Run helm and return its standard output."""
        return run([str(self.helm_path), *arguments], stdin=stdin, timeout=timeout, env=self.env)
