"""All metrics in one table. Names that the requirements give are kept as they are; labels too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Summary,
    generate_latest,
)
from prometheus_client.process_collector import ProcessCollector

from tradingbot import __version__
from tradingbot.domain.denial import DenialCode
from tradingbot.domain.effects import Alarm, Decide, Effect, Submit, Traded
from tradingbot.domain.fills import Direction
from tradingbot.domain.orders import Side
from tradingbot.domain.states import State
from tradingbot.observe import system
from tradingbot.ports.venue import Accepted, Refused, Unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from decimal import Decimal

    from tradingbot.core.picture import Picture
    from tradingbot.domain.effects import Decision
    from tradingbot.risk.latch import Restriction

TYPE = CONTENT_TYPE_LATEST
BREAKERS = {
    "database": frozenset({"database"}),
    "exchange": frozenset({"exchange", "reconcile"}),
    "feed": frozenset({"feed"}),
}
"""By service, the sources of restrictions that say it does not answer well."""
ANSWERS = tuple(type_.__name__.lower() for type_ in (Accepted, Refused, Unknown))


class Metrics:
    """The metrics of one bot, in a registry of their own."""

    def __init__(
        self,
        strategy: str,
        market_type: str,
        platform: str,
        *,
        mode: str = "simulation",
        symbols: Sequence[str] = (),
    ) -> None:
        self.strategy, self.market_type, self.platform = strategy, market_type, platform
        self.registry = r = CollectorRegistry()
        ProcessCollector(registry=r)
        self.trades = Counter("trades", "Executions.", ["strategy", "symbol", "direction"], registry=r)
        self.positions = Gauge("active_positions", "Open positions.", ["strategy"], registry=r)
        buckets = (0.1, 0.5, 1, 2, 5)
        self.latency = Histogram(
            "trade_execution_latency_seconds",
            "Wall time from the decision to the venue's answer, the durable intent in between.",
            buckets=buckets,
            registry=r,
        )
        self.placement = Histogram(
            "order_placement_duration_seconds",
            "Wall time of sending an order.",
            buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2, 5),
            registry=r,
        )
        self._provider(r)
        self.commit = Histogram(
            "commit_duration_seconds",
            "Wall time of a commit to the database.",
            buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5),
            registry=r,
        )
        self.orders = Counter("orders_placed", "Orders sent.", ["strategy", "market_type"], registry=r)
        self.denied = Counter("orders_denied", "Proposals that the risk gate denied, by code.", ["code"], registry=r)
        for code in DenialCode:
            self.denied.labels(code.value)
        self.unrealized = Gauge("unrealized_pnl", "Open profit or loss, quote currency.", ["strategy"], registry=r)
        self.realized = Gauge("realized_pnl", "Realized profit or loss before fees.", ["strategy"], registry=r)
        self.daily = Gauge("daily_pnl", "Change of equity in the UTC day of the market.", ["strategy"], registry=r)
        self.value = Gauge("portfolio_value", "Equity in quote currency.", ["platform"], registry=r)
        self.active_trades = Gauge("active_trades", "Open positions.", ["platform"], registry=r)
        self.drawdown = Gauge("drawdown_ratio", "Loss from the peak as a fraction of it.", registry=r)
        text = "0 ACTIVE, 1 PAUSED, 2 REDUCING, 3 HALTED, 4 KILLED."
        self.state = Gauge("trading_state", text, registry=r)
        self.role = Gauge("trading_role", "1 while this process holds the lease, 0 in standby.", registry=r)
        self.alarms = Counter("alarms", "What a person should hear of, by code.", ["code"], registry=r)
        self._told(r)
        self.candles = Counter("candles", "Market events taken.", ["symbol"], registry=r)
        self.flaws = Counter("candles_left_out", "Rows of recorded data that were left out.", ["kind"], registry=r)
        self.database = Gauge("database_connected", "1 while the database answers.", registry=r)
        self.watch = Gauge("watch_connected", "1 while the bot's own TradingBot is watched.", registry=r)
        self.step_age = Gauge("step_age_seconds", "Time since the trading loop last ran.", registry=r)
        self.uptime = Gauge("uptime_seconds", "Time since the start of the process.", registry=r)
        self._machine(r)
        info = Gauge("tradingbot_info", "Always 1.", ["version", "strategy", "exchange", "mode"], registry=r)
        info.labels(__version__, strategy, platform, mode).set(1)
        self._begin(symbols)

    def _begin(self, symbols: Sequence[str]) -> None:
        """Show zero before the first: Prometheus sees no increase in a series that begins with one."""
        for status in ANSWERS:
            self.requests.labels(self.platform, status)
        for symbol in symbols:
            self.pnl.labels(symbol)
            for direction in Direction:
                self.trades.labels(self.strategy, symbol, direction.value)
            for side in Side:
                self.confidence.labels(symbol, side.value)

    def _provider(self, r: CollectorRegistry) -> None:
        self.decision = Histogram(
            "decision_latency_seconds",
            "Wall time from a market event to the decision that it led to.",
            ["provider", "asset_pair"],
            # A quantile never comes out above the last bound: HighDecisionLatency asks for more than 10.
            buckets=(0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.005, 0.01, 0.1, 1, 10, 60),
            registry=r,
        )
        text = "What strategies said of their signals, 0 to 1."
        self.confidence = Summary("decision_confidence", text, ["asset_pair", "action"], registry=r)
        text = "Orders and cancels sent, by the exchange's answer (accepted, refused, unknown)."
        self.requests = Counter("provider_requests", text, ["provider", "status"], registry=r)
        text = "Profit or loss that executions realized, before fees, quote currency."
        self.pnl = Summary("trade_pnl", text, ["asset_pair"], registry=r)
        text = "1 (open) while a service is not used because it does not answer well, else 0 (closed)."
        self.breaker = Gauge("circuit_breaker_state", text, ["service"], registry=r)
        for service in BREAKERS:
            self.breaker.labels(service)

    def _told(self, r: CollectorRegistry) -> None:
        text = "Attempts to tell people, by channel and outcome (ok, failed)."
        self.deliveries = Counter("notification_deliveries", text, ["channel", "outcome"], registry=r)
        text = "Notes that are done, by outcome (sent, expired, not_wanted)."
        self.notes = Counter("notifications", text, ["outcome"], registry=r)
        self.notes_waiting = Gauge("notifications_waiting", "Notes in the outbox that are not done.", registry=r)
        self.notes_age = Gauge("notifications_oldest_seconds", "Age of the oldest of them.", registry=r)

    def _machine(self, r: CollectorRegistry) -> None:
        self.cpu = Gauge("system_cpu_percent", "CPU of the host.", registry=r)
        self.memory = Gauge("system_memory_percent", "Memory of the host.", registry=r)
        self.disk = Gauge("system_disk_percent", "Disk that holds the temporary files.", registry=r)
        self.sent = Gauge("system_network_sent_bytes", "Bytes sent.", registry=r)
        self.received = Gauge("system_network_received_bytes", "Bytes received.", registry=r)
        self.load = Gauge("system_load_average", "Load of the host, mean of a minute.", registry=r)
        self.processes = Gauge("system_processes", "Number of processes.", registry=r)

    def count(self, effect: Effect) -> None:
        """Count what was committed."""
        match effect:
            case Traded(trade=trade):
                self.trades.labels(trade.strategy, trade.symbol, trade.direction.value).inc()
                if trade.realized:
                    self.pnl.labels(trade.symbol).observe(_float(trade.realized))
            case Submit(approved=approved):
                self.orders.labels(approved.item.strategy, self.market_type).inc()
            case Decide(decision=decision):
                if not decision.approved:
                    self.denied.labels(decision.code).inc()
                self._confident(decision)
            case Alarm(code=code):
                self.alarms.labels(code).inc()
            case _:
                pass

    def _confident(self, decision: Decision) -> None:
        """Note what a strategy said of its signal, where it said something."""
        for name, value in decision.facts:
            if name == "confidence" and value != "none":
                self.confidence.labels(decision.symbol, decision.side.value).observe(float(value))

    def decided(self, effects: Sequence[Effect], seconds: float) -> None:
        """Note how long a market event took that led to decisions."""
        for effect in effects:
            if isinstance(effect, Decide):
                self.decision.labels(self.strategy, effect.decision.symbol).observe(seconds)

    def answered(self, outcome: object) -> None:
        """Count an answer of the exchange."""
        self.requests.labels(self.platform, type(outcome).__name__.lower()).inc()

    def restricted(self, restrictions: Iterable[Restriction], *, database: bool) -> None:
        """Show which services are not used now."""
        halted = {entry.source for entry in restrictions if entry.state >= State.HALTED}
        for service, sources in BREAKERS.items():
            away = service == "database" and not database
            self.breaker.labels(service).set(1 if away or sources & halted else 0)

    def show(self, picture: Picture) -> None:
        """Show the account as it was committed."""
        self.positions.labels(self.strategy).set(len(picture.positions))
        self.active_trades.labels(self.platform).set(len(picture.positions))
        self.unrealized.labels(self.strategy).set(_float(picture.unrealized))
        self.realized.labels(self.strategy).set(_float(picture.realized))
        self.daily.labels(self.strategy).set(_float(picture.day_change))
        self.value.labels(self.platform).set(_float(picture.equity))
        self.drawdown.set(_float(picture.drawdown))

    def expose(self) -> bytes:
        """Write everything in Prometheus' text format."""
        found = system.figures()
        self.cpu.set(found["cpu_percent"])
        self.memory.set(found["memory_percent"])
        self.disk.set(found["disk_percent"])
        self.sent.set(found.get("network_sent_bytes", 0.0))
        self.received.set(found.get("network_received_bytes", 0.0))
        self.processes.set(found["processes"])
        self.load.set(found["load_average"])
        return generate_latest(self.registry)


def _float(value: Decimal) -> float:
    return float(value)
