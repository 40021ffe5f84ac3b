"""Whatever bots, pods and schedules say: it never raises, and nothing but the right answers opens a gate."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.operator.helpers import bot
from tests.unit.operator.test_approval import limits

from tradingbot_operator.api.v1alpha1 import TradingBotStatus
from tradingbot_operator.api.v1alpha1.live import GateState, LiveState, LiveStatus, PreflightStatus, PreflightVerdict
from tradingbot_operator.api.v1alpha1.safety import Mode
from tradingbot_operator.policy.approval import ApprovalState, ApprovalVerdict, Change, compare_limits, tightest
from tradingbot_operator.policy.gates import Situation, look_at
from tradingbot_operator.policy.judging import Facts
from tradingbot_operator.policy.live import decide
from tradingbot_operator.policy.preflight import JobLook, inputs_of, taken_in

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
IMAGE = "bot:1"
LIVE: dict[str, Any] = {
    "mode": "live",
    "requestedBy": "alice",
    "exchange": {"credentialsSecretRef": {"name": "keys"}},
    "promotion": {},
}
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
KEYS = (
    "mode",
    "state",
    "ready",
    "reasons",
    "promotion",
    "account",
    "stop",
    "last_stop",
    "entry_orders",
    "entries_gone",
)
values = anything | st.sampled_from([True, "live", "simulation", "REDUCING", {"outcome": "x"}, {"id": ["x"]}, 0])
reports = st.none() | st.dictionaries(st.sampled_from(KEYS), values)
GOOD: dict[str, Any] = {
    "mode": "simulation",
    "state": "ACTIVE",
    "ready": True,
    "promotion": {"days": "20", "trades": 200, "max_drawdown": "0.01", "profit_factor": "2"},
}
OK = PreflightStatus(
    inputs=inputs_of(bot(**LIVE).spec, IMAGE),
    verdict=PreflightVerdict.OK,
    account="k1",
    image_digest="sha256:aa",
    checked_at=NOW,
)
VALID = ApprovalVerdict(ApprovalState.VALID, "yes")


def situation(**changes: Any) -> Situation:
    values: dict[str, Any] = {
        "bot": bot(**LIVE), "now": NOW, "approval": VALID, "preflight": OK, "report": GOOD, "schedules": ()
    }  # fmt: skip
    return Situation(**values | changes)


def closed(**changes: Any) -> set[str]:
    return {gate.name for gate in look_at(situation(**changes)) if gate.state is not GateState.OPEN}


def test_everything_right_opens_every_gate() -> None:
    assert closed() == set()


@patient
@given(report=reports)
def test_no_report_but_a_good_one_opens_the_gates_that_read_it(report: dict[str, Any] | None) -> None:
    found = closed(report=report)
    said = report or {}
    assert ("Reconciled" in found) or (
        said.get("ready") is True and said.get("state") in ("ACTIVE", "PAUSED", "REDUCING")
    )
    assert "Promotion" in found, "no random value is a result with every figure"


@patient
@given(schedule=anything)
def test_no_schedule_that_cannot_be_read_opens_the_gate_of_the_backup(schedule: Any) -> None:
    reference = {"spec": {"database": {"secretRef": {"name": "db"}}}, "metadata": {"name": "nightly"}}
    assert "Backup" in closed(schedules=[reference | {"status": schedule if isinstance(schedule, dict) else {}}])
    assert "Backup" in closed(schedules=None)


@patient
@given(message=st.text() | anything.map(json.dumps), image=st.none() | st.text(max_size=5))
def test_last_words_that_make_no_sense_are_a_failed_preflight(message: str, image: str | None) -> None:
    found = taken_in(OK, JobLook(ended=True, message=message, image_digest=image), NOW)
    assert found.verdict is PreflightVerdict.FAILED
    assert found.attempts == 1
    assert {"Preflight", "Withdrawal"} <= closed(preflight=found)


@patient
@given(age=st.timedeltas(timedelta(hours=-1), timedelta(days=30)))
def test_an_old_look_opens_nothing_and_none_comes_from_the_future(age: timedelta) -> None:
    checked = (NOW - age).isoformat()
    said = json.dumps({"kind": "preflight", "verdict": "OK", "account": "k1", "checked_at": checked})
    found = taken_in(
        PreflightStatus(inputs=OK.inputs), JobLook(ended=True, message=said, image_digest="sha256:aa"), NOW
    )
    assert found.checked_at is not None
    assert found.checked_at <= NOW
    assert ("Preflight" in closed(preflight=found)) is (age > timedelta(hours=25))


@patient
@given(report=reports, stop=st.none() | st.just("stop-1"), running=st.booleans(), minutes=st.integers(0, 10**6))
def test_nothing_that_is_said_makes_a_bot_live_without_an_approval(
    report: dict[str, Any] | None, stop: str | None, running: bool, minutes: int
) -> None:
    recorded = TradingBotStatus(preflight=OK)
    now = NOW + timedelta(minutes=minutes)
    facts = Facts(now=now, image=IMAGE, running=running, report=report, stop=stop, schedules=())
    for mode in ("live", "simulation"):
        plan = decide(bot(**LIVE | {"mode": mode}), recorded, facts)
        assert plan.mode is Mode.SIMULATION
        assert plan.live is None


@patient
@given(report=reports)
def test_a_live_bot_that_leaves_is_judged_whatever_it_says(report: dict[str, Any] | None) -> None:
    """Never an error, and never gone before it says that no entry order is left."""
    live = LiveStatus(
        state=LiveState.TRADING, since=NOW, digest="sha256:d", approved_by="bob", expires_at=NOW, approved={}
    )
    live = live.model_copy(update={"approved": {"strategy": bot().spec.strategy.to_manifest(), "image": IMAGE}})
    facts = Facts(now=NOW, image=IMAGE, running=True, report=report)
    plan = decide(bot(), TradingBotStatus(live=live), facts)
    said = report or {}
    if plan.mode is Mode.SIMULATION:
        assert said.get("mode") == "live"
        assert said.get("entry_orders") == 0
        assert said.get("entries_gone") is True


@patient
@given(first=limits, second=limits)
def test_the_tightest_of_two_allows_no_more_than_either(first: Any, second: Any) -> None:
    found = tightest(first, second)
    assert compare_limits(first, found) in {Change.SAME, Change.TIGHTENED}
    neither = {"on_breach": first.on_breach, "max_price_jump": first.max_price_jump}
    assert compare_limits(second.model_copy(update=neither), found) in {Change.SAME, Change.TIGHTENED}
    type(found).model_validate(found.to_manifest())
