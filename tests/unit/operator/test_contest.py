"""When a child is contested, how long its repair then waits, and what never waits."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.operator.helpers import bot

from tradingbot_operator.api.v1alpha1.safety import Mode
from tradingbot_operator.desired.config import BuildConfig
from tradingbot_operator.desired.tradingbot import build
from tradingbot_operator.policy import contest
from tradingbot_operator.policy.contest import Guard, History, may_wait, next_look, pause, repaired, seen_right
from tradingbot_operator.policy.differences import ABSENT, differences, rivals, text
from tradingbot_operator.policy.drift import needs_apply

MANIFESTS = {m["kind"]: m for m in build(bot(), Mode.SIMULATION, BuildConfig(bot_image="b:1")).manifests}
SIMULATES, LIVE, STOPPED = Guard(), Guard(live=True), Guard(stopped=True)
IMAGE = ("spec", "template", "spec", "containers", (("name", "bot"),), "image")


def after(times: list[float], *, bounced: bool = False) -> History:
    history = History("hash")
    for at in times:
        history = repaired(history, at, bounced=bounced)
    return history


def test_five_repairs_within_five_minutes_are_a_contest_and_four_are_none() -> None:
    assert not after([0, 60, 120, 180]).contested
    assert after([0, 60, 120, 180, 240]).contested


def test_repairs_that_are_far_apart_are_none() -> None:
    assert not after([100.0 * number for number in range(50)]).contested


def test_the_pause_doubles_up_to_ten_minutes() -> None:
    history, found = after([0, 1, 2, 3, 4]), []
    for _ in range(9):
        now = history.repairs[-1]
        found.append(pause(history, now))
        history = repaired(history, now + found[-1], bounced=False)
    assert found == [10, 20, 40, 80, 160, 320, 600, 600, 600]


def test_without_a_contest_a_repair_waits_only_when_the_write_itself_came_back_changed() -> None:
    assert pause(after([0, 1]), 1) == 0
    assert pause(after([0, 1], bounced=True), 1) == contest.BOUNCE_PAUSE
    assert pause(History("hash"), 0) == 0


def test_it_is_over_when_the_child_has_been_right_for_two_minutes() -> None:
    history = seen_right(after([0, 1, 2, 3, 4]), 10)
    assert history is not None
    assert next_look(history, 10) == contest.QUIET
    history = seen_right(history, 129)
    assert history is not None
    assert history.contested
    assert seen_right(history, 130) is None


def test_a_child_that_is_changed_back_within_these_two_minutes_is_still_contested() -> None:
    history = seen_right(after([0, 1, 2, 3, 4]), 10)
    assert history is not None
    history = seen_right(contest.seen_wrong(history), 131)
    assert history is not None, "the two minutes begin anew"
    assert history.contested


@given(st.lists(st.floats(0, 1000), max_size=60), st.floats(0, 100_000))
def test_a_contest_never_waits_for_more_than_ten_minutes_and_always_looks_again(gaps: list[float], late: float) -> None:
    """Whatever the times: no repair is put off without end, and what is contested asks to be looked at."""
    history, now = History("hash"), 0.0
    for gap in gaps:
        now += gap
        history = repaired(history, now, bounced=gap > 500)
        assert 0 <= pause(history, now) <= contest.LONGEST_PAUSE
        assert len(history.repairs) <= contest.REPAIRS
        if history.contested:
            assert pause(history, now) >= contest.FIRST_PAUSE
            look = next_look(history, now)
            assert look is not None
            assert 0 < look <= contest.LONGEST_PAUSE
    assert pause(history, now + contest.LONGEST_PAUSE + late) < 1e-6


@given(st.lists(st.floats(0.01, 59), min_size=5, max_size=30))
def test_what_fights_at_least_once_a_minute_is_always_recognised(gaps: list[float]) -> None:
    history, now = History("hash"), 0.0
    for gap in gaps:
        now += gap
        history = repaired(history, now, bounced=False)
    assert history.contested


# --- what may wait


@pytest.mark.parametrize("kind", ["ServiceAccount", "Role", "RoleBinding", "NetworkPolicy"])
def test_rights_never_wait(kind: str) -> None:
    for path in (("rules",), ("metadata", "labels"), ABSENT):
        assert not may_wait(kind, [path], SIMULATES)


@given(st.sampled_from(sorted(MANIFESTS)), st.data())
def test_nothing_of_a_stopped_bots_deployment_waits_and_a_live_one_waits_no_more_than_a_simulation(
    kind: str, data: st.DataObject
) -> None:
    live = data.draw(st.one_of(st.none(), st.just(MANIFESTS[kind]).map(copy.deepcopy)))
    if live is not None:
        edit(live, data)
    paths = differences(MANIFESTS[kind], live)
    if kind == "Deployment":
        assert not may_wait(kind, paths, STOPPED)
    assert not may_wait(kind, paths, LIVE) or may_wait(kind, paths, SIMULATES)


@pytest.mark.parametrize(
    "change",
    [
        lambda pod, bot: bot.update(image="other"),
        lambda pod, bot: bot.update(command=["sh"]),
        lambda pod, bot: bot.update(args=["x"]),
        lambda pod, bot: bot.update(envFrom=[{"secretRef": {"name": "x"}}]),
        lambda pod, bot: bot["env"].append({"name": "MORE", "value": "1"}),
        lambda pod, bot: bot["env"][1].update(value="changed"),
        lambda pod, bot: bot["securityContext"].update(readOnlyRootFilesystem=False),
        lambda pod, bot: bot["volumeMounts"].append({"name": "tmp", "mountPath": "/x"}),
        lambda pod, bot: pod.update(serviceAccountName="default"),
        lambda pod, bot: pod["volumes"][0]["configMap"].update(name="other"),
    ],
)
def test_whatever_a_live_bot_runs_by_is_put_back_at_once(change: Any) -> None:
    wanted = MANIFESTS["Deployment"]
    live = copy.deepcopy(wanted)
    pod = live["spec"]["template"]["spec"]
    change(pod, pod["containers"][0])
    assert needs_apply(wanted, live)
    assert not may_wait("Deployment", differences(wanted, live), LIVE)


def test_a_live_deployment_that_is_gone_or_scaled_and_a_missing_configuration_do_not_wait() -> None:
    assert not may_wait("Deployment", [ABSENT], LIVE)
    assert not may_wait("Deployment", [("spec", "replicas")], LIVE)
    assert not may_wait("ConfigMap", [ABSENT], SIMULATES)


def test_order_waits() -> None:
    assert may_wait("Deployment", [IMAGE], SIMULATES)
    assert may_wait("Deployment", [("spec", "replicas")], SIMULATES)
    assert may_wait("Deployment", [("metadata", "annotations", "x")], LIVE)
    assert may_wait("Service", [("spec", "selector")], LIVE)


def test_whose_child_it_is_never_waits() -> None:
    """Without its owner it would outlive the bot."""
    owner = ("metadata", "ownerReferences", (("uid", "1"),))
    for kind in MANIFESTS:
        assert not may_wait(kind, [owner], SIMULATES)


# --- what is different, and who says so


def edit(live: dict[str, Any], data: st.DataObject) -> None:
    """Change one value somewhere, or take something away, as the API server lets people do."""
    target: Any = live
    while True:
        keys = sorted(target) if isinstance(target, dict) else list(range(len(target)))
        key = data.draw(st.sampled_from(keys))
        inner = target[key]
        if isinstance(inner, dict | list) and inner:
            if data.draw(st.integers(0, 5)):
                target = inner
                continue
            del target[key]
        elif isinstance(inner, bool):
            target[key] = not inner
        elif isinstance(inner, str | int):
            target[key] = "changed" if isinstance(inner, str) else inner + 1
        return


@given(st.sampled_from(sorted(MANIFESTS)), st.data())
def test_there_is_a_difference_exactly_when_something_is_to_be_applied(kind: str, data: st.DataObject) -> None:
    live = copy.deepcopy(MANIFESTS[kind])
    for part in ("metadata", "spec"):
        if part in live and data.draw(st.booleans()):
            edit(live[part], data)
    live["metadata"].setdefault("annotations", {})
    assert bool(differences(MANIFESTS[kind], live)) == needs_apply(MANIFESTS[kind], live)


def test_paths_read_as_people_write_them() -> None:
    wanted = MANIFESTS["Deployment"]
    live = copy.deepcopy(wanted)
    live["metadata"]["annotations"] = {}
    live["spec"]["replicas"] = 3
    container = live["spec"]["template"]["spec"]["containers"][0]
    container["image"] = "other"
    container["env"][1]["value"] = "x"
    container["env"].append({"name": "MORE", "value": "1"})
    assert sorted(map(text, differences(wanted, live))) == [
        "metadata.annotations[tradingbots.dev/applied-hash]",
        "spec.replicas",
        "spec.template.spec.containers[bot].env[MORE]",
        "spec.template.spec.containers[bot].env[TRADING_MODE].value",
        "spec.template.spec.containers[bot].image",
    ]
    assert list(map(text, differences(wanted, None))) == ["the whole object"]


def test_who_owns_what_is_different_is_named_and_nobody_else() -> None:
    bot_fields: dict[str, Any] = {".": {}, 'k:{"name":"bot"}': {".": {}, "f:image": {}}}
    template = {"f:template": {"f:spec": {"f:containers": bot_fields}}}
    live = {
        "metadata": {
            "managedFields": [
                {"manager": "tradingbot-operator", "fieldsV1": {"f:spec": template}},
                {"manager": "image-swapper", "fieldsV1": {"f:spec": template}},
                {"manager": "scaler", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
                {"manager": "whole", "fieldsV1": {"f:spec": {}}},
                {"manager": "status", "fieldsV1": {"f:status": {"f:replicas": {}}}},
                {"manager": "empty"},
            ]
        }
    }
    assert rivals(live, [IMAGE], "tradingbot-operator") == ["image-swapper", "whole"]
    assert rivals(live, [("spec", "replicas")], "tradingbot-operator") == ["scaler", "whole"]
    assert rivals({"metadata": {}}, [IMAGE], "tradingbot-operator") == []
