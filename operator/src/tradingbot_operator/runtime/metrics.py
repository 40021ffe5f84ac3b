"""Prometheus metrics with the names and the meaning of controller-runtime's, prefix `tradingbot_operator_` left out.

Dashboards made for Go operators work unchanged: `controller_runtime_reconcile_total`, `workqueue_depth`,
`rest_client_requests_total` and so on. Durations are in seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

if TYPE_CHECKING:
    from collections.abc import Callable

RECONCILE_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
QUEUE_BUCKETS = (0.0001, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60)
REQUEST_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class QueueMetrics:
    """The measurements of one queue."""

    def __init__(self, metrics: Metrics, name: str) -> None:
        self._depth = metrics.queue_depth.labels(name)
        self._adds = metrics.queue_adds.labels(name)
        self._latency = metrics.queue_latency.labels(name)
        self._duration = metrics.queue_duration.labels(name)
        self._retries = metrics.queue_retries.labels(name)

    def depth(self, ready: int) -> None:
        """Set the number of keys that wait for a worker."""
        self._depth.set(ready)

    def waited(self, seconds: float) -> None:
        """Observe how long a key waited."""
        self._adds.inc()
        self._latency.observe(seconds)

    def worked(self, seconds: float) -> None:
        """Observe how long a pass took."""
        self._duration.observe(seconds)

    def retried(self) -> None:
        """Count a key that was put back after a failure."""
        self._retries.inc()


class Metrics:
    """All metrics of the process, in a registry of their own (tests make several)."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        reg = self.registry
        self._reconciles = Counter(
            "controller_runtime_reconcile", "Passes by result.", ["controller", "result"], registry=reg
        )
        self._errors = Counter(
            "controller_runtime_reconcile_errors", "Passes that failed.", ["controller"], registry=reg
        )
        self._seconds = Histogram(
            "controller_runtime_reconcile_time_seconds",
            "Duration of a pass.",
            ["controller"],
            buckets=RECONCILE_BUCKETS,
            registry=reg,
        )
        self.queue_depth = Gauge("workqueue_depth", "Keys that wait for a worker.", ["name"], registry=reg)
        self.queue_adds = Counter("workqueue_adds", "Keys handed to a worker.", ["name"], registry=reg)
        self.queue_latency = Histogram(
            "workqueue_queue_duration_seconds",
            "Time that a key waited for a worker.",
            ["name"],
            buckets=QUEUE_BUCKETS,
            registry=reg,
        )
        self.queue_duration = Histogram(
            "workqueue_work_duration_seconds",
            "Time that a worker held a key.",
            ["name"],
            buckets=RECONCILE_BUCKETS,
            registry=reg,
        )
        self.queue_retries = Counter("workqueue_retries", "Keys put back after a failure.", ["name"], registry=reg)
        self._requests = Counter(
            "rest_client_requests", "Requests to the API server.", ["code", "method", "resource"], registry=reg
        )
        self._request_seconds = Histogram(
            "rest_client_request_duration_seconds",
            "Duration of requests to the API server.",
            ["method"],
            buckets=REQUEST_BUCKETS,
            registry=reg,
        )
        self._events = Counter(
            "tradingbot_operator_watch_events", "Watch events that were stored.", ["kind", "change"], registry=reg
        )
        self._polls = Counter("tradingbot_operator_bot_polls", "Polls of bots.", ["result"], registry=reg)
        self.bots = Gauge("tradingbot_operator_bots", "TradingBots by Ready condition.", ["ready"], registry=reg)
        self.live_bots = Gauge(
            "tradingbot_operator_live_bots", "Bots that trade live, by what they may do.", ["state"], registry=reg
        )
        self.approval_ends = Gauge(
            "tradingbot_operator_approval_end_timestamp_seconds",
            "When the approval ends by which a bot trades live.",
            ["bot"],
            registry=reg,
        )

        self.undeclared = Gauge(
            "tradingbot_operator_undeclared_fields", "Fields of the status that the CRD lacks.", registry=reg
        )
        self.contested = Gauge(
            "tradingbot_operator_contested_children",
            "Children that somebody else changes back whenever they are repaired.",
            ["bot", "kind"],
            registry=reg,
        )

    def reconciled(self, controller: str, result: str, seconds: float) -> None:
        """Count a pass."""
        self._reconciles.labels(controller, result).inc()
        if result == "error":
            self._errors.labels(controller).inc()
        self._seconds.labels(controller).observe(seconds)

    def requested(self, method: str, resource: str, code: str, seconds: float) -> None:
        """Count a request to the API server; `code` is the status, or `error` when there was no answer."""
        self._requests.labels(code, method, resource).inc()
        self._request_seconds.labels(method).observe(seconds)

    def watched(self, kind: str, change: str) -> None:
        """Count a watch event."""
        self._events.labels(kind, change).inc()

    def polled(self, result: str) -> None:
        """Count a poll of a bot."""
        self._polls.labels(result).inc()

    def queue(self, name: str) -> QueueMetrics:
        """Return the hooks of a queue."""
        return QueueMetrics(self, name)

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Add a gauge that is read when Prometheus asks."""
        Gauge(name, text, registry=self.registry).set_function(read)

    def render(self) -> bytes:
        """Return the text that Prometheus scrapes."""
        return generate_latest(self.registry)
