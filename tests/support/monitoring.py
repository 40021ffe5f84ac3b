"""Alerts and dashboards of the chart, and what the processes export."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml
from tests.support.charts import CHARTS

from tradingbot.observe.metrics import Metrics as BotMetrics
from tradingbot_operator.runtime.metrics import Metrics as OperatorMetrics

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

FILES = CHARTS / "tradingbot-operator" / "files"
OPERATOR_JOB = "tradingbot-operator-metrics"
# What Prometheus adds: of each target, of each alert, and what the chart's PodMonitor writes beside a bot's own labels.
TARGET_LABELS = {"job", "namespace", "pod", "instance", "container", "endpoint"}
BOT_TARGET_LABELS = TARGET_LABELS | {"bot", "node"}
PROMETHEUS_OWN = {"up": set[str](), "ALERTS": {"alertname", "alertstate", "severity"}}
WORDS = {
    "by", "on", "and", "or", "unless", "group_left", "group_right", "ignoring", "without", "offset", "bool",
    "sum", "max", "min", "avg", "count", "rate", "increase", "deriv", "absent", "time", "vector", "histogram_quantile",
    "max_over_time", "min_over_time",
}  # fmt: skip
GROUPING = re.compile(r"\b(?:by|on|ignoring|without|group_left|group_right)\s*\(([^)]*)\)")


def exported(job: str) -> dict[str, set[str]]:
    """Series that a process exports, with their labels, those of the target included; `job` says which process."""
    if job == OPERATOR_JOB:
        made = OperatorMetrics()
        made.reconciled("c", "error", 0.1)
        made.requested("GET", "pods", "200", 0.1)
        made.queue("q").depth(1)
        made.bots.labels("True").set(1)
        made.live_bots.labels("Trading").set(1)
        made.approval_ends.labels("a/b").set(1)
        made.contested.labels("a/b", "Service").set(1)
        return _series(made.registry, TARGET_LABELS)
    bot = BotMetrics("breakout", "Spot", "binance", symbols=["BTC/USD"])
    for metric in vars(bot).values():
        if hasattr(metric, "_labelnames") and metric._labelnames:
            metric.labels(*("x" for _ in metric._labelnames))
    return _series(bot.registry, BOT_TARGET_LABELS)


def _series(registry: CollectorRegistry, target: set[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for family in registry.collect():
        for sample in family.samples:
            found.setdefault(sample.name, set()).update({*sample.labels, *target})
    return found


@dataclass(frozen=True)
class Selector:
    """One series that an expression reads."""

    name: str
    labels: frozenset[str]
    job: str


def selectors(expression: str) -> list[Selector]:
    """Return what an expression reads. Every series of ours is written with braces; a test holds that."""
    found = []
    for name, inside in re.findall(r"\b([a-zA-Z_:][\w:]*)\{([^}]*)\}", expression):
        pairs = dict(re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"', inside))
        found.append(Selector(name, frozenset(pairs), pairs.get("job", "")))
    return found


def bare_words(expression: str) -> set[str]:
    """Return words that are neither functions nor labels: series that were written without braces."""
    rest = re.sub(r"\b[a-zA-Z_:][\w:]*\{[^}]*\}", " ", GROUPING.sub(" ", expression))
    return set(re.findall(r"\b[a-zA-Z_][\w:]*\b", re.sub(r"\[[^]]*\]|offset \w+|\"[^\"]*\"", " ", rest))) - WORDS


def grouped_by(expression: str) -> set[str]:
    """Return the labels that an expression groups or joins by."""
    return {label.strip() for inside in GROUPING.findall(expression) for label in inside.split(",") if label.strip()}


def alerts() -> list[dict[str, Any]]:
    """Return every alert of the chart."""
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(FILES.glob("alerts/*.yaml"))]
    return [alert for file in files for group in file["groups"] for alert in group["rules"]]


def dashboards() -> dict[str, dict[str, Any]]:
    """Return every dashboard by its file's name."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FILES.glob("dashboards/*.json"))}


def panel_expressions() -> list[tuple[str, str]]:
    """Return every expression of a dashboard, with where it is."""
    return [
        (f"{name}: {panel['title']}", target["expr"])
        for name, board in dashboards().items()
        for panel in board["panels"]
        for target in panel["targets"]
    ]
