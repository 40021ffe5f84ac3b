"""Poller, workers, health and logs with real sockets and a real loop."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import structlog
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from tests.support import waiting
from tests.support.ports import free_port
from yarl import URL

from tradingbot_operator.runtime import logs
from tradingbot_operator.runtime.bots import BotPoller
from tradingbot_operator.runtime.controller import Controller, Result, RetryError
from tradingbot_operator.runtime.health import Health, health_app, heartbeat, metrics_app, serve
from tradingbot_operator.runtime.keys import Key
from tradingbot_operator.runtime.metrics import Metrics
from tradingbot_operator.runtime.workqueue import WorkQueue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

KEY = Key("ns", "a")


async def until(holds: Callable[[], object]) -> None:
    await waiting.until(holds, "what is to happen", every=0.01)


def crashed(error: BaseException) -> None:
    pytest.fail(str(error))


class Bot:
    """A bot's status endpoint that answers what the test says."""

    def __init__(self) -> None:
        self.answer: Any = {"state": "ACTIVE"}
        self.polls = 0
        self.slow = asyncio.Event()
        self.slow.set()
        self.pieces = 1

    async def status(self, request: web.Request) -> web.StreamResponse:
        self.polls += 1
        await self.slow.wait()
        if isinstance(self.answer, int):
            return web.Response(status=self.answer)
        if self.pieces > 1:
            return await self.in_pieces(request, json.dumps(self.answer).encode())
        return web.Response(text=self.answer if isinstance(self.answer, str) else json.dumps(self.answer))

    async def in_pieces(self, request: web.Request, text: bytes) -> web.StreamResponse:
        """Answer as a busy network does: what is read first is not all of it."""
        response = web.StreamResponse()
        response.content_length = len(text)
        await response.prepare(request)
        length = len(text) // self.pieces + 1
        for start in range(0, len(text), length):
            await response.write(text[start : start + length])
            await asyncio.sleep(0.02)
        return response


@pytest.fixture
async def bot() -> Bot:
    return Bot()


@pytest.fixture
async def polled(bot: Bot, request: pytest.FixtureRequest) -> AsyncIterator[tuple[BotPoller, list[Key]]]:
    """Poll one bot. It is waited for so long that only a test that says so hears of a bot that is too slow."""
    patience: float = getattr(request, "param", 60.0)
    app = web.Application()
    app.router.add_get("/api/v1/status", bot.status)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    changes: list[Key] = []
    poller = BotPoller(seconds=0.05, concurrency=2, timeout_seconds=patience, on_change=changes.append, port=port)
    task = asyncio.create_task(poller.run())
    yield poller, changes
    bot.slow.set()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await runner.cleanup()


async def test_a_bot_is_polled_and_only_changes_wake(polled: Any, bot: Bot) -> None:
    poller, changes = polled
    poller.follow(KEY, "127.0.0.1", urgent=False)
    await until(lambda: bot.polls >= 4)
    assert poller.report(KEY).body == {"state": "ACTIVE"}
    assert changes == [KEY]
    bot.answer = {"state": "PAUSED"}
    await until(lambda: len(changes) == 2)
    assert poller.report(KEY).body == {"state": "PAUSED"}


async def test_an_answer_that_comes_in_pieces_is_an_answer(polled: Any, bot: Bot) -> None:
    """A stopped bot with many orders and positions has a long one; taken for silence, it would be killed."""
    poller, _ = polled
    bot.answer, bot.pieces = {"state": "KILLED", "positions": list(range(2000))}, 5
    poller.follow(KEY, "127.0.0.1", urgent=False)
    await until(lambda: bot.polls >= 4)
    assert poller.report(KEY).body == bot.answer
    assert poller.report(KEY).failures == 0


NONSENSE = [500, "not json", "[]", 302, "[" * 60_000, '{"version": "\\ud800"}', '{"a":' * 9_000]


