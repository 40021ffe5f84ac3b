"""Puts the parts together, and is the only part that knows kopf: informer of TradingBots and process shell.

kopf's handlers store and enqueue. There is no timer, daemon, index, finalizer or annotation of its, so objects can be
deleted while the operator is down, and nothing of kopf's state is in the cluster. What belongs to the TradingBots is
watched by `reconcile.watch`: kopf's work for each of so many events was half of the operator's.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import aiohttp
import kopf
import structlog
from kopf._cogs.clients import api as kopf_reads

from tradingbot_operator.api import depth
from tradingbot_operator.desired.kinds import TRADING_BOT
from tradingbot_operator.desired.ownership import bot_of
from tradingbot_operator.kube.client import KubeClient
from tradingbot_operator.kube.errors import KubeError, NotFoundError
from tradingbot_operator.reconcile.audit import FOLLOWED, WATCHED, Audit
from tradingbot_operator.reconcile.tradingbot import TradingBotReconciler
from tradingbot_operator.reconcile.watch import Watch
from tradingbot_operator.runtime.bots import BotPoller
from tradingbot_operator.runtime.controller import Controller
from tradingbot_operator.runtime.fleet import Fleet
from tradingbot_operator.runtime.health import Health, health_app, heartbeat, metrics_app, serve
from tradingbot_operator.runtime.informer import Informer
from tradingbot_operator.runtime.keys import Key
from tradingbot_operator.runtime.metrics import Metrics
from tradingbot_operator.runtime.parking import Parking
from tradingbot_operator.runtime.store import Store
from tradingbot_operator.runtime.workqueue import Priority, WorkQueue
from tradingbot_operator.status.projection import PROJECTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

    from tradingbot_operator.desired.kinds import Kind
    from tradingbot_operator.settings import Settings

log = structlog.get_logger(__name__)

SERVER_WATCH_SECONDS = 300
CLIENT_WATCH_SECONDS = 310
LIST_CHUNK = 100
SEED_ATTEMPTS = 30
SEED_RETRY_SECONDS = 2.0
SETTLE_SECONDS = 30.0
RELIST_SETTLE_SECONDS = 5.0
COLLECT_AFTER = (10_000, 20, 20)
"""Objects more than before the last collection, and collections of one age before one of the next."""


class FatalError(Exception):
    """The operator cannot go on; the text says why and what to do."""


class _NoDiffBase(kopf.DiffBaseStorage):
    """Keeps kopf from copying and comparing every object: no handler here asks for differences."""

    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> Any:
        return {}

    def fetch(self, *, body: kopf.Body) -> None:
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: Any) -> None:
        """Store nothing."""


class Operator:
    """One process: everything with a lifetime, started and stopped in order."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.stop = asyncio.Event()
        self.fatal: BaseException | None = None
        self.metrics = Metrics()
        self.health = Health(stall_seconds=settings.stall_seconds)
        self.queue: WorkQueue[Key] = WorkQueue(hooks=self.metrics.queue("tradingbot"))
        self.parking: Parking[Key] = Parking(lambda key: self.queue.add(key, Priority.LOW))
        self.store = Store(owner_of=_owner_of)
        for kind, project in PROJECTIONS.items():
            self.store.project(kind, project)
        self._tasks: list[asyncio.Task[None]] = []
        self._runners: list[web.AppRunner] = []
        self._relist = asyncio.Event()
        self._watching = False
        self._watches: list[Watch] = []
        self.fleet = Fleet(self.metrics)
        self.kube: KubeClient | None = None
        self.controller: Controller | None = None
        self.informer: Informer | None = None

    def die(self, error: BaseException) -> None:
        """Stop the process because of an error; the exit code tells."""
        if self.fatal is None:
            self.fatal = error
            log.critical("the operator stops", error=str(error))
        self.stop.set()

    async def startup(self) -> None:
        """Connect, fill the store, start the workers, serve health and metrics."""
        settings = self.settings
        self._checks()
        await self._serve("TBO_HEALTH_PORT", health_app(self.health), settings.health_port)
        await self._serve("TBO_METRICS_PORT", metrics_app(self.metrics), settings.metrics_port)
        self.kube = await KubeClient.connect(
            kubeconfig=_kubeconfig(settings),
            connections=settings.workers * 2,
            timeout_seconds=settings.request_timeout_seconds,
            on_request=self.metrics.requested,
        )
        undeclared = self.kube.undeclared
        self.metrics.undeclared.set_function(lambda: len(undeclared))
        poller = BotPoller(
            seconds=settings.bot_poll_seconds,
            concurrency=settings.bot_poll_concurrency,
            timeout_seconds=settings.bot_poll_timeout_seconds,
            on_change=self.queue.add,
            on_poll=self.metrics.polled,
        )
        reconciler = TradingBotReconciler(
            self.kube,
            self.store,
            settings.build_config(),
            poller,
            self.parking,
            now=_now,
            on_shown=self.fleet.show,
        )
        self.informer = Informer(
            self.store,
            self.queue,
            root=TRADING_BOT.kind,
            note=reconciler.note,
            note_namespace=reconciler.note_namespace,
            counted=self.metrics.watched,
        )
        audit = Audit(
            self.kube,
            self.store,
            self.informer,
            settings.watch_namespaces,
            namespace_stops=settings.namespace_stops,
        )
        objects = await _seed(audit)
        self.controller = Controller(
            "tradingbot", self.queue, reconciler, self.metrics, workers=settings.workers, on_crash=self.die
        )
        self.controller.start()
        for kind in FOLLOWED:
            for namespace in audit.places(kind):
                watch = Watch(self.kube, audit, self.heard, kind, namespace)
                self._watches.append(watch)
                self._spawn(f"watch of {kind.plural} in {namespace or 'all namespaces'}", watch.run())
        self._spawn("heartbeat", heartbeat(self.health, lambda text: self.die(FatalError(f"no progress: {text}"))))
        self._spawn("audit", self._audit(audit))
        if poller.enabled:
            self._spawn("poller", poller.run())
        _freeze()
        self.health.ready = True
        log.info("started", objects=objects, workers=settings.workers, namespaces=settings.watch_namespaces or "all")

    async def cleanup(self) -> None:
        """Stop in order, each step within its bound: take no more work, finish what is under way, close connections."""
        self.health.ready = False
        self.parking.close()
        if self.controller is not None:
            await self.controller.stop(self.settings.shutdown_seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.kube is not None:
            await self.kube.close()
        for runner in self._runners:
            await runner.cleanup()

    def seen(self, kind: str, event: str | None, obj: Mapping[str, Any]) -> None:
        """Take an event of kopf's watches in; it has none for an object of a LIST that kopf made anew."""
        if event is None and self._watching:
            self._relist.set()
        self.heard(kind, event, obj)

    def heard(self, kind: str, event: str | None, obj: Mapping[str, Any]) -> None:
        """Take a watch event in."""
        self.health.event_seen()
        if self.informer is not None:
            self.informer.seen(kind, event, obj)

    async def _serve(self, setting: str, app: web.Application, port: int) -> None:
        if not port:
            return
        try:
            self._runners.append(await serve(app, port))
        except OSError as error:
            raise FatalError(f"port {port} cannot be served, set {setting} to another one: {error.strerror}") from error

    def _checks(self) -> None:
        health = self.health
        health.bound("keys wait and no worker takes one", self.queue.standstill)
        health.bound("a pass is under way", self.queue.oldest_pass)
        health.checks["workers"] = lambda: (
            "one has ended" if self.controller is not None and not self.controller.alive else None
        )
        health.checks["watches"] = self._watch_problem
        self.metrics.gauge("tradingbot_operator_event_loop_lag_seconds", "Lag.", lambda: health.loop_lag_seconds)
        self.metrics.gauge("tradingbot_operator_last_watch_event_age_seconds", "Silence.", health.event_age)
        self.metrics.gauge("tradingbot_operator_stored_objects", "Objects in memory.", lambda: len(self.store))
        self.metrics.gauge("tradingbot_operator_waiting_reports", "Reports that wait.", lambda: len(self.parking))
        self.metrics.gauge("workqueue_longest_running_processor_seconds", "Oldest pass.", self.queue.oldest_pass)
        self.metrics.gauge("workqueue_unfinished_work_seconds", "Oldest wait.", self.queue.oldest_wait)

    def _watch_problem(self) -> str | None:
        """Return what is wrong with the watches: a dead one would leave an operator that looks alive."""
        if not self._watching:
            return None
        running = sum(task.get_name().startswith("watcher for ") for task in asyncio.all_tasks())
        expected = max(1, len(self.settings.watch_namespaces))
        if running < expected:
            return f"{running} of {expected} of kopf's run"
        # One of ours that ends takes the process with it.
        return next((problem for watch in self._watches if (problem := watch.problem()) is not None), None)

    async def _audit(self, audit: Audit) -> None:
        """List again what may have missed deletions; never between, so an idle operator asks for nothing."""
        await asyncio.sleep(SETTLE_SECONDS)
        self._watching = True
        gone: tuple[Kind, ...] = ()
        if self.informer is not None and self.informer.unconfirmed:
            self.informer.unconfirmed.clear()
            gone = (TRADING_BOT,)
        while True:
            try:
                await audit.all_again(gone)
                gone = ()
                async with asyncio.timeout(self.settings.audit_seconds or None):
                    await self._relist.wait()
                await asyncio.sleep(RELIST_SETTLE_SECONDS)
                self._relist.clear()
                gone = (TRADING_BOT,)
            except TimeoutError:
                gone = WATCHED
            except KubeError as error:
                log.warning("listing again failed, will be repeated", error=str(error))
                await asyncio.sleep(SETTLE_SECONDS)

    def _spawn(self, name: str, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.die(error)


def registry_of(operator: Operator) -> kopf.OperatorRegistry:
    """Register the handlers. A registry of our own leaves out kopf's automatic ones."""
    registry = kopf.OperatorRegistry()

    @kopf.on.startup(registry=registry)
    async def startup(settings: kopf.OperatorSettings, **_: Any) -> None:
        configure(settings)
        try:
            await operator.startup()
        except Exception as error:  # noqa: BLE001 - whatever it is, kopf must not start its watches
            operator.die(error)
            raise kopf.PermanentError(str(error)) from None

    @kopf.on.cleanup(registry=registry)
    async def cleanup(**_: Any) -> None:
        await operator.cleanup()

    @kopf.on.login(registry=registry)
    def login(settings: kopf.OperatorSettings, **kwargs: Any) -> kopf.ConnectionInfo | None:
        path = _kubeconfig(operator.settings)
        if path is None:
            return kopf.login_with_service_account(settings=settings, **kwargs)
        os.environ["KUBECONFIG"] = path
        return kopf.login_with_kubeconfig(settings=settings, **kwargs)

    @kopf.on.event(TRADING_BOT.group, TRADING_BOT.version, TRADING_BOT.plural, registry=registry)
    async def store(event: kopf.RawEvent, **_: Any) -> None:
        operator.seen(TRADING_BOT.kind, event["type"], event["object"])

    return registry


def configure(settings: kopf.OperatorSettings) -> None:
    """Set kopf up: bounded watches, nothing posted, nothing stored in objects."""
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.persistence.diffbase_storage = _NoDiffBase()
    settings.watching.server_timeout = SERVER_WATCH_SECONDS
    settings.watching.client_timeout = CLIENT_WATCH_SECONDS
    settings.watching.chunk_size = LIST_CHUNK
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10
    # kopf keeps a task with the last event for each object this long: at a start, for all of them at once.
    settings.queueing.idle_timeout = 0.05
    settings.process.ultimate_exiting_timeout = 30


async def run(settings: Settings) -> None:
    """Run until a signal. Raise FatalError, or what made going on impossible."""
    operator = Operator(settings)
    _read_what_is_nested_without_end()
    namespaces = settings.watch_namespaces
    try:
        await kopf.operator(
            registry=registry_of(operator),
            settings=kopf.OperatorSettings(),
            standalone=True,
            clusterwide=not namespaces,
            namespaces=namespaces,
            stop_flag=operator.stop,
        )
    except Exception as error:  # noqa: BLE001 - kopf wraps what ended it; the cause is what a person must read
        operator.die(error)
    if operator.fatal is not None:
        raise FatalError(str(operator.fatal)) from operator.fatal


def _read_what_is_nested_without_end() -> None:
    """Have kopf parse its LIST and its watch as everything else here does: one object must not end the operator."""
    vars(kopf_reads)["json"] = SimpleNamespace(loads=depth.read, dumps=json.dumps)
    (aiohttp.ClientResponse.json.__kwdefaults__ or {})["loads"] = depth.read


def _freeze() -> None:
    """Leave what exists now out of every collection of cycles, and collect less often.

    Modules and models stay for as long as the process runs, and what a pass or an event makes is gone with it: the
    collector found next to nothing, and was a tenth of the operator's CPU time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


async def _seed(audit: Audit) -> int:
    """Fill the store; wait a minute for an API server or CRDs that are just being installed."""
    error = ""
    for attempt in range(SEED_ATTEMPTS):
        try:
            return await audit.seed()
        except NotFoundError:
            crd = f"{TRADING_BOT.plural}.{TRADING_BOT.group}"
            error = f"the CRD {crd} is not installed: kubectl apply --server-side -f crds/"
        except KubeError as refused:
            if not refused.retryable:
                raise FatalError(f"the first list failed: {refused}") from refused
            error = str(refused)
        if attempt == 0:
            log.warning("not started yet, will be repeated", error=error)
        await asyncio.sleep(SEED_RETRY_SECONDS)
    raise FatalError(error)


def _owner_of(kind: str, obj: Mapping[str, Any]) -> Key | None:
    bot = bot_of(kind, obj)
    return Key(obj["metadata"].get("namespace", ""), bot) if bot is not None else None


def _kubeconfig(settings: Settings) -> str | None:
    return settings.kubeconfig or os.environ.get("KUBECONFIG") or None


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - the one clock of the process, handed to everything else
