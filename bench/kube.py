"""A bare asynchronous Kubernetes client: aiohttp, dicts, nothing else. The baseline, and the eyes of the benchmarks."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import yaml

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping

GROUP = "/apis/tradingbots.dev/v1alpha1"
PATHS = {
    "Deployment": "/apis/apps/v1/namespaces/{namespace}/deployments",
    "Service": "/api/v1/namespaces/{namespace}/services",
    "ConfigMap": "/api/v1/namespaces/{namespace}/configmaps",
    "ServiceAccount": "/api/v1/namespaces/{namespace}/serviceaccounts",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets",
    "TradingBot": GROUP + "/namespaces/{namespace}/tradingbots",
    "Namespace": "/api/v1/namespaces",
}


class Kube:
    """Requests to one API server."""

    def __init__(self, session: aiohttp.ClientSession, server: str) -> None:
        self.session = session
        self.server = server

    async def request(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """Send one request and return the decoded answer; raises on a status of 400 and above."""
        data = None if body is None else json.dumps(body)
        async with self.session.request(
            method, self.server + path, data=data, headers={"Content-Type": content_type}
        ) as answer:
            if answer.status >= 400:
                raise RuntimeError(f"{method} {path}: {answer.status} {await answer.text()}")
            return json.loads(await answer.read())

    async def create(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """POST an object."""
        path = PATHS[manifest["kind"]].format(namespace=manifest["metadata"].get("namespace"))
        created: dict[str, Any] = await self.request("POST", path, manifest)
        return created

    async def apply(self, manifest: Mapping[str, Any], manager: str = "bench") -> dict[str, Any]:
        """Server-side apply an object."""
        path = PATHS[manifest["kind"]].format(namespace=manifest["metadata"]["namespace"])
        applied: dict[str, Any] = await self.request(
            "PATCH",
            f"{path}/{manifest['metadata']['name']}?fieldManager={manager}&force=true",
            manifest,
            "application/apply-patch+yaml",
        )
        return applied

    async def list(self, kind: str, namespace: str) -> dict[str, Any]:
        """GET all objects of a kind in a namespace."""
        listed: dict[str, Any] = await self.request("GET", PATHS[kind].format(namespace=namespace))
        return listed

    async def watch(self, kind: str, namespace: str, resource_version: str) -> AsyncIterator[dict[str, Any]]:
        """Yield the events of a kind in a namespace from a resource version on."""
        path = f"{PATHS[kind].format(namespace=namespace)}?watch=1&resourceVersion={resource_version}"
        async with self.session.get(
            self.server + path, timeout=aiohttp.ClientTimeout(total=None, sock_read=600)
        ) as answer:
            answer.raise_for_status()
            buffer = bytearray()
            async for chunk in answer.content.iter_any():
                buffer += chunk
                while (end := buffer.find(b"\n")) >= 0:
                    yield json.loads(buffer[:end])
                    del buffer[: end + 1]


@asynccontextmanager
async def connect(kubeconfig: Path) -> AsyncIterator[Kube]:
    """A client from a kubeconfig that has inside it what it needs: certificates, or a token."""
    config = await asyncio.to_thread(lambda: yaml.safe_load(kubeconfig.read_text()))
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    with tempfile.TemporaryDirectory() as folder:

        def file(name: str, data: str) -> str:
            path = Path(folder) / name
            path.write_bytes(base64.b64decode(data))
            return str(path)

        context = ssl.create_default_context(cafile=file("ca", cluster["certificate-authority-data"]))
        headers = {}
        if "token" in user:
            headers["Authorization"] = f"Bearer {user['token']}"
        else:
            context.load_cert_chain(file("crt", user["client-certificate-data"]), file("key", user["client-key-data"]))
        connector = aiohttp.TCPConnector(ssl=context, limit=0)
        timeout = aiohttp.ClientTimeout(total=120)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as session:
            yield Kube(session, cluster["server"])


async def each(items: Iterable[Any], work: Callable[[Any], Awaitable[object]], concurrency: int = 16) -> None:
    """Do `work` on every item, at most `concurrency` at a time."""
    pending = iter(items)

    async def worker() -> None:
        for item in pending:
            await work(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(worker())
