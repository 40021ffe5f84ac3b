"""Tools that bring a TradingBot back to its file, each with the requests that the tool makes for a custom resource.

    client.request(method, path, body, content_type)      any client; `tests.api.crd.server.Server` is one
    for actor in ACTORS.values():
        actor.create(client, file)                        the object as the tool makes it
        ...                                               somebody patches it
        actor.revert(client, file, after=0.1)             the tool's next pass

They are compared with the real programs: kubectl and Helm 3 in tests/api/plugin/test_gitops_actors.py, Argo CD, Flux
and Helm 4 in tests/gitops. What Argo CD does with the project's settings, and once it is refused, no actor knows.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

Manifest = dict[str, Any]

JSON: Final = "application/json"
MERGE: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
APPLY: Final = "application/apply-patch+yaml"
LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
PLURALS: Final = {"TradingBot": "tradingbots", "BackupSchedule": "backupschedules", "RecoveryJob": "recoveryjobs"}


class Client(Protocol):
    """What the actors need of a client. It raises an exception for a refusal."""

    def request(self, method: str, path: str, body: Any = None, content: str = JSON) -> Any: ...


Write = Callable[[Client, Manifest], Manifest]


@dataclass(frozen=True, slots=True)
class Actor:
    """One tool. `reconcile` is one pass; it returns the object as it is then, and raises what the server refuses."""

    name: str
    create: Write
    reconcile: Write

    def revert(self, client: Client, file: Manifest, *, after: float = 0.0) -> Manifest:
        """Reconcile after a delay, as a controller that is told, or looks, so much later."""
        time.sleep(after)
        return self.reconcile(client, file)


# --- three-way merge, as kubectl does it for custom resources ----------------------------------------------------


def added_and_changed(before: Any, after: Manifest) -> Manifest:
    """The merge patch from before to after, without what after leaves out."""
    patch: Manifest = {}
    known = before if isinstance(before, dict) else {}
    for key, value in after.items():
        if isinstance(value, dict) and isinstance(known.get(key), dict):
            inner = added_and_changed(known[key], value)
            if inner:
                patch[key] = inner
        elif key not in known or known[key] != value:
            patch[key] = value
    return patch


def removed(before: Manifest, after: Manifest) -> Manifest:
    """The merge patch that removes what before had and after leaves out, and does nothing else."""
    patch: Manifest = {}
    for key, value in before.items():
        if key not in after:
            patch[key] = None
        elif isinstance(value, dict) and isinstance(after[key], dict):
            inner = removed(value, after[key])
            if inner:
                patch[key] = inner
    return patch


def merged(first: Manifest, second: Manifest) -> Manifest:
    """Both merge patches in one."""
    both = copy.deepcopy(first)
    for key, value in second.items():
        mine = both.get(key)
        both[key] = merged(mine, value) if isinstance(mine, dict) and isinstance(value, dict) else value
    return both


def three_way(original: Manifest, modified: Manifest, current: Manifest) -> Manifest:
    """Everything that the file says and the cluster does not, and removal of what the file said before."""
    return merged(removed(original, modified), added_and_changed(current, modified))


# --- requests ----------------------------------------------------------------------------------------------------


def path_of(file: Manifest, *, name: bool = True) -> str:
    """The URL path of an object of the project."""
    meta = file["metadata"]
    path = f"/apis/{file['apiVersion']}/namespaces/{meta['namespace']}/{PLURALS[file['kind']]}"
    return f"{path}/{meta['name']}" if name else path


def live(client: Client, file: Manifest) -> Manifest:
    """The object as it is."""
    found: Manifest = client.request("GET", path_of(file))
    return found


def _create(client: Client, file: Manifest, manager: str) -> Manifest:
    made: Manifest = client.request("POST", f"{path_of(file, name=False)}?fieldManager={manager}", file)
    return made


def _server_side(client: Client, file: Manifest, manager: str, *, force: bool) -> Manifest:
    query = f"fieldManager={manager}&force={'true' if force else 'false'}"
    applied: Manifest = client.request("PATCH", f"{path_of(file)}?{query}", file, APPLY)
    return applied


# --- client-side apply: kubectl, and Argo CD without ServerSideApply ----------------------------------------------


def annotated(file: Manifest) -> Manifest:
    """The file with the annotation that remembers it."""
    plain = copy.deepcopy(file)
    (plain["metadata"].get("annotations") or {}).pop(LAST_APPLIED, None)
    plain["metadata"].setdefault("annotations", {})
    remembered = copy.deepcopy(plain)
    remembered["metadata"]["annotations"][LAST_APPLIED] = json.dumps(plain, sort_keys=True) + "\n"
    return remembered


def _client_side(client: Client, file: Manifest, manager: str) -> Manifest:
    current = live(client, file)
    known = json.loads((current["metadata"].get("annotations") or {}).get(LAST_APPLIED) or "{}")
    modified = annotated(file)
    # In the annotation keys are sorted; what it remembers counts, not how it is written.
    if known == json.loads(modified["metadata"]["annotations"][LAST_APPLIED]):
        modified["metadata"]["annotations"][LAST_APPLIED] = current["metadata"]["annotations"][LAST_APPLIED]
    patch = three_way(known, modified, current)
    if not patch:
        return current
    result: Manifest = client.request("PATCH", f"{path_of(file)}?fieldManager={manager}", patch, MERGE)
    return result


def client_side_apply(name: str, manager: str) -> Actor:
    """`kubectl apply`: three ways, between the last file, this file and the cluster."""
    return Actor(
        name,
        lambda client, file: _create(client, annotated(file), manager),
        lambda client, file: _client_side(client, file, manager),
    )


# --- server-side apply -------------------------------------------------------------------------------------------


def server_side_apply(name: str, manager: str, *, force: bool) -> Actor:
    """`kubectl apply --server-side`, Argo CD with ServerSideApply=true (forced), Helm 4 (not forced unless asked)."""
    return Actor(
        name,
        lambda client, file: _server_side(client, file, manager, force=force),
        lambda client, file: _server_side(client, file, manager, force=force),
    )


# --- Flux --------------------------------------------------------------------------------------------------------

FLUX: Final = "kustomize-controller"
# Names are compared by their beginning: kubectl-patch, kubectl-edit and kubectl-anything are all kubectl.
TAKEN_OVER: Final = (
    ("kubectl", "Apply"),
    ("kubectl", "Update"),
    ("before-first-apply", "Update"),
    (FLUX, "Update"),
)


def flux_takes_over(client: Client, file: Manifest) -> None:
    """Make the fields of kubectl's managers those of Flux, so that the apply that follows removes them."""
    entries = live(client, file)["metadata"].get("managedFields") or []
    own = next((e for e in entries if e["manager"] == FLUX and e["operation"] == "Apply"), None)
    kept = [entry for entry in entries if entry is not own]
    taken = [entry for entry in kept if _is_taken_over(entry)]
    if not taken:
        return
    base = copy.deepcopy(own) if own is not None else {**copy.deepcopy(taken[0]), "manager": FLUX, "operation": "Apply"}
    for entry in taken:
        base["fieldsV1"] = merged(base["fieldsV1"], entry["fieldsV1"])
    kept = [entry for entry in kept if entry not in taken]
    patch = [{"op": "replace", "path": "/metadata/managedFields", "value": [*kept, base]}]
    client.request("PATCH", f"{path_of(file)}?fieldManager={FLUX}", patch, JSON_PATCH)


