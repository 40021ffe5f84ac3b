"""Running the programs of others, in one place that tests can record."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Protocol

from tradingbot_cluster.errors import ClusterError, MissingPrerequisiteError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Runner(Protocol):
    """Runs a command and returns what it printed; raises `ClusterError` when it fails."""

    def __call__(self, command: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
        """Run the command."""


def run(
    command: Sequence[str], *, stdin: str | None = None, timeout: float = 120, extra: Mapping[str, str] | None = None
) -> str:
    """Run a command without the user's own KUBECONFIG, and return what it printed."""
    environment = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    try:
        done = subprocess.run(
            list(command),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            env={**environment, **(extra or {})},
        )
    except FileNotFoundError as absent:
        raise MissingPrerequisiteError(f"{command[0]} is not installed") from absent
    except subprocess.TimeoutExpired as late:
        raise ClusterError(f"{' '.join(command)} took longer than {timeout:.0f} s") from late
    if done.returncode != 0:
        raise ClusterError(f"{' '.join(command)} failed:\n{(done.stderr or done.stdout).strip()[-3000:]}")
    return done.stdout
