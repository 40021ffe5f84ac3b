"""The choice between the three ways to have a cluster."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from tradingbot_cluster import state as states
from tradingbot_cluster.errors import UsageError
from tradingbot_cluster.existing import KUBECONFIG_VARIABLE, ExistingProvider
from tradingbot_cluster.interface import UpOptions
from tradingbot_cluster.kind import KindProvider, docker_works
from tradingbot_cluster.local.provider import LocalProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tradingbot_cluster.interface import Provider
    from tradingbot_cluster.paths import Layout

__all__ = ["PROVIDERS", "UpOptions", "choose", "make"]

PROVIDERS: Final = ("existing", "kind", "local")


def choose(
    layout: Layout,
    named: str = "",
    environment: Mapping[str, str] | None = None,
    docker: Callable[[Mapping[str, str]], bool] = docker_works,
) -> str:
    """Return the provider: that of the running cluster, the named one, kind where it can work, else local."""
    variables = os.environ if environment is None else environment
    wanted = named or variables.get("CLUSTER", "")
    if wanted and wanted not in PROVIDERS:
        raise UsageError(f"CLUSTER={wanted} is not one of {', '.join(PROVIDERS)}")
    recorded = states.load(layout)
    if recorded is not None:
        if wanted and wanted != recorded.provider:
            raise UsageError(
                f"the cluster {layout.instance!r} of this checkout is of the provider {recorded.provider!r}, "
                f"not {wanted!r}: take it down first (CLUSTER={recorded.provider} make cluster-down)"
            )
        return recorded.provider
    if wanted:
        return wanted
    if variables.get(KUBECONFIG_VARIABLE):
        return "existing"
    return "kind" if docker(variables) else "local"


def make(layout: Layout, named: str = "") -> Provider:
    """Return the provider that `choose` chooses."""
    makers: dict[str, Callable[[Layout], Provider]] = {
        "existing": ExistingProvider,
        "kind": KindProvider,
        "local": LocalProvider,
    }
    return makers[choose(layout, named)](layout)
