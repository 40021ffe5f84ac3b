"""Watches over real sockets, against a server that does what a test says: nothing is lost, whatever breaks."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from kubernetes.aio import client as kclient
from tests.support import waiting

from tradingbot_operator.desired.kinds import SERVICE
from tradingbot_operator.kube.client import KubeClient
from tradingbot_operator.reconcile.audit import Audit
from tradingbot_operator.reconcile.watch import STUCK_SECONDS, Watch
from tradingbot_operator.runtime.informer import Informer
from tradingbot_operator.runtime.keys import Key, ObjectId
from tradingbot_operator.runtime.store import Store
from tradingbot_operator.runtime.workqueue import WorkQueue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

Manifest = dict[str, Any]
PATH = "/api/v1/namespaces/ns/services"


def service(name: str, version: int) -> Manifest:
    meta = {"name": name, "namespace": "ns", "uid": f"uid-{name}", "resourceVersion": str(version)}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta | {"labels": {"owner": name}}}


def line(event: str, obj: Mapping[str, Any]) -> bytes:
    return json.dumps({"type": event, "object": obj}).encode() + b"\n"


def bookmark(version: int) -> bytes:
    return line("BOOKMARK", {"kind": "Service", "apiVersion": "v1", "metadata": {"resourceVersion": str(version)}})


def failure(code: int) -> bytes:
    return line("ERROR", {"kind": "Status", "apiVersion": "v1", "code": code, "message": "no", "reason": "Expired"})


class Server:
    """Services at `version`, and for each watch in turn a script: bytes to send, or a status to refuse it with.

    A script that ends with "open" leaves the connection open, one that ends with "cut" breaks it.
    """

    def __init__(self) -> None:
        self.objects: list[Manifest] = []
        self.version = 10
        self.scripts: list[list[bytes | str] | int] = []
        self.lists = 0
        self.asked: list[str] = []
        """The version from which each watch was asked for."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            self.lists += 1
            return web.json_response({"metadata": {"resourceVersion": str(self.version)}, "items": self.objects})
        self.asked.append(request.query["resourceVersion"])
        script = self.scripts.pop(0) if self.scripts else ["open"]
        if isinstance(script, int):
            return web.json_response({"kind": "Status", "code": script, "message": "refused"}, status=script)
        response = web.StreamResponse()
        await response.prepare(request)
        for step in script:
            if step == "open":
                await asyncio.Event().wait()
            if step == "cut":
                assert request.transport is not None
                request.transport.abort()
                return response
            assert isinstance(step, bytes)
            await response.write(step)
        return response


