"""What becomes of spec.emergencyStop under each tool: the table of docs/gitops.md.

The actors are held to it in `make test` (tests/api/plugin/test_gitops_actors.py), the real programs in `make
test-gitops` (tests/gitops), but for kubectl and Helm 3, which `make test` has anyway.
"""

from __future__ import annotations

from typing import Any, Final

from tradingbot_cluster.binaries import TOOLS, module_version, source_directory

OMITS: Final[dict[str, Any]] = {}
DECLARES: Final[dict[str, Any]] = {"emergencyStop": {"active": False}}
KEPT, REVERTED, CONFLICT = "stays", "**reverted**", "stays; the tool fails with a conflict"

ARGO: Final = "Argo CD, self-heal"
ARGO_SERVER_SIDE: Final = "Argo CD, self-heal, ServerSideApply=true"
FLUX: Final = "Flux kustomize-controller"
HELM_3: Final = "Helm 3: helm upgrade"
HELM_4: Final = "Helm 4: helm upgrade"
HELM_4_FORCE: Final = "Helm 4: helm upgrade --force-conflicts"
KUBECTL: Final = "kubectl apply"
KUBECTL_SERVER_SIDE: Final = "kubectl apply --server-side"
REPLACE: Final = "kubectl replace, or Argo CD with Replace=true"

# (Git omits it, stopped by kubectl patch), (omits, by the plugin), (declares it, by either)
EXPECTED: Final = {
    ARGO: (KEPT, KEPT, REVERTED),
    ARGO_SERVER_SIDE: (KEPT, KEPT, REVERTED),
    FLUX: (REVERTED, KEPT, REVERTED),
    HELM_3: (KEPT, KEPT, KEPT),
    HELM_4: (KEPT, KEPT, CONFLICT),
    HELM_4_FORCE: (KEPT, KEPT, REVERTED),
    KUBECTL: (KEPT, KEPT, REVERTED),
    KUBECTL_SERVER_SIDE: (KEPT, KEPT, CONFLICT),
    REPLACE: (REVERTED, REVERTED, REVERTED),
}
REAL: Final = {
    ARGO: "argocd",
    ARGO_SERVER_SIDE: "argocd",
    REPLACE: "argocd",
    FLUX: "flux",
    HELM_3: "helm",
    HELM_4: "helm4",
    HELM_4_FORCE: "helm4",
    KUBECTL: "kube",
    KUBECTL_SERVER_SIDE: "kube",
}
"""The real program of each row: which tool of the cluster it is."""


def version(row: str) -> str:
    """The version of the real program with which a row was measured."""
    tool = TOOLS[REAL[row]]
    go_mod = source_directory() / tool.module / "go.mod"
    found = module_version(go_mod.read_text(encoding="utf-8"), tool.version_of)
    return f"{found} of Argo CD" if row == REPLACE else found
