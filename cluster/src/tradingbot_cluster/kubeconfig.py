"""Kubeconfig files, and running kubectl with one of them: never with the user's own."""

from __future__ import annotations

import base64
import os
import subprocess
from typing import TYPE_CHECKING, Any

import yaml

from tradingbot_cluster.errors import ClusterError
from tradingbot_cluster.files import write_if_changed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def content(name: str, server: str, pki: Path, certificate: str) -> str:
    """Return a kubeconfig with its certificates inside, so that the file works wherever it is copied to."""

    def inline(file: str) -> str:
        return base64.b64encode((pki / file).read_bytes()).decode()

    document: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": inline("ca.crt")}}],
        "users": [
            {
                "name": certificate,
                "user": {
                    "client-certificate-data": inline(f"{certificate}.crt"),
                    "client-key-data": inline(f"{certificate}.key"),
                },
            }
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": certificate}}],
        "current-context": name,
    }
    return yaml.safe_dump(document, sort_keys=False)


def write(path: Path, name: str, server: str, pki: Path, certificate: str) -> bool:
    """Write a kubeconfig; return whether it changed."""
    return write_if_changed(path, content(name, server, pki, certificate), 0o600)


class Kubectl:
    """Run kubectl with one kubeconfig."""

    def __init__(self, program: Path | str, kubeconfig: Path, context: str = "") -> None:
        self._command = [str(program), f"--kubeconfig={kubeconfig}"]
        if context:
            self._command.append(f"--context={context}")

    def run(self, *arguments: str, stdin: str | None = None, timeout: float = 60) -> str:
        """Run kubectl and return what it printed."""
        done = self._run(arguments, stdin, timeout)
        if done.returncode != 0:
            raise ClusterError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def apply(self, documents: Sequence[dict[str, Any]]) -> None:
        """Apply objects by server-side apply."""
        text = yaml.safe_dump_all(documents, sort_keys=False)
        self.run("apply", "--server-side", "--force-conflicts", "--field-manager=tradingbot-cluster", "-f-", stdin=text)

    def _run(self, arguments: Sequence[str], stdin: str | None, timeout: float) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
        try:
            return subprocess.run(
                [*self._command, *arguments],
                input=stdin,
                stdin=subprocess.DEVNULL if stdin is None else None,
                capture_output=True,
                text=True,
                check=False,
                timeout=timeout,
                env=environment,
            )
        except FileNotFoundError as absent:
            raise ClusterError(f"{self._command[0]} is not there: make build-binaries, or install kubectl") from absent
        except subprocess.TimeoutExpired as late:
            raise ClusterError(f"kubectl {' '.join(arguments)} took longer than {timeout:.0f} s") from late
