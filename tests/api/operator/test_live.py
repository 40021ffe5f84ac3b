"""Live trading on a real API server, where no policy stands in the way: the operator alone keeps every gate.

Each attack starts from a bot in the right state and demands that it does not trade another way than it was approved.
`docs/security.md` lists them.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from tests.api.crd.server import Refused
from tests.api.operator.live_bots import LIVE, LiveBot, stamp
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.api.operator.conftest import StartOperator
    from tests.api.operator.harness import Namespace, OperatorProcess

pytestmark = pytest.mark.api


def events(namespace: Namespace) -> list[tuple[str, str]]:
    found = namespace.request("GET", f"/apis/events.k8s.io/v1/namespaces/{namespace.name}/events")["items"]
    return [(event["reason"], event["note"]) for event in found if event.get("regarding", {}).get("name") == "a"]


def test_from_simulation_to_live_and_back(bot: LiveBot, namespace: Namespace) -> None:
    digest = bot.go_live()
    live = bot.until("Trading")
    assert (live["digest"], live["approvedBy"], live["requestedBy"]) == (digest, "bob", "alice")
    assert bot.env()["TRADING_APPROVED"] == "true"
    assert f'digest: "{digest}"' in bot.config()
    namespace.wait_for_condition("LiveReady", "True", "Live")
    eventually(
        lambda: [note for reason, note in events(namespace) if reason == "Live" and "from simulation to live" in note],
        "an event of the transition",
    )

    bot.answers.says |= {"open_orders": 2, "entry_orders": 2}
    bot.edit(mode="simulation", approval=None)
    bot.until("Leaving")
    assert bot.env()["TRADING_MODE"] == "live"
    bot.answers.says |= {"state": "REDUCING", "open_orders": 1, "entry_orders": 0, "entries_gone": True}
    eventually(lambda: bot.env()["TRADING_MODE"] == "simulation", "the Deployment is a simulation's again")
    assert '"name": "keys"' not in json.dumps(bot.template())
    eventually(lambda: "live" not in namespace.status(), "nothing of it is left in the status")
    eventually(lambda: not namespace.list("Job"), "the preflight is gone")


def test_a_second_pass_over_a_live_bot_writes_nothing(
    bot: LiveBot, polling: OperatorProcess, start_operator: StartOperator
) -> None:
    bot.go_live()
    bot.until("Trading")
    bot.namespace.wait_for_condition("Ready", "True", "Trading")
    polling.idle()
    polling.stop()
    again = start_operator(TBO_BOT_POLL_SECONDS="1")
    bot.namespace.wait_for_condition("LiveReady", "True", "Live")
    again.idle()
    assert again.writes() == {}


# --- attacks ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("approver", "state"),
    [("alice", "SelfApproved"), ("system:serviceaccount:trading:gitops", "NotAPerson")],
    ids=["self-approval", "serviceaccount-approves"],
)
def test_who_may_not_approve_does_not(bot: LiveBot, approver: str, state: str) -> None:
    bot.simulate()
    bot.approve(bot.ask(), by=approver)
    eventually(lambda: bot.namespace.status()["approval"]["state"] == state, state)
    bot.stays_out()


def test_an_approval_without_a_requester_is_none(bot: LiveBot) -> None:
    bot.simulate()
    bot.approve(bot.ask())
    bot.until_live()
    bot.edit(requestedBy=None)
    bot.until("Reducing")


def test_an_old_digest_is_not_replayed(bot: LiveBot) -> None:
    bot.simulate()
    first = bot.ask()
    bot.edit(risk={"maxPositionSize": 0.5})
    second = bot.digest(other_than=first)
    bot.approve(first)
    eventually(lambda: bot.namespace.status()["approval"]["state"] == "WrongDigest", "it is not that one")
    bot.stays_out()
    bot.approve(second)
    bot.until_live()


def test_the_digest_of_a_deleted_bot_of_the_same_name_is_worth_nothing(bot: LiveBot) -> None:
    digest = bot.go_live()
    bot.until("Trading")
    bot.namespace.delete("TradingBot", "a")
    eventually(lambda: not bot.namespace.list("Deployment"), "the children are gone", seconds=600)
    bot.answers.says |= {"mode": "simulation", "account": None}
    bot.namespace.bot(**LIVE, approval={"digest": digest, "approvedBy": "bob", "expiresAt": stamp(3600)})
    bot.namespace.wait_for_children()
    bot.ready()
    # The garbage collector may have thousands of objects of other tests to look at before the rest of the old bot.
    bot.preflight(seconds=600)
    assert bot.digest() != digest
    bot.stays_out()


def test_no_preflight_with_the_keys_runs_under_somebody_elses_service_account(bot: LiveBot) -> None:
    theirs = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "tradingbot-a"}}
    bot.namespace.create(theirs)
    bot.namespace.bot(**LIVE)
    bot.namespace.wait_for_condition("Ready", "False", "NameTaken")
    assert not bot.namespace.list("Job")
    bot.namespace.delete("ServiceAccount", "tradingbot-a")
    looked_at_again = {"metadata": {"annotations": {"looked-at": "again"}}}
    bot.namespace.edit("TradingBot", "a", looked_at_again)
    bot.preflight()
    assert bot.digest()


def test_an_approval_ends_without_any_event(bot: LiveBot) -> None:
    bot.go_live_for_a_while()
    template = bot.template()
    bot.until("Reducing")
    bot.namespace.wait_for_condition("Suspended", "True", "ApprovalExpired")
    assert bot.template() == template, "the pod stays, and it stays live"
    eventually(lambda: "ApprovalExpired" in dict(events(bot.namespace)), "an event of it")


def test_an_approval_does_not_outlive_its_end_while_the_operator_is_down(
    bot: LiveBot, polling: OperatorProcess, start_operator: StartOperator
) -> None:
    bot.go_live_for_a_while()
    polling.kill()
    expires = bot.namespace.status()["live"]["expiresAt"]
    eventually(lambda: stamp() > expires, "the approval has ended")
    assert bot.namespace.status()["live"]["state"] == "Trading", "nobody was there to say so; the bot knows by itself"
    start_operator(TBO_BOT_POLL_SECONDS="1")
    bot.until("Reducing")


@pytest.mark.parametrize(
    "change",
    [
        {"image": "registry.example/other:2"},
        {"risk": {"maxPositionSize": 0.9}},
        {"strategy": {"name": "momentum", "symbols": ["BTC/USD"]}},
        {"exchange": {"credentialsSecretRef": {"name": "other"}}},
        {"database": {"secretRef": {"name": "other"}}},
    ],
    ids="-".join,
)
def test_a_change_after_the_approval_never_runs(bot: LiveBot, change: dict[str, Any]) -> None:
    bot.go_live()
    bot.until("Trading")
    template = bot.template()
    bot.edit(**change)
    bot.until("Reducing")
    bot.namespace.delete("Deployment", "tradingbot-a")
    eventually(lambda: "Deployment" in bot.namespace.children(), "the Deployment is made again")
    assert bot.template()["spec"] == template["spec"], "as it was approved"


def test_tightening_takes_effect_at_once(bot: LiveBot) -> None:
    bot.go_live()
    bot.until("Trading")
    bot.edit(risk={"maxDrawdown": 0.05})
    eventually(lambda: "max_drawdown: 0.05\n" in bot.config(), "the tighter limit")
    assert bot.namespace.status()["live"]["state"] == "Trading"


@pytest.mark.parametrize(
    "addition",
    [
        {"env": [{"name": "RISK_MAX_DRAWDOWN", "value": "0.99"}]},
        {"env": [{"name": "ORDER_CONFIRMATION_REQUIRED", "value": "false"}]},
        {"envFrom": [{"configMapRef": {"name": "mine"}}]},
        {"args": ["--mine"]},
        {"image": "registry.example/evil:1"},
        {"volumeMounts": [{"name": "tmp", "mountPath": "/app"}]},
    ],
    ids=["limit", "confirmation", "variables", "arguments", "image", "code"],
)
def test_nothing_is_changed_through_the_deployment(bot: LiveBot, addition: dict[str, Any]) -> None:
    bot.go_live()
    bot.until("Trading")
    before = bot.template()
    path = f"/apis/apps/v1/namespaces/{bot.namespace.name}/deployments/tradingbot-a"
    container = {"name": "bot"} | addition
    patch = {"spec": {"template": {"spec": {"containers": [container]}}}}
    bot.namespace.request("PATCH", path, patch, "application/strategic-merge-patch+json")
    eventually(lambda: bot.template()["spec"] == before["spec"], "what was approved")


def test_a_config_map_of_the_same_name_does_not_go_unnoticed(bot: LiveBot) -> None:
    bot.go_live()
    bot.until("Trading")
    name = bot.template()["spec"]["volumes"][0]["configMap"]["name"]
    right = bot.config()
    bot.answers.says["config_hash"] = sha256(right.encode()).hexdigest()
    mine = right.replace("max_drawdown: 0.15", "max_drawdown: 0.99")
    assert mine != right
    bot.namespace.delete("ConfigMap", name)
    try:
        bot.namespace.create(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"config.yaml": mine}}
        )
    except Refused:
        eventually(lambda: bot.config() == right, "the operator was faster")
    # The kubelet gives the pod whichever it finds when the pod is started anew; the bot says what it read.
    bot.answers.says["config_hash"] = sha256(mine.encode()).hexdigest()
    bot.until("Reducing")


IMAGE, NEWER = "registry.example/tradingbot:1", "registry.example/tradingbot:2"


def pulled(image: str, number: int) -> str:
    """What the kubelet says of an image that it pulled."""
    return f"{image.partition(':')[0]}@sha256:{str(number) * 64}"


def go_live_pinned(bot: LiveBot) -> str:
    """Go live with an image that was pulled and an account, both known by what the preflight saw."""
    bot.simulate()
    bot.edit(**LIVE)
    bot.preflight(image_id=pulled(IMAGE, 1), build="b1")
    digest = bot.digest()
    bot.approve(digest)
    bot.until_live(pulled(IMAGE, 1))
    bot.until("Trading")
    return digest


def image(bot: LiveBot) -> str:
    return str(bot.template()["spec"]["containers"][0]["image"])


def test_a_moved_tag_reaches_no_live_pod(bot: LiveBot) -> None:
    go_live_pinned(bot)
    assert image(bot) == pulled(IMAGE, 1), "by its digest: whatever the tag leads to when a pod is started anew"
    bot.namespace.delete("Deployment", "tradingbot-a")
    eventually(lambda: "Deployment" in bot.namespace.children(), "the Deployment is made again")
    assert image(bot) == pulled(IMAGE, 1)


def test_the_bot_is_told_by_itself_which_account_and_code_were_approved(bot: LiveBot) -> None:
    go_live_pinned(bot)
    assert 'account: "k1"' in bot.config()
    assert 'build: "b1"' in bot.config()


def test_an_upgrade_of_the_operator_changes_no_code_under_an_approval_and_ends_no_trading(
    bot: LiveBot, polling: OperatorProcess, start_operator: StartOperator
) -> None:
    first = go_live_pinned(bot)
    template = bot.template()
    polling.stop()
    start_operator(TBO_BOT_POLL_SECONDS="1", TBO_BOT_IMAGE=NEWER)
    bot.preflight(image_id=pulled(NEWER, 2), build="b2")
    newer = eventually(lambda: (bot.namespace.status()["approval"].get("newer") or {}).get("digest"), "what is new")
    assert (bot.template(), bot.digest()) == (template, first)
    assert bot.namespace.status()["live"]["state"] == "Trading"
    assert NEWER in bot.namespace.status()["approval"]["message"]
    bot.approve(newer)
    eventually(lambda: image(bot) == pulled(NEWER, 2), "the approved one")
    bot.ready(pulled(NEWER, 2))
    bot.until("Trading")
    eventually(lambda: "newer" not in bot.namespace.status()["approval"], "nothing waits any more")


def test_a_secret_that_was_swapped_while_the_bot_runs_is_said_and_changes_nothing(bot: LiveBot) -> None:
    go_live_pinned(bot)
    said = {"reason": "AnotherAccount", "message": "approved is k1, and the key given is k2"}
    pod = bot.namespace.pod("a")
    bot.namespace.kubelet(
        pod,
        ready=False,
        imageID=pulled(IMAGE, 1),
        state={
            "terminated": {"exitCode": 78, "message": json.dumps(said), "startedAt": stamp(), "finishedAt": stamp()}
        },
    )
    bot.namespace.wait_for_condition("Degraded", "True", "AnotherAccount")
    assert bot.namespace.status()["live"]["account"] == "k1"


def test_the_image_behind_the_tag_is_another_one(bot: LiveBot) -> None:
    first = bot.go_live()
    bot.until("Trading")
    bot.ready(image_id="sha256:bb")
    bot.until("Reducing")
    assert bot.digest() != first


def test_the_secret_behind_the_reference_is_another_one(bot: LiveBot) -> None:
    first = bot.go_live()
    bot.until("Trading")
    bot.answers.says["account"] = "k2"
    bot.until("Reducing")
    bot.preflight(account="k2")
    second = bot.digest(other_than=first)
    bot.approve(second)
    bot.until("Trading")


def test_a_key_that_may_withdraw_does_not_trade(bot: LiveBot) -> None:
    bot.simulate()
    bot.edit(**LIVE)
    bot.preflight(verdict="REFUSED", reasons=["KEY_MAY_WITHDRAW: make a key without it"])
    bot.approve(bot.digest())
    bot.stays_out()
    gates = {gate["name"]: gate["state"] for gate in bot.namespace.status()["gates"]}
    assert (gates["Withdrawal"], gates["Preflight"]) == ("Closed", "Closed")


def test_a_simulation_is_not_made_live_through_its_deployment(bot: LiveBot) -> None:
    bot.simulate()
    before = bot.template()
    path = f"/apis/apps/v1/namespaces/{bot.namespace.name}/deployments/tradingbot-a"
    env = [
        {"name": "TRADING_MODE", "value": "live"},
        {"name": "TRADING_APPROVED", "value": "true"},
        {"name": "EXCHANGE_API_KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "api-key"}}},
    ]
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "bot", "env": env}]}}}}
    bot.namespace.request("PATCH", path, patch, "application/strategic-merge-patch+json")
    eventually(lambda: bot.template()["spec"] == before["spec"], "the simulation")
