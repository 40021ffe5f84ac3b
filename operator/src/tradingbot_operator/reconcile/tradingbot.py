"""One pass over one TradingBot: load, validate, latch, write what differs, prune, report.

Level-triggered: nothing here knows which event caused the pass. A pass that finds everything right writes nothing.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from tradingbot_operator.api.conditions import Reason
from tradingbot_operator.api.model import InvalidSpec, parse
from tradingbot_operator.api.v1alpha1 import TradingBot, TradingBotStatus
from tradingbot_operator.api.v1alpha1.safety import Mode
from tradingbot_operator.api.v1alpha1.tradingbot import requested_stop
from tradingbot_operator.desired.kinds import DEPLOYMENT, TRADING_BOT
from tradingbot_operator.desired.naming import BOT_COMPONENT, child_name
from tradingbot_operator.desired.tradingbot import build
from tradingbot_operator.desired.workload import image_of
from tradingbot_operator.kube.errors import KubeError, TerminatingError
from tradingbot_operator.policy.beside import besides
from tradingbot_operator.policy.contest import Guard
from tradingbot_operator.policy.deletion import has_finalizer, is_overdue, may_go, what_is_left
from tradingbot_operator.policy.kill import is_held_down, next_look
from tradingbot_operator.policy.stop import last_stop, read_report, refused
from tradingbot_operator.reconcile.children import Children, ensure_all
from tradingbot_operator.reconcile.contests import Contests
from tradingbot_operator.reconcile.deletion import Finalizers
from tradingbot_operator.reconcile.latching import Latching
from tradingbot_operator.reconcile.lineage import pods_of
from tradingbot_operator.reconcile.live import LiveTrading, is_awaited, part_of
from tradingbot_operator.reconcile.recorded import recorded_status, shown_of
from tradingbot_operator.reconcile.reporting import Echoes, tell, write_status
from tradingbot_operator.reconcile.scope import Scope
from tradingbot_operator.reconcile.stopping import Stopping
from tradingbot_operator.reconcile.urgency import Urgency
from tradingbot_operator.runtime.controller import Result, RetryError
from tradingbot_operator.runtime.keys import Key, ObjectId
from tradingbot_operator.runtime.workqueue import Priority
from tradingbot_operator.status.observation import BotReport, Observed, Obstacle
from tradingbot_operator.status.pods import is_ready
from tradingbot_operator.status.tradingbot import Subject, derive
from tradingbot_operator.status.transitions import Transition, is_routine, is_under_way, transitions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from tradingbot_operator.api.v1alpha1.safety import EmergencyStopStatus
    from tradingbot_operator.desired.config import BuildConfig
    from tradingbot_operator.kube.api import KubeApi
    from tradingbot_operator.runtime.fleet import Shown
    from tradingbot_operator.runtime.parking import Parking
    from tradingbot_operator.runtime.store import Store

log = structlog.get_logger(__name__)

TERMINATING_RETRY_SECONDS = 60.0


class Bots(Protocol):
    """The poller of the bots' own status."""

    enabled: bool

    def follow(self, key: Key, address: str | None, *, urgent: bool) -> None:
        """Poll the bot at this address (host of the pod), or not at all; `urgent` at once and often."""

    def forget(self, key: Key) -> None:
        """Stop polling a bot that is gone."""

    def report(self, key: Key) -> BotReport:
        """Return the last answer."""


