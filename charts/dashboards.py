"""Write the chart's Grafana dashboards: `python charts/dashboards.py [--check]`.

A panel is a line here and forty in Grafana's JSON. The files are checked in, and a unit test compares them. Every
expression reads what the chart's PodMonitor collects (job="tradingbot", bot="NAMESPACE/NAME"), narrowed by `$bot`.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TARGET = Path(__file__).resolve().parent / "tradingbot-operator" / "files" / "dashboards"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
BOTS = '{job="tradingbot", bot=~"$bot"}'
STATES = ("ACTIVE", "PAUSED", "REDUCING", "HALTED", "KILLED")
COLORS = ("green", "yellow", "orange", "red", "dark-red")
WIDTH, HEIGHT, ROW = 24, 8, 12


@dataclass(frozen=True)
class Panel:
    """One panel. `SELECT` in an expression is the selector of the bots that were chosen."""

    title: str
    expressions: dict[str, str]
    """By legend."""
    unit: str = "short"
    kind: str = "timeseries"
    about: str = ""
    width: int = ROW
    states: bool = False
    limits: tuple[tuple[float, str], ...] = field(default=())
    """From which value on which color."""


@dataclass(frozen=True)
class Dashboard:
    """One dashboard."""

    name: str
    title: str
    panels: tuple[Panel, ...]


TRADING = Dashboard(
    "trading",
    "Trading Performance Overview",
    (
        Panel("Equity", {"{{bot}}": "max by (bot) (portfolio_valueSELECT)"}, "none", about="Quote currency."),
        Panel("Drawdown", {"{{bot}}": "max by (bot) (drawdown_ratioSELECT)"}, "percentunit", about="From the peak."),
        Panel("Profit and loss of the day", {"{{bot}}": "sum by (bot) (daily_pnlSELECT)"}, "none", about="UTC day."),
        Panel(
            "Open and realized",
            {
                "{{bot}} open": "sum by (bot) (unrealized_pnlSELECT)",
                "{{bot}} realized": "sum by (bot) (realized_pnlSELECT)",
            },
            "none",
        ),
        Panel("Executions per hour", {"{{bot}} {{symbol}}": "sum by (bot, symbol) (increase(trades_totalSELECT[1h]))"}),
        Panel("Mean result of an execution", {"{{bot}} {{asset_pair}}": "sum by (bot, asset_pair) (increase("
              "trade_pnl_sumSELECT[1h])) / sum by (bot, asset_pair) (increase(trade_pnl_countSELECT[1h]))"}, "none"),
        Panel("Open positions", {"{{bot}}": "max by (bot) (active_tradesSELECT)"}, limits=((6, "orange"),)),
        Panel("Orders per hour", {"{{bot}}": "sum by (bot) (increase(orders_placed_totalSELECT[1h]))"}),
    ),
)  # fmt: skip
AGENT = Dashboard(
    "agent",
    "Agent State & Health",
    (
        Panel("State", {"{{bot}}": "max by (bot) (trading_stateSELECT and on (instance) trading_roleSELECT == 1)"},
              kind="stat", states=True, width=WIDTH),
        Panel("Pods that may trade", {"{{bot}}": "sum by (bot) (trading_roleSELECT)"}, kind="stat",
              about="1: the lease is held. 0: nobody trades.", limits=((1, "green"), (2, "red"))),
        Panel("Pods that answer", {"{{bot}}": "sum by (bot) (upSELECT)"}, kind="stat", limits=((1, "green"),)),
        Panel("Database and watch", {"{{bot}} database": "max by (bot) (database_connectedSELECT)",
                                     "{{bot}} watch": "max by (bot) (watch_connectedSELECT)"}),
        Panel("Since the trading loop ran", {"{{bot}}": "min by (bot) (step_age_secondsSELECT)"}, "s"),
        Panel("Denied proposals per hour", {"{{bot}} {{code}}": "sum by (bot, code) (increase("
              "orders_denied_totalSELECT[1h])) > 0"}),
        Panel("Confidence of signals", {"{{bot}} {{asset_pair}}": "sum by (bot, asset_pair) (increase("
              "decision_confidence_sumSELECT[30m])) / sum by (bot, asset_pair) (increase("
              "decision_confidence_countSELECT[30m]))"}, "percentunit"),
        Panel("Alarms per hour", {"{{bot}} {{code}}": "sum by (bot, code) (increase(alarms_totalSELECT[1h]))"}),
        Panel("Notes that wait", {"{{bot}}": "max by (bot) (notifications_waitingSELECT)"}),
    ),
)  # fmt: skip
PROVIDER = Dashboard(
    "provider",
    "Provider Performance",
    (
        Panel("Answers per minute", {"{{bot}} {{provider}} {{status}}": "sum by (bot, provider, status) (rate("
              "provider_requests_totalSELECT[5m])) * 60"}),
        Panel("Not accepted", {"{{bot}} {{provider}}": 'sum by (bot, provider) (rate(provider_requests_total{'
              'job="tradingbot", bot=~"$bot", status!="accepted"}[15m])) / sum by (bot, provider) (rate('
              "provider_requests_totalSELECT[15m]))"}, "percentunit", limits=((0.1, "red"),)),
        Panel("Not used because it does not answer well", {"{{bot}} {{service}}": "max by (bot, service) ("
              "circuit_breaker_stateSELECT)"}, kind="stat", limits=((1, "red"),), width=WIDTH),
        Panel("Decision, 95 %", {"{{bot}} {{provider}}": "histogram_quantile(0.95, sum by (bot, provider, le) (rate("
              "decision_latency_seconds_bucketSELECT[5m])))"}, "s"),
        Panel("Sending an order, 95 %", {"{{bot}}": "histogram_quantile(0.95, sum by (bot, le) (rate("
              "order_placement_duration_seconds_bucketSELECT[5m])))"}, "s"),
        Panel("Decision to the exchange's answer, 95 %", {"{{bot}}": "histogram_quantile(0.95, sum by (bot, le) (rate("
              "trade_execution_latency_seconds_bucketSELECT[5m])))"}, "s"),
        Panel("Commit to the database, 95 %", {"{{bot}}": "histogram_quantile(0.95, sum by (bot, le) (rate("
              "commit_duration_seconds_bucketSELECT[5m])))"}, "s"),
    ),
)  # fmt: skip
SYSTEM = Dashboard(
    "system",
    "System Resources",
    (
        Panel("CPU", {"{{node}}": "avg by (node) (system_cpu_percentSELECT)"}, "percent", limits=((80, "red"),)),
        Panel("Memory", {"{{node}}": "max by (node) (system_memory_percentSELECT)"}, "percent", limits=((90, "red"),)),
        Panel("Disk", {"{{node}}": "max by (node) (system_disk_percentSELECT)"}, "percent", limits=((90, "red"),)),
        Panel("Load", {"{{node}}": "max by (node) (system_load_averageSELECT)"}),
        Panel("Network of each bot", {
            "{{bot}} sent": "sum by (bot) (deriv(system_network_sent_bytesSELECT[5m]))",
            "{{bot}} received": "sum by (bot) (deriv(system_network_received_bytesSELECT[5m]))"}, "Bps"),
        Panel("Processes of each bot", {"{{bot}}": "max by (bot) (system_processesSELECT)"}),
        Panel("Memory of each bot", {"{{bot}}": "max by (bot) (process_resident_memory_bytesSELECT)"}, "bytes"),
        Panel("CPU of each bot", {"{{bot}}": "sum by (bot) (rate(process_cpu_seconds_totalSELECT[5m]))"}, "none"),
    ),
)  # fmt: skip
ALERTS = Dashboard(
    "alerts",
    "Alert Overview",
    (
        Panel("Firing now", {"{{severity}}": 'count by (severity) (ALERTS{alertstate="firing", alertname=~"$alert"}) '
              "or vector(0)"}, kind="stat", width=WIDTH, limits=((1, "red"),)),
        Panel("Which", {"": 'ALERTS{alertname=~"$alert"}'}, kind="table", width=WIDTH),
        Panel("How many, over time", {"{{alertname}}": 'count by (alertname) (ALERTS{alertstate="firing", '
              'alertname=~"$alert"})'}, width=WIDTH),
    ),
)  # fmt: skip
DASHBOARDS = (TRADING, AGENT, PROVIDER, SYSTEM, ALERTS)


def query(name: str, text: str) -> dict[str, Any]:
    """Return a variable that Prometheus fills."""
    return {
        "name": name, "type": "query", "datasource": SOURCE, "query": {"query": text, "refId": name}, "refresh": 2,
        "includeAll": True, "multi": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"}, "sort": 1,
    }  # fmt: skip


def field_config(panel: Panel) -> dict[str, Any]:
    """Return unit, colors and words of a panel's values."""
    steps: list[dict[str, Any]] = [{"color": "blue" if not panel.limits else "text", "value": None}]
    if panel.limits:
        steps[0]["color"] = "red" if panel.limits[0] == (1, "green") else "green"
        steps += [{"color": color, "value": value} for value, color in panel.limits]
    found: dict[str, Any] = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.states:
        words = {str(at): {"text": STATES[at], "color": COLORS[at], "index": at} for at in range(len(STATES))}
        found["mappings"] = [{"type": "value", "options": words}]
    if panel.kind == "timeseries":
        style = "dashed" if panel.limits else "off"
        found["custom"] = {"fillOpacity": 8, "showPoints": "never", "thresholdsStyle": {"mode": style}}
    return {"defaults": found, "overrides": []}


