"""The fault plan: which request meets which fault. Scripted or drawn; the same seed draws the same."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, fields
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Kind(StrEnum):
    """What can go wrong. `processed` on the rule says whether the exchange acts before it goes wrong."""

    TIMEOUT = "timeout"
    """No answer at all."""
    DROP = "drop"
    """The socket is closed without an answer."""
    CUT_BODY = "cut_body"
    """The socket is closed in the middle of the answer's body."""
    HTTP_ERROR = "http_error"
    """An answer with `status`; `code` and `msg` as JSON, or an empty body when `code` is 0."""
    STATUS_UNKNOWN = "status_unknown"
    """-1007: send status unknown; execution status unknown."""
    UNAVAILABLE = "unavailable"
    """503 with -1001."""
    OVERLOADED = "overloaded"
    """503 with -1008; Binance documents it as never processed."""
    HTML = "html"
    """A page of some gateway, with `status` (200 unless said)."""
    HALF_JSON = "half_json"
    """HTTP 200 and the first half of the body, declared as complete."""
    EMPTY = "empty"
    """HTTP 200 and an empty JSON object, or `msg` as the whole body."""
    RATE_LIMIT = "rate_limit"
    """429 with Retry-After."""
    BAN = "ban"
    """418 with Retry-After, and the same for every request until then."""
    MAINTENANCE = "maintenance"
    """The system is under maintenance."""
    CLOCK_SKEW = "clock_skew"
    """The server judges the timestamp as if its clock were `ms` ahead."""
    REJECT = "reject"
    """Refuse with `code` and `msg`."""
    SLOW = "slow"
    """Answer only after `ms`; goes together with any other fault."""
    ORDER_INVISIBLE = "order_invisible"
    """The new order is not found by the next `count` look-ups."""
    CANCEL_RACES_FILL = "cancel_races_fill"
    """Right before the cancel, the share `share` of what remains fills."""
    FILL_AFTER_CANCEL = "fill_after_cancel"
    """The same, but the fill is told only when `publish_fills` is called or after `count` looks at fills."""
    STALE_OPEN_ORDERS = "stale_open_orders"
    """Answer with the open orders of `count` changes ago."""
    BALANCE_LAG = "balance_lag"
    """Answer with the balances of `count` changes ago."""
    FILLS_DUPLICATE = "fills_duplicate"
    """The newest `count` fills come twice."""
    FILLS_LATE = "fills_late"
    """The newest `count` fills are missing from this answer."""
    FILLS_REORDERED = "fills_reordered"
    """Fills come in a drawn order."""


TRANSPORT = frozenset(
    {
        Kind.TIMEOUT,
        Kind.DROP,
        Kind.CUT_BODY,
        Kind.HTTP_ERROR,
        Kind.STATUS_UNKNOWN,
        Kind.UNAVAILABLE,
        Kind.OVERLOADED,
        Kind.HTML,
        Kind.HALF_JSON,
        Kind.EMPTY,
        Kind.RATE_LIMIT,
        Kind.BAN,
        Kind.MAINTENANCE,
    }
)
NEVER_PROCESSED = frozenset(
    {Kind.OVERLOADED, Kind.RATE_LIMIT, Kind.BAN, Kind.MAINTENANCE, Kind.REJECT, Kind.CLOCK_SKEW}
)


