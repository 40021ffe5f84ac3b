"""From simulation to live and back: every gate, every way in, and that nothing else is one."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest
from tests.component.operator.fake_kube import CrashedError
from tests.component.operator.live_world import KEY, LIVE, LiveWorld
from tests.component.operator.world import NAMESPACE

from tradingbot_operator.status.observation import BotReport


async def test_a_bot_goes_live_when_a_second_person_approves_what_was_looked_at() -> None:
    world = await LiveWorld().asking()
    assert world.closed() == {"Approval"}
    assert world.status()["mode"] == "simulation"
    assert "kubectl -n trading patch tbot a" in world.gates()["Approval"][1]
    await world.approve()
    env = world.env()
    assert (env["TRADING_MODE"], env["TRADING_APPROVED"]) == ("live", "true")
    secrets = {
        e["name"]: e["valueFrom"]["secretKeyRef"]
        for e in world.template()["spec"]["containers"][0]["env"]
        if e["name"].startswith("EXCHANGE")
    }
    assert secrets == {
        "EXCHANGE_API_KEY": {"name": "keys", "key": "api-key"},
        "EXCHANGE_API_SECRET": {"name": "keys", "key": "api-secret"},
    }
    assert f'digest: "{world.digest()}"' in world.config()
    assert 'approved_by: "bob"' in world.config()
    assert 'expires_at: "2026-11-22T09:00:00Z"' in world.config()
    assert world.status()["mode"] == "live"
    assert world.condition("LiveReady")["status"] == "True"
    assert "Live" in world.told()
    note = next(event["note"] for event in world.kube.of("Event") if event["reason"] == "Live")
    assert all(part in note for part in ("alice", "bob", world.digest(), "from simulation to live"))


async def test_what_was_approved_is_written_down_before_it_runs() -> None:
    world = await LiveWorld().asking()
    world.kube.writes.clear()
    await world.approve()
    kinds = [kind for _, kind, _ in world.kube.writes]
    assert kinds.index("TradingBot") < kinds.index("ConfigMap") < kinds.index("Deployment")


async def test_a_simulation_knows_nothing_of_all_this() -> None:
    world = await LiveWorld().simulating()
    status = world.status()
    assert not {"approval", "gates", "preflight", "live"} & status.keys()
    assert [c["type"] for c in status["conditions"]] == ["Ready", "Progressing", "Degraded", "Suspended"]
    assert world.kube.of("Job") == []


async def test_nothing_is_published_to_approve_before_account_and_image_are_known() -> None:
    world = await LiveWorld().simulating()
    await world.apply(**LIVE)
    assert "requiredDigest" not in world.status()["approval"]
    assert world.status()["approval"]["state"] == "Unknown"
    await world.preflight(image_id="")
    assert "requiredDigest" not in world.status()["approval"]


async def test_the_preflight_has_the_keys_and_nothing_else() -> None:
    world = await LiveWorld().simulating()
    await world.apply(**LIVE, redis={"secretRef": {"name": "redis"}}, api={"secretRef": {"name": "control"}})
    pod = world.job()["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["command"] == ["tradingbot", "preflight"]
    references = {e["valueFrom"]["secretKeyRef"]["name"] for e in container["env"] if "valueFrom" in e}
    assert references == {"keys"}
    assert {volume["name"] for volume in pod["volumes"]} == {"config", "tmp"}
    assert world.job()["spec"]["activeDeadlineSeconds"] == 300
    assert world.job()["spec"]["ttlSecondsAfterFinished"] == 3600
    labels = world.job()["spec"]["template"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/component"] == "preflight"
    assert world.kube.of("Service")[0]["spec"]["selector"].items() - labels.items()
    assert "keys" not in json.dumps(world.kube.of("Deployment"))


async def test_a_second_pass_over_a_bot_that_asks_and_over_a_live_one_writes_nothing() -> None:
    for world in (await LiveWorld().asking(), await LiveWorld().live()):
        world.kube.writes.clear()
        await world.again()
        assert world.kube.writes == []
        await world.restart()
        await world.settle()
        assert world.kube.writes == []


# --- the gates ---------------------------------------------------------------------------------------------------


async def test_a_missing_secret_is_said_with_the_way_out() -> None:
    world = await LiveWorld().simulating()
    await world.apply(**LIVE)
    waiting = {"reason": "CreateContainerConfigError", "message": 'secret "keys" not found'}
    await world.job_pod(state={"waiting": waiting})
    state, message = world.gates()["Credentials"]
    assert state == "Closed"
    assert "kubectl -n trading create secret generic keys --from-literal=api-key=KEY" in message
    assert world.condition("LiveReady")["reason"] == "SecretNotFound"


@pytest.mark.parametrize(
    ("found", "closed", "reason"),
    [
        ({"verdict": "REFUSED", "reasons": ["KEY_MAY_WITHDRAW: make another"]}, {"Withdrawal"}, "PreflightRefused"),
        ({"verdict": "REFUSED", "reasons": ["KEY_MAY_NOT_TRADE: read only"]}, set(), "PreflightRefused"),
        ({"verdict": "UNREACHABLE", "account": None, "reasons": ["UNREACHABLE: x"]}, set(), "PreflightPending"),
        ({"kind": "kill"}, set(), "PreflightPending"),
        ({"verdict": "OK?"}, set(), "PreflightPending"),
    ],
)
async def test_no_account_that_was_not_found_good_trades(found: dict[str, Any], closed: set[str], reason: str) -> None:
    world = await LiveWorld().simulating()
    await world.apply(**LIVE)
    await world.preflight(**found)
    if "requiredDigest" in world.status()["approval"]:
        await world.approve()
    assert world.env()["TRADING_MODE"] == "simulation"
    assert {name for name, (state, _) in world.gates().items() if state == "Closed"} >= closed
    assert world.condition("LiveReady")["reason"] == reason
    assert "Preflight" in world.closed()


async def test_an_account_that_was_not_reached_is_tried_again_ever_more_slowly_and_a_good_one_once_a_day() -> None:
    world = await LiveWorld().simulating()
    await world.apply(**LIVE)
    for pause in (30, 60, 120, 240, 480, 900, 900):
        first = world.job()["metadata"]["name"]
        await world.preflight(verdict="UNREACHABLE", reasons=["UNREACHABLE: no route"])
        assert world.requeues[KEY] == pause
        await world.wait(pause)
        assert world.job()["metadata"]["name"] != first, "a new Job, and the old one is gone"
    await world.preflight()
    assert world.status()["preflight"]["attempts"] == 0
    assert world.requeues[KEY] == 86400
    first = world.job()["metadata"]["name"]
    await world.wait(86400)
    assert world.job()["metadata"]["name"] != first


async def test_a_pod_that_only_looks_like_the_preflights_is_not_believed() -> None:
    world = await LiveWorld().simulating()
    await world.apply(**LIVE)
    await world.preflight(job_uid="another")
    assert "verdict" not in world.status()["preflight"]
    world.kube.remove("Pod", NAMESPACE, f"{world.job()['metadata']['name']}-x")
    await world.preflight()
    assert world.status()["preflight"]["verdict"] == "OK"


async def test_a_preflight_that_was_given_another_configuration_is_not_believed() -> None:
    world = await LiveWorld().simulating()
    await world.apply(**LIVE)
    name = world.job()["metadata"]["name"]
    world.kube.edit("ConfigMap", NAMESPACE, name, lambda found: found.update(data={"config.yaml": "mode: live"}))
    await world.preflight()
    assert world.status()["preflight"]["verdict"] == "FAILED"
    assert f"the ConfigMap {name}" in world.status()["preflight"]["reasons"][0]


async def test_a_preflight_is_believed_although_the_spec_has_changed_while_it_ran() -> None:
    """It had the configuration that it was started with; what it looked at is the same."""
    world = await LiveWorld().simulating()
    await world.apply(**LIVE)
    await world.apply(risk={"maxOpenPositions": 1})
    await world.preflight()
    assert world.status()["preflight"]["verdict"] == "OK"


async def test_what_was_found_for_other_keys_counts_for_nothing() -> None:
    world = await LiveWorld().asking()
    await world.apply(exchange={"credentialsSecretRef": {"name": "other"}})
    assert "requiredDigest" not in world.status()["approval"]
    assert "account" not in world.status()["preflight"]
    await world.preflight(account="k9")
    assert world.status()["preflight"]["account"] == "k9"


@pytest.mark.parametrize(
    ("limits", "test_mode", "open_"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"maxOrderValue": 500}, False, True),
        ({"maxDrawdown": 1}, True, False),
    ],
)
async def test_real_money_needs_limits(limits: dict[str, Any], *, test_mode: bool, open_: bool) -> None:
    exchange = {"credentialsSecretRef": {"name": "keys"}, "testMode": test_mode}
    world = await LiveWorld().asking(exchange=exchange, risk=limits)
    await world.approve()
    assert (world.env()["TRADING_MODE"] == "live") is open_
    assert ("Limits" in world.closed()) is not open_


@pytest.mark.parametrize(
    "answer",
    [None, {"ready": False}, {"state": "HALTED", "reasons": [{"source": "database", "reason": "lost"}]}, {"state": 7}],
)
async def test_a_bot_that_does_not_answer_or_is_held_does_not_go_live(answer: dict[str, Any] | None) -> None:
    world = await LiveWorld().asking()
    world.bots.reports[KEY] = (
        BotReport() if answer is None else BotReport({"mode": "simulation", "ready": True} | answer)
    )
    await world.approve()
    assert world.env()["TRADING_MODE"] == "simulation"
    assert "Reconciled" in world.closed()


@pytest.mark.parametrize(
    ("shown", "missing"),
    [
        (None, "no result"),
        ({}, "days not known"),
        ({"days": "13.9", "trades": 130, "max_drawdown": "0.04", "profit_factor": "1.7"}, "days 13.9 (at least 14)"),
        ({"days": "20", "trades": 99, "max_drawdown": "0.04", "profit_factor": "1.7"}, "trades 99 (at least 100)"),
        ({"days": "20", "trades": 130, "max_drawdown": "0.2", "profit_factor": "1.7"}, "drawdown 0.2 (at most 0.15)"),
        ({"days": "20", "trades": 130, "max_drawdown": "0.04", "profit_factor": "1.19"}, "profit factor 1.19"),
        ({"days": "20", "trades": 130, "max_drawdown": "NaN", "profit_factor": None}, "drawdown not known"),
        ({"days": "-1E+9999999", "trades": 130, "max_drawdown": "0", "profit_factor": "2"}, "days not known"),
        ({"days": "20", "trades": 130, "max_drawdown": "0", "profit_factor": "-1E-9999999"}, "factor not known"),
        ({"days": "14", "trades": 100, "max_drawdown": "0.15", "profit_factor": "1.2"}, ""),
    ],
)
async def test_what_the_simulation_has_to_show(shown: dict[str, Any] | None, missing: str) -> None:
    world = await LiveWorld().asking(promotion={})
    await world.report(promotion=shown)
    await world.approve()
    assert (world.env()["TRADING_MODE"] == "live") is (missing == "")
    if missing:
        assert missing in world.gates()["Promotion"][1]


def schedule(database: str = "db", **status: str) -> dict[str, Any]:
    return {
        "metadata": {"name": "nightly", "namespace": NAMESPACE},
        "spec": {"database": {"secretRef": {"name": database}}},
        "status": {"conditions": [{"type": kind, "status": value} for kind, value in status.items()]},
    }


@pytest.mark.parametrize(
    ("found", "open_"),
    [
        (None, True),
        (schedule("another"), True),
        (schedule(), False),
        (schedule(BackupFresh="True"), False),
        (schedule(BackupFresh="True", Verified="Unknown"), False),
        (schedule(BackupFresh="False", Verified="True"), False),
        (schedule(BackupFresh="True", Verified="True"), True),
    ],
)
async def test_where_there_is_a_backup_schedule_there_is_a_backup(found: dict[str, Any] | None, *, open_: bool) -> None:
    world = await LiveWorld().asking()
    if found is not None:
        world.kube.put("BackupSchedule", found)
        world.kube.events.clear()
    await world.approve()
    assert (world.env()["TRADING_MODE"] == "live") is open_
    if not open_:
        assert "BackupSchedule nightly is not" in world.gates()["Backup"][1]
        world.kube.put("BackupSchedule", schedule(BackupFresh="True", Verified="True"))
        world.kube.events.clear()
        await world.wait(60)
        assert world.env()["TRADING_MODE"] == "live"


async def test_a_stop_that_is_latched_keeps_a_bot_from_going_live() -> None:
    world = await LiveWorld().asking()
    await world.apply(emergencyStop={"active": True})
    await world.apply(emergencyStop=None)
    await world.approve()
    assert world.env()["TRADING_MODE"] == "simulation"
    assert "Stop" in world.closed()


# --- the approval, while it trades live --------------------------------------------------------------------------


async def test_an_approval_that_ends_leaves_the_bot_live_and_only_reducing_without_an_event() -> None:
    world = await LiveWorld().live()
    before = (world.template(), world.config())
    await world.wait(24 * 3600)
    assert world.status()["live"]["state"] == "Reducing"
    assert world.status()["mode"] == "live"
    assert (world.template(), world.config()) == before, "no pod is started anew for it"
    assert world.condition("Suspended")["reason"] == "ApprovalExpired"
    assert world.bots.followed[KEY][1], "it is asked often until it says that it reduces"
    await world.report(mode="live", account="k1", state="REDUCING")
    assert not world.bots.followed[KEY][1]
    assert world.condition("LiveReady")["status"] == "False"
    assert "ApprovalExpired" in world.told()


async def test_an_approval_that_ended_while_the_operator_was_down_is_seen_at_its_start() -> None:
    world = await LiveWorld().live()
    world.later(24 * 3600)
    await world.restart()
    world.bots.reports[KEY] = BotReport()
    await world.settle()
    assert world.status()["live"]["state"] == "Reducing"


async def test_another_approval_of_the_same_lets_it_trade_on() -> None:
    world = await LiveWorld().live()
    template = world.template()
    await world.wait(24 * 3600)
    await world.preflight()
    await world.approve()
    assert world.status()["live"]["state"] == "Trading"
    assert world.template() == template, "the bot reads the renewal itself: no pod is started anew for it"


@pytest.mark.parametrize(
    "change",
    [
        {"strategy": {"name": "breakout", "symbols": ["BTC/USD"], "parameters": {"entry_lookback": 21}}},
        {"risk": {"maxPositionSize": 0.5}},
        {"risk": {"maxPositionSize": 0.5, "maxDrawdown": 0.1}},
        {"image": "bot:2"},
        {"exchange": {"credentialsSecretRef": {"name": "other"}}},
        {"exchange": {"credentialsSecretRef": {"name": "keys"}, "testMode": False}},
        {"database": {"secretRef": {"name": "other"}}},
        {"api": {"secretRef": {"name": "control"}}},
    ],
    ids="-".join,
)
async def test_a_change_of_the_risk_reduces_what_was_approved_and_never_runs_itself(change: dict[str, Any]) -> None:
    world = await LiveWorld().live()
    template = world.template()
    config = world.config()
    await world.apply(**change)
    assert world.status()["live"]["state"] == "Reducing"
    if "maxDrawdown" not in change.get("risk", {}):
        assert (world.template(), world.config()) == (template, config)
    assert "max_position_size: 0.25" in world.config()
    assert "entry_lookback: 20" in world.config()
    await world.restart()
    await world.settle()
    assert world.template()["spec"]["containers"] == template["spec"]["containers"], "after a restart neither"
    world.kube.remove("Deployment", NAMESPACE, "tradingbot-a")
    await world.settle()
    assert world.template()["spec"]["containers"] == template["spec"]["containers"], "nor when it is made again"


async def test_tightening_takes_effect_at_once_and_keeps_the_approval() -> None:
    world = await LiveWorld().live()
    await world.apply(risk={"maxDrawdown": 0.1})
    assert "max_drawdown: 0.1\n" in world.config()
    assert world.status()["live"]["state"] == "Trading"
    await world.apply(risk={})
    assert "max_drawdown: 0.15\n" in world.config()
    assert world.status()["live"]["state"] == "Trading"


async def test_tightening_takes_effect_without_an_approval_too_and_loosening_does_not() -> None:
    world = await LiveWorld().live()
    await world.wait(24 * 3600)
    await world.apply(risk={"maxDrawdown": 0.1, "maxPositionSize": 0.5})
    assert "max_drawdown: 0.1\n" in world.config()
    assert "max_position_size: 0.25\n" in world.config()


async def test_a_changed_bot_trades_as_changed_once_that_is_approved() -> None:
    world = await LiveWorld().live()
    first = world.digest()
    await world.apply(risk={"maxPositionSize": 0.5})
    assert world.digest() != first
    await world.approve(first)
    assert world.status()["approval"]["state"] == "WrongDigest"
    assert world.status()["live"]["state"] == "Reducing"
    await world.approve()
    assert world.status()["live"]["state"] == "Trading"
    assert "max_position_size: 0.5\n" in world.config()


async def test_a_live_bot_with_criteria_takes_another_strategy_only_by_way_of_a_simulation() -> None:
    shown = {"days": "20", "trades": 130, "max_drawdown": "0.04", "profit_factor": "1.7"}
    world = await LiveWorld().asking(promotion={})
    await world.report(promotion=shown)
    await world.approve()
    assert world.env()["TRADING_MODE"] == "live"
    await world.report(mode="live", account="k1", promotion=None)
    await world.apply(strategy={"name": "momentum", "symbols": ["BTC/USD"]})
    await world.approve()
    assert world.status()["live"]["state"] == "Reducing"
    assert "set mode: simulation" in world.gates()["Promotion"][1]
    assert 'name: "breakout"' in world.config()


@pytest.mark.parametrize("how", ["withdrawn", "approved by the requester", "signed by another"])
async def test_what_is_no_approval_any_more_reduces(how: str) -> None:
    world = await LiveWorld().live()
    if how == "withdrawn":
        await world.apply(approval=None)
    elif how == "signed by another":
        await world.apply(requestedBy="bob")
    else:
        await world.approve(by="alice")
    assert world.status()["live"]["state"] == "Reducing"


async def test_after_an_emergency_stop_live_trading_needs_a_fresh_approval() -> None:
    world = await LiveWorld().live()
    before, config = world.digest(), world.config()
    await world.apply(emergencyStop={"active": True})
    stop = world.status()["emergencyStop"]["id"]
    assert world.status()["live"]["state"] == "Reducing"
    assert world.config() == config, "the pod that carries the stop out is left alone"
    await world.apply(emergencyStop=None, resume={"stopId": stop, "reason": "checked"})
    lifted = {"id": stop, "resumed_at": "2026-11-21T10:00:00Z", "reason": "checked"}
    await world.report(mode="live", account="k1", last_stop=lifted)
    assert "emergencyStop" not in world.status()
    assert world.digest() != before
    assert world.status()["live"]["state"] == "Reducing"
    await world.approve()
    assert world.status()["live"]["state"] == "Trading"
    await world.report(mode="live", account="k1", last_stop=None)
    assert world.status()["live"]["state"] == "Trading"


async def test_the_secret_behind_the_reference_is_another_account_and_the_approval_is_void() -> None:
    world = await LiveWorld().live()
    before = world.digest()
    await world.report(mode="live", account="k2")
    assert world.status()["live"]["state"] == "Reducing"
    await world.report(mode="live", account=None)
    assert world.status()["live"]["state"] == "Reducing", "silence does not bring it back"
    await world.preflight(account="k2")
    assert world.digest() != before
    assert world.status()["live"]["state"] == "Reducing"
    await world.approve()
    assert world.status()["live"]["state"] == "Trading"


async def test_the_image_behind_the_tag_is_another_one_and_the_approval_is_void() -> None:
    world = await LiveWorld().live()
    world.kube.edit(
        "Pod",
        NAMESPACE,
        world.bot_pods()[-1]["metadata"]["name"],
        lambda pod: pod["status"]["containerStatuses"][0].update(imageID="sha256:bb"),
    )
    await world.settle()
    assert world.status()["preflight"]["imageDigest"] == "sha256:bb"
    assert world.status()["live"]["state"] == "Reducing"


def _looser(container: dict[str, Any]) -> None:
    container["env"].append({"name": "RISK_MAX_DRAWDOWN", "value": "0.99"})


def _unconfirmed(container: dict[str, Any]) -> None:
    container["envFrom"] = [{"configMapRef": {"name": "mine"}}]


def _other_code(container: dict[str, Any]) -> None:
    container["volumeMounts"].append({"name": "tmp", "mountPath": "/app"})


def _other_image(container: dict[str, Any]) -> None:
    container["image"] = "bot:evil"


def _other_arguments(container: dict[str, Any]) -> None:
    container["args"] = ["--config", "/tmp/mine.yaml"]


@pytest.mark.parametrize("edit", [_looser, _unconfirmed, _other_code, _other_image, _other_arguments])
async def test_what_was_approved_is_not_changed_through_the_deployment(edit: Any) -> None:
    world = await LiveWorld().live()
    before = world.template()
    world.kube.edit(
        "Deployment", NAMESPACE, "tradingbot-a", lambda d: edit(d["spec"]["template"]["spec"]["containers"][0])
    )
    assert world.template() != before
    await world.settle()
    assert world.template() == before


async def test_a_config_map_of_the_same_name_is_found_out_by_what_the_pod_says() -> None:
    world = await LiveWorld().live()
    right = sha256(world.config().encode()).hexdigest()
    await world.report(mode="live", account="k1", config_hash=right)
    assert world.status()["live"]["state"] == "Trading"
    wrong = sha256(world.config().replace("0.15", "0.99").encode()).hexdigest()
    await world.report(mode="live", account="k1", config_hash=wrong)
    assert world.status()["live"]["state"] == "Reducing"
    assert "who replaced its ConfigMap" in world.condition("LiveReady")["message"]
    await world.restart()
    world.bots.reports.clear()
    await world.settle()
    assert world.status()["live"]["state"] == "Reducing", "silence does not bring it back"
    await world.report(mode="live", account="k1", config_hash=right)
    assert world.status()["live"]["state"] == "Trading"


async def test_a_simulation_is_not_made_live_through_the_deployment() -> None:
    world = await LiveWorld().simulating()
    before = world.template()

    def live(deployment: dict[str, Any]) -> None:
        env = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
        for variable in env:
            if variable["name"] in {"TRADING_MODE", "TRADING_APPROVED"}:
                variable["value"] = {"TRADING_MODE": "live", "TRADING_APPROVED": "true"}[variable["name"]]
        env.append({"name": "EXCHANGE_API_KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "api-key"}}})

    world.kube.edit("Deployment", NAMESPACE, "tradingbot-a", live)
    await world.settle()
    assert world.template() == before
    assert world.status()["mode"] == "simulation"


# --- back --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["PENDING", "UNKNOWN", "RESIDUAL", "nothing"])
@pytest.mark.parametrize("deployment", ["there", "deleted by somebody"])
async def test_a_live_bot_whose_stop_is_not_confirmed_is_not_replaced_by_a_simulation(
    state: str, deployment: str
) -> None:
    """A simulation, or a kill Job that is made from its pod, has no keys, and would say that all is done."""
    world = await LiveWorld().live()
    await world.apply(emergencyStop={"active": True, "closePositions": True})
    stop = world.status()["emergencyStop"]
    said = {"id": stop["id"], "since": stop["since"], "close_positions": True}
    said |= {} if state == "nothing" else {"outcome": {"state": state, "confirmed": state == "RESIDUAL"}}
    stopped = {
        "mode": "live",
        "account": "k1",
        "state": "KILLED",
        "entry_orders": 0,
        "entries_gone": True,
        "stop": said,
    }
    await world.report(**stopped)
    await world.apply(mode="simulation", approval=None)
    if deployment != "there":
        world.kube.remove("Deployment", NAMESPACE, "tradingbot-a")
    for _ in range(3):
        world.later(61)
        await world.report(**stopped)
        assert world.env()["TRADING_MODE"] == "live"
        assert world.live_status()["state"] == "Leaving"
    if deployment != "there":
        world.end_kill(state="FLAT")
        await world.settle()
    await world.report(**stopped | {"stop": said | {"outcome": {"state": "FLAT", "confirmed": True}}})
    assert world.env()["TRADING_MODE"] == "simulation"


async def test_back_to_a_simulation_waits_until_the_live_bot_has_cancelled_its_orders() -> None:
    world = await LiveWorld().live()
    await world.report(mode="live", account="k1", open_orders=2, entry_orders=2)
    await world.apply(mode="simulation", approval=None)
    assert world.status()["live"]["state"] == "Leaving"
    assert world.env()["TRADING_MODE"] == "live"
    assert world.condition("Suspended")["reason"] == "LeavingLive"
    assert world.bots.followed[KEY][1], "it is asked often"
    await world.report(mode="live", account="k1", state="REDUCING", open_orders=2, entry_orders=1)
    assert world.env()["TRADING_MODE"] == "live"
    await world.report(mode="live", account="k1", state="REDUCING", open_orders=1, entry_orders=0)
    assert world.env()["TRADING_MODE"] == "live", "its ledger says so; the exchange has not said it yet"
    await world.report(mode="live", account="k1", state="REDUCING", open_orders=1, entry_orders=0, entries_gone=True)
    assert world.env()["TRADING_MODE"] == "simulation"
    assert "keys" not in json.dumps(world.template())
    assert "live" not in world.status()
    assert world.status()["mode"] == "simulation"
    assert world.kube.of("Job") == []
    assert {"LeavingLive", "NotAsked"} <= set(world.told())
    assert "approval:" not in world.config()


@pytest.mark.parametrize("silent", [True, False])
async def test_a_live_bot_that_says_nothing_or_does_not_obey_does_not_hold_up_the_way_back(*, silent: bool) -> None:
    world = await LiveWorld().live()
    await world.report(mode="live", account="k1", open_orders=2)
    if silent:
        world.bots.reports[KEY] = BotReport(None, 9)
    await world.apply(mode="simulation")
    for _ in range(59):
        assert world.env()["TRADING_MODE"] == "live"
        await world.wait(1)
    await world.wait(1)
    assert world.env()["TRADING_MODE"] == "simulation"
    await world.again()
    assert world.env()["TRADING_MODE"] == "simulation"


async def test_a_change_of_mind_on_the_way_back_trades_on() -> None:
    world = await LiveWorld().live()
    await world.apply(mode="simulation")
    await world.apply(mode="live")
    assert world.status()["live"]["state"] == "Trading"
    assert "leavingSince" not in world.status()["live"]


@pytest.mark.parametrize("crash_after", range(6))
@pytest.mark.parametrize("step", ["in", "out"])
async def test_a_crash_anywhere_on_the_way_ends_in_the_same_state(step: str, crash_after: int) -> None:
    whole, broken = LiveWorld(), LiveWorld()

    async def go(world: LiveWorld) -> None:
        if step == "in":
            await world.approve()
        else:
            await world.apply(mode="simulation")

    for world in (whole, broken):
        await (world.asking() if step == "in" else world.live())
        if step == "out":
            await world.report(mode="live", account="k1", state="REDUCING")
    await go(whole)
    broken.kube.crash_after = len(broken.kube.writes) + crash_after
    try:
        await go(broken)
    except CrashedError:
        broken.kube.crash_after = None
        await broken.restart()
        await broken.settle()
    broken.kube.crash_after = None
    assert broken.env() == whole.env()
    assert broken.status() == whole.status()
