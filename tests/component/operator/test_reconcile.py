"""Passes over a server in memory: what is written, what is not, and what happens when something goes wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.component.operator.fake_kube import CrashedError, unavailable
from tests.component.operator.world import KINDS, NAMESPACE, SPEC, World

from tradingbot_operator.desired.kinds import DEPLOYMENT
from tradingbot_operator.kube.errors import ForbiddenError, TerminatingError, ThrottledError
from tradingbot_operator.runtime.keys import Key
from tradingbot_operator.status.observation import BotReport

KEY = Key(NAMESPACE, "a")


def report(**fields: Any) -> BotReport:
    return BotReport({"state": "ACTIVE", "role": "trading", "ready": True, "positions": 0, "open_orders": 0} | fields)


@pytest.fixture
def world() -> World:
    return World()


async def test_a_new_bot_gets_every_child_and_one_status(world: World) -> None:
    await world.converged()
    kinds = [kind for _, kind, _ in world.kube.writes]
    assert kinds == [*KINDS, "TradingBot"]
    assert world.condition("Ready")["reason"] == "Starting"
    assert world.status()["observedGeneration"] == 1
    uid = world.bot()["metadata"]["uid"]
    for kind in KINDS:
        (child,) = world.kube.of(kind)
        (owner,) = child["metadata"]["ownerReferences"]
        assert (owner["uid"], owner["controller"]) == (uid, True)


async def test_a_second_pass_writes_nothing(world: World) -> None:
    await world.converged()
    world.kube.writes.clear()
    world.queue.add(KEY)
    await world.settle()
    assert world.kube.writes == []
    assert world.kube.reads == []


async def test_a_restart_over_unchanged_bots_writes_nothing(world: World) -> None:
    for name in ("a", "b", "c"):
        await world.converged(name)
        world.pod(name, ready=True)
        await world.settle()
    world.kube.writes.clear()
    await world.restart()
    await world.settle()
    assert len(world.passes) >= 3
    assert world.kube.writes == []
    assert world.kube.reads == []


@pytest.mark.parametrize("crash_after", range(9))
async def test_a_crash_after_any_write_ends_in_the_same_state(crash_after: int) -> None:
    whole, broken = World(), World()
    await whole.converged()
    broken.kube.crash_after = crash_after
    with pytest.raises(CrashedError):
        await broken.converged()
    broken.kube.crash_after = None
    await broken.restart()
    await broken.settle()
    assert broken.state() == whole.state()
    assert broken.errors == []


@pytest.mark.parametrize("crash_after", range(4))
async def test_a_crash_in_the_middle_of_a_change_ends_in_the_same_state(crash_after: int) -> None:
    change: dict[str, Any] = {"redis": {"secretRef": {"name": "r"}}, "logLevel": "DEBUG"}
    whole, broken = World(), World()
    for world in (whole, broken):
        await world.converged()
    await whole.converged(**change)
    writes = len(broken.kube.writes)
    broken.kube.crash_after = writes + crash_after
    try:
        await broken.converged(**change)
    except CrashedError:
        broken.kube.crash_after = None
        await broken.restart()
        await broken.settle()
    assert broken.state() == whole.state()


async def test_two_edits_during_a_pass_cause_exactly_one_more(world: World) -> None:
    world.create()
    world.deliver()
    edits = iter(["DEBUG", "WARNING"])

    def edit(_verb: str, kind: str, _name: str) -> None:
        if kind in {"Role", "Service"} and (level := next(edits, None)):
            world.create(logLevel=level)
            world.deliver()

    world.kube.on_write = edit
    assert await world.work() == 2
    await world.settle()
    (config_map,) = [c for c in world.kube.of("ConfigMap") if 'log_level: "WARNING"' in c["data"]["config.yaml"]]
    (deployment,) = world.kube.of("Deployment")
    assert deployment["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"] == config_map["metadata"]["name"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_deleted_child_comes_back(world: World, kind: str) -> None:
    await world.converged()
    (child,) = world.kube.of(kind)
    world.kube.remove(kind, NAMESPACE, child["metadata"]["name"])
    world.kube.writes.clear()
    await world.settle()
    (again,) = world.kube.of(kind)
    assert again["metadata"]["name"] == child["metadata"]["name"]
    assert world.kube.writes == [("apply", kind, child["metadata"]["name"])]


def _more_rights(role: dict[str, Any]) -> None:
    role["rules"].append({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]})


def _open_network(policy: dict[str, Any]) -> None:
    policy["spec"]["egress"].append({})


def _live(deployment: dict[str, Any]) -> None:
    for variable in deployment["spec"]["template"]["spec"]["containers"][0]["env"]:
        if variable["name"] == "TRADING_MODE":
            variable["value"] = "live"


def _no_owner(service: dict[str, Any]) -> None:
    service["metadata"]["ownerReferences"] = []


@pytest.mark.parametrize(
    ("kind", "edit"),
    [("Role", _more_rights), ("NetworkPolicy", _open_network), ("Deployment", _live), ("Service", _no_owner)],
)
async def test_an_edited_child_is_put_right(world: World, kind: str, edit: Any) -> None:
    await world.converged()
    (before,) = (json.dumps({**child, "metadata": None}) for child in world.kube.of(kind))
    (name,) = (child["metadata"]["name"] for child in world.kube.of(kind))
    world.kube.edit(kind, NAMESPACE, name, edit)
    await world.settle()
    (after,) = (json.dumps({**child, "metadata": None}) for child in world.kube.of(kind))
    assert after == before
    (owner,) = world.kube.of(kind)[0]["metadata"]["ownerReferences"]
    assert owner["uid"] == world.bot()["metadata"]["uid"]


async def test_what_others_add_beside_is_left_alone(world: World) -> None:
    await world.converged()
    world.kube.writes.clear()

    def mark(service: dict[str, Any]) -> None:
        service["metadata"]["labels"]["team"] = "quant"

    world.kube.edit("Service", NAMESPACE, "tradingbot-a", mark)
    await world.settle()
    assert world.kube.writes == []


async def test_a_foreign_object_of_a_wanted_name_is_never_touched(world: World) -> None:
    foreign = world.kube.put(
        "ServiceAccount", {"kind": "ServiceAccount", "metadata": {"name": "tradingbot-a", "namespace": NAMESPACE}}
    )
    await world.converged()
    assert world.kube.objects["ServiceAccount", NAMESPACE, "tradingbot-a"] == foreign
    assert world.kube.of("Deployment") == [], "a pod must not run with somebody else's ServiceAccount"
    ready = world.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("False", "NameTaken")
    assert "kubectl -n trading delete serviceaccounts tradingbot-a" in ready["message"]
    assert world.requeues[KEY] == 60

    world.kube.remove("ServiceAccount", NAMESPACE, "tradingbot-a")
    world.queue.add(KEY)
    await world.settle()
    assert len(world.kube.of("Deployment")) == 1
    assert world.condition("Degraded")["status"] == "False"


async def test_a_foreign_object_that_took_a_childs_place_is_not_hijacked(world: World) -> None:
    await world.converged()
    world.kube.remove("NetworkPolicy", NAMESPACE, "tradingbot-a")
    foreign = world.kube.put(
        "NetworkPolicy", {"kind": "NetworkPolicy", "metadata": {"name": "tradingbot-a", "namespace": NAMESPACE}}
    )
    world.kube.events.clear()
    await world.converged(redis={"secretRef": {"name": "redis"}})
    assert world.kube.objects["NetworkPolicy", NAMESPACE, "tradingbot-a"] == foreign
    assert world.condition("Ready")["reason"] == "NameTaken"


async def test_children_of_a_deleted_namesake_are_waited_for(world: World) -> None:
    await world.converged()
    world.kube.remove("TradingBot", NAMESPACE, "a")
    world.create()
    await world.settle()
    assert world.condition("Ready")["reason"] == "Reconciling"
    assert world.requeues[KEY] == 2
    for kind in KINDS:
        for child in world.kube.of(kind):
            world.kube.remove(kind, NAMESPACE, child["metadata"]["name"])
    await world.settle()
    uid = world.bot()["metadata"]["uid"]
    assert all(world.kube.of(k)[0]["metadata"]["ownerReferences"][0]["uid"] == uid for k in KINDS)


async def test_orphans_are_adopted(world: World) -> None:
    await world.converged()
    world.kube.remove("TradingBot", NAMESPACE, "a")
    for kind in KINDS:
        name = world.kube.of(kind)[0]["metadata"]["name"]
        world.kube.edit(kind, NAMESPACE, name, lambda child: child["metadata"].update(ownerReferences=[]))
    await world.settle()
    await world.converged()
    uid = world.bot()["metadata"]["uid"]
    assert all(world.kube.of(k)[0]["metadata"]["ownerReferences"][0]["uid"] == uid for k in KINDS)


async def test_a_deleted_object_is_left_to_the_garbage_collector(world: World) -> None:
    await world.converged()
    world.kube.edit(
        "TradingBot", NAMESPACE, "a", lambda bot: bot["metadata"].update(deletionTimestamp="2026-11-21T10:00:00Z")
    )
    world.kube.remove("Deployment", NAMESPACE, "tradingbot-a")
    world.kube.writes.clear()
    await world.settle()
    assert world.kube.writes == []


async def test_config_maps_are_pruned_only_when_the_rollout_is_complete(world: World) -> None:
    await world.converged()
    world.pod(ready=True)
    await world.settle()
    (old,) = world.kube.of("ConfigMap")
    await world.converged(logLevel="DEBUG")
    world.pod(ready=False)
    await world.settle()
    assert len(world.kube.of("ConfigMap")) == 2, "the old pod may restart and needs its configuration"
    world.kube.remove("Pod", NAMESPACE, next(p["metadata"]["name"] for p in world.kube.of("Pod")))
    for pod in world.kube.of("Pod"):
        world.kube.remove("Pod", NAMESPACE, pod["metadata"]["name"])
    world.pod(ready=True)
    await world.settle()
    (left,) = world.kube.of("ConfigMap")
    assert left["metadata"]["name"] != old["metadata"]["name"]


async def test_an_invalid_spec_changes_no_child_and_names_the_field(world: World) -> None:
    await world.converged()
    world.pod(ready=True)
    await world.settle()
    before = {name: obj for name, obj in world.kube.objects.items() if name[0] in KINDS}
    await world.converged(risk={"maxDrawdown": 7, "secret": "hunter2"})
    ready = world.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("False", "InvalidSpec")
    assert "maxDrawdown" in ready["message"]
    assert "hunter2" not in json.dumps(world.status())
    assert "keeps trading" in world.condition("Degraded")["message"]
    assert {name: obj for name, obj in world.kube.objects.items() if name[0] in KINDS} == before
    await world.converged(risk={"maxDrawdown": 0.1})
    assert world.condition("Degraded")["status"] == "False"


async def test_mode_live_stays_in_simulation(world: World) -> None:
    await world.converged(mode="live", exchange={"credentialsSecretRef": {"name": "keys"}})
    assert world.status()["mode"] == "simulation"
    suspended = world.condition("Suspended")
    assert (suspended["status"], suspended["reason"]) == ("True", "AwaitingApproval")
    (deployment,) = world.kube.of("Deployment")
    env = {e["name"]: e.get("value") for e in deployment["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert (env["TRADING_MODE"], env["TRADING_APPROVED"]) == ("simulation", "false")
    assert "keys" not in json.dumps(world.kube.of("Deployment"))


async def test_a_stop_is_latched_first_and_survives_every_revert(world: World) -> None:
    await world.converged()
    world.kube.writes.clear()
    world.create(emergencyStop={"active": True, "reason": "drill"})
    await world.settle()
    assert world.kube.writes[0] == ("status", "TradingBot", "a")
    stop = world.status()["emergencyStop"]
    assert stop["id"] == f"{world.bot()['metadata']['uid'][:8]}-2"
    assert (stop["source"], stop["reason"]) == ("spec", "drill")
    assert world.status()["state"] == "KILLED"
    for again in (None, {"active": False}):
        await world.converged(**({"emergencyStop": again} if again else {}))  # type: ignore[arg-type]
        assert world.status()["emergencyStop"] == stop
    await world.restart()
    await world.settle()
    assert world.status()["emergencyStop"] == stop
    assert world.condition("Ready")["reason"] == "EmergencyStopped"
    assert world.condition("Suspended")["status"] == "True"
    assert [e["reason"] for e in world.kube.of("Event")] == ["EmergencyStopped"]


async def test_a_stop_that_was_reverted_before_the_pass_counts(world: World) -> None:
    await world.converged()
    world.create(emergencyStop={"active": True})
    world.create()
    world.deliver()
    await world.settle()
    assert world.status()["emergencyStop"]["id"].endswith("-2")


async def test_a_stop_is_latched_in_an_invalid_object(world: World) -> None:
    await world.converged()
    await world.converged(risk={"maxDrawdown": 7}, emergencyStop={"active": True})
    assert world.status()["emergencyStop"]["id"].endswith("-2")
    assert world.condition("Suspended")["reason"] == "EmergencyStopped"


async def test_a_stop_is_not_lost_when_the_status_cannot_be_written(world: World) -> None:
    await world.converged()
    world.create(emergencyStop={"active": True})
    world.create()
    world.kube.refuse = unavailable
    world.deliver()
    await world.step()
    assert "does not answer" in str(world.errors[-1])
    world.kube.refuse = None
    world.queue.add(KEY)
    await world.settle()
    assert world.status()["emergencyStop"]["id"].endswith("-2")


async def test_the_older_of_two_stops_counts() -> None:
    world = World(polled=True)
    await world.converged()
    world.pod(ready=True)
    uid = world.bot()["metadata"]["uid"][:8]
    world.create(logLevel="DEBUG")
    world.create(emergencyStop={"active": True})
    await world.settle()
    assert world.status()["emergencyStop"]["id"] == f"{uid}-3"
    world.bots.reports[KEY] = report(
        state="KILLED",
        stop={
            "id": f"{uid}-2",
            "since": "2026-11-21T08:59:00Z",
            "source": "spec",
            "reason": "first",
            "close_positions": False,
            "outcome": {"state": "CANCELLED", "orders_cancelled": 2, "message": "done"},
        },
    )
    world.queue.add(KEY)
    await world.settle()
    stop = world.status()["emergencyStop"]
    assert (stop["id"], stop["reason"]) == (f"{uid}-2", "first")
    assert stop["outcome"]["ordersCancelled"] == 2


async def test_an_unconfirmed_stop_is_polled_at_once() -> None:
    world = World(polled=True)
    await world.converged()
    world.pod(ready=True)
    world.bots.reports[KEY] = report()
    await world.settle()
    assert world.bots.followed[KEY] == ("198.18.0.9", False)
    await world.converged(emergencyStop={"active": True})
    assert world.bots.followed[KEY] == ("198.18.0.9", True)


async def test_a_trading_bot_is_ready_and_shows_what_it_says() -> None:
    world = World(polled=True)
    await world.converged()
    world.pod(ready=True)
    world.bots.reports[KEY] = report(positions=2, version="0.1.0", config_hash="abc")
    await world.settle()
    assert (world.condition("Ready")["status"], world.condition("Ready")["reason"]) == ("True", "Trading")
    status = world.status()
    assert (status["state"], status["role"], status["positions"], status["version"]) == (
        "ACTIVE",
        "trading",
        2,
        "0.1.0",
    )
    assert world.condition("Progressing")["reason"] == "RolloutComplete"


async def test_a_restart_asks_the_bot_before_it_judges() -> None:
    world = World(polled=True)
    await world.converged()
    world.pod(ready=True)
    world.bots.reports[KEY] = report()
    await world.settle()
    world.kube.writes.clear()
    world.bots.reports.clear()
    await world.restart()
    await world.settle()
    assert world.kube.writes == []
    world.bots.reports[KEY] = report()
    world.queue.add(KEY)
    await world.settle()
    assert world.kube.writes == []


async def test_silence_never_loosens() -> None:
    world = World(polled=True)
    await world.converged()
    world.pod(ready=True)
    world.bots.reports[KEY] = report(state="HALTED", reasons=[{"source": "risk", "state": "HALTED", "reason": "loss"}])
    await world.settle()
    assert world.condition("Ready")["reason"] == "Halted"
    world.bots.reports[KEY] = BotReport(None, failures=4)
    world.queue.add(KEY)
    await world.settle()
    assert world.status()["state"] == "HALTED"
    assert world.condition("Ready")["status"] == "Unknown"
    assert world.condition("Degraded")["reason"] == "BotUnreachable"


async def test_what_is_in_the_way_is_shown_with_the_way_out(world: World) -> None:
    await world.converged()
    world.pod(state={"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "db" not found'}})
    await world.settle()
    degraded = world.condition("Degraded")
    assert (degraded["status"], degraded["reason"]) == ("True", "SecretNotFound")
    assert "kubectl create secret generic db --namespace trading" in degraded["message"]
    assert "Nothing trades" in degraded["message"]
    assert [e["reason"] for e in world.kube.of("Event")] == ["SecretNotFound"]
    world.pod(ready=True)
    await world.settle()
    assert world.condition("Degraded")["status"] == "False"
    assert sorted(e["type"] for e in world.kube.of("Event")) == ["Normal", "Warning"]


async def test_a_refused_child_is_shown_and_tried_again(world: World) -> None:
    def refuse(verb: str, kind: str, _manifest: Any) -> Exception | None:
        forbidden = ForbiddenError('exceeded quota "small"', code=403)
        return forbidden if (verb, kind) == ("apply", "Service") else None

    world.kube.refuse = refuse
    await world.converged()
    assert len(world.errors) == 1
    assert world.condition("Ready")["reason"] == "ApiRefused"
    assert 'quota "small"' in world.condition("Ready")["message"]
    assert world.kube.of("Deployment") == []
    world.kube.refuse = None
    world.queue.add(KEY)
    await world.settle()
    assert world.condition("Degraded")["status"] == "False"


async def test_a_namespace_that_ends_is_left_in_peace(world: World) -> None:
    def refuse(verb: str, _kind: str, _manifest: Any) -> Exception | None:
        return TerminatingError("being terminated", code=403) if verb == "apply" else None

    world.kube.refuse = refuse
    await world.converged()
    assert world.kube.writes == []
    assert world.errors == []


async def test_a_throttling_server_is_obeyed(world: World) -> None:
    def refuse(verb: str, _kind: str, _manifest: Any) -> Exception | None:
        return ThrottledError("slow down", retry_after=7) if verb == "apply" else None

    world.kube.refuse = refuse
    await world.converged()
    (error,) = world.errors
    assert getattr(error, "after", None) == 7


async def test_missed_deletions_are_found_by_an_audit(world: World) -> None:
    await world.converged()
    world.kube.remove("Deployment", NAMESPACE, "tradingbot-a")
    world.kube.events.clear()
    await world.audit.all_again([DEPLOYMENT])
    await world.settle()
    assert len(world.kube.of("Deployment")) == 1


async def test_nothing_is_written_for_a_bot_that_is_gone(world: World) -> None:
    await world.converged()
    world.kube.remove("TradingBot", NAMESPACE, "a")
    world.kube.writes.clear()
    await world.settle()
    assert world.kube.writes == []


def test_the_example_spec_is_minimal() -> None:
    assert set(SPEC) == {"strategy", "database"}
