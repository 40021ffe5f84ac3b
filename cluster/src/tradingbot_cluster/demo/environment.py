"""Where the demo runs: the cluster of this checkout, its images, and the kubectl and helm that it is used with."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from tradingbot_cluster import binaries, provider
from tradingbot_cluster.demo.tools import Tools
from tradingbot_cluster.interface import UpOptions
from tradingbot_cluster.paths import Layout

_PROGRAM_TOOLS = {"kubectl": "kube", "helm": "helm"}


def record_path() -> Path:
    """Where the demo notes what it made."""
    return Layout.of().state / "demo.json"


def cluster_runs() -> bool:
    """Whether the cluster is up and well."""
    return provider.make(Layout.of()).status().healthy


def cluster_is_ours() -> bool:
    """Whether the cluster is made here, so that taking it down takes everything in it away."""
    return provider.make(Layout.of()).name != "existing"


def cluster_up() -> None:
    """Bring the cluster up, or what is missing of it."""
    provider.make(Layout.of()).up(UpOptions())


def cluster_down() -> bool:
    """Take the cluster down; False when there was none."""
    return provider.make(Layout.of()).down()


def build_images() -> dict[str, str]:
    """Build and load the images that are missing; their references in the cluster by name."""
    return {image.name: image.reference for image in provider.make(Layout.of()).build_images([])}


def image_values(reference: str) -> dict[str, Any]:
    """Split a reference into what both charts call `image`: what was loaded by hand is not pulled again."""
    repository, _, tag = reference.rpartition(":")
    return {"repository": repository, "tag": tag, "pullPolicy": "IfNotPresent"}


def tools() -> Tools:
    """Kubectl and helm for the running cluster: the local cluster's own, else the user's, else built."""
    chosen = provider.make(Layout.of())
    return Tools(
        _program("kubectl", chosen.name),
        _program("helm", chosen.name),
        chosen.kubeconfig(),
        services_are_reachable=chosen.name == "local",
    )


def tools_or_none() -> Tools | None:
    """Like `tools`, None when no cluster runs."""
    return tools() if provider.make(Layout.of()).status().running else None


def _program(name: str, provider_name: str) -> Path:
    found = shutil.which(name, path=os.environ.get("PATH"))
    if provider_name != "local" and found:
        return Path(found)
    binaries.ensure([_PROGRAM_TOOLS[name]])
    return binaries.program(name)
