"""What must stay possible: the stop for everyone, above all; and the ways that the documentation describes."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from tests.api.crd.server import Refused
from tests.api.policies.attacks import asked_in_simulation, resuming, unstopped
from tests.api.policies.world import DIGEST, JSON_PATCH, SPEC, STOP, World, ahead, approval, approve
from tests.support.chart_policies import COLLECTIONS, render
from tests.support.waiting import eventually

from tradingbot_operator.api.v1alpha1.trading import Risk
from tradingbot_operator.policy.approval import Change, compare_limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.api.crd.server import Manifest

pytestmark = pytest.mark.api

STATES = {state.__name__: state for state in (World.simulating, World.asking, World.approved, World.stopped)}
EVERYONE = ("alice", "mallory", "bob", "carol", "dave", "frank", "gary", "owner", "robot", "gitops", "ci", "wildcard")


# --- the emergency stop --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", EVERYONE)
def test_everyone_who_may_update_may_stop(world: World, who: str) -> None:
    bot = world.approved()
    stopped = world.patch(
        who, bot, {"spec": {"emergencyStop": {"active": True, "closePositions": True, "reason": "!"}}}
    )
    assert stopped["spec"]["emergencyStop"]["active"] is True


@pytest.mark.parametrize("state", STATES)
def test_a_stop_passes_in_every_state(world: World, state: str) -> None:
    assert world.patch("mallory", STATES[state](world), STOP)["spec"]["emergencyStop"]["active"] is True


def put_stop(world: World, bot: str) -> Any:
    return world.put("mallory", bot, lambda found: found["spec"].update(emergencyStop={"active": True}))


WAYS: dict[str, Callable[[World, str], Any]] = {
    "merge-patch": lambda world, bot: world.patch("mallory", bot, STOP),
    "json-patch": lambda world, bot: world.patch(
        "mallory", bot, [{"op": "add", "path": "/spec/emergencyStop", "value": {"active": True}}], JSON_PATCH
    ),
    "put": put_stop,
    "server-side-apply": lambda world, bot: world.apply("mallory", bot, STOP["spec"]),
    "with-closing": lambda world, bot: world.patch(
        "mallory", bot, {"spec": {"emergencyStop": {"active": True, "closePositions": True}}}
    ),
    "with-a-label": lambda world, bot: world.patch("mallory", bot, STOP | {"metadata": {"labels": {"why": "fire"}}}),
}


@pytest.mark.parametrize(("number", "way"), list(enumerate(WAYS)))
def test_a_stop_passes_whatever_else_is_wrong_with_the_object(world: World, number: int, way: str) -> None:
    """Stored before the policies were: live, unsigned, approved by a ServiceAccount in 2020, resumed with any id."""
    bot = world.legacy[number]
    wrong = world.get(bot)["spec"]
    assert wrong["mode"] == "live"
    assert "requestedBy" not in wrong
    assert wrong["approval"]["approvedBy"].startswith("system:")
    assert WAYS[way](world, bot)["spec"]["emergencyStop"]["active"] is True


def test_a_stop_may_be_widened_to_closing_the_positions(world: World) -> None:
    bot = world.approved()
    world.patch("alice", bot, STOP)
    world.patch("mallory", bot, {"spec": {"emergencyStop": {"closePositions": True}}})


def test_a_stop_may_be_reverted_once_it_is_latched_which_resumes_nothing(world: World) -> None:
    bot = unstopped(world)
    assert "emergencyStop" not in world.get(bot)["spec"]
    assert world.get(bot)["status"]["emergencyStop"]["id"] == "stop-2"


def test_where_no_operator_latches_a_person_who_may_resume_takes_a_stop_back(world: World) -> None:
    world.patch("carol", world.stopping(), {"spec": {"emergencyStop": {"active": False, "closePositions": False}}})


def test_resuming_names_the_stop(world: World) -> None:
    world.patch("carol", world.stopped(), resuming("stop-2"))
    world.patch("carol", unstopped(world), resuming("stop-2"))


# --- asking and approving ------------------------------------------------------------------------------------------


def test_from_simulation_to_live_by_two_people(world: World) -> None:
    bot = world.approved()
    assert world.get(bot)["spec"]["approval"]["approvedBy"] == "bob"


def test_gitops_asks_in_its_own_name_and_a_person_approves(world: World) -> None:
    bot = world.simulating()
    world.patch("gitops", bot, {"spec": {"mode": "live", "requestedBy": world.account_name("gitops")}})
    world.patch("bob", bot, approve("bob"))


def test_gitops_that_does_not_declare_the_approval_leaves_it_alone(world: World) -> None:
    bot = world.approved()
    world.apply("gitops", bot, {**SPEC, "mode": "live", "requestedBy": "alice"})
    assert world.get(bot)["spec"]["approval"]["approvedBy"] == "bob"


def test_an_approval_is_renewed_by_its_approver_and_replaced_by_another(world: World) -> None:
    bot = world.approved()
    world.patch("bob", bot, {"spec": {"approval": {"expiresAt": ahead(days=29.9)}}})
    world.patch("erin", bot, approve("erin", expires=ahead(days=29.9)))


@pytest.mark.parametrize("who", ["mallory", "alice", "carol"])
def test_everyone_who_may_update_may_withdraw_an_approval(world: World, who: str) -> None:
    assert "approval" not in world.patch(who, world.approved(), {"spec": {"approval": None}})["spec"]


@pytest.mark.parametrize(
    "change",
    [
        {"trading": "Paused"},
        {"logLevel": "DEBUG"},
        {"environment": "Production"},
        {"simulation": {"seed": 7}},
        {"resources": {"limits": {"cpu": "3"}}},
        {"mode": "simulation"},
        {"mode": "simulation", "strategy": {"name": "another"}},
        {"risk": {"maxDrawdown": 0.1}},
        {"database": {"poolSize": 7}},
    ],
    ids=str,
)
def test_what_risks_nothing_more_needs_no_signature(world: World, change: Manifest) -> None:
    world.patch("mallory", world.approved(), {"spec": change})


def test_whoever_changes_a_live_bot_signs_with_their_own_name(world: World) -> None:
    world.patch("mallory", world.approved(), {"spec": {"image": "registry.example/bot:2", "requestedBy": "mallory"}})


def test_whoever_goes_live_again_signs_again(world: World) -> None:
    world.patch("mallory", asked_in_simulation(world), {"spec": {"mode": "live", "requestedBy": "mallory"}})


def test_a_bot_is_created_live_by_whoever_signs_and_waits_for_its_approval(world: World) -> None:
    world.create("alice", mode="live", requestedBy="alice")


def test_a_bot_may_be_deleted_in_any_state(world: World) -> None:
    for state in (*STATES.values(), World.stopping):
        world.delete("mallory", state(world))


def test_an_approver_of_one_bot_approves_that_one(world: World) -> None:
    bot = "another-bot"
    world.create("alice", bot, mode="live", requestedBy="alice")
    world.write_status(bot, {"approval": {"requiredDigest": DIGEST}})
    world.patch("frank", bot, approve("frank"))


def test_a_newer_image_is_approved_by_the_digest_that_the_operator_publishes_beside(world: World) -> None:
    bot = world.approved()
    newer = f"sha256:{'d' * 64}"
    with pytest.raises(Refused, match="not what is to be approved now"):
        world.patch("bob", bot, approve("bob", digest=newer))
    world.write_status(bot, {"approval": {"requiredDigest": DIGEST, "newer": {"digest": newer, "image": "bot:2"}}})
    world.patch("bob", bot, approve("bob", digest=newer))
    world.patch("bob", bot, approve("bob"))
    with pytest.raises(Refused, match="may not approve"):
        world.patch("mallory", bot, approve("mallory", digest=newer))


# --- the status ----------------------------------------------------------------------------------------------------


def test_the_operator_writes_the_status_with_its_own_token(world: World) -> None:
    bot = world.simulating()
    world.write_status(bot, {"state": "ACTIVE"})
    assert world.get(bot)["status"]["state"] == "ACTIVE"


def test_a_status_that_comes_with_the_spec_is_dropped(world: World) -> None:
    bot = world.stopped()
    world.put("owner", bot, lambda found: found["status"].pop("emergencyStop"))
    assert world.get(bot)["status"]["emergencyStop"]["id"] == "stop-2"
    body = world.manifest("with-status") | {"status": {"approval": {"requiredDigest": DIGEST}}}
    assert "status" not in world.user("owner").request("POST", world.path(), body)


# --- the same rule in two languages --------------------------------------------------------------------------------


def drawn(dice: random.Random) -> Manifest:
    """Limits near to each other, so that every kind of change comes up."""
    limits: Manifest = {
        "maxDrawdown": dice.choice([0.1, 0.15, 1]),
        "dailyLossLimit": dice.choice([0.03, 0.04]),
        "maxPositionSize": dice.choice([0.25, 0.3]),
        "maxOpenPositions": dice.choice([5, 6]),
        "minRiskRewardRatio": dice.choice([3, 3.5]),
        "onBreach": dice.choices(["Hold", "Flatten"], [9, 1])[0],
        "autonomous": dice.choice([True, False]),
        "maxPriceJump": dice.choices([0.2, 0.5], [9, 1])[0],
    }
    optional = {
        "maxOrderValue": dice.choice([None, 100, 100.5]),
        "maxStopDistance": dice.choice([None, 0.05, 0.1]),
        "maxTargetDistance": dice.choice([None, 0.5, 1]),
        "minConfidence": dice.choice([None, 0.5, 1]),
    }
    return limits | {name: value for name, value in optional.items() if value is not None}


@pytest.mark.parametrize("seed", range(40))
def test_policy_and_operator_agree_on_what_is_tighter(world: World, seed: int) -> None:
    dice = random.Random(seed)
    old = drawn(dice)
    # Every other pair differs in one limit only: most random pairs are mixed.
    new = drawn(dice) if seed % 2 else {**old, **dict([dice.choice(list(drawn(dice).items()))])}
    bot = world.fresh()
    world.create("alice", bot, mode="live", requestedBy="alice", risk=old)
    change = compare_limits(Risk.model_validate(old), Risk.model_validate(new))
    whole = [{"op": "replace", "path": "/spec/risk", "value": new}]
    if change in {Change.TIGHTENED, Change.SAME}:
        world.patch("mallory", bot, whole, JSON_PATCH)
    else:
        with pytest.raises(Refused, match="signs for it"):
            world.patch("mallory", bot, whole, JSON_PATCH)


# --- the chart -----------------------------------------------------------------------------------------------------


def test_the_api_server_finds_nothing_to_warn_of(world: World) -> None:
    for policy in ("approval", "requester", "resume", "stop", "status"):
        path = f"{COLLECTIONS['ValidatingAdmissionPolicy']}/{world.system}.tbo-tradingbot-operator.{policy}"
        eventually(lambda path=path: "typeChecking" in world.server.request("GET", path)["status"], policy)  # type: ignore[misc]
        assert world.server.request("GET", path)["status"]["typeChecking"] == {}


def test_without_watched_namespaces_the_policies_hold_everywhere(
    world: World, rendered_policies: list[Manifest]
) -> None:
    assert len(rendered_policies) == 12
    for manifest in rendered_policies:
        assert "matchResources" not in manifest["spec"]
        # A dry run: in force they would meet the other tests of this API server.
        world.server.request("POST", f"{COLLECTIONS[manifest['kind']]}?dryRun=All", manifest)


def test_the_policies_can_be_left_out() -> None:
    rendered = render("anywhere", "policies.enabled=false")
    assert not [m for m in rendered if m["kind"].startswith("ValidatingAdmissionPolicy")]
    assert not [m for m in rendered if m["metadata"]["name"] in {"tradingbot-approver", "tradingbot-resumer"}]


def test_the_length_of_an_approval_is_a_value() -> None:
    policies = render("anywhere", "policies.maxApprovalDays=7")
    texts = [str(m) for m in policies if m["metadata"]["name"].endswith(".approval")]
    assert any("duration('168h')" in text and "at most 7 days" in text for text in texts)


def test_any_image_runs_where_no_list_is_given() -> None:
    assert not [m for m in render("anywhere") if m["metadata"]["name"].endswith(".image")]


@pytest.mark.parametrize(
    "change",
    [STOP["spec"], {"logLevel": "DEBUG"}, {"trading": "Paused"}, {"image": None}, {"image": "registry.example/bot:3"}],
    ids=str,
)
def test_a_bot_with_an_image_of_before_the_list_may_be_stopped_changed_and_corrected(
    world: World, change: dict[str, Any]
) -> None:
    world.patch("mallory", world.strange, {"spec": change}, query="?dryRun=All")


# --- caveats: what is possible all the same, and documented ---------------------------------------------------------


def test_caveat_every_verb_is_also_the_verb_approve(world: World) -> None:
    """RBAC's `verbs: ["*"]` matches approve: docs/security.md says so, and what to do (policies.neverApprove)."""
    world.patch("owner", world.asking(), approve("owner"))


def test_caveat_who_may_impersonate_an_approver_is_one(world: World) -> None:
    bot = world.asking()
    body = {"spec": {"approval": approval("bob")}}
    world.impersonated("bob").request("PATCH", world.path(bot), body, "application/merge-patch+json")


def test_caveat_a_change_that_is_taken_back_exactly_is_what_was_approved(world: World) -> None:
    bot = world.approved()
    for image in ("registry.example/bot:2", "registry.example/bot:1"):
        world.patch("mallory", bot, {"spec": {"image": image, "requestedBy": "mallory"}})
    assert world.get(bot)["spec"]["approval"]["approvedBy"] == "bob"
