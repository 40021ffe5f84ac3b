"""Decisions: drift, pruning, mode, and the latch of an emergency stop."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.operator.helpers import bot

from tradingbot_operator.api.v1alpha1.safety import (
    EmergencyStop,
    EmergencyStopOutcome,
    EmergencyStopStatus,
    LastStop,
    Mode,
)
from tradingbot_operator.desired.config import BuildConfig
from tradingbot_operator.desired.tradingbot import build
from tradingbot_operator.policy.drift import is_subset, needs_apply
from tradingbot_operator.policy.prune import superseded_config_maps
from tradingbot_operator.policy.stop import SeenStop, last_stop, latch, read_report

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
MANIFESTS = {m["kind"]: m for m in build(bot(), Mode.SIMULATION, BuildConfig(bot_image="b:1")).manifests}


def live_of(kind: str) -> dict[str, Any]:
    """What the server gives back: defaults added everywhere."""
    live = copy.deepcopy(MANIFESTS[kind])
    live["metadata"] |= {"resourceVersion": "7", "creationTimestamp": "2026-11-21T09:00:00Z"}
    live["status"] = {"x": 1}
    if kind == "Deployment":
        pod = live["spec"]["template"]["spec"]
        pod |= {"dnsPolicy": "ClusterFirst", "restartPolicy": "Always"}
        pod["containers"][0] |= {"terminationMessagePath": "/dev/termination-log"}
        pod["containers"].append({"name": "sidecar", "image": "x"})
        pod["containers"][0]["env"].reverse()
    return live


@pytest.mark.parametrize("kind", MANIFESTS)
def test_defaults_and_additions_are_no_drift(kind: str) -> None:
    assert not needs_apply(MANIFESTS[kind], live_of(kind))


@pytest.mark.parametrize("kind", MANIFESTS)
def test_an_absent_child_and_another_hash_are_drift(kind: str) -> None:
    assert needs_apply(MANIFESTS[kind], None)
    live = live_of(kind)
    live["metadata"]["annotations"] = {}
    assert needs_apply(MANIFESTS[kind], live)


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict) and value:
        return [leaf for key, item in value.items() for leaf in _leaves(item, (*path, key))]
    if isinstance(value, list) and value:
        return [leaf for index, item in enumerate(value) for leaf in _leaves(item, (*path, index))]
    return [path]


@given(st.data())
def test_any_edited_value_is_drift(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(MANIFESTS)))
    path = data.draw(st.sampled_from([p for p in _leaves(MANIFESTS[kind]) if p[0] not in {"kind", "apiVersion"}]))
    live = copy.deepcopy(MANIFESTS[kind])
    target: Any = live
    for part in path[:-1]:
        target = target[part]
    before = target[path[-1]]
    target[path[-1]] = "changed" if not isinstance(before, bool) else not before
    assert needs_apply(MANIFESTS[kind], live), path


def test_false_is_not_the_same_as_absent() -> None:
    assert not is_subset({"automount": False}, {}, keyed={})
    assert not is_subset({"n": 0}, {"n": False}, keyed={})
    assert is_subset({"emptyDir": {}, "to": []}, {}, keyed={})


def test_a_longer_atomic_list_is_drift() -> None:
    live = live_of("Role")
    live["rules"].append({"verbs": ["*"]})
    assert needs_apply(MANIFESTS["Role"], live)


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("Service", ("spec", "selector")),
        ("NetworkPolicy", ("spec", "podSelector", "matchLabels")),
        ("NetworkPolicy", ("spec", "egress", 0)),
        ("PodDisruptionBudget", ("spec", "selector", "matchLabels")),
        ("Role", ("rules", 0)),
        ("RoleBinding", ("subjects", 0)),
    ],
)
def test_an_addition_to_what_is_one_value_is_drift(kind: str, path: tuple[Any, ...]) -> None:
    live = live_of(kind)
    target: Any = live
    for part in path:
        target = target[part]
    target["x"] = ["y"]
    assert needs_apply(MANIFESTS[kind], live)


@pytest.mark.parametrize(
    ("status", "pruned"),
    [
        ({"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}, ["old"]),
        ({"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}, []),
        ({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 1, "availableReplicas": 1}, []),
        ({"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1}, []),
        ({}, []),
    ],
)
def test_config_maps_go_when_nothing_can_need_them(status: dict[str, int], pruned: list[str]) -> None:
    owned = [{"metadata": {"name": name}} for name in ("old", "new")]
    deployment = {"metadata": {"generation": 2}, "spec": {"replicas": 1}, "status": status}
    assert [c["metadata"]["name"] for c in superseded_config_maps(owned, "new", deployment)] == pruned


def seen(generation: int, **fields: Any) -> SeenStop:
    return SeenStop("1f0c2a9b-1111", generation, EmergencyStop(active=True, **fields))


def status(id_: str, minutes: int = 0, **fields: Any) -> EmergencyStopStatus:
    return EmergencyStopStatus(id=id_, since=NOW + timedelta(minutes=minutes), **fields)


def test_a_stop_has_the_identity_that_the_bot_computes_too() -> None:
    found = latch(None, seen(7, reason="drill", close_positions=True), None, NOW)
    assert found is not None
    assert (found.id, found.since, found.reason, found.close_positions) == ("1f0c2a9b-7", NOW, "drill", True)


def test_no_stop_is_no_latch() -> None:
    assert latch(None, None, None, NOW) is None


def test_nothing_takes_a_latch_away() -> None:
    recorded = status("1f0c2a9b-7", reason="first")
    assert latch(recorded, None, None, NOW + timedelta(days=1)) == recorded


def test_of_two_stops_the_older_generation_counts() -> None:
    recorded, reported = status("1f0c2a9b-9"), status("1f0c2a9b-10", minutes=-5)
    assert latch(recorded, None, reported, NOW) == recorded
    found = latch(recorded, seen(8), None, NOW)
    assert found is not None
    assert found.id == "1f0c2a9b-8"


def test_stops_of_other_origin_are_ordered_by_time() -> None:
    found = latch(status("1f0c2a9b-7"), None, status("api-1", minutes=-1, source="api"), NOW)
    assert found is not None
    assert (found.id, found.source) == ("api-1", "api")


def test_closing_positions_is_never_forgotten_and_the_outcome_is_the_bots() -> None:
    reported = status("1f0c2a9b-8", close_positions=True, outcome=EmergencyStopOutcome(state="FLAT"))
    found = latch(status("1f0c2a9b-7"), None, reported, NOW)
    assert found is not None
    assert found.id == "1f0c2a9b-7"
    assert found.close_positions
    assert found.outcome is not None
    assert found.outcome.state == "FLAT"


@given(st.recursive(st.none() | st.booleans() | st.text() | st.integers(), lambda i: st.dictionaries(st.text(), i)))
def test_a_report_that_makes_no_sense_is_ignored(stop: Any) -> None:
    assert read_report({"stop": stop}) is None or isinstance(stop, dict)


@pytest.mark.parametrize("broken", [None, {}, {"stop": {"id": "x"}}, {"stop": {"id": "x", "since": "yesterday"}}])
def test_a_broken_report_is_ignored(broken: dict[str, Any] | None) -> None:
    assert read_report(broken) is None


@pytest.mark.parametrize(("seconds", "named"), [(-1, "first"), (0, "second"), (1, "second")])
def test_the_stop_that_was_resumed_last_is_the_one_that_the_bot_says_unless_it_is_older(
    seconds: int, named: str
) -> None:
    said = {"id": "second", "resumed_at": (NOW + timedelta(seconds=seconds)).isoformat(), "reason": "checked"}
    found = last_stop(LastStop(id="first", resumed_at=NOW, reason="checked"), {"last_stop": said})
    assert found is not None
    assert found.id == named
