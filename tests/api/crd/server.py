"""A few requests to a real API server, as kubectl makes them, with nothing but the standard library."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import yaml
from tests.support.waiting import ANSWER_SECONDS, eventually

from tradingbot_operator.api.names import ALL

if TYPE_CHECKING:
    from collections.abc import Iterator

Manifest = dict[str, Any]
ROOT = Path(__file__).parents[3]
IDLE_SECONDS = 20.0
PLURALS = {names.kind: names.plural for names in ALL}
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


class Refused(Exception):  # noqa: N818
    """The API server's answer, as a person reads it."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Server:
    """A connection by a kubeconfig with client certificates."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        context = next(c["context"] for c in config["contexts"] if c["name"] == config["current-context"])
        cluster = next(c["cluster"] for c in config["clusters"] if c["name"] == context["cluster"])
        user = next(u["user"] for u in config["users"] if u["name"] == context["user"])
        with tempfile.TemporaryDirectory() as folder:

            def file(source: Manifest, key: str) -> str:
                if f"{key}-data" not in source:
                    return str(kubeconfig.parent / source[key])
                path = Path(folder) / key
                path.write_bytes(base64.b64decode(source[f"{key}-data"]))
                return str(path)

            tls = ssl.create_default_context(cafile=file(cluster, "certificate-authority"))
            if "client-certificate" in user or "client-certificate-data" in user:
                tls.load_cert_chain(file(user, "client-certificate"), file(user, "client-key"))
        self._headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
        address = urlsplit(cluster["server"])
        self._connection = http.client.HTTPSConnection(
            address.hostname or "", address.port or 443, context=tls, timeout=ANSWER_SECONDS
        )
        self._used = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def request(self, method: str, path: str, body: Manifest | None = None, content: str = "application/json") -> Any:
        # The server closes connections that were idle for a while: a new one is opened by itself.
        if time.monotonic() - self._used > IDLE_SECONDS:
            self._connection.close()
        self._used = time.monotonic()
        self._connection.request(
            method, path, None if body is None else json.dumps(body), {**self._headers, "Content-Type": content}
        )
        response = self._connection.getresponse()
        answer = json.loads(response.read() or b"null")
        if response.status >= 400:
            raise Refused(response.status, answer.get("message", ""))
        return answer

    def changes(self, collection: str, name: str, since: str, *, seconds: int = 1) -> list[Manifest]:
        """Return each state that an object has had since a resource version, and has within some seconds from now."""
        query = f"watch=true&resourceVersion={since}&timeoutSeconds={seconds}&fieldSelector=metadata.name%3D{name}"
        self._connection.request("GET", f"{collection}?{query}", headers=self._headers)
        lines = self._connection.getresponse().read().splitlines()
        return [json.loads(line)["object"] for line in lines]

    def create(self, namespace: str, obj: Manifest, *, dry_run: bool) -> Any:
        query = "fieldValidation=Strict" + ("&dryRun=All" if dry_run else "")
        return self.request("POST", f"{collection(namespace, obj)}?{query}", obj)

    def patch(self, namespace: str, obj: Manifest, change: Manifest, *, subresource: str = "") -> Any:
        path = f"{collection(namespace, obj)}/{obj['metadata']['name']}{subresource}?fieldValidation=Strict"
        return self.request("PATCH", path, change, "application/merge-patch+json")


def collection(namespace: str, obj: Manifest) -> str:
    """Return the path of the objects of this kind, of whatever group it is."""
    return f"/apis/{obj['apiVersion']}/namespaces/{namespace}/{PLURALS[obj['kind']]}"


@contextmanager
def server_with_crds(kubeconfig: Path) -> Iterator[Server]:
    """Connect to the API server of a kubeconfig, with the CRDs of this checkout in it."""
    with Server(kubeconfig) as server:
        for path in sorted((ROOT / "crds").glob("*.yaml")):
            install_crd(server, yaml.safe_load(path.read_text(encoding="utf-8")))
        yield server


def install_crd(server: Server, crd: Manifest) -> None:
    """Apply a CRD and wait until the server takes objects of it, by its present schema."""
    name = crd["metadata"]["name"]
    server.request("PATCH", f"{CRDS}/{name}?fieldManager=tests&force=true", crd, "application/apply-patch+yaml")

    def established() -> bool:
        conditions = {c["type"]: c for c in server.request("GET", f"{CRDS}/{name}")["status"]["conditions"]}
        assert "NonStructuralSchema" not in conditions, conditions
        return bool(conditions["Established"]["status"] == "True")

    eventually(established, f"{name} is established")
