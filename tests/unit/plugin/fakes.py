"""A cluster and a terminal in memory, so that commands run whole and without I/O."""

from __future__ import annotations

import copy
import io
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tradingbot_operator.kube.errors import ConflictError, ForbiddenError, KubeError, NotFoundError
from tradingbot_operator.plugin.api import FIELD_MANAGER, Identity, LogOptions, Manifest
from tradingbot_operator.plugin.main import run
from tradingbot_operator.plugin.parser import build
from tradingbot_operator.plugin.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

START = datetime(2026, 11, 21, 9, 5, tzinfo=UTC)
DIGEST = "sha256:" + "ab" * 32
UID = "1f0c2a9b-2f4e-4d55-9d3c-0a7c4e1b2d3f"


def condition(kind: str, status: str, reason: str, message: str = "") -> Manifest:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message or f"{reason}.",
        "lastTransitionTime": "2026-11-21T09:00:00Z",
        "observedGeneration": 1,
    }


def bot(name: str = "btc", namespace: str = "trading", *, status: Manifest | None = None, **spec: Any) -> Manifest:
    found: Manifest = {
        "observedGeneration": 1,
        "mode": "simulation",
        "state": "ACTIVE",
        "role": "trading",
        "positions": 1,
        "openOrders": 2,
        "version": "0.1.0",
        "image": "registry.example.org/bot:1",
        "conditions": [
            condition("Ready", "True", "Trading"),
            condition("Progressing", "False", "RolloutComplete"),
            condition("Degraded", "False", "AsExpected"),
            condition("Suspended", "False", "NotSuspended"),
        ],
    }
    return {
        "apiVersion": "tradingbots.dev/v1alpha1",
        "kind": "TradingBot",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": UID,
            "generation": 1,
            "resourceVersion": "1",
            "creationTimestamp": "2026-11-21T08:00:00Z",
        },
        "spec": {
            "mode": "simulation",
            "trading": "Active",
            "image": "registry.example.org/bot:1",
            "exchange": {"name": "binance", "testMode": True},
            "strategy": {"name": "breakout", "symbols": ["BTC/USD", "ETH/USD"], "parameters": {"entry": 20}},
            "risk": {"maxDrawdown": 0.15, "maxOpenPositions": 5},
            "database": {"secretRef": {"name": "db", "key": "url"}, "poolSize": 5},
            **spec,
        },
        "status": found | (status or {}),
    }


def latched(outcome: str | None = "CANCELLED", *, stop_id: str = "1f0c2a9b-2", close: bool = False) -> Manifest:
    stop: Manifest = {
        "id": stop_id,
        "since": "2026-11-21T09:00:00Z",
        "source": "spec",
        "reason": "drill",
        "closePositions": close,
    }
    if outcome:
        stop["outcome"] = {"state": outcome, "ordersCancelled": 2, "message": "2 entry orders are gone."}
    return {
        "state": "KILLED",
        "emergencyStop": stop,
        "conditions": [
            condition("Ready", "False", "EmergencyStopped"),
            condition("Suspended", "True", "EmergencyStopped"),
        ],
    }


def merge(target: Any, change: Any) -> Any:
    """RFC 7386."""
    if not isinstance(change, dict):
        return change
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