@pytest.mark.parametrize("answer", NONSENSE, ids=lambda answer: str(answer)[:24])
async def test_silence_counts_and_what_was_said_is_kept(polled: Any, bot: Bot, answer: Any) -> None:
    poller, changes = polled
    poller.follow(KEY, "127.0.0.1", urgent=False)
    await until(lambda: changes)
    bot.answer = answer
    await until(lambda: poller.report(KEY).unreachable)
    assert poller.report(KEY).body == {"state": "ACTIVE"}
    await until(lambda: len(changes) == 2)
    bot.answer = {"state": "ACTIVE"}
    await until(lambda: not poller.report(KEY).unreachable)
    await until(lambda: len(changes) == 3)


@pytest.mark.parametrize("polled", [0.2], indirect=True)
async def test_a_slow_bot_holds_up_nobody(polled: Any, bot: Bot) -> None:
    poller, _ = polled
    bot.slow.clear()
    poller.follow(KEY, "127.0.0.1", urgent=False)
    await until(lambda: poller.report(KEY).failures)
    assert poller.report(KEY).body is None


async def test_a_bot_without_a_ready_pod_is_not_polled(polled: Any, bot: Bot) -> None:
    poller, changes = polled
    poller.follow(KEY, "127.0.0.1", urgent=False)
    await until(lambda: changes)
    poller.follow(KEY, None, urgent=False)
    for _ in range(20):
        # Each time the loop hears of what was under way, however late the machine wakes it.
        await asyncio.sleep(0.005)
    polls = bot.polls
    await asyncio.sleep(0.2)
    assert bot.polls == polls
    poller.follow(KEY, "127.0.0.1", urgent=False)
    await until(lambda: bot.polls > polls)
    poller.forget(KEY)
    assert poller.report(KEY).body is None


async def test_a_disabled_poller_asks_nobody() -> None:
    poller = BotPoller(seconds=0, concurrency=1, timeout_seconds=1, on_change=lambda _key: None)
    poller.follow(KEY, "127.0.0.1", urgent=True)
    assert not poller.enabled
    assert poller.report(KEY).body is None


class Reconciler:
    """A reconciler that does what the test says."""

    def __init__(self, act: Callable[[Key], Awaitable[Result]]) -> None:
        self.act = act

    async def reconcile(self, key: Key) -> Result:
        return await self.act(key)


def sample(metrics: Metrics, result: str) -> float | None:
    return metrics.registry.get_sample_value(
        "controller_runtime_reconcile_total", {"controller": "c", "result": result}
    )


async def test_workers_repeat_what_failed_and_count_it() -> None:
    queue: WorkQueue[Key] = WorkQueue(jitter=lambda: 0.0)
    metrics = Metrics()
    outcomes: Iterator[Any] = iter([ValueError("boom"), RetryError("later", after=0.01), Result(0.01), Result()])
    passes: list[Key] = []

    async def act(key: Key) -> Result:
        passes.append(key)
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        assert isinstance(outcome, Result)
        return outcome

    controller = Controller("c", queue, Reconciler(act), metrics, workers=2, on_crash=crashed)
    controller.start()
    queue.add(KEY)
    await until(lambda: len(passes) == 4)
    await controller.stop(60)
    assert (sample(metrics, "error"), sample(metrics, "requeue_after"), sample(metrics, "success")) == (2, 1, 1)


async def test_stopping_finishes_what_is_under_way_and_is_bounded() -> None:
    queue: WorkQueue[Key] = WorkQueue()
    started, go, finished = asyncio.Event(), asyncio.Event(), []

    async def act(key: Key) -> Result:
        started.set()
        await go.wait()
        finished.append(key)
        return Result()

    controller = Controller("c", queue, Reconciler(act), Metrics(), workers=1, on_crash=crashed)
    controller.start()
    queue.add(KEY)
    queue.add(Key("ns", "b"))
    await started.wait()
    asyncio.get_running_loop().call_later(0.05, go.set)
    await controller.stop(60)
    assert finished == [KEY], "what waits is found again at the next start"

    go.clear()
    stuck: WorkQueue[Key] = WorkQueue()
    controller = Controller("c", stuck, Reconciler(act), Metrics(), workers=1, on_crash=crashed)
    controller.start()
    started.clear()
    stuck.add(KEY)
    await started.wait()
    async with asyncio.timeout(60):
        await controller.stop(0.05)


