"""What was approved is what runs: by the image's digest and the key's fingerprint, whatever becomes of names.

Three things change without anybody touching the bot: the operator gets another default image, the name of the image
leads to another one, the Secret gets other keys. None of them may change what trades, and none may end its trading.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.component.operator.live_world import LiveWorld
from tests.component.operator.world import NAMESPACE

ONE = f"docker.io/library/bot@sha256:{'1' * 64}"
TWO = f"docker.io/library/bot@sha256:{'2' * 64}"
LOCAL = f"sha256:{'1' * 64}"


def image(world: LiveWorld) -> str:
    return str(world.template()["spec"]["containers"][0]["image"])


async def live(image_id: str = ONE, **spec: Any) -> LiveWorld:
    """A bot that trades live with an image of which the node said this."""
    world = await LiveWorld().simulating()
    await world.apply(mode="live", requestedBy="alice", exchange={"credentialsSecretRef": {"name": "keys"}}, **spec)
    await world.preflight(image_id=image_id, build="b1")
    await world.approve()
    world.pod(ready=True)
    await world.settle()
    await runs(world, image_id)
    await world.report(mode="live", account="k1", approval={"digest": world.live_status()["digest"]})
    assert world.live_status()["state"] == "Trading"
    return world


async def runs(world: LiveWorld, image_id: str) -> None:
    """Let the kubelet say what the newest pod of the bot runs."""
    name = world.bot_pods()[-1]["metadata"]["name"]
    world.kube.edit("Pod", NAMESPACE, name, lambda pod: pod["status"]["containerStatuses"][0].update(imageID=image_id))
    await world.settle()


def newer(world: LiveWorld) -> dict[str, Any]:
    found: dict[str, Any] = world.status()["approval"].get("newer", {})
    return found


# --- pinned ------------------------------------------------------------------------------------------------------


async def test_a_live_pod_is_given_the_digest_that_the_preflight_saw_and_the_person_approved() -> None:
    world = await live()
    assert image(world) == f"bot@sha256:{'1' * 64}"
    assert "cannot be pinned" not in world.status()["approval"]["message"]
    world.kube.writes.clear()
    await world.restart()
    await world.settle()
    assert world.kube.writes == [], "and stays so, without a write"


@pytest.mark.parametrize("image_id", [LOCAL, f"docker.io/library/import-2026-11-25@sha256:{'1' * 64}"])
async def test_where_it_cannot_be_pinned_it_is_said_and_the_bot_is_told_what_code_it_has_to_be(image_id: str) -> None:
    world = await live(image_id)
    assert image(world) == "bot:1"
    assert "cannot be pinned" in world.status()["approval"]["message"]
    assert 'build: "b1"' in world.config()


async def test_the_bot_is_told_which_account_was_approved() -> None:
    world = await live()
    assert 'account: "k1"' in world.config()


async def test_a_bot_that_does_not_know_of_it_is_not_told() -> None:
    """It refuses what it does not know, and would not start."""
    world = await LiveWorld().live()
    assert "account:" not in world.config()
    assert "build:" not in world.config()


async def test_an_image_that_is_named_by_its_digest_stays_as_it_is_named() -> None:
    named = f"registry.example:5000/team/bot@sha256:{'1' * 64}"
    world = await live(named, image=named)
    assert image(world) == named


# --- the name of the image leads to another one -------------------------------------------------------------------


async def test_a_name_that_leads_to_another_image_changes_nothing_that_runs() -> None:
    world = await live()
    first, template = world.digest(), world.template()
    await world.apply(approval=world.spec["approval"] | {"expiresAt": "2026-12-10T00:00:00Z"})
    await world.wait(86400)
    await world.preflight(image_id=TWO, build="b2")
    assert world.live_status()["state"] == "Trading"
    assert (world.digest(), world.template()) == (first, template)
    assert newer(world)["imageDigest"] == TWO
    assert newer(world)["digest"] in newer(world)["message"]


async def test_a_pod_that_found_another_image_behind_the_name_only_reduces_by_itself_and_by_the_operator() -> None:
    world = await live(LOCAL)
    await runs(world, f"sha256:{'2' * 64}")
    assert world.live_status()["state"] == "Reducing"
    await world.restart()
    await world.settle()
    assert world.live_status()["state"] == "Reducing"
    await runs(world, LOCAL)
    assert world.live_status()["state"] == "Trading"


# --- an upgrade of the operator -----------------------------------------------------------------------------------


async def upgraded(world: LiveWorld, to: str = "bot:2") -> None:
    world.image = to
    await world.restart()
    await world.settle()


@pytest.mark.parametrize("image_id", [ONE, LOCAL])
async def test_after_an_upgrade_of_the_operator_the_approved_image_trades_on(image_id: str) -> None:
    world = await live(image_id)
    first, template, config = world.digest(), world.template(), world.config()
    await upgraded(world)
    assert world.live_status()["state"] == "Trading"
    assert (world.digest(), world.template(), world.config()) == (first, template, config)
    assert world.condition("LiveReady")["status"] == "True"
    assert "bot:2" in world.status()["approval"]["message"]
    assert "digest" not in newer(world), "nobody has looked at it yet"
    assert world.job()["spec"]["template"]["spec"]["containers"][0]["image"] == "bot:2"


async def test_the_newer_image_waits_for_a_person_and_then_runs() -> None:
    world = await live()
    first = world.digest()
    await upgraded(world)
    await world.preflight(image_id=TWO, build="b2")
    assert newer(world)["image"] == "bot:2"
    assert f'"digest":"{newer(world)["digest"]}"' in newer(world)["message"]
    assert world.digest() == first
    await world.approve(newer(world)["digest"])
    assert image(world) == f"bot@sha256:{'2' * 64}"
    assert 'build: "b2"' in world.config()
    assert world.live_status()["state"] == "Trading"
    world.pod(ready=True)
    await world.settle()
    await runs(world, TWO)
    await world.report(mode="live", account="k1", approval={"digest": world.live_status()["digest"]})
    assert world.live_status()["state"] == "Trading"
    assert newer(world) == {}
    assert world.digest() == world.live_status()["digest"]


async def test_a_renewal_while_a_newer_image_waits_renews_what_runs() -> None:
    world = await live()
    template = world.template()
    await upgraded(world)
    await world.preflight(image_id=TWO, build="b2")
    world.later(20 * 3600)
    await world.approve()
    assert world.live_status()["state"] == "Trading"
    assert world.template() == template
    assert newer(world)["image"] == "bot:2"


async def test_a_newer_image_that_the_preflight_does_not_find_good_is_not_offered() -> None:
    world = await live()
    await upgraded(world)
    await world.preflight(image_id=TWO, verdict="REFUSED", reasons=["KEY_MAY_NOT_TRADE: no"])
    assert world.live_status()["state"] == "Trading"
    assert "digest" not in newer(world)


async def test_an_approval_that_ends_after_an_upgrade_still_ends() -> None:
    world = await live()
    await upgraded(world)
    await world.preflight(image_id=TWO)
    world.later(24 * 3600)
    await world.again()
    assert world.live_status()["state"] == "Reducing"
    assert image(world) == f"bot@sha256:{'1' * 64}"


@pytest.mark.parametrize("change", [{"risk": {"maxPositionSize": 0.5}}, {"image": "bot:3"}])
async def test_a_change_by_a_person_after_an_upgrade_is_void_as_ever_and_what_was_approved_only_reduces(
    change: dict[str, Any],
) -> None:
    world = await live()
    await upgraded(world)
    await world.preflight(image_id=TWO)
    await world.apply(**change)
    assert world.live_status()["state"] == "Reducing"
    assert image(world) == f"bot@sha256:{'1' * 64}"


async def test_an_upgrade_from_an_operator_that_did_not_remember_the_image_keeps_it_as_well() -> None:
    """Its status says what was approved by the digest alone: the look that led to it proves which image that was."""
    world = await LiveWorld().live()
    template, config = world.template(), world.config()
    for name in ("image", "imageDigest", "account", "changedAt"):
        world.live_status().pop(name)
    await upgraded(world)
    assert world.live_status()["state"] == "Trading"
    assert (world.template(), world.config()) == (template, config)
    assert (world.live_status()["image"], world.live_status()["account"]) == ("bot:1", "k1")
    await upgraded(world, "bot:3")
    await world.preflight(image_id=TWO)
    assert world.live_status()["state"] == "Trading"
    assert world.template() == template


# --- the Secret has other keys ------------------------------------------------------------------------------------


async def refuses(world: LiveWorld) -> None:
    """Let the newest pod say that it does not start with these keys."""
    said = {"reason": "AnotherAccount", "message": "approved is k1, and the key given is k2"}
    name = world.bot_pods()[-1]["metadata"]["name"]

    def ended(pod: dict[str, Any]) -> None:
        pod["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
        state = {"terminated": {"exitCode": 78, "message": json.dumps(said)}}
        pod["status"]["containerStatuses"][0].update(ready=False, state=state)

    world.kube.edit("Pod", NAMESPACE, name, ended)
    await world.settle()


async def test_other_keys_in_the_secret_change_nothing_while_the_bot_runs() -> None:
    world = await live()
    first = world.digest()
    await world.apply(approval=world.spec["approval"] | {"expiresAt": "2026-12-10T00:00:00Z"})
    await world.wait(86400)
    await world.preflight(account="k2", image_id=ONE, build="b1")
    assert world.live_status()["state"] == "Trading"
    assert world.digest() == first
    assert (newer(world)["account"], "k2" in newer(world)["message"]) == ("k2", True)
    jobs = [world.job()["metadata"]["name"]]
    for _ in range(5):
        await world.again()
        jobs.append(world.job()["metadata"]["name"])
    assert len(set(jobs)) == 1, "bot and Secret differ, and nobody asks the exchange again and again because of it"


async def test_a_pod_that_does_not_start_with_other_keys_is_said_and_the_account_is_looked_at() -> None:
    world = await live()
    first = world.job()["metadata"]["name"]
    await refuses(world)
    await world.wait(60)
    assert world.job()["metadata"]["name"] != first
    await world.preflight(account="k2", image_id=ONE, build="b1")
    assert newer(world)["account"] == "k2"
    assert world.condition("Degraded")["reason"] == "AnotherAccount"
    await world.approve(newer(world)["digest"])
    assert 'account: "k2"' in world.config()


async def test_while_the_pod_refuses_keys_that_look_right_the_account_is_asked_once_a_minute_at_most() -> None:
    world = await live()
    await refuses(world)
    await world.wait(60)
    await world.preflight(image_id=ONE, build="b1")
    name = world.job()["metadata"]["name"]
    world.later(59)
    await world.again()
    assert world.job()["metadata"]["name"] == name
    await world.wait(1)
    assert world.job()["metadata"]["name"] != name


# --- another object of the same name ------------------------------------------------------------------------------


async def test_what_was_approved_for_a_deleted_bot_is_not_written_on_the_next_one_of_its_name() -> None:
    """The operator hears of the children first, and still believes in the old object when it looks at them."""
    world = await live()
    old = world.bot()["metadata"]["uid"]
    world.kube.remove("TradingBot", NAMESPACE, "a")
    world.create(**world.spec)
    assert world.bot()["metadata"]["uid"] != old
    late = list(world.kube.events)
    world.kube.events.clear()
    world.kube.remove("Deployment", NAMESPACE, "tradingbot-a")
    await world.report(mode="live", account="k1", state="REDUCING", positions=1)
    assert "status" not in world.bot(), "no status of the old one"
    world.kube.events[:0] = late
    await world.settle()
    assert "live" not in world.status()
    (deployment,) = world.kube.of("Deployment")
    assert deployment["metadata"]["ownerReferences"][0]["uid"] == old, "which the garbage collector takes away"


# --- what is counted ----------------------------------------------------------------------------------------------


async def test_the_end_of_the_approval_that_counts_is_shown_and_a_bot_that_reduces_has_none() -> None:
    world = await live()
    assert world.shown.live == "Trading"
    assert f"{world.shown.expires_at:%Y-%m-%dT%H:%M}" == "2026-11-22T09:00"
    world.later(3600)
    await world.approve()
    assert f"{world.shown.expires_at:%Y-%m-%dT%H:%M}" == "2026-11-22T10:00", "of the renewal, which starts no pod"
    await world.apply(approval=None)
    assert (world.shown.live, world.shown.expires_at) == ("Reducing", None)