def draw(panel: Panel, number: int, x: int, y: int) -> dict[str, Any]:
    """Return Grafana's form of a panel."""
    targets = [
        {
            "refId": chr(ord("A") + at), "datasource": SOURCE, "expr": text.replace("SELECT", BOTS),
            "legendFormat": legend, "instant": panel.kind != "timeseries", "range": panel.kind == "timeseries",
            **({"format": "table"} if panel.kind == "table" else {}),
        }
        for at, (legend, text) in enumerate(panel.expressions.items())
    ]  # fmt: skip
    options: dict[str, Any] = {}
    if panel.kind == "timeseries":
        options = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}
    elif panel.kind == "stat":
        options = {"colorMode": "background", "graphMode": "none", "textMode": "value_and_name"}
        options["reduceOptions"] = {"calcs": ["lastNotNull"], "values": False}
    return {
        "id": number, "type": panel.kind, "title": panel.title, "description": panel.about, "datasource": SOURCE,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": HEIGHT}, "targets": targets, "options": options,
        "fieldConfig": field_config(panel),
    }  # fmt: skip


def dashboard(one: Dashboard) -> dict[str, Any]:
    """Return Grafana's form of a dashboard."""
    panels, x, y = [], 0, 0
    for number, panel in enumerate(one.panels, 1):
        if x + panel.width > WIDTH:
            x, y = 0, y + HEIGHT
        panels.append(draw(panel, number, x, y))
        x += panel.width
    variables: list[dict[str, Any]] = [
        {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}
    ]
    if one is ALERTS:
        variables.append(query("alert", "label_values(ALERTS, alertname)"))
    else:
        variables.append(query("bot", 'label_values(trading_state{job="tradingbot"}, bot)'))
    return {
        "uid": f"tradingbot-{one.name}", "title": one.title, "tags": ["tradingbot"], "schemaVersion": 39, "version": 1,
        "timezone": "utc", "refresh": "30s", "time": {"from": "now-6h", "to": "now"}, "editable": True,
        "templating": {"list": variables}, "panels": panels, "links": [{
            "type": "dashboards", "title": "Trading bots", "tags": ["tradingbot"], "asDropdown": True,
            "includeVars": True, "keepTime": True,
        }],
    }  # fmt: skip


def expected() -> dict[str, str]:
    """Return the content of every file by its name."""
    return {f"{one.name}.json": json.dumps(dashboard(one), indent=1, ensure_ascii=False) + "\n" for one in DASHBOARDS}


def differences() -> list[str]:
    """Name the files that are not as they should be."""
    present = {path.name: path.read_text(encoding="utf-8") for path in TARGET.glob("*.json")}
    wanted = expected()
    return sorted(name for name in {*wanted, *present} if wanted.get(name) != present.get(name))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="write the chart's Grafana dashboards")
    parser.add_argument("--check", action="store_true", help="change nothing; fail where something differs")
    if parser.parse_args(arguments).check:
        found = differences()
        for name in found:
            sys.stderr.write(f"{name} is not what charts/dashboards.py writes; run: make crds\n")
        return 1 if found else 0
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, text in expected().items():
        (TARGET / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
