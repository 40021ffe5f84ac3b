"""Helm releases that are installed once and upgraded only when the chart or its values changed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tradingbot_cluster.demo.tools import CommandError, Tools

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Release:
    """A chart of the project as it is to be installed."""

    name: str
    namespace: str
    chart: Path
    values: Mapping[str, Any] = field(default_factory=dict)

    def inputs(self) -> str:
        """Return a hash of the chart's files and the values: equal inputs need no upgrade."""
        digest = hashlib.sha256(json.dumps(self.values, sort_keys=True).encode())
        for path in sorted(self.chart.rglob("*")):
            if path.is_file():
                digest.update(str(path.relative_to(self.chart)).encode() + b"\0" + path.read_bytes() + b"\0")
        return f"inputs {digest.hexdigest()[:16]}"


def installed(tools: Tools, release: Release) -> dict[str, Any] | None:
    """Return what helm knows of the release, or None."""
    try:
        info: dict[str, Any] = json.loads(
            tools.helm("status", release.name, "--namespace", release.namespace, "--output", "json")
        )
    except CommandError as error:
        if "not found" in error.output:
            return None
        raise
    return info


def install(tools: Tools, release: Release) -> str:
    """Install, upgrade, or leave alone; the answer is one of "installed", "upgraded", "unchanged"."""
    found = installed(tools, release)
    state = found["info"] if found else {}
    if state.get("status") == "deployed" and state.get("description") == release.inputs():
        return "unchanged"
    if found and state.get("status") != "deployed":
        # An interrupted install holds the release in "pending-install", which helm refuses to upgrade.
        tools.helm("uninstall", release.name, "--namespace", release.namespace, "--no-hooks")
        found = None
    arguments = [release.name, str(release.chart), "--namespace", release.namespace]
    arguments += ["--description", release.inputs(), "--values", "-"]
    values = json.dumps(release.values)  # JSON is YAML
    if found:
        tools.helm("upgrade", *arguments, stdin=values)
        return "upgraded"
    tools.helm("install", *arguments, "--create-namespace", stdin=values)
    return "installed"


def uninstall(tools: Tools, release: Release) -> bool:
    """Remove the release and wait until its objects are gone; False when there was none."""
    if installed(tools, release) is None:
        return False
    tools.helm("uninstall", release.name, "--namespace", release.namespace, "--wait", "--timeout", "90s")
    return True
