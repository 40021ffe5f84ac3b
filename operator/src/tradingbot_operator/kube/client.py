"""`KubeApi` over HTTP, with what the official client knows of kubeconfigs, ServiceAccounts and tokens.

Its generated models, its dynamic client and its HTTP layer are left out: they copy every body through Python objects.
Requests and watches have connections of their own, so that open watches take none away from requests.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

import aiohttp
import orjson
from kubernetes.aio import client as kclient
from kubernetes.aio import config as kconfig
from yarl import URL

from tradingbot_operator.kube.api import FIELD_MANAGER, Manifest, Page, WatchEvent
from tradingbot_operator.kube.errors import InvalidError, UnavailableError, from_response, parsed
from tradingbot_operator.kube.undeclared import MOST, Undeclared

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tradingbot_operator.desired.kinds import Kind

    OnRequest = Callable[[str, str, str, float], None]

APPLY = "application/apply-patch+yaml"
STRATEGIC = "application/strategic-merge-patch+json"
JSON = "application/json"
WATCH_SECONDS = 300
"""How long the server keeps a watch open; it is opened anew from where it ended."""
SILENCE_SECONDS = 90.0
"""A watch without even a bookmark (one a minute) for so long is opened anew: its connection may be dead."""
LONGEST_EVENT_BYTES = 16 * 2**20


class ConfigurationError(Exception):
    """There is no way to reach an API server; the text says what to set."""


class KubeClient:
    """Connections to one API server. `on_request` gets method, resource, code and seconds of each request."""

    def __init__(
        self,
        configuration: kclient.Configuration,
        *,
        connections: int,
        timeout_seconds: float,
        on_request: OnRequest,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        self._configuration = configuration
        self._on_request = on_request
        self.undeclared = Undeclared()
        connect = min(10.0, timeout_seconds)
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=connect)
        self._watch_timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect, sock_read=silence_seconds)
        # Only for its reading of certificates; it opens no connection.
        ssl = kclient.ApiClient(configuration).rest_client.ssl_context
        self._requests = _session(aiohttp.TCPConnector(ssl=ssl, limit=connections))
        self._watches = _session(aiohttp.TCPConnector(ssl=ssl, limit=0, force_close=True))
        self._options: dict[str, Any] = {"allow_redirects": False}
        if configuration.proxy:
            self._options["proxy"] = configuration.proxy
        if configuration.tls_server_name:
            self._options["server_hostname"] = configuration.tls_server_name

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
        return cls(configuration, connections=connections, timeout_seconds=timeout_seconds, on_request=on_request)

    async def close(self) -> None:
        """Close the connections."""
        await self._requests.close()
        await self._watches.close()

    async def list_pages(
        self, kind: Kind, *, namespace: str = "", label_selector: str = "", limit: int = 100
    ) -> AsyncIterator[Page]:
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
            yield Page(page["items"], page["metadata"]["resourceVersion"])
            token = page["metadata"].get("continue", "")
            if not token:
                return

    async def watch(
        self, kind: Kind, *, namespace: str = "", label_selector: str = "", version: str
    ) -> AsyncIterator[list[WatchEvent]]:
        """Yield what happens after `version`. Nothing is kept but the event that has not arrived whole."""
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            # Not all of them at once.
            "timeoutSeconds": str(round(WATCH_SECONDS * random.uniform(0.9, 1.1))),
        }
        if label_selector:
            query["labelSelector"] = label_selector
        url = self._url(kind.path(namespace), query)
        try:
            async with self._watches.get(
                url, headers=await self._headers(JSON), timeout=self._watch_timeout, **self._options
            ) as response:
                if response.status >= 400:
                    raise from_response(response.status, await response.read(), response.headers.get("Retry-After"))
                async for events in _events(response):
                    yield events
        except aiohttp.SocketTimeoutError:
            return
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise UnavailableError(f"the watch of {kind.plural} broke: {type(error).__name__}") from error

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
        """Server-side apply of the status; nobody else writes it, so it is forced. Without what an older CRD lacks."""
        meta = manifest["metadata"]
        path = kind.path(meta["namespace"], meta["name"], "status")
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        manifest = self.undeclared.strip(manifest)
        for _ in range(MOST):
            try:
                written = await self._request("PATCH", kind, path, query, manifest, APPLY, subresource="/status")
            except (InvalidError, UnavailableError) as error:
                smaller = self.undeclared.learn(manifest, str(error))
                if smaller is None:
                    raise
                manifest = smaller
            else:
                self.undeclared.taken(manifest)
                return written
        raise InvalidError(f"the CustomResourceDefinition of {kind.kind} is too old: install the operator's own")

    def declared(self, status: Manifest) -> Manifest:
        """Return what of a status the server knows, as far as it has said so lately."""
        found: Manifest = self.undeclared.strip({"status": status})["status"]
        return found

    async def patch(self, kind: Kind, namespace: str, name: str, patch: Manifest) -> Manifest:
        """Strategic merge patch."""
        query = {"fieldManager": FIELD_MANAGER}
        return await self._request("PATCH", kind, kind.path(namespace, name), query, patch, STRATEGIC)

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str) -> None:
        """Delete an object if it still has this uid."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        # What belongs to it goes with it: of a Job the server would leave the pods, and they would run on.
        body["propagationPolicy"] = "Background"
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
        url = self._url(path, query)
        data = None if body is None else orjson.dumps(body)
        started = time.perf_counter()
        code = "error"
        try:
            headers = await self._headers(content_type)
            async with self._requests.request(
                method, url, headers=headers, data=data, timeout=self._timeout, **self._options
            ) as response:
                answer = await response.read()
                code = str(response.status)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise UnavailableError(f"the API server does not answer: {type(error).__name__}") from error
        finally:
            self._on_request(method, kind.plural + subresource, code, time.perf_counter() - started)
        if response.status >= 400:
            raise from_response(response.status, answer, response.headers.get("Retry-After"))
        result = parsed(answer)
        return result if isinstance(result, dict) else {}

    def _url(self, path: str, query: dict[str, str] | None) -> URL:
        url = f"{self._configuration.host}{path}"
        return URL(f"{url}?{urlencode(query)}" if query else url, encoded=True)

    async def _headers(self, content_type: str) -> dict[str, str]:
        headers = {"Accept": JSON, "Content-Type": content_type, "User-Agent": FIELD_MANAGER}
        # Asked for each time: the token of a ServiceAccount is renewed every hour.
        auth = (await self._configuration.auth_settings()).get("BearerToken")
        if auth is not None and auth["value"]:
            headers[auth["key"]] = auth["value"]
        return headers


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[list[WatchEvent]]:
    """Cut a stream into events, one a line, as many at a time as have arrived."""
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n") if b"\n" in chunk else (rest + chunk,)
        if len(rest) > LONGEST_EVENT_BYTES:
            raise UnavailableError("the watch sent an event that does not end")
        if lines:
            yield [_event(line) for line in lines if line]


def _event(line: bytes) -> WatchEvent:
    found = parsed(line)
    if found["type"] == "ERROR":
        raise from_response(int(found["object"].get("code") or 500), orjson.dumps(found["object"]), None)
    return WatchEvent(found["type"], found["object"])
