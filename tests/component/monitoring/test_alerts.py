"""Each alert fires on what it is for and on nothing else: constructed series, evaluated by Prometheus' own promtool.

`values` are promtool's: `0+1x9` is a series that rises by one a minute, `_` a minute without a sample.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.support import monitoring

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.component

OPERATOR = f'job="{monitoring.OPERATOR_JOB}", instance="o"'
CONTESTED = f'tradingbot_operator_contested_children{{{OPERATOR}, bot="a/b", kind="Service"}}'


def bot(name: str, pod: str = "a", more: str = "") -> str:
    """Return a series of a pod of the bot trading/btc."""
    return f'{name}{{job="tradingbot", bot="trading/btc", instance="{pod}", node="n1"{more}}}'


def pod(role: int, values: str, mode: str = "live", name: str = "a", series: str = "trading_state") -> dict[str, str]:
    """Return the series of a pod that holds the lease, or does not, for a long time."""
    more = ', platform="binance"' if series == "portfolio_value" else ""
    return {
        bot("trading_role", name): f"{role}x1000",
        bot("tradingbot_info", name, f', mode="{mode}", version="1", strategy="s", exchange="binance"'): "1x1000",
        bot(series, name, more): values,
    }


def signals(share: str) -> dict[str, str]:
    """One signal in two minutes, of this confidence."""
    more = ', asset_pair="BTC/USD", action="buy"'
    return {
        bot("decision_confidence_sum", more=more): f"0+{share}x100",
        bot("decision_confidence_count", more=more): "0+0.5x100",
    }


def idle(trades: str, state: int = 0) -> dict[str, str]:
    """A bot in a state, and what it trades."""
    more = ', strategy="s", symbol="BTC/USD", direction="long"'
    return {**pod(1, f"{state}x1000"), bot("trades_total", more=more): trades}


def latency(slow: int) -> dict[str, str]:
    """So many of a hundred decisions a minute take between 10 and 60 seconds."""
    more = ', provider="breakout", asset_pair="BTC/USD", le="{}"'
    counts = {"0.001": 100 - slow, "1": 100 - slow, "10": 100 - slow, "60": 100, "+Inf": 100}
    return {
        bot("decision_latency_seconds_bucket", more=more.format(le)): f"0+{count}x60" for le, count in counts.items()
    }


def answers(accepted: int, refused: int, unknown: int) -> dict[str, str]:
    """What an exchange says, per minute."""
    counts = {"accepted": accepted, "refused": refused, "unknown": unknown}
    return {
        bot("provider_requests_total", more=f', provider="binance", status="{status}"'): f"0+{count}x60"
        for status, count in counts.items()
    }


def requests(code: str, bad: int) -> dict[str, str]:
    """What the API server says to the operator: so many of a hundred with this code."""
    name = 'rest_client_requests_total{{{}, code="{}", method="PATCH", resource="pods"}}'
    return {name.format(OPERATOR, "200"): f"0+{100 - bad}x60", name.format(OPERATOR, code): f"0+{bad}x60"}


def passes(failed: int) -> dict[str, str]:
    """So many of a hundred passes fail."""
    return {
        f'controller_runtime_reconcile_total{{{OPERATOR}, controller="t", result="x"}}': "0+100x60",
        f'controller_runtime_reconcile_errors_total{{{OPERATOR}, controller="t"}}': f"0+{failed}x60",
    }


@dataclass(frozen=True)
class Case:
    """Series, and whether the alert fires at a minute."""

    alert: str
    what: str
    series: dict[str, str]
    minute: int
    fires: bool


def yes(alert: str, what: str, series: dict[str, str], minute: int = 20) -> Case:
    return Case(alert, what, series, minute, fires=True)


def no(alert: str, what: str, series: dict[str, str], minute: int = 20) -> Case:
    return Case(alert, what, series, minute, fires=False)


WORTH = "portfolio_value"
CASES = (
    yes("TradingAgentDown", "no pod answers", {bot("up"): "0x30"}),
    yes("TradingAgentDown", "all pods wait for the lease", {bot("up"): "1x30", bot("trading_role"): "0x30"}),
    no("TradingAgentDown", "one trades, one waits", {bot("trading_role"): "1x30", bot("trading_role", "b"): "0x30"}),
    no("TradingAgentDown", "a minute without an answer", {bot("up"): "1x18 0 0"}),
    yes("TradingBotHalted", "a limit holds it", pod(1, "3x30")),
    yes("TradingBotHalted", "it was stopped", pod(1, "4x30")),
    no("TradingBotHalted", "it only reduces", pod(1, "2x30")),
    no("TradingBotHalted", "a pod that waits is halted", pod(0, "3x30", name="b") | pod(1, "0x30")),
    yes("LargeDrawdown", "6 % in half an hour", pod(1, "1000x29 940x30", series=WORTH), 45),
    yes("LargeDrawdown", "6 %, and the pod was replaced meanwhile",
        {**pod(1, "1000x20 _x40", series=WORTH), **pod(1, "_x22 940x40", name="b", series=WORTH)}, 40),
    no("LargeDrawdown", "4 %", pod(1, "1000x29 960x30", series=WORTH), 45),
    no("LargeDrawdown", "6 % in three hours", pod(1, "1000-0.33x180", series=WORTH), 180),
    no("LargeDrawdown", "from a simulation to live, with less money",
       {**pod(1, "10000x20 _x40", "simulation", series=WORTH), **pod(1, "_x22 500x40", name="b", series=WORTH)}, 40),
    no("LargeDrawdown", "a pod that waits remembers more", {**pod(0, "1000x60", name="b", series=WORTH),
                                                            **pod(1, "900x60", series=WORTH)}, 45),
    yes("HighDecisionLatency", "one in ten is slow", latency(10)),
    no("HighDecisionLatency", "one in fifty is slow", latency(2)),
    yes("HighProviderFailureRate", "refused", answers(8, 2, 0), 30),
    yes("HighProviderFailureRate", "no answer", answers(8, 0, 2), 30),
    no("HighProviderFailureRate", "one in twenty", answers(19, 1, 0), 30),
    no("HighProviderFailureRate", "nothing is sent", answers(0, 0, 0), 30),
    yes("CircuitBreakerOpen", "no database", {bot("circuit_breaker_state", more=', service="database"'): "1x30"}),
    no("CircuitBreakerOpen", "closed", {bot("circuit_breaker_state", more=', service="database"'): "0x30"}),
    yes("TooManyActiveTrades", "six", {bot("active_trades", more=', platform="binance"'): "6x30"}),
    no("TooManyActiveTrades", "five", {bot("active_trades", more=', platform="binance"'): "5x30"}),
    yes("TradingBotNotesWait", "for twenty minutes", {bot("notifications_oldest_seconds"): "0+60x30"}, 25),
    no("TradingBotNotesWait", "for ten", {bot("notifications_oldest_seconds"): "600x30"}),
    yes("NoTradingActivity", "nothing in four hours", idle("7x400"), 300),
    yes("NoTradingActivity", "never", idle("0x400"), 300),
    no("NoTradingActivity", "its first trade ever", idle("0x200 1x200"), 300),
    no("NoTradingActivity", "it is here for an hour", idle("0x400"), 60),
    no("NoTradingActivity", "it is stopped", idle("7x400", state=4), 300),
    yes("LowConfidenceDecisions", "half sure", signals("0.25"), 40),
    no("LowConfidenceDecisions", "rather sure", signals("0.35"), 40),
    no("LowConfidenceDecisions", "no signal", dict.fromkeys(signals("0"), "0x100"), 40),
    yes("DiskSpaceLow", "91 %", {bot("system_disk_percent"): "91x30"}),
    no("DiskSpaceLow", "89 %", {bot("system_disk_percent"): "89x30"}),
    yes("HighMemoryUsage", "91 %", {bot("system_memory_percent"): "91x30"}),
    no("HighMemoryUsage", "89 %", {bot("system_memory_percent"): "89x30"}),
    yes("HighCPUUsage", "81 %", {bot("system_cpu_percent"): "81x30"}),
    no("HighCPUUsage", "five minutes of it", {bot("system_cpu_percent"): "10x14 95x5 10x9"}),
    yes("TradingBotOperatorDown", "it does not answer", {f"up{{{OPERATOR}}}": "0x30"}),
    yes("TradingBotOperatorDown", "it is gone", {}),
    no("TradingBotOperatorDown", "it answers", {f"up{{{OPERATOR}}}": "1x30"}),
    yes("TradingBotOperatorReconcileErrors", "one in five", passes(20), 40),
    no("TradingBotOperatorReconcileErrors", "one in twenty", passes(5), 40),
    yes("TradingBotOperatorQueueBacklog", "never empty", {f'workqueue_depth{{{OPERATOR}, name="q"}}': "3x60"}, 40),
    no("TradingBotOperatorQueueBacklog", "empty at times", {f'workqueue_depth{{{OPERATOR}, name="q"}}': "3x7 0 3x7 0 "
                                                            "3x7 0 3x7 0 3x7 0"}, 40),
    yes("TradingBotOperatorAPIErrors", "429", requests("429", 20), 40),
    yes("TradingBotOperatorAPIErrors", "503", requests("503", 20), 40),
    yes("TradingBotOperatorAPIErrors", "no answer", requests("error", 20), 40),
    no("TradingBotOperatorAPIErrors", "409 is no failure", requests("409", 20), 40),
    yes("TradingBotOperatorForbidden", "403", requests("403", 1)),
    no("TradingBotOperatorForbidden", "none", requests("404", 1)),
    yes("TradingBotNotReady", "one", {f'tradingbot_operator_bots{{{OPERATOR}, ready="False"}}': "1x30"}),
    no("TradingBotNotReady", "all are", {f'tradingbot_operator_bots{{{OPERATOR}, ready="False"}}': "0x30"}),
    yes("TradingBotCRDsOutdated", "two", {f"tradingbot_operator_undeclared_fields{{{OPERATOR}}}": "2x30"}),
    no("TradingBotCRDsOutdated", "none", {f"tradingbot_operator_undeclared_fields{{{OPERATOR}}}": "0x30"}),
    yes("TradingBotChildContested", "one", {CONTESTED: "1x30"}),
    no("TradingBotChildContested", "over", {CONTESTED: "1x3 _x30"}),
    yes("TradingBotLiveReducing", "one", {f'tradingbot_operator_live_bots{{{OPERATOR}, state="Reducing"}}': "1x30"}),
    no("TradingBotLiveReducing", "none", {f'tradingbot_operator_live_bots{{{OPERATOR}, state="Reducing"}}': "0x30",
                                          f'tradingbot_operator_live_bots{{{OPERATOR}, state="Trading"}}': "3x30"}),
    yes("TradingBotApprovalEndsSoon", "in three hours",
        {f'tradingbot_operator_approval_end_timestamp_seconds{{{OPERATOR}, bot="a/b"}}': f"{20 * 60 + 3 * 3600}x30"}),
    no("TradingBotApprovalEndsSoon", "in five hours",
       {f'tradingbot_operator_approval_end_timestamp_seconds{{{OPERATOR}, bot="a/b"}}': f"{20 * 60 + 5 * 3600}x30"}),
)  # fmt: skip


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("promtool")
    if program is None:
        pytest.fail("promtool is not there: apt-get install -y --no-install-recommends prometheus")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=120)


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    names = {alert["alert"] for alert in monitoring.alerts()}
    assert {case.alert for case in CASES if case.fires} == names
    assert {case.alert for case in CASES if not case.fires} == names


@pytest.mark.parametrize("case", CASES, ids=[f"{case.alert}: {case.what}" for case in CASES])
def test_it_fires_exactly_then(case: Case, tmp_path: Path) -> None:
    query = f'count(ALERTS{{alertname="{case.alert}", alertstate="firing"}}) or vector(0)'
    test: dict[str, Any] = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
        "promql_expr_test": [
            {"expr": query, "eval_time": f"{case.minute}m", "exp_samples": [{"labels": "{}", "value": int(case.fires)}]}
        ],
    }
    rules = [str(path) for path in sorted((monitoring.FILES / "alerts").glob("*.yaml"))]
    file = tmp_path / "test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": rules, "evaluation_interval": "1m", "tests": [test]}))
    done = promtool("test", "rules", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_expression_of_a_dashboard_is_understood_by_prometheus(tmp_path: Path) -> None:
    """Grafana puts a regular expression where `$` stands."""
    rules = [
        {"record": f"panel:{at}", "expr": text.replace("$bot", ".*").replace("$alert", ".*")}
        for at, (_, text) in enumerate(monitoring.panel_expressions())
    ]
    file = tmp_path / "panels.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = promtool("check", "rules", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
