"""Alerts and dashboards: the names that were asked for, a runbook for each, and no series that nothing exports."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest
import yaml
from tests.support import monitoring
from tests.support.charts import CHARTS, ROOT, of_kind, render

from tradingbot_operator.desired.naming import BOT_COMPONENT, BOT_LABEL, labels
from tradingbot_operator.runtime.metrics import Metrics

# Names, severities and thresholds are those of the systems that people come from: routes and habits depend on them.
ASKED_FOR = {
    "TradingAgentDown": ("critical", "== 0"),
    "LargeDrawdown": ("critical", "> 0.05"),
    "DiskSpaceLow": ("critical", "> 90"),
    "HighDecisionLatency": ("warning", "> 10"),
    "HighProviderFailureRate": ("warning", "> 0.1"),
    "CircuitBreakerOpen": ("warning", "== 1"),
    "TooManyActiveTrades": ("warning", "> 5"),
    "HighMemoryUsage": ("warning", "> 90"),
    "HighCPUUsage": ("warning", "> 80"),
    "NoTradingActivity": ("info", "[4h]"),
    "LowConfidenceDecisions": ("info", "< 0.6"),
}
DASHBOARDS = {
    "Trading Performance Overview",
    "Agent State & Health",
    "Provider Performance",
    "System Resources",
    "Alert Overview",
}
MONITORED: dict[str, Any] = {
    "metrics": {
        "podMonitor": {"enabled": True},
        "serviceMonitor": {"enabled": True},
        "prometheusRule": {"enabled": True, "runbookURL": "https://wiki.example.org/runbooks"},
        "dashboards": {"enabled": True},
    }
}
ALERTS = {alert["alert"]: alert for alert in monitoring.alerts()}
EXPRESSIONS = [*((name, alert["expr"]) for name, alert in ALERTS.items()), *monitoring.panel_expressions()]
each_expression = pytest.mark.parametrize(
    "expression", [text for _, text in EXPRESSIONS], ids=[name for name, _ in EXPRESSIONS]
)


@pytest.mark.parametrize("name", ASKED_FOR)
def test_each_alert_that_was_asked_for_is_there_with_its_threshold(name: str) -> None:
    severity, threshold = ASKED_FOR[name]
    assert ALERTS[name]["labels"]["severity"] == severity
    assert threshold in ALERTS[name]["expr"]


def test_each_dashboard_that_was_asked_for_is_there() -> None:
    assert {board["title"] for board in monitoring.dashboards().values()} == DASHBOARDS


@each_expression
def test_an_expression_reads_only_what_a_process_exports_with_the_labels_it_has(expression: str) -> None:
    read = monitoring.selectors(expression)
    assert monitoring.bare_words(expression) == set(), "write every series with braces: that names its job"
    reachable = set[str]()
    for series in read:
        if series.name in monitoring.PROMETHEUS_OWN:
            known = monitoring.PROMETHEUS_OWN[series.name] | monitoring.BOT_TARGET_LABELS
        else:
            assert series.job in {"tradingbot", monitoring.OPERATOR_JOB}, series.name
            exported = monitoring.exported(series.job)
            assert series.name in exported
            known = exported[series.name]
        assert series.labels <= known, series.name
        reachable |= known
    assert monitoring.grouped_by(expression) <= reachable


def test_every_alert_says_what_it_means_and_has_a_runbook() -> None:
    text = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (\w+)$", text, re.MULTILINE)
    assert sorted(ALERTS) == sorted(headings)
    assert len(monitoring.alerts()) == len(ALERTS)
    for name, alert in ALERTS.items():
        assert alert["labels"]["severity"] in {"critical", "warning", "info"}
        assert alert["annotations"]["runbook_url"] == f"docs/runbooks.md#{name.lower()}"
        assert "{{" not in alert["annotations"]["summary"]
        assert alert["annotations"]["description"]
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        for part in ("**Symptom.**", "**What it means.**", "**Metric.**", "**What to do.**", "**It is over when**"):
            assert section.count(part) == 1, section.splitlines()[0]


def test_the_chart_installs_every_alert_for_its_own_release() -> None:
    manifests = render("tradingbot-operator", MONITORED, namespace="bots-system")
    (rule,) = of_kind(manifests, "PrometheusRule")
    installed = {alert["alert"]: alert for group in rule["spec"]["groups"] for alert in group["rules"]}
    assert installed.keys() == ALERTS.keys()
    for name, alert in installed.items():
        assert alert["annotations"]["runbook_url"] == f"https://wiki.example.org/runbooks#{name.lower()}"
        assert alert["annotations"]["description"] == ALERTS[name]["annotations"]["description"]
        for series in monitoring.selectors(alert["expr"]):
            if series.job != "tradingbot":
                assert f'{series.name}{{namespace="bots-system", job="{monitoring.OPERATOR_JOB}"' in alert["expr"]


def test_bots_are_collected_by_the_labels_that_the_operator_gives_them() -> None:
    (monitor,) = of_kind(render("tradingbot-operator", MONITORED), "PodMonitor")
    pod = labels("btc", BOT_COMPONENT)
    selector = monitor["spec"]["selector"]["matchLabels"]
    assert selector.items() <= pod.items()
    assert pod[monitor["spec"]["jobLabel"]] == "tradingbot"
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert (endpoint["port"], endpoint["path"]) == ("http", "/metrics")
    meta = "__meta_kubernetes_pod_label_" + re.sub(r"\W", "_", BOT_LABEL)
    written = {rule["targetLabel"]: rule["sourceLabels"] for rule in endpoint["relabelings"]}
    assert written == {
        "bot": ["__meta_kubernetes_namespace", meta],
        "node": ["__meta_kubernetes_pod_node_name"],
    }
    assert monitor["spec"]["namespaceSelector"] == {"any": True}
    (some,) = of_kind(render("tradingbot-operator", MONITORED | {"watchNamespaces": ["one"]}), "PodMonitor")
    assert some["spec"]["namespaceSelector"] == {"matchNames": ["one"]}


def test_grafana_gets_every_dashboard_as_it_is() -> None:
    maps = [found for found in of_kind(render("tradingbot-operator", MONITORED), "ConfigMap") if "data" in found]
    given = {name: text for found in maps for name, text in found["data"].items() if name.endswith(".json")}
    files = {path.name: path.read_text(encoding="utf-8") for path in (monitoring.FILES / "dashboards").glob("*.json")}
    assert given == files
    assert all(found["metadata"]["labels"]["grafana_dashboard"] == "1" for found in maps)


def test_the_dashboards_are_those_that_their_script_writes() -> None:
    script = [sys.executable, str(CHARTS / "dashboards.py"), "--check"]
    done = subprocess.run(script, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_operators_metrics_are_documented() -> None:
    collected = Metrics().registry.collect()
    names = {f"{metric.name}_total" if metric.type == "counter" else metric.name for metric in collected}
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    own = {name for name in names if not name.startswith(("process_", "python_"))}
    assert own <= set(re.findall(r"^\| `(\w+)`", text, re.MULTILINE))


def test_the_example_sends_live_trading_to_slack_and_everything_to_mail() -> None:
    spec = yaml.safe_load((ROOT / "examples" / "monitoring" / "alertmanager.yaml").read_text(encoding="utf-8"))["spec"]
    receivers = {receiver["name"]: set(receiver) - {"name"} for receiver in spec["receivers"]}
    routes = {route["matchers"][0]["value"]: route["receiver"] for route in spec["route"]["routes"]}
    assert {spec["route"]["receiver"], *routes.values()} == set(receivers)
    assert all("emailConfigs" in configs for configs in receivers.values())
    assert "slackConfigs" in receivers[routes["critical"]]
    assert "slackConfigs" not in receivers[routes["simulation"]]
