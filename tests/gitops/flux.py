"""Flux's kustomize-controller as the real program: one Kustomization for each bot.

In the place of source-controller, the tests themselves serve the tarball of what is in Git, and say so in the status of
a GitRepository; kustomize-controller sees no difference.
"""

from __future__ import annotations

import functools
import hashlib
import io
import itertools
import tarfile
import threading
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import yaml
from tests.api.crd.server import Manifest, install_crd
from tests.gitops.programs import Program, of_module, open_crd, running
from tests.support.ports import free_port
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.gitops.world import World

CRD = "config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml"
SOURCES = {"GitRepository": "gitrepositories", "OCIRepository": "ocirepositories", "Bucket": "buckets"}
API = "/apis/{group}.toolkit.fluxcd.io/v1/namespaces/{namespace}/{plural}"
MERGE = "application/merge-patch+json"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Flux:
    """A Kustomization that reconciles when it is asked to, as its interval is an hour."""

    def __init__(self, world: World, namespace: str, address: str, controller: Program) -> None:
        self._world, self._namespace, self._address, self._controller = world, namespace, address, controller
        self._asked = itertools.count(1)

    def deploy(self, file: Manifest, *beside: Manifest) -> None:
        name = file["metadata"]["name"]
        source = {"kind": "GitRepository", "name": name}
        self._create(
            "source", "GitRepository", "gitrepositories", name, {"interval": "1h", "url": "https://git.invalid"}
        )
        change = {"status": {"artifact": self._artifact(file, *beside)}}
        self._world.server.request("PATCH", f"{self._path('source', 'gitrepositories')}/{name}/status", change, MERGE)
        spec = {"interval": "1h", "path": "./", "prune": True, "sourceRef": source, "timeout": "1m"}
        self._create("kustomize", "Kustomization", "kustomizations", name, spec)
        said = self._until_handled(name, "")
        assert not said, said
        self._world.live(file)

    def again(self, file: Manifest) -> str:
        name, token = file["metadata"]["name"], str(next(self._asked))
        change = {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": token}}}
        self._world.server.request("PATCH", f"{self._path('kustomize', 'kustomizations')}/{name}", change, MERGE)
        return self._until_handled(name, token)

    def _until_handled(self, name: str, token: str) -> str:
        """Wait for the end of a reconciliation; return its message where it failed."""

        def look() -> Manifest | None:
            self._controller.assert_runs()
            found = self._world.server.request("GET", f"{self._path('kustomize', 'kustomizations')}/{name}")
            status = found.get("status") or {}
            if status.get("lastHandledReconcileAt", "") != token:
                return None
            ready = [each for each in status.get("conditions", []) if each["type"] == "Ready"]
            return ready[0] if ready and ready[0]["status"] != "Unknown" else None

        ready = eventually(look, f"the Kustomization {name} was reconciled")
        return "" if ready["status"] == "True" else str(ready["message"])

    def _artifact(self, file: Manifest, *beside: Manifest) -> dict[str, Any]:
        name, content = file["metadata"]["name"], yaml.safe_dump_all([file, *beside]).encode()
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            entry = tarfile.TarInfo("bot.yaml")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        (self._world.folder / "artifacts" / f"{name}.tar.gz").write_bytes(packed.getvalue())
        return {
            "url": f"{self._address}/{name}.tar.gz",
            "path": f"{name}.tar.gz",
            "digest": f"sha256:{hashlib.sha256(packed.getvalue()).hexdigest()}",
            "revision": f"main@sha1:{hashlib.sha1(content, usedforsecurity=False).hexdigest()}",
            "lastUpdateTime": "2026-11-21T09:00:00Z",
        }

    def _create(self, group: str, kind: str, plural: str, name: str, spec: dict[str, Any]) -> None:
        body = {"apiVersion": f"{group}.toolkit.fluxcd.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        self._world.server.request("POST", self._path(group, plural), body)

    def _path(self, group: str, plural: str) -> str:
        return API.format(group=group, namespace=self._namespace, plural=plural)


@contextmanager
def flux(world: World) -> Iterator[Flux]:
    """Run kustomize-controller with the objects of one namespace, and serve what is in Git."""
    for kind, plural in SOURCES.items():
        install_crd(world.server, open_crd("source.toolkit.fluxcd.io", "v1", kind, plural))
    install_crd(world.server, yaml.safe_load(of_module("flux", CRD)))
    artifacts = world.folder / "artifacts"
    artifacts.mkdir()
    handler = functools.partial(_Quiet, directory=str(artifacts))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        try:
            ports = (f"--metrics-addr=127.0.0.1:{free_port()}", f"--health-addr=127.0.0.1:{free_port()}")
            with running(
                "kustomize-controller",
                "--watch-all-namespaces=false",
                *ports,
                log=world.folder / "flux.log",
                KUBECONFIG=str(world.account("kustomize-controller")),
                RUNTIME_NAMESPACE=world.guarded.name,
                HOME=str(world.folder),
            ) as controller:
                yield Flux(world, world.guarded.name, f"http://127.0.0.1:{served.server_port}", controller)
        finally:
            served.shutdown()
            thread.join()