class World:
    """One server, the operator's store and a watch between them."""

    def __init__(self, server: Server, kube: KubeClient) -> None:
        self.server = server
        self.kube = kube
        self.seen: list[tuple[str | None, str]] = []
        self.store = Store(owner_of=lambda _kind, obj: Key("ns", obj["metadata"]["labels"]["owner"]))
        self.queue: WorkQueue[Key] = WorkQueue()
        self.informer = Informer(
            self.store, self.queue, root="TradingBot", note=lambda _obj: False, counted=lambda _kind, _change: None
        )
        self.audit = Audit(kube, self.store, self.informer, ["ns"])

    def names(self) -> set[str]:
        return {oid.name for oid in self.store.ids("Service")}

    def follow(self, clock: Callable[[], float] | None = None) -> Watch:
        def seen(kind: str, event: str | None, obj: Mapping[str, Any]) -> None:
            self.seen.append((event, obj["metadata"]["name"]))
            self.informer.seen(kind, event, obj)

        timing = {"clock": clock} if clock else {}
        return Watch(self.kube, self.audit, seen, SERVICE, "ns", jitter=lambda: 0.0, **timing)


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """Give a world in which a watch is not taken for dead before its test is over, unless the test says so."""
    silence: float = getattr(request, "param", 300.0)
    monkeypatch.setattr("tradingbot_operator.reconcile.watch.FIRST_PAUSE_SECONDS", 0.02)
    server = Server()
    app = web.Application()
    app.router.add_get(PATH, server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    configuration = kclient.Configuration(host=f"http://127.0.0.1:{runner.addresses[0][1]}")
    kube = KubeClient(
        configuration, connections=1, timeout_seconds=60, on_request=lambda *_: None, silence_seconds=silence
    )
    yield World(server, kube)
    await kube.close()
    await runner.cleanup()


async def until(watch: Watch, holds: Callable[[], object]) -> None:
    """Let a watch run until something holds; it must not end by itself."""
    running = asyncio.create_task(watch.run())
    await waiting.until(
        holds, "what the watch is to do", ended=lambda: str(running) if running.done() else None, every=0.005
    )
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def seeded(world: World, *names: str) -> None:
    """Make the first LIST, as the operator does before it starts."""
    world.server.objects = [service(name, 1) for name in names]
    async for page in world.kube.list_pages(SERVICE, namespace="ns"):
        world.audit.versions["Service", "ns"] = page.version
        for obj in page.items:
            world.informer.seed("Service", obj)


async def test_it_goes_on_where_the_first_list_ended(world: World) -> None:
    await seeded(world, "a", "b")
    world.server.scripts = [[line("ADDED", service("c", 11)), line("DELETED", service("a", 12)), "open"]]
    await until(world.follow(), lambda: world.names() == {"b", "c"})
    assert (world.server.lists, world.server.asked) == (1, ["10"])
    assert len(world.queue) == 2


@pytest.mark.parametrize(
    ("end", "world"),
    [([], 300.0), (["cut"], 300.0), (["open"], 0.3)],
    ids=["ended", "broken", "silent"],
    indirect=["world"],
)
async def test_after_an_end_it_goes_on_from_the_last_event(world: World, end: list[bytes | str]) -> None:
    await seeded(world)
    world.server.scripts = [[line("ADDED", service("a", 11)), *end], [line("ADDED", service("b", 12)), "open"]]
    await until(world.follow(), lambda: world.names() == {"a", "b"})
    assert (world.server.lists, world.server.asked) == (1, ["10", "11"])


async def test_a_bookmark_is_a_place_to_go_on_from_and_no_object(world: World) -> None:
    await seeded(world)
    world.server.scripts = [[bookmark(40)], ["open"]]
    await until(world.follow(), lambda: len(world.server.asked) == 2)
    assert (world.server.asked, world.seen) == (["10", "40"], [])


@pytest.mark.parametrize("expiry", [410, [failure(410)]], ids=["refused", "in the stream"])
async def test_a_version_that_the_server_has_forgotten_means_a_new_list(
    world: World, expiry: int | list[bytes | str]
) -> None:
    await seeded(world, "a", "b")
    world.server.objects, world.server.version = [service("b", 1), service("c", 20)], 20
    world.server.scripts = [expiry, ["open"]]
    await until(world.follow(), lambda: len(world.server.asked) == 2)
    assert world.names() == {"b", "c"}, "what was deleted meanwhile is gone"
    assert (world.server.lists, world.server.asked) == (2, ["10", "20"])


@pytest.mark.parametrize("trouble", [500, 503, 429, 403, 404, [failure(500)]])
async def test_whatever_is_answered_it_asks_again(world: World, trouble: int | list[bytes | str]) -> None:
    await seeded(world)
    world.server.scripts = [trouble, trouble, trouble, [line("ADDED", service("a", 11)), "open"]]
    await until(world.follow(), lambda: world.names() == {"a"})
    assert (world.server.lists, world.server.asked) == (1, ["10"] * 4)


async def test_a_server_that_ends_every_watch_at_once_is_not_hurried(world: World) -> None:
    await seeded(world)
    world.server.scripts = [[] for _ in range(200)]
    begun = asyncio.get_running_loop().time()
    await until(world.follow(), lambda: len(world.server.asked) >= 6)
    # Five pauses, each twice the last: 0.01 + 0.02 + 0.04 + 0.08 + 0.16 s.
    assert asyncio.get_running_loop().time() - begun > 0.3


@pytest.mark.parametrize("size", [1, 7, 100_000])
async def test_events_may_be_cut_anywhere(world: World, size: int) -> None:
    await seeded(world)
    wanted = [service(f"bot-{number}", 11 + number) for number in range(3)]
    wanted[1]["spec"] = {"text": "é\\n" * (50_000 if size > 7 else 20)}
    stream = b"".join(line("ADDED", obj) for obj in wanted)
    world.server.scripts = [[*(stream[at : at + size] for at in range(0, len(stream), size)), "open"]]
    await until(world.follow(), lambda: len(world.seen) == 3)
    assert [world.store.get(ObjectId("Service", "ns", obj["metadata"]["name"])) for obj in wanted] == wanted


async def test_an_event_that_does_not_end_is_not_kept_for_ever(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradingbot_operator.kube.client.LONGEST_EVENT_BYTES", 1000)
    await seeded(world)
    world.server.scripts = [[b"x" * 2000, "open"], [line("ADDED", service("a", 11)), "open"]]
    await until(world.follow(), lambda: world.names() == {"a"})


async def test_a_list_that_is_older_than_what_was_watched_takes_nothing_away(world: World) -> None:
    await seeded(world, "a")
    before = world.kube.list_pages

    async def slow(*args: Any, **options: Any) -> AsyncIterator[Any]:
        async for page in before(*args, **options):
            world.informer.seen("Service", "DELETED", service("a", 25))
            world.informer.seen("Service", "ADDED", service("a", 30))
            yield page

    world.server.objects, world.server.version = [], 20
    world.kube.list_pages = slow  # type: ignore[method-assign]
    await world.audit.again(SERVICE, "ns")
    assert world.names() == {"a"}


async def test_a_watch_that_does_nothing_any_more_is_a_problem(world: World) -> None:
    now = 0.0
    watch = world.follow(lambda: now)
    assert watch.problem() is None
    now = STUCK_SECONDS + 1
    assert "services" in str(watch.problem())
    await until(watch, lambda: world.server.asked)
    assert watch.problem() is None
