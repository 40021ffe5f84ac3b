"""An API server for one object: enough of get and watch to test what a watcher must survive. Not Kubernetes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web

PATH = "/apis/tradingbots.dev/v1alpha1/namespaces/test/tradingbots"
UID = "1f0c2a9b-0000-4000-8000-000000000000"


class ApiServer:
    """Keeps every version of one TradingBot, so that a watch can begin at any of them."""

    def __init__(self, name: str = "btc") -> None:
        self.name = name
        self.version = 100
        self.oldest = 0
        """A watch from before this version is answered with 410."""
        self.spec: dict[str, Any] = {"trading": "Active"}
        self.told: dict[str, Any] = {}
        """The object's status, as an operator writes it."""
        self.generation = 1
        self.exists = True
        self.status = 200
        self.history: list[tuple[int, dict[str, Any]]] = []
        self.reads = 0
        self.watches: list[str] = []
        self._news = asyncio.Condition()
        self._streams: set[web.StreamResponse] = set()
        self._runner: web.AppRunner | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What lets a bot process find its object here."""
        return {
            "TRADINGBOT_NAME": self.name,
            "TRADINGBOT_UID": UID,
            "POD_NAMESPACE": "test",
            "KUBERNETES_API_URL": self.url,
        }

    def object(self) -> dict[str, Any]:
        metadata = {
            "name": self.name,
            "uid": UID,
            "generation": self.generation,
            "resourceVersion": str(self.version),
        }
        told = {"status": self.told} if self.told else {}
        return {"metadata": metadata, "spec": json.loads(json.dumps(self.spec)), **json.loads(json.dumps(told))}

    async def start(self) -> ApiServer:
        app = web.Application()
        app.router.add_get(f"{PATH}/{self.name}", self._read)
        app.router.add_get(PATH, self._watch)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def edit(self, kind: str = "MODIFIED", **spec: Any) -> None:
        """Change the spec; the watchers see it as they would at the real one."""
        self.spec |= spec
        self.version += 1
        self.generation += 1
        self.exists = kind != "DELETED"
        async with self._news:
            self.history.append((self.version, {"type": kind, "object": self.object()}))
            self._news.notify_all()

    async def tell(self, **status: Any) -> None:
        """Change the status, which is no new generation."""
        self.told |= status
        self.generation -= 1
        await self.edit()

    def drop(self) -> None:
        """Break all watches off without a word."""
        for stream in set(self._streams):
            if stream._req is not None and stream._req.transport is not None:
                stream._req.transport.abort()

    async def _read(self, _: web.Request) -> web.Response:
        self.reads += 1
        if self.status != 200:
            return web.json_response({"kind": "Status", "code": self.status}, status=self.status)
        if not self.exists:
            return web.json_response({"kind": "Status", "code": 404}, status=404)
        return web.json_response(self.object())

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        assert request.query["watch"] == "1"
        assert request.query["fieldSelector"] == f"metadata.name={self.name}"
        seen = int(request.query["resourceVersion"])
        self.watches.append(request.query["resourceVersion"])
        response = web.StreamResponse()
        if seen < self.oldest:
            body = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}}
            await response.prepare(request)
            await response.write(json.dumps(body).encode() + b"\n")
            return response
        await response.prepare(request)
        self._streams.add(response)
        try:
            while True:
                async with self._news:
                    while not any(version > seen for version, _ in self.history):
                        await self._news.wait()
                    fresh = [(version, event) for version, event in self.history if version > seen]
                for version, event in fresh:
                    await response.write(json.dumps(event).encode() + b"\n")
                    seen = version
        except (ConnectionError, asyncio.CancelledError):
            return response
        finally:
            self._streams.discard(response)