@dataclass(slots=True, kw_only=True)
class Rule:
    """One line of the plan."""

    kind: Kind
    method: str = "*"
    path: str = "*"
    processed: bool = False
    where: dict[str, str] = field(default_factory=dict)
    """Only requests with these parameters."""
    skip: int = 0
    """Let so many matching requests pass first."""
    times: int | None = 1
    """Strike so often; None: for ever."""
    probability: float = 1.0
    status: int = 0
    code: int = 0
    msg: str = ""
    ms: int = 0
    count: int = 1
    share: float = 0.5
    retry_after: int = 1
    seen: int = 0
    struck: int = 0

    def __post_init__(self) -> None:
        self.kind = Kind(self.kind)
        if self.processed and self.kind in NEVER_PROCESSED:
            msg = f"{self.kind}: an exchange that answers so has not acted; leave out processed"
            raise ValueError(msg)
        if not 0 <= self.probability <= 1 or not 0 < self.share <= 1:
            msg = f"{self.kind}: probability is from 0 to 1, share above 0 up to 1"
            raise ValueError(msg)

    def label(self) -> str:
        when = " after processing" if self.processed else " before processing"
        return self.kind.value + (when if self.kind in TRANSPORT - NEVER_PROCESSED else "")

    def matches(self, method: str, path: str, params: Mapping[str, str]) -> bool:
        return (
            self.method in {"*", method}
            and fnmatchcase(path, self.path)
            and all(params.get(name) == value for name, value in self.where.items())
        )


SETTINGS = frozenset(f.name for f in fields(Rule)) - {"seen", "struck"}


@dataclass(frozen=True, slots=True)
class Struck:
    """The faults of one request."""

    transport: Rule | None = None
    delay_ms: int = 0
    others: tuple[Rule, ...] = ()

    def get(self, kind: Kind) -> Rule | None:
        return next((rule for rule in self.others if rule.kind == kind), None)

    def labels(self) -> list[str]:
        delay = [f"slow {self.delay_ms} ms"] if self.delay_ms else []
        transport = [self.transport.label()] if self.transport else []
        return delay + [rule.label() for rule in self.others] + transport


class FaultPlan:
    """Rules in order. A request meets at most one fault of transport, the first; the others add up."""

    def __init__(self, seed: int = 0, rules: Iterable[Rule] = ()) -> None:
        self.seed = seed
        self.rules = list(rules)

    @classmethod
    def load(cls, text: str, seed: int | None = None) -> FaultPlan:
        """Read `{"seed": 1, "rules": [{"kind": "timeout", "method": "POST", …}]}`."""
        plan: dict[str, Any] = json.loads(text)
        unknown = set(plan) - {"seed", "rules"}
        unknown |= {name for rule in plan.get("rules", []) for name in rule if name not in SETTINGS}
        if unknown:
            msg = f"fault plan: unknown settings {sorted(unknown)}; known are seed, rules and {sorted(SETTINGS)}"
            raise ValueError(msg)
        rules = [Rule(**rule) for rule in plan.get("rules", [])]
        return cls(plan.get("seed", 0) if seed is None else seed, rules)

    def add(self, kind: Kind, method: str = "*", path: str = "*", **settings: Any) -> Rule:
        """Script a fault: strikes the next matching request, once, unless told otherwise."""
        rule = Rule(kind=kind, method=method, path=path, **settings)
        self.rules.append(rule)
        return rule

    def clear(self) -> None:
        self.rules.clear()

    def decide(self, method: str, path: str, params: Mapping[str, str]) -> Struck:
        """Say what this request meets."""
        transport: Rule | None = None
        others: list[Rule] = []
        delay = 0
        for index, rule in enumerate(self.rules):
            if (rule.kind in TRANSPORT and transport) or not rule.matches(method, path, params):
                continue
            rule.seen += 1
            done = rule.times is not None and rule.struck >= rule.times
            if done or rule.seen <= rule.skip or self._draw(index, rule.seen) >= rule.probability:
                continue
            rule.struck += 1
            if rule.kind in TRANSPORT:
                transport = rule
            elif rule.kind is Kind.SLOW:
                delay += rule.ms
            else:
                others.append(rule)
        return Struck(transport, delay, tuple(others))

    def order_of(self, count: int, salt: int) -> list[int]:
        """A drawn order of so many things, never their own when there are two or more."""
        order = sorted(range(count), key=lambda index: self._draw(-1 - salt, index))
        return order if order != sorted(order) else order[::-1]

    def _draw(self, stream: int, number: int) -> float:
        """A number from 0 up to 1 that depends on nothing but the seed, the rule and how often it was asked."""
        digest = hashlib.sha256(f"{self.seed}:{stream}:{number}".encode()).digest()
        return int.from_bytes(digest[:7]) / 2**56
