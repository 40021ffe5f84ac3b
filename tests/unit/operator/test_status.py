"""The status: what is said, when it moves, and what it never contains."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingbot_operator.api.conditions import Reason
from tradingbot_operator.api.model import parse
from tradingbot_operator.api.v1alpha1 import TradingBotStatus
from tradingbot_operator.api.v1alpha1.safety import EmergencyStopOutcome, EmergencyStopStatus, LastStop
from tradingbot_operator.policy.stop import read_outcome
from tradingbot_operator.status.observation import BotReport, Observed, Obstacle
from tradingbot_operator.status.pods import problem_of, project_pod
from tradingbot_operator.status.tradingbot import Subject, derive
from tradingbot_operator.status.transitions import Transition, event, transitions

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
DONE = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}


def pod(*, ready: bool = False, config_map: str = "new", conditions: Any = (), **container: Any) -> dict[str, Any]:
    return project_pod(
        {
            "metadata": {"name": "tradingbot-a-x7f2k", "namespace": "ns", "uid": "p"},
            "spec": {
                "containers": [{"name": "bot", "image": "bot:1"}],
                "volumes": [{"name": "config", "configMap": {"name": config_map}}],
            },
            "status": {
                "podIP": "10.0.0.1",
                "conditions": [{"type": "Ready", "status": str(ready)}, *conditions],
                "containerStatuses": [{"name": "bot", **container}],
            },
        }
    )


def deployment(**status: Any) -> dict[str, Any]:
    return {"metadata": {"generation": 1}, "spec": {"replicas": 1}, "status": status}


def subject(recorded: TradingBotStatus | None = None, **fields: Any) -> Subject:
    defaults = {"name": "a", "namespace": "ns", "generation": 3, "config_map": "new", "image": "bot:1"}
    return Subject(recorded=recorded or TradingBotStatus(), **(defaults | fields))  # type: ignore[arg-type]


def condition(status: TradingBotStatus, kind: str) -> tuple[str, str, str]:
    found = next(c for c in status.conditions if c.type == kind)
    return found.status.value, found.reason, found.message


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason, "message": message}}}


def ended(code: int, message: str = "", reason: str = "Error") -> dict[str, Any]:
    said = {"exitCode": code, "message": message, "reason": reason}
    return {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": said}}


@pytest.mark.parametrize(
    ("container", "reason", "hint"),
    [
        (waiting("ErrImagePull", "rpc error"), "ImagePullFailed", "bot:1"),
        (waiting("ImagePullBackOff", 'Back-off pulling image "bot:1"'), "ImagePullFailed", "spec.imagePullSecrets"),
        (waiting("CreateContainerConfigError", 'secret "db" not found'), "SecretNotFound", "create secret generic db"),
        (
            waiting("CreateContainerConfigError", "couldn't find key url in Secret ns/db"),
            "SecretNotFound",
            'has no key "url"',
        ),
        (ended(78, '{"reason":"UnknownStrategy","message":"it has: breakout"}'), "UnknownStrategy", "breakout"),
        (
            ended(78, '{"reason":"InvalidStrategyParameters","message":"lookback"}'),
            "InvalidStrategyParameters",
            "lookback.",
        ),
        (ended(78), "InvalidConfiguration", "kubectl logs"),
        (ended(1, "Traceback"), "CrashLooping", "exit code 1"),
        (ended(137, "", "OOMKilled"), "CrashLooping", "resources.limits.memory"),
        (ended(1, '{"reason":"Nonsense","message":"x"}'), "CrashLooping", "x"),
    ],
)
def test_a_pods_problem_has_a_reason_and_a_way_out(container: dict[str, Any], reason: str, hint: str) -> None:
    found = problem_of(pod(**container), "ns")
    assert found is not None
    assert found.reason == reason
    assert hint in found.message
    assert "x7f2k" not in found.message


def test_the_two_phrases_of_a_failed_pull_read_alike() -> None:
    first = problem_of(pod(**waiting("ErrImagePull", "a")), "ns")
    assert first == problem_of(pod(**waiting("ImagePullBackOff", "b")), "ns")


def test_a_crash_is_shown_also_while_the_next_try_runs() -> None:
    running = {"state": {"running": {}}, "lastState": ended(1)["lastState"]}
    assert problem_of(pod(**running), "ns") == problem_of(pod(**ended(1)), "ns")


def test_credentials_in_an_address_are_masked() -> None:
    said = json.dumps(
        {"reason": "DatabaseUnreachable", "message": "postgresql://bot:hunter2@db:5432/x does not answer"}
    )
    found = problem_of(pod(**ended(1, said)), "ns")
    assert found is not None
    assert "hunter2" not in found.message
    assert "db:5432" in found.message


def test_an_unschedulable_pod_has_the_schedulers_words() -> None:
    scheduled = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available: Insufficient cpu."}
    found = problem_of(pod(conditions=[scheduled]), "ns")
    assert found is not None
    assert found.reason is Reason.UNSCHEDULABLE
    assert "Insufficient cpu" in found.message


def test_a_failed_update_says_that_the_previous_version_trades() -> None:
    observed = Observed(
        deployment(observedGeneration=1, replicas=2, updatedReplicas=1, availableReplicas=1),
        (pod(**waiting("ErrImagePull")), pod(ready=True, config_map="old")),
        BotReport({"state": "ACTIVE", "role": "trading"}),
    )
    status = derive(subject(), observed, None, NOW)
    assert condition(status, "Ready")[:2] == ("True", "Trading")
    assert condition(status, "Progressing")[:2] == ("True", "RollingOut")
    assert condition(status, "Degraded")[0] == "True"
    assert "The previous version keeps trading." in condition(status, "Degraded")[2]


def test_a_rollout_that_takes_too_long_is_over() -> None:
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    observed = Observed(deployment(observedGeneration=1, replicas=1, conditions=[late]), (pod(),))
    status = derive(subject(), observed, None, NOW)
    assert condition(status, "Progressing")[:2] == ("False", "RolloutDeadlineExceeded")
    assert condition(status, "Degraded")[:2] == ("True", "RolloutDeadlineExceeded")


def test_a_pod_that_may_not_be_created_is_shown() -> None:
    failure = {
        "type": "ReplicaFailure",
        "status": "True",
        "message": 'pods "tradingbot-a-7d-x1" is forbidden: exceeded quota: small',
    }
    status = derive(subject(), Observed(deployment(observedGeneration=1, conditions=[failure])), None, NOW)
    state, reason, message = condition(status, "Degraded")
    assert (state, reason) == ("True", "PodRefused")
    assert "exceeded quota: small" in message
    assert "x1" not in message


@pytest.mark.parametrize(
    ("body", "ready", "suspended"),
    [
        ({"state": "ACTIVE", "role": "trading"}, ("True", "Trading"), ("False", "NotSuspended")),
        ({"state": "ACTIVE", "role": "standby"}, ("True", "Standby"), ("False", "NotSuspended")),
        ({"state": "PAUSED", "role": "trading"}, ("True", "Paused"), ("True", "Paused")),
        ({"state": "REDUCING", "role": "trading"}, ("True", "Reducing"), ("True", "Reducing")),
        ({"state": "HALTED", "role": "trading"}, ("False", "Halted"), ("True", "Halted")),
        (
            {"state": "HALTED", "reasons": [{"source": "database", "state": "HALTED", "reason": "x"}]},
            ("False", "DatabaseUnreachable"),
            ("True", "DatabaseUnreachable"),
        ),
        (None, ("False", "Starting"), ("False", "NotSuspended")),
    ],
)
def test_what_the_bot_says_is_shown(body: Any, ready: tuple[str, str], suspended: tuple[str, str]) -> None:
    status = derive(subject(), Observed(deployment(**DONE), (pod(ready=True),), BotReport(body)), None, NOW)
    assert condition(status, "Ready")[:2] == ready
    assert condition(status, "Suspended")[:2] == suspended


@pytest.mark.parametrize(("recorded", "shown"), [((None, None), (None, None)), ((1, 2), (1, 2))])
def test_what_a_bot_does_not_know_yet_is_not_zero(recorded: Any, shown: Any) -> None:
    before = TradingBotStatus(positions=recorded[0], open_orders=recorded[1])
    starting = {"state": "HALTED", "role": "standby", "positions": None, "open_orders": None}
    status = derive(subject(before), Observed(deployment(**DONE), (pod(),), BotReport(starting)), None, NOW)
    assert (status.positions, status.open_orders) == shown
    assert ("positions" in status.to_manifest()) is (shown[0] is not None)


@pytest.mark.parametrize("number", [2**70, 2**63, -1, 1.5, True, "3"])
def test_a_number_that_the_api_server_refuses_is_not_taken_over(number: Any) -> None:
    """It refuses the whole status, with the latch of a stop in it, for as long as the bot says so."""
    before = TradingBotStatus(positions=1, open_orders=2)
    said = {"state": "ACTIVE", "positions": number, "open_orders": number}
    status = derive(subject(before), Observed(deployment(**DONE), (pod(),), BotReport(said)), None, NOW)
    assert (status.positions, status.open_orders) == (1, 2)
    assert read_outcome({"state": "CANCELLED", "orders_cancelled": number}, source="bot").orders_cancelled is None


def test_a_bot_that_does_not_answer_keeps_its_state() -> None:
    recorded = TradingBotStatus.model_validate({"state": "REDUCING", "positions": 3})
    observed = Observed(deployment(**DONE), (pod(ready=True),), BotReport({"state": "ACTIVE"}, failures=4))
    status = derive(subject(recorded), observed, None, NOW)
    assert status.state == "REDUCING"
    assert condition(status, "Ready")[:2] == ("Unknown", "BotUnreachable")
    assert condition(status, "Degraded")[:2] == ("True", "BotUnreachable")


@pytest.mark.parametrize(
    ("source", "outcome", "left"),
    [
        ("kill", "FLAT", (0, 0)),
        ("kill", "FLAT_WITH_DUST", (0, 0)),
        ("kill", "RESIDUAL", (1, 2)),
        ("kill", "UNKNOWN", (1, 2)),
        ("kill", "CANCELLED", (1, 2)),
        ("bot", "FLAT", (1, 2)),
    ],
)
def test_what_the_kill_job_has_sold_is_held_no_more_whatever_the_bot_said_last(
    source: str, outcome: str, left: tuple[int, int]
) -> None:
    ended = EmergencyStopOutcome(state=outcome, source=source)
    stop = EmergencyStopStatus(id="u-1", since=NOW, source="spec", close_positions=True, outcome=ended)
    before = TradingBotStatus(positions=1, open_orders=2)
    last_words = BotReport({"state": "ACTIVE", "positions": 1, "open_orders": 2}, 3)
    status = derive(subject(before, stop=stop), Observed(deployment(), (), last_words, True), None, NOW)
    assert (status.positions, status.open_orders) == left


def test_an_obstacle_is_ready_false_and_degraded() -> None:
    obstacle = Obstacle(Reason.NAME_TAKEN, "Service x belongs to somebody else.")
    status = derive(subject(), Observed(), obstacle, NOW)
    assert condition(status, "Ready")[:2] == ("False", "NameTaken")
    assert condition(status, "Degraded")[:2] == ("True", "NameTaken")


_bodies = st.none() | st.fixed_dictionaries(
    {
        "state": st.sampled_from(["ACTIVE", "PAUSED", "HALTED", "KILLED", "nonsense", 7, None]),
        "role": st.sampled_from(["trading", "standby", "?", None]),
        "positions": st.integers(-1, 5) | st.text(),
        "version": st.text(max_size=300) | st.none(),
        "reasons": st.none() | st.lists(st.dictionaries(st.sampled_from(["source", "state", "reason"]), st.text())),
    }
)
_pods = st.lists(
    st.builds(
        lambda ready, config_map, container: pod(ready=ready, config_map=config_map, **container),
        st.booleans(),
        st.sampled_from(["new", "old"]),
        st.sampled_from([{}, waiting("ErrImagePull"), ended(78), ended(1), waiting("ContainerCreating")]),
    ),
    max_size=3,
)


@given(_bodies, _pods, st.integers(0, 6), st.booleans())
def test_deriving_twice_changes_nothing(body: Any, pods: Any, failures: int, polled: bool) -> None:
    observed = Observed(deployment(**DONE), tuple(pods), BotReport(body, failures), polled)
    once = derive(subject(), observed, None, NOW)
    written = parse(TradingBotStatus, once.to_manifest())
    twice = derive(subject(written), observed, None, NOW + timedelta(hours=1))
    assert twice.to_manifest() == once.to_manifest()


def test_the_transition_time_moves_only_with_the_status() -> None:
    first = derive(subject(), Observed(deployment(), ()), None, NOW)
    observed = Observed(deployment(), (pod(**waiting("ErrImagePull")),))
    later = derive(subject(first), observed, None, NOW + timedelta(minutes=1))
    before, after = ({c.type: c for c in status.conditions} for status in (first, later))
    assert after["Ready"].reason == "ImagePullFailed"
    assert after["Ready"].last_transition_time == before["Ready"].last_transition_time
    assert after["Degraded"].last_transition_time == NOW + timedelta(minutes=1)


def test_creation_and_rollout_are_no_events() -> None:
    starting = derive(subject(), Observed(deployment(), ()), None, NOW)
    running = derive(subject(starting), Observed(deployment(**DONE), (pod(ready=True),)), None, NOW)
    assert transitions(TradingBotStatus(), starting) == []
    assert transitions(starting, running) == []


def test_degraded_and_recovered_are_events_once() -> None:
    fine = derive(subject(), Observed(deployment(), ()), None, NOW)
    bad = derive(subject(fine), Observed(deployment(), (pod(**waiting("ErrImagePull")),)), None, NOW)
    (warning,) = transitions(fine, bad)
    assert (warning.warning, warning.reason) == (True, "ImagePullFailed")
    assert transitions(bad, bad) == []
    (good,) = transitions(bad, fine)
    assert not good.warning


def test_a_stop_its_end_and_the_stop_that_follows_at_once_are_told_each_once() -> None:
    def status(stop: str | None, resumed: str | None = None) -> TradingBotStatus:
        last = None if resumed is None else LastStop(id=resumed, resumed_at=NOW, reason="it was nothing")
        held = None if stop is None else EmergencyStopStatus(id=stop, since=NOW, source="spec", reason="the news")
        return TradingBotStatus(emergency_stop=held, last_stop=last)

    def told(before: TradingBotStatus, after: TradingBotStatus) -> list[tuple[str, str]]:
        return [(step.reason, step.note) for step in transitions(before, after)]

    ended = ("Resumed", "Emergency stop u-2 was ended by spec.resume: it was nothing")
    assert told(status(None), status("u-2")) == [("EmergencyStopped", "Emergency stop u-2: the news")]
    assert told(status("u-2"), status("u-2")) == []
    assert told(status("u-2"), status(None, "u-2")) == [ended]
    assert told(status("u-2"), status("u-5", "u-2")) == [ended, ("EmergencyStopped", "Emergency stop u-5: the news")]
    # An object that was made again learns from its bot of a stop that ended long ago.
    assert told(status(None), status(None, "u-2")) == []


def test_an_event_is_short_enough_for_the_server_in_whatever_letters_it_is_written() -> None:
    """It counts bytes, and refuses the whole event: nobody would be told of a stop with such a reason."""
    for letter in "aä€🚨":
        found = event(Transition(True, "EmergencyStopped", letter * 1024), name="a", namespace="n", uid="u", now=NOW)
        assert 900 < len(found["note"].encode()) <= 1024
        assert set(found["note"]) == {letter}


def test_an_event_has_a_name_of_its_own() -> None:
    fine = derive(subject(), Observed(deployment(), ()), None, NOW)
    bad = derive(subject(fine), Observed(deployment(), (pod(**waiting("ErrImagePull")),)), None, NOW)
    (warning,) = transitions(fine, bad)
    first, again = (event(warning, name="a", namespace="ns", uid="u", now=NOW) for _ in range(2))
    assert first == again
    assert first["regarding"]["uid"] == "u"
