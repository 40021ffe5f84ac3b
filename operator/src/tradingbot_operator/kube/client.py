"""`KubeApi` over the official asynchronous client.

Its generated models and its dynamic client are left out: both copy every body through Python objects. What is used is
its configuration (kubeconfig, ServiceAccount, token renewal) and its HTTP layer, with dictionaries in and out.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import client as kclient
from kubernetes.aio import config as kconfig

from tradingbot_operator.kube.api import FIELD_MANAGER, Manifest
from tradingbot_operator.kube.errors import UnavailableError, from_response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tradingbot_operator.desired.kinds import Kind

    OnRequest = Callable[[str, str, str, float], None]

APPLY = "application/apply-patch+yaml"
JSON = "application/json"


class ConfigurationError(Exception):
    """There is no way to reach an API server; the text says what to set."""


class KubeClient:
    """One connection pool to one API server. `on_request` gets method, resource, code and seconds of each request."""

    def __init__(self, api: kclient.ApiClient, *, timeout_seconds: float, on_request: OnRequest) -> None:
        self._api = api
        self._on_request = on_request
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=min(10.0, timeout_seconds))

    @classmethod
    async def connect(
        cls, *, kubeconfig: str | None, connections: int, timeout_seconds: float, on_request: OnRequest
    ) -> Self:
        """Read the ServiceAccount of the pod, or a kubeconfig. Raise ConfigurationError when there is neither."""
        configuration = kclient.Configuration()
        try:
            if kubeconfig is None:
                kconfig.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            else:
                await kconfig.load_kube_config(  # type: ignore[no-untyped-call]
                    config_file=kubeconfig, client_configuration=configuration
                )
        except (kconfig.ConfigException, OSError) as error:
            where = f"the kubeconfig {kubeconfig}" if kubeconfig else "the pod's ServiceAccount"
            raise ConfigurationError(f"cannot read {where}: {error}") from None
        configuration.connection_pool_maxsize = connections
        # The default looks for proxies and ~/.netrc in a thread, once a request.
        configuration.client_session_kwargs = {"trust_env": False}
        api = kclient.ApiClient(configuration)
        api.user_agent = FIELD_MANAGER
        return cls(api, timeout_seconds=timeout_seconds, on_request=on_request)

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()  # type: ignore[no-untyped-call]

    async def list_pages(
        self, kind: Kind, *, namespace: str = "", label_selector: str = "", limit: int = 100
    ) -> AsyncIterator[list[Manifest]]:
        """Yield all objects, page by page."""
        token = ""
        while True:
            query = {"limit": str(limit)}
            if label_selector:
                query["labelSelector"] = label_selector
            if token:
                query["continue"] = token
            page = await self._request("GET", kind, kind.path(namespace), query)
            for item in page["items"]:
                item["apiVersion"], item["kind"] = kind.api_version, kind.kind
            yield page["items"]
            token = page["metadata"].get("continue", "")
            if not token:
                return

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        """Return one object."""
        return await self._request("GET", kind, kind.path(namespace, name))

    async def apply(self, kind: Kind, manifest: Manifest, *, force: bool) -> Manifest:
        """Server-side apply."""
        meta = manifest["metadata"]
        query = {"fieldManager": FIELD_MANAGER, "force": "true" if force else "false"}
        return await self._request("PATCH", kind, kind.path(meta["namespace"], meta["name"]), query, manifest, APPLY)

    async def apply_new(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Server-side apply that only creates.

        An apply with a resource version must find exactly this version; where there is no object the server ignores
        it. Version 1 is never that of an object, so whatever exists already answers with a conflict, untouched.
        """
        only_new = manifest | {"metadata": manifest["metadata"] | {"resourceVersion": "1"}}
        return await self.apply(kind, only_new, force=False)

    async def apply_status(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Server-side apply of the status; nobody else writes it, so it is forced."""
        meta = manifest["metadata"]
        path = kind.path(meta["namespace"], meta["name"], "status")
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return await self._request("PATCH", kind, path, query, manifest, APPLY, subresource="/status")

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str) -> None:
        """Delete an object if it still has this uid."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        await self._request("DELETE", kind, kind.path(namespace, name), None, body)

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Create an object."""
        path = kind.path(manifest["metadata"]["namespace"])
        return await self._request("POST", kind, path, {"fieldManager": FIELD_MANAGER}, manifest)

    async def _request(
        self,
        method: str,
        kind: Kind,
        path: str,
        query: dict[str, str] | None = None,
        body: Manifest | None = None,
        content_type: str = JSON,
        *,
        subresource: str = "",
    ) -> Manifest:
        url = f"{self._api.configuration.host}{path}"
        if query:
            url = f"{url}?{urlencode(query)}"
        started = time.perf_counter()
        code = "error"
        try:
            headers = {"Accept": JSON, "Content-Type": content_type, **self._api.default_headers}
            auth = (await self._api.configuration.auth_settings()).get("BearerToken")
            if auth is not None and auth["value"]:
                headers[auth["key"]] = auth["value"]
            response = await self._api.call_api(
                method, url, header_params=headers, body=body, _request_timeout=self._timeout
            )
            data: bytes = await response.read()  # type: ignore[no-untyped-call]
            code = str(response.status)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise UnavailableError(f"the API server does not answer: {type(error).__name__}") from error
        finally:
            self._on_request(method, kind.plural + subresource, code, time.perf_counter() - started)
        if response.status >= 400:
            raise from_response(response.status, data, response.headers.get("Retry-After"))
        result: Any = json.loads(data)
        return result if isinstance(result, dict) else {}
