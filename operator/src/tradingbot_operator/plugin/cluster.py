"""`Api` over the official synchronous client. The only module of the plugin that imports it, and only when needed.

Its generated models are left out, as everywhere in the project: dictionaries in, dictionaries out.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote, urlencode

import urllib3
from kubernetes import client as kclient
from kubernetes import config as kconfig

from tradingbot_operator.api import depth
from tradingbot_operator.api.names import GROUP, TRADING_BOT, VERSION
from tradingbot_operator.kube.errors import KubeError, UnavailableError, from_response, parsed
from tradingbot_operator.plugin.api import FIELD_MANAGER, Connection, Identity, LogOptions, Manifest
from tradingbot_operator.plugin.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Iterator

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"
SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
WATCH_SECONDS: Final = 240
FOLLOW_SECONDS: Final = 24 * 3600


class Cluster:
    """One API server, as one user."""

    def __init__(self, api: kclient.ApiClient, namespace: str, connection: Connection) -> None:
        self._api = api
        self._namespace = namespace
        self._connection = connection
        self._extra: dict[str, str] = {}
        if connection.as_user:
            self._extra["Impersonate-User"] = connection.as_user

    @classmethod
    def connect(cls, connection: Connection) -> Self:
        """Find the cluster as kubectl does: flags, $KUBECONFIG, the home directory, the pod's ServiceAccount."""
        logging.getLogger("urllib3").setLevel(logging.ERROR)
        configuration = kclient.Configuration()
        configuration.retries = urllib3.Retry(0)
        configuration.connection_pool_maxsize = 16
        files = connection.kubeconfig or kconfig.kube_config.KUBE_CONFIG_DEFAULT_LOCATION
        try:
            if _exists(files) or connection.kubeconfig or connection.context:
                namespace = _context_namespace(files, connection.context)
                kconfig.load_kube_config(  # type: ignore[no-untyped-call]
                    config_file=files, context=connection.context, client_configuration=configuration
                )
            else:
                kconfig.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
                namespace = SERVICE_ACCOUNT.read_text(encoding="utf-8").strip()
        except (kconfig.ConfigException, OSError) as error:
            raise PluginError(
                f"no cluster to talk to: {error}",
                hint="Name one with --kubeconfig or --context, or set KUBECONFIG.",
            ) from None
        api = kclient.ApiClient(configuration)
        api.user_agent = FIELD_MANAGER
        return cls(api, connection.namespace or namespace or "default", connection)

    @property
    def namespace(self) -> str:
        """The namespace of the command."""
        return self._namespace

    def get(self, namespace: str, name: str) -> Manifest:
        """Return one TradingBot."""
        return self._object("GET", _path(namespace, name))

    def bots(self, namespace: str | None, selector: str = "") -> tuple[list[Manifest], str]:
        """Return the TradingBots of one or of all namespaces, and the version to watch from."""
        items: list[Manifest] = []
        query = {"limit": "500"} | ({"labelSelector": selector} if selector else {})
        while True:
            page = self._object("GET", _path(namespace), query)
            items += page["items"]
            token = page["metadata"].get("continue")
            if not token:
                return items, str(page["metadata"].get("resourceVersion", ""))
            query["continue"] = token

    def watch(self, namespace: str | None, selector: str, version: str) -> Iterator[tuple[str, Manifest]]:
        """Yield type and object of each change, until the server ends it."""
        query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": str(WATCH_SECONDS)}
        if selector:
            query["labelSelector"] = selector
        for line in self._lines(_path(namespace), query, WATCH_SECONDS + 10.0):
            event = parsed(line)
            if event["type"] == "ERROR":
                raise from_response(int(event["object"].get("code") or 500), json.dumps(event["object"]).encode(), None)
            yield event["type"], event["object"]

    def patch(self, namespace: str, name: str, change: Manifest, *, dry_run: bool = False) -> Manifest:
        """Merge-patch a TradingBot under the plugin's own field manager; return it as it is now."""
        query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}
        if dry_run:
            query["dryRun"] = "All"
        return self._object("PATCH", _path(namespace, name), query, change, MERGE_PATCH)

    def whoami(self) -> Identity:
        """Ask the API server who is asking; impersonation included."""
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        answer = self._object("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", None, body)
        user = answer["status"]["userInfo"]
        return Identity(str(user["username"]), tuple(user.get("groups") or ()))

    def ask(self, namespace: str, name: str, path: str) -> Any:
        """GET a path of the bot's own API through the API server's service proxy; return its JSON."""
        service = f"/api/v1/namespaces/{quote(namespace)}/services/tradingbot-{quote(name)}:http/proxy{path}"
        data = self._read("GET", service)
        try:
            return depth.read(data)
        except ValueError:
            raise UnavailableError("the bot's answer is not JSON") from None

    def pods(self, namespace: str, name: str) -> list[Manifest]:
        """Return the bot's pods."""
        query = {"labelSelector": f"tradingbots.dev/bot={name}"}
        found: list[Manifest] = self._object("GET", f"/api/v1/namespaces/{quote(namespace)}/pods", query)["items"]
        return found

    def log(self, namespace: str, pod: str, options: LogOptions) -> Iterator[str]:
        """Yield the lines of the bot's container."""
        chosen = {
            "container": "bot",
            "follow": "true" if options.follow else None,
            "tailLines": options.tail,
            "sinceSeconds": options.since_seconds,
            "previous": "true" if options.previous else None,
            "timestamps": "true" if options.timestamps else None,
        }
        query = {key: str(value) for key, value in chosen.items() if value is not None}
        path = f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(pod)}/log"
        timeout = FOLLOW_SECONDS if options.follow else self._connection.timeout_seconds
        for line in self._lines(path, query, timeout):
            yield line.decode("utf-8", "replace")

    def _object(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        body: Manifest | None = None,
        content_type: str = JSON,
    ) -> Manifest:
        found = parsed(self._read(method, path, query, body, content_type))
        if not isinstance(found, dict):
            raise UnavailableError("the API server's answer is not an object")
        return found

    def _read(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        body: Manifest | None = None,
        content_type: str = JSON,
    ) -> bytes:
        response = self._open(method, path, query, body, content_type, self._connection.timeout_seconds)
        try:
            data = bytes(response.response.data)
        except urllib3.exceptions.HTTPError as error:
            raise UnavailableError(_silence(error)) from None
        if response.status >= 400:
            raise _refusal(response.status, data, response.response.headers.get("Retry-After"))
        return data

    def _lines(self, path: str, query: dict[str, str], timeout: float) -> Iterator[bytes]:
        response = self._open("GET", path, query, None, JSON, timeout)
        raw = response.response
        if response.status >= 400:
            raise _refusal(response.status, bytes(raw.data), raw.headers.get("Retry-After"))
        rest = b""
        try:
            for chunk in raw.stream(2**14):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from lines
        except urllib3.exceptions.ReadTimeoutError:
            return
        except urllib3.exceptions.HTTPError as error:
            raise UnavailableError(_silence(error)) from None
        finally:
            raw.close()
        if rest:
            yield rest

    def _open(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None,
        body: Manifest | None,
        content_type: str,
        timeout: float,
    ) -> Any:
        url = f"{self._api.configuration.host}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = urllib3.HTTPHeaderDict({"Accept": f"{JSON}, */*", "Content-Type": content_type} | self._extra)
        for key, value in self._api.default_headers.items():
            headers[key] = value
        for group in self._connection.as_groups:
            headers.add("Impersonate-Group", group)
        token = self._api.configuration.auth_settings().get("BearerToken")
        if token is not None and token["value"]:
            headers[token["key"]] = token["value"]
        try:
            return self._api.call_api(
                method, url, header_params=headers, body=body, _request_timeout=(min(10.0, timeout), timeout)
            )
        except (urllib3.exceptions.HTTPError, kclient.ApiException, OSError) as error:
            raise UnavailableError(_silence(error)) from None


def _refusal(code: int, data: bytes, retry_after: str | None) -> KubeError:
    """Convert a refusal. One that is no Status object comes from the bot behind the proxy, in its own words."""
    error = from_response(code, data, retry_after)
    if str(error) == f"the API server answered {code}" and data:
        words = " ".join(data.decode("utf-8", "replace").split())[:300]
        return type(error)(f"the answer was {code}: {words}", code=code)
    return error


def _silence(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return f"the API server does not answer: {reason}"


def _path(namespace: str | None, name: str = "") -> str:
    where = f"/namespaces/{quote(namespace)}" if namespace else ""
    return f"/apis/{GROUP}/{VERSION}{where}/{TRADING_BOT.plural}" + (f"/{quote(name)}" if name else "")


def _exists(files: str) -> bool:
    return any(Path(file).expanduser().is_file() for file in files.split(os.pathsep) if file)


def _context_namespace(files: str, context: str | None) -> str:
    contexts, active = kconfig.list_kube_config_contexts(config_file=files)  # type: ignore[no-untyped-call]
    chosen = active if context is None else next((c for c in contexts if c["name"] == context), None)
    return str(((chosen or {}).get("context") or {}).get("namespace") or "")