def _is_taken_over(entry: Manifest) -> bool:
    return not entry.get("subresource") and any(
        entry["manager"].startswith(manager) and entry["operation"] == operation for manager, operation in TAKEN_OVER
    )


def _flux(client: Client, file: Manifest) -> Manifest:
    flux_takes_over(client, file)
    return _server_side(client, file, FLUX, force=True)


# --- Helm 3 ------------------------------------------------------------------------------------------------------


def helm_3(before: Manifest | None = None) -> Actor:
    """`helm upgrade` of Helm 3: for custom resources two ways, the last release's manifest against this one's.

    The cluster is not looked at, so a field that the chart has not changed stays as it is, declared or not. `before` is
    the last release's manifest; without it, this one was deployed unchanged.
    """

    def upgrade(client: Client, file: Manifest) -> Manifest:
        old = file if before is None else before
        patch = merged(removed(old, file), added_and_changed(old, file))
        if not patch:
            return live(client, file)
        result: Manifest = client.request("PATCH", f"{path_of(file)}?fieldManager=helm", patch, MERGE)
        return result

    return Actor("Helm 3: helm upgrade", lambda client, file: _create(client, file, "helm"), upgrade)


# --- replace -----------------------------------------------------------------------------------------------------


def _replace(client: Client, file: Manifest) -> Manifest:
    version = live(client, file)["metadata"]["resourceVersion"]
    body = {**file, "metadata": {**file["metadata"], "resourceVersion": version}}
    replaced: Manifest = client.request("PUT", f"{path_of(file)}?fieldManager=kubectl-replace", body)
    return replaced


ACTORS: Final = {
    actor.name: actor
    for actor in (
        client_side_apply("Argo CD, self-heal", "argocd-controller"),
        server_side_apply("Argo CD, self-heal, ServerSideApply=true", "argocd-controller", force=True),
        Actor("Flux kustomize-controller", lambda c, f: _server_side(c, f, FLUX, force=True), _flux),
        helm_3(),
        server_side_apply("Helm 4: helm upgrade", "helm", force=False),
        server_side_apply("Helm 4: helm upgrade --force-conflicts", "helm", force=True),
        client_side_apply("kubectl apply", "kubectl-client-side-apply"),
        server_side_apply("kubectl apply --server-side", "kubectl", force=False),
        Actor(
            "kubectl replace, or Argo CD with Replace=true",
            lambda client, file: _create(client, file, "kubectl-create"),
            _replace,
        ),
    )
}


def helm_3_that_changes(before: Manifest) -> Actor:
    """Helm 3 when the chart's own value of a field has changed since the last release."""
    return replace(helm_3(before), name="Helm 3: helm upgrade, field changed in the chart")
