"""The project's charts, as helm renders them."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tradingbot_cluster.binaries import program

ROOT = Path(__file__).parents[2]
CHARTS = ROOT / "charts"
NAMES = ("tradingbot-operator", "tradingbot-stack")
KUBERNETES = "1.34.4"
Manifest = dict[str, Any]


def helm_program() -> str:
    """The helm of $HELM, or the one that the cluster's cache holds. Without one, the test fails and says what to do."""
    path = os.environ.get("HELM") or str(program("helm"))
    if not Path(path).is_file():
        pytest.fail(f"helm is not there ({path}): run `make cluster-binaries`, or set HELM to a helm of yours")
    return path


def helm(*arguments: str, values: str = "{}") -> subprocess.CompletedProcess[str]:
    """Run helm without any cluster; the caller looks at the exit code. It may read values from `--values -`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HELM", "KUBE"))}
    return subprocess.run(
        [helm_program(), *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        input=values,
    )


@functools.cache
def _render(chart: str, values: str, namespace: str) -> str:
    done = helm(
        "template", chart, str(CHARTS / chart), "--namespace", namespace, "--kube-version", KUBERNETES,
        "--values", "-", values=values,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def render(chart: str, values: dict[str, Any] | None = None, *, namespace: str = "somewhere") -> list[Manifest]:
    """All manifests of the chart with these values."""
    text = _render(chart, json.dumps(values or {}), namespace)
    return [manifest for manifest in yaml.safe_load_all(text) if manifest]


def of_kind(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    """Those manifests that are of one of these kinds."""
    return [manifest for manifest in manifests if manifest["kind"] in kinds]