class TradingBotReconciler:
    """Reconciles TradingBots. `now` returns the time in UTC."""

    def __init__(
        self,
        kube: KubeApi,
        store: Store,
        config: BuildConfig,
        bots: Bots,
        parking: Parking[Key],
        *,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
        on_shown: Callable[[Key, Shown | None], None] = lambda _key, _shown: None,
    ) -> None:
        self._kube = kube
        self._store = store
        self._config = config
        self._bots = bots
        self._parking = parking
        self._now = now
        self._on_shown = on_shown
        self._live = LiveTrading(kube, store, config)
        self._latching = Latching(store, now=now)
        self._urgency = Urgency(kube, store, self._latching)
        self._stopping = Stopping(kube, store, now=now)
        self._contests = Contests(kube, clock=clock)
        self._echoes = Echoes(clock=clock)
        self._finalizers = Finalizers(kube, store)
        self._owed: set[Key] = set()
        """Bots whose last pass wrote children and left the report to the next."""

    def note(self, obj: Mapping[str, Any]) -> bool:
        """Look at a version of a TradingBot as it comes by; return whether it asks for a stop that is not latched."""
        return self._latching.note(obj)

    def note_namespace(self, namespace: Mapping[str, Any]) -> bool:
        """Look at a version of a Namespace as it comes by; return whether it asks for a stop of all its bots."""
        return self._latching.note_namespace(namespace)

    async def reconcile(self, key: Key) -> Result:
        """Bring the children and the status of one TradingBot to what its spec says."""
        obj = self._store.get(ObjectId(TRADING_BOT.kind, *key))
        if obj is None:
            self._forget(key)
            return Result()
        return await self._urgency.of(key, self._bring_about(key, obj))

    async def _bring_about(self, key: Key, obj: dict[str, Any]) -> Result:
        if obj["metadata"].get("deletionTimestamp"):
            return await self._delete(key, obj)
        self._latching.note(obj)
        scope = await self._open(key, obj)
        if scope.goes_live or self._is_news(scope):
            # Before anything else: from here on no revert of the spec takes the stop away and no restart the kill, and
            # it is known what was approved before it runs.
            await self._report(scope)
        trouble = await self._write(scope)
        if isinstance(trouble, TerminatingError):
            self._bots.forget(key)
            return Result(requeue_after=TERMINATING_RETRY_SECONDS)
        self._follow(scope)
        patient = trouble is None and scope.obstacle is None
        if patient and scope.wrote and key not in self._owed:
            # Reporting comes after all that is still to be brought about, of other bots too, and tells what it led to.
            self._owed.add(key)
            return self._result(scope) if self._may_wait(scope, self._derive(scope)) else Result(again=Priority.LOW)
        self._owed.discard(key)
        if not self._is_unsure(scope):
            await self._report(scope, patient=patient)
        if trouble is not None:
            raise RetryError(str(trouble), after=self._urgency.patience(key, trouble)) from trouble
        return self._result(scope)

    async def _delete(self, key: Key, obj: dict[str, Any]) -> Result:
        """See to the exchange where the object asks for it. The garbage collector removes the children."""
        if not has_finalizer(obj):
            self._bots.forget(key)
            return Result()
        self._latching.note_deletion(obj)
        scope = await self._open(key, obj)
        if self._is_news(scope):
            await self._report(scope)
        stop, trouble = self._held_down(scope), None
        if stop is not None:
            try:
                await self._stopping.carry_out(key, scope.uid, stop, scope.desired)
            except KubeError as error:
                # Whatever it is: what is left is told, and a person may let the object go.
                log.warning("the kill Job cannot be made", error=str(error))
                trouble = error
        self._follow(scope)
        await self._report(scope)
        if may_go(scope.obj, scope.recorded.emergency_stop):
            await self._finalizers.release(scope.obj)
        elif trouble is not None and trouble.retryable:
            raise RetryError(str(trouble), after=self._urgency.patience(key, trouble)) from trouble
        return Result(requeue_after=next_look(scope.recorded.emergency_stop) or TERMINATING_RETRY_SECONDS)

    async def _open(self, key: Key, obj: dict[str, Any]) -> Scope:
        scope = Scope(key, obj, self._latching.remembered(key, obj, recorded_status(obj)))
        try:
            scope.bot = parse(TradingBot, {k: v for k, v in obj.items() if k != "status"})
            report = self._bots.report(key)
            stop = self._latch(scope)
            scope.plan = await self._live.plan(key, scope.bot, scope.recorded, report, stop, self._now())
        except InvalidSpec as error:
            scope.invalid = Obstacle(Reason.INVALID_SPEC, f"Correct the spec: {error}")
            return scope
        scope.desired = build(scope.plan.bot, scope.plan.mode, self._config, scope.plan.live)
        scope.plan = self._live.checked(key, scope.recorded, scope.plan, scope.desired, report)
        return scope

    def _latch(self, scope: Scope) -> EmergencyStopStatus | None:
        """Return the stop that holds now, whoever asked for it."""
        resume = scope.bot.spec.resume if scope.bot else None
        report = self._bots.report(scope.key).body
        return self._latching.current(scope.key, scope.obj, scope.recorded.emergency_stop, resume, report)

    async def _write(self, scope: Scope) -> KubeError | None:
        """Write children and prune; return the error after which the server must be asked again later."""
        held_down = self._held_down(scope)
        live = scope.plan is not None and scope.plan.mode is Mode.LIVE
        guard = Guard(live=live, stopped=scope.recorded.emergency_stop is not None or self._latching.waits(scope.key))
        children = Children(self._kube, self._store, self._contests, guard, on_write=self._parking.written)
        try:
            if held_down is not None:
                children.written += await self._stopping.carry_out(scope.key, scope.uid, held_down, scope.desired)
            if scope.desired is None:
                return None
            # Before anything trades live: from here on a deletion waits for the exchange.
            scope.obj = await self._finalizers.keep(scope.obj, live=live)
            if held_down is not None:
                scope.desired = self._stopping.hold_down(scope.key, scope.desired)
            self._contests.keep(scope.key, scope.desired.manifests)
            scope.blocked = await ensure_all(children, scope.key, scope.uid, scope.desired.manifests)
            if not scope.blocked and held_down is None:
                deployment = self._deployment(scope)
                await children.prune(scope.key, scope.uid, scope.desired.config_map, deployment)
            if scope.bot is not None and scope.plan is not None and not scope.blocked:
                # Its pod has the account's keys: like the bot's it waits for its own ServiceAccount and NetworkPolicy.
                children.written += await self._live.look(scope.key, scope.bot, scope.plan)
        except KubeError as error:
            return error
        finally:
            scope.wrote = bool(children.written)
            if children.written:
                log.info("children written", children=children.written)
        return None

    def _held_down(self, scope: Scope) -> EmergencyStopStatus | None:
        """Return the stop because of which the bot has no pods, if there is one."""
        stop, resume = scope.recorded.emergency_stop, scope.bot.spec.resume if scope.bot else None
        asked = requested_stop(scope.obj) is not None
        return stop if is_held_down(stop, resume, self._now(), asked=asked) else None

    def _is_news(self, scope: Scope) -> bool:
        """Return whether a stop is to be recorded before anything else is done, or what is decided about it."""
        stop, known = self._latch(scope), scope.recorded.emergency_stop
        if stop is None:
            return False
        stop = self._stopping.advance(scope.key, scope.obj, stop, self._observe(scope))
        parts = ("id", "close_positions", "standing", "void_resume", "kill")
        return known is None or any(getattr(stop, part) != getattr(known, part) for part in parts)

    def _deployment(self, scope: Scope) -> dict[str, Any] | None:
        return self._store.get(ObjectId(DEPLOYMENT.kind, scope.key.namespace, child_name(scope.key.name)))

    def _pods(self, key: Key) -> list[dict[str, Any]]:
        return pods_of(self._store, key, BOT_COMPONENT)

    def _observe(self, scope: Scope) -> Observed:
        pods = self._pods(scope.key)
        pods.sort(key=lambda pod: str(pod["metadata"].get("creationTimestamp")), reverse=True)
        return Observed(
            deployment=self._deployment(scope),
            pods=tuple(pods),
            report=self._bots.report(scope.key),
            polled=self._bots.enabled,
        )

    def _subject(self, scope: Scope, observed: Observed) -> Subject:
        stop = self._latch(scope)
        bot, plan = scope.bot, scope.plan
        if stop is None:
            self._latching.forget(scope.key)
            self._stopping.forget(scope.key)
        else:
            stop = self._stopping.advance(scope.key, scope.obj, stop, observed)
        common = Subject(
            name=scope.key.name,
            namespace=scope.key.namespace,
            generation=scope.obj["metadata"].get("generation", 0),
            recorded=scope.recorded,
            stop=stop,
            resume_refused=refused(
                stop,
                bot.spec.resume if bot else None,
                scope.recorded.last_stop,
                asked=requested_stop(scope.obj) is not None,
            ),
            last_stop=last_stop(scope.recorded.last_stop, observed.report.body),
            contested=self._contests.message(scope.key, scope.recorded),
        )
        if scope.obj["metadata"].get("deletionTimestamp"):
            stuck = is_overdue(scope.obj, self._now())
            common = replace(common, deleting=what_is_left(scope.obj, stop), deletion_stuck=stuck)
        if bot is None or plan is None or scope.desired is None:
            return common
        return replace(
            common,
            trading=bot.spec.trading,
            mode=plan.mode,
            held_back=plan.held_back,
            held_back_message=plan.message,
            live=part_of(plan),
            config_map=scope.desired.config_map,
            image=image_of(plan.bot, self._config)[0],
            beside=besides(scope.desired, observed.deployment) if plan.mode is Mode.LIVE else "",
        )

    async def _report(self, scope: Scope, *, patient: bool = False) -> None:
        """Write the status if it differs, then tell of transitions; a `patient` report may wait for a better moment."""
        before, after = scope.recorded, self._derive(scope)
        if patient and self._may_wait(scope, after):
            return
        status = after.to_manifest()
        known, present = self._kube.declared(status), scope.obj.get("status")
        if known != present and not self._echoes.is_known(scope.key, known, present):
            written = await write_status(self._kube, scope.obj, status)
            if written is None:
                log.info("the object was deleted before its status was written")
                return
            self._store.put(TRADING_BOT.kind, written)
            self._echoes.came_back(scope.key, self._kube.declared(status), written.get("status"))
            scope.obj, scope.recorded = written, recorded_status(written)
            await tell(self._kube, written, transitions(before, after), self._now())
        news = [*self._contests.news(scope.key, before), *self._stopping.news(scope.key)]
        await tell(self._kube, scope.obj, [Transition(True, *told) for told in news], self._now())  # noqa: FBT003
        self._parking.leave(scope.key)
        if after.emergency_stop is not None:
            self._latching.recorded(scope.key, scope.uid, after.emergency_stop)
        contested = self._contests.kinds(scope.key)
        self._on_shown(scope.key, shown_of(after, scope.bot.spec if scope.bot else None, contested))

    def _derive(self, scope: Scope) -> TradingBotStatus:
        observed = self._observe(scope)
        return derive(self._subject(scope, observed), observed, scope.obstacle, self._now())

    def _may_wait(self, scope: Scope, after: TradingBotStatus) -> bool:
        """Return whether the report waits until the bot is up, or nothing else is to be done.

        So of a thousand new bots each is written to once, and none is told of twice before all are told of.
        """
        if after == scope.recorded or not is_routine(scope.recorded, after):
            return False
        if is_under_way(after):
            return self._parking.waits(scope.key)
        told = scope.recorded.observed_generation == after.observed_generation
        return told and self._parking.waits_for_others(scope.key)

    def _follow(self, scope: Scope) -> None:
        """Poll the ready pod of this bot; often while it has not confirmed a stop."""
        recorded = scope.recorded.emergency_stop
        stopping = recorded is not None or self._latching.waits(scope.key)
        # A stopped bot is asked even when it is not ready: it may still have orders at the exchange.
        pods = [pod for pod in self._pods(scope.key) if pod["status"]["podIP"] and (is_ready(pod) or stopping)]
        pods = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        config_map = scope.desired.config_map if scope.desired else ""
        chosen = max(pods, key=lambda pod: (is_ready(pod), pod["spec"]["configMap"] == config_map), default=None)
        reported = read_report(self._bots.report(scope.key).body)
        confirmed = reported is not None and reported.verified
        resume = scope.bot.spec.resume if scope.bot else None
        resuming = recorded is not None and resume is not None and resume.stop_id == recorded.id
        urgent = is_awaited(scope.plan, self._bots.report(scope.key).body) or (stopping and (resuming or not confirmed))
        self._bots.follow(scope.key, chosen["status"]["podIP"] if chosen else None, urgent=urgent)

    def _is_unsure(self, scope: Scope) -> bool:
        """Return whether the bot must be asked before its status can be judged (after a restart of the operator)."""
        report = self._bots.report(scope.key)
        if not self._bots.enabled or report.body is not None or report.unreachable or scope.obstacle is not None:
            return False
        if scope.recorded.role is None or scope.recorded.observed_generation != scope.obj["metadata"].get("generation"):
            return False
        return any(is_ready(pod) for pod in self._pods(scope.key))

    def _result(self, scope: Scope) -> Result:
        waits = [blocked.retry_after for blocked in scope.blocked]
        look = next_look(scope.recorded.emergency_stop)
        contests = self._contests.next_look(scope.key, scope.recorded)
        waits += [wait for wait in (look, contests) if wait is not None]
        if None in waits:
            raise RetryError(scope.blocked[0].obstacle.message)
        if scope.plan is not None and scope.plan.wait is not None:
            waits.append(scope.plan.wait)
        return Result(requeue_after=min((wait for wait in waits if wait is not None), default=None))

    def _forget(self, key: Key) -> None:
        self._latching.forget(key)
        self._stopping.forget(key)
        self._contests.forget(key)
        self._echoes.forget(key)
        self._owed.discard(key)
        self._parking.leave(key)
        self._bots.forget(key)
        self._on_shown(key, None)
