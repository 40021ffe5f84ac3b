"""What the API server takes and what it refuses, with which sentence."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.api.crd.server import CRDS, ROOT, Manifest, Refused, Server, collection, install_crd
from tests.support.waiting import eventually

from tradingbot_operator.api.model import InvalidSpec, parse
from tradingbot_operator.api.names import ALL
from tradingbot_operator.api.v1alpha1 import BackupSchedule, RecoveryJob, TradingBot

pytestmark = pytest.mark.api

HERE = Path(__file__).parent
GOOD = sorted((HERE / "good").glob("*.yaml"))
BAD = sorted((HERE / "bad").glob("*.yaml"))
MODELS: dict[str, Any] = {"TradingBot": TradingBot, "BackupSchedule": BackupSchedule, "RecoveryJob": RecoveryJob}
# A transition between two objects, and names that the API server looks up in its own data base.
SERVER_ONLY = {"recoveryjob-changed", "backupschedule-unknown-time-zone", "backupschedule-local-time-zone"}
STOP: Manifest = {"spec": {"emergencyStop": {"active": True}}}
MINIMAL: Manifest = yaml.safe_load((HERE / "good" / "tradingbot-minimal.yaml").read_text(encoding="utf-8"))


def documents(path: Path) -> list[Manifest]:
    return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document]


def expected(path: Path) -> list[str]:
    prefix = "# refused: "
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.removeprefix(prefix) for line in lines if line.startswith(prefix)]


def named(name: str, **spec: Any) -> Manifest:
    obj = copy.deepcopy(MINIMAL)
    obj["metadata"]["name"] = name
    obj["spec"] |= spec
    return obj


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_objects_are_taken_and_read(server: Server, namespace: str, path: Path) -> None:
    (obj,) = documents(path)
    stored = server.create(namespace, obj, dry_run=True)
    model = MODELS[obj["kind"]]
    read = parse(model, stored)
    # Defaults of the schema and of the model are the same: reading the file says what reading the stored object says.
    assert parse(model, obj).spec == read.spec
    # And what the model writes, the server takes.
    again = server.create(namespace, {**obj, "spec": read.spec.to_manifest()}, dry_run=True)
    assert parse(model, again).spec == read.spec


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad_objects_are_refused_with_a_sentence(server: Server, namespace: str, path: Path) -> None:
    *before, last = documents(path)
    sentences = expected(path)
    assert sentences, f"{path.name} says nothing about its refusal: write '# refused: …' at its top"
    for obj in before:
        server.create(namespace, obj, dry_run=False)
    with pytest.raises(Refused) as refusal:
        server.patch(namespace, last, last) if before else server.create(namespace, last, dry_run=True)
    for sentence in sentences:
        assert sentence in str(refusal.value)


@pytest.mark.parametrize("path", [path for path in BAD if path.stem not in SERVER_ONLY], ids=lambda path: path.stem)
def test_the_models_refuse_what_the_server_refuses(path: Path) -> None:
    """An object may have been stored before a rule existed; the reconciler must see it all the same."""
    (obj,) = documents(path)
    with pytest.raises(InvalidSpec):
        parse(MODELS[obj["kind"]], obj)


@pytest.mark.parametrize("spec", [{}, {"mode": "live", "exchange": {"credentialsSecretRef": {"name": "account"}}}])
def test_one_patch_stops_any_bot(server: Server, namespace: str, spec: Manifest) -> None:
    obj = named(f"stop-{'live' if spec else 'minimal'}", **spec)
    server.create(namespace, obj, dry_run=False)
    stopped = server.patch(namespace, obj, STOP)
    assert stopped["spec"]["emergencyStop"] == {"active": True, "closePositions": False}


def test_a_stop_may_be_taken_back_and_applied_again(server: Server, namespace: str) -> None:
    obj = named("stop-again")
    server.create(namespace, obj, dry_run=False)
    server.patch(namespace, obj, STOP)
    reverted = server.patch(namespace, obj, {"spec": {"emergencyStop": None}})
    assert "emergencyStop" not in reverted["spec"]
    assert server.patch(namespace, obj, STOP)["spec"]["emergencyStop"]["active"] is True


def test_a_stop_is_taken_although_the_object_breaks_rules_that_are_newer_than_it(
    server: Server, namespace: str
) -> None:
    """Ratcheting leaves unchanged parts alone; rules above the stop let it pass. In a group of the test's own."""
    crd = yaml.safe_load((ROOT / "crds" / "tradingbots.dev_tradingbots.yaml").read_text(encoding="utf-8"))
    group = "older.tradingbots.test"
    crd["metadata"]["name"] = f"tradingbots.{group}"
    crd["spec"]["group"] = group
    crd["spec"]["names"] |= {"categories": [], "shortNames": []}
    older = copy.deepcopy(crd)
    schema = older["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema.pop("x-kubernetes-validations")
    schema["properties"]["spec"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    older["spec"]["versions"][0].pop("selectableFields")
    obj = named(
        "a.name.that.is.refused.today",
        mode="live",
        risk={"maxDrawdown": 15, "dailyLossLimit": 20, "maxOpenPositions": 0},
        simulation={"feed": {"type": "Recorded"}},
        strategy={"name": "Old Name", "symbols": ["BTCUSDT", "BTCUSDT"], "timeframe": "1min"},
        approval={"digest": "none"},
    )
    obj["apiVersion"] = f"{group}/v1alpha1"
    name = obj["metadata"]["name"]
    try:
        install_crd(server, older)
        eventually(lambda: server.create(namespace, obj, dry_run=False), "the old schema takes it")
        install_crd(server, crd)
        # The new schema is in force as soon as it refuses what the old one took.
        another = {**obj, "metadata": {"name": "another"}}
        eventually(lambda: _refused(server, namespace, another), "the new schema is in force")
        stopped = server.patch(namespace, obj, STOP)
        assert stopped["spec"]["emergencyStop"]["active"] is True
        with pytest.raises(Refused):
            server.patch(namespace, obj, {"spec": {"risk": {"maxDrawdown": 16}}})
        assert server.request("GET", f"{collection(namespace, obj)}/{name}")["spec"]["mode"] == "live"
    finally:
        server.request("DELETE", f"{CRDS}/tradingbots.{group}")


def _refused(server: Server, namespace: str, obj: Manifest) -> bool:
    try:
        server.create(namespace, obj, dry_run=True)
    except Refused as refusal:
        return refusal.code != 404
    return False


def test_the_status_is_written_by_itself_and_shown_in_columns(server: Server, namespace: str) -> None:
    obj = named("columns")
    server.create(namespace, obj, dry_run=False)
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": "Trading",
        "message": "it trades",
        "lastTransitionTime": "2026-11-21T09:00:00Z",
        "observedGeneration": 1,
    }
    status = {"mode": "simulation", "state": "ACTIVE", "positions": 2, "conditions": [condition]}
    server.patch(namespace, obj, {"status": status, "spec": {"mode": "live"}}, subresource="/status")
    path = f"{collection(namespace, obj)}/columns"
    stored = server.request("GET", path)
    assert stored["status"] == status
    assert stored["spec"]["mode"] == "simulation"
    assert parse(TradingBot, stored).status.to_manifest() == status
    server._headers["Accept"] = "application/json;as=Table;v=v1;g=meta.k8s.io"
    try:
        table = server.request("GET", path)
    finally:
        del server._headers["Accept"]
    narrow = [column["name"] for column in table["columnDefinitions"] if column["priority"] == 0]
    assert narrow == ["Name", "Mode", "State", "Ready", "Positions", "Age"]
    assert table["rows"][0]["cells"][:5] == ["columns", "simulation", "ACTIVE", "True", 2]


def test_bots_are_selected_by_mode(server: Server, namespace: str) -> None:
    live = named("selected", mode="live", exchange={"credentialsSecretRef": {"name": "account"}})
    server.create(namespace, live, dry_run=False)
    found = server.request("GET", f"{collection(namespace, live)}?fieldSelector=spec.mode%3Dlive")
    names = {item["metadata"]["name"] for item in found["items"]}
    assert "selected" in names
    assert all(item["spec"]["mode"] == "live" for item in found["items"])


@pytest.mark.parametrize("names", ALL, ids=lambda names: names.kind)
def test_kinds_are_found_by_their_short_names(server: Server, namespace: str, names: Any) -> None:
    resources = server.request("GET", "/apis/tradingbots.dev/v1alpha1")["resources"]
    by_name = {resource["name"]: resource for resource in resources}
    assert by_name[names.plural]["shortNames"] == [names.short]
    assert by_name[names.plural]["categories"] == ["trading"]
    assert f"{names.plural}/status" in by_name
    assert f"{names.plural}/scale" not in by_name


@pytest.mark.parametrize(
    "schedule", ["0 */6 * * *", "15 0-23/6 * JAN-DEC MON,WED", "59 23 31 12 6", "*/5,7 ? 01 jan-mar sun", "@weekly"]
)
@pytest.mark.parametrize("time_zone", ["Etc/UTC", "America/Argentina/Buenos_Aires"])
def test_a_cronjob_takes_every_schedule_that_a_backup_schedule_takes(
    server: Server, namespace: str, schedule: str, time_zone: str
) -> None:
    """The schedule is handed to a CronJob as it is: what is refused there would only show in a condition."""
    (backup,) = documents(HERE / "good" / "backupschedule-minimal.yaml")
    backup["spec"] |= {"schedule": schedule, "timeZone": time_zone}
    server.create(namespace, backup, dry_run=True)
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "backup", "image": "backup"}]}}
    job = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "backup"},
        "spec": {"schedule": schedule, "timeZone": time_zone, "jobTemplate": {"spec": {"template": template}}},
    }
    server.request("POST", f"/apis/batch/v1/namespaces/{namespace}/cronjobs?dryRun=All", job)