async def test_a_pass_that_hangs_is_ended() -> None:
    queue: WorkQueue[Key] = WorkQueue()
    metrics = Metrics()

    async def act(_key: Key) -> Result:
        await asyncio.Event().wait()
        return Result()

    controller = Controller(
        "c", queue, Reconciler(act), metrics, workers=1, pass_timeout_seconds=0.02, on_crash=crashed
    )
    controller.start()
    queue.add(KEY)
    await until(lambda: sample(metrics, "error"))
    await controller.stop(60)


async def test_health_fails_when_work_does_not_go_on() -> None:
    port = free_port()
    age = 0.0
    health = Health(stall_seconds=10)
    health.bound("a key waits", lambda: age)
    runner = await serve(health_app(health), port)
    url = f"http://127.0.0.1:{port}"
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{url}/healthz") as answer:
            assert answer.status == 200
        async with session.get(f"{url}/readyz") as answer:
            assert answer.status == 503
        age, health.ready = 11.0, True
        async with session.get(f"{url}/healthz") as answer:
            assert answer.status == 500
            assert (await answer.json())["problems"] == ["a key waits: a key waits for 11 s"]
        async with session.get(f"{url}/readyz") as answer:
            assert answer.status == 200
    await runner.cleanup()


async def test_metrics_are_served() -> None:
    port = free_port()
    metrics = Metrics()
    metrics.requested("PATCH", "deployments", "200", 0.01)
    runner = await serve(metrics_app(metrics), port)
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/metrics") as answer,
    ):
        text = await answer.text()
    await runner.cleanup()
    assert 'rest_client_requests_total{code="200",method="PATCH",resource="deployments"} 1.0' in text
    assert "process_resident_memory_bytes" in text


async def test_a_problem_that_lasts_stops_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradingbot_operator.runtime.health.BEAT_SECONDS", 0.01)
    monkeypatch.setattr("faulthandler.dump_traceback_later", lambda _seconds, exit: None)  # noqa: A006
    health = Health(stall_seconds=0.05)
    health.checks["x"] = lambda: "broken"
    said: list[str] = []
    async with asyncio.timeout(60):
        await heartbeat(health, said.append)
    assert said == ["x: broken"]


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    """Give what is logged, and put the logs back afterwards."""
    stream = io.StringIO()
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    logs.configure("INFO", stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_request_that_fails_is_logged_without_the_operators_own_token(out: io.StringIO) -> None:
    """A library may show a request with its headers, and a traceback must not show the variables of its frames."""
    token = "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.e30.c2lnbmF0dXJl"
    headers = CIMultiDictProxy(CIMultiDict({"Authorization": f"Bearer {token}"}))
    url = URL("https://api.example.org/apis")
    error = aiohttp.ClientResponseError(aiohttp.RequestInfo(url, "GET", headers, url), (), status=500, message="no")
    assert token in repr(error)

    def ask(authorization: str) -> None:
        raise RuntimeError(f"{error!r} {len(authorization)}")

    structlog.get_logger("mine").warning("failed", error=error, headers=dict(headers))
    logging.getLogger("a.library").error("request attempt failed: %r", error)
    try:
        ask(headers["Authorization"])
    except RuntimeError:
        structlog.get_logger("mine").exception("failed")
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert len(lines) == 3
    assert "RuntimeError" in lines[2]["exception"]
    assert token not in out.getvalue()
    assert "Bearer [not shown]" in out.getvalue()


def test_every_line_is_json_with_the_names_of_its_pass(out: io.StringIO) -> None:
    log = structlog.get_logger("mine")
    with logs.pass_context(key="ns/a", reconcile_id="1f"):
        log.info("hello", field=1)
        logging.getLogger("library").warning("careful %s", "now")
    logging.getLogger("kopf.objects").info("noise")
    try:
        raise ValueError("boom")  # noqa: TRY301
    except ValueError:
        log.exception("failed")
    first, second, third = (json.loads(line) for line in out.getvalue().splitlines())
    assert (first["message"], first["field"], first["key"], first["reconcile_id"]) == ("hello", 1, "ns/a", "1f")
    assert (second["message"], second["key"], second["level"]) == ("careful now", "ns/a", "warning")
    assert "key" not in third
    assert "ValueError: boom" in third["exception"]