@dataclass
class FakeApi:
    """One cluster. `on_look` plays the operator: it is called with each object before it is read again."""

    objects: dict[tuple[str, str], Manifest]
    namespace: str = "trading"
    user: str = "bob"
    on_patch: Callable[[Manifest], None] = lambda obj: None
    on_look: Callable[[Manifest], None] = lambda obj: None
    answers: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, list[KubeError]] = field(default_factory=dict)
    patches: list[tuple[str, Manifest, bool]] = field(default_factory=list)
    pod_list: list[Manifest] = field(default_factory=list)
    logs: dict[str, list[str]] = field(default_factory=dict)
    log_options: list[LogOptions] = field(default_factory=list)
    events: list[tuple[str, Manifest]] = field(default_factory=list)

    @classmethod
    def of(cls, *objects: Manifest, **options: Any) -> FakeApi:
        found = {(obj["metadata"]["namespace"], obj["metadata"]["name"]): copy.deepcopy(obj) for obj in objects}
        return cls(found, **options)

    def _fail(self, verb: str) -> None:
        if self.errors.get(verb):
            raise self.errors[verb].pop(0)

    def get(self, namespace: str, name: str) -> Manifest:
        self._fail("get")
        obj = self.objects.get((namespace, name))
        if obj is None:
            raise NotFoundError(f'tradingbots.tradingbots.dev "{name}" not found', code=404)
        self.on_look(obj)
        return copy.deepcopy(obj)

    def bots(self, namespace: str | None, selector: str = "") -> tuple[list[Manifest], str]:
        self._fail("list")
        wanted = dict(part.split("=") for part in selector.split(",") if part)
        found = [
            copy.deepcopy(obj)
            for obj in self.objects.values()
            if namespace in {None, obj["metadata"]["namespace"]}
            and wanted.items() <= (obj["metadata"].get("labels") or {}).items()
        ]
        return found, "1"

    def watch(self, namespace: str | None, selector: str, version: str) -> Iterator[tuple[str, Manifest]]:
        self._fail("watch")
        yield from self.events
        raise KeyboardInterrupt

    def patch(self, namespace: str, name: str, change: Manifest, *, dry_run: bool = False) -> Manifest:
        self._fail("patch")
        obj = self.objects.get((namespace, name))
        if obj is None:
            raise NotFoundError(f'tradingbots.tradingbots.dev "{name}" not found', code=404)
        self.patches.append((name, copy.deepcopy(change), dry_run))
        given = (change.get("metadata") or {}).get("resourceVersion")
        if given not in {None, obj["metadata"]["resourceVersion"]}:
            raise ConflictError("the object has been modified", code=409)
        changed: Manifest = merge(obj, change)
        if dry_run:
            return changed
        if changed["spec"] != obj["spec"]:
            changed["metadata"]["generation"] += 1
        changed["metadata"]["resourceVersion"] = str(int(obj["metadata"]["resourceVersion"]) + 1)
        self.objects[namespace, name] = changed
        self.on_patch(changed)
        return copy.deepcopy(changed)

    def whoami(self) -> Identity:
        return Identity(self.user)

    def ask(self, namespace: str, name: str, path: str) -> Any:
        self._fail("ask")
        found = self.answers.get(path)
        if found is None:
            raise NotFoundError(f'services "tradingbot-{name}" not found', code=404)
        return found() if callable(found) else found

    def pods(self, namespace: str, name: str) -> list[Manifest]:
        self._fail("pods")
        return self.pod_list

    def log(self, namespace: str, pod: str, options: LogOptions) -> Iterator[str]:
        self._fail("log")
        self.log_options.append(options)
        yield from self.logs.get(pod, [])


@dataclass
class Result:
    code: int
    out: str
    err: str


class Person:
    """Runs commands: a script without `says`, a person at a terminal with it."""

    def __init__(self, api: FakeApi, *says: str) -> None:
        self.api = api
        self.says = list(says)
        self.seconds = 0.0
        self.slept: list[float] = []
        self.out, self.err = io.StringIO(), io.StringIO()

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds

    def __call__(self, *words: str) -> Result:
        self.out, self.err = out, err = io.StringIO(), io.StringIO()
        terminal = Terminal(
            out=out,
            err=err,
            read=lambda: self.says.pop(0) + "\n",
            interactive=bool(self.says),
            now=lambda: START + timedelta(seconds=self.seconds),
            monotonic=lambda: self.seconds,
            sleep=self._sleep,
        )
        code = run(build().parse_args(list(words)), terminal, self.api)
        return Result(code, out.getvalue(), err.getvalue())


def forbidden(verb: str = "patch", resource: str = "tradingbots", group: str = "tradingbots.dev") -> ForbiddenError:
    return ForbiddenError(
        f'tradingbots.tradingbots.dev "btc" is forbidden: User "bob" cannot {verb} resource "{resource}" in API group '
        f'"{group}" in the namespace "trading"',
        code=403,
        reason="Forbidden",
    )


__all__ = ["FIELD_MANAGER", "FakeApi", "Person", "Result", "bot", "condition", "forbidden", "latched"]
