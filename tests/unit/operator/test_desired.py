"""The builders: what they promise to bots, to Pod Security and to the comparison with what is live."""

from __future__ import annotations

import copy
import hashlib
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.operator.helpers import bot

from tradingbot_operator.api.v1alpha1.common import ResourceRequirements
from tradingbot_operator.api.v1alpha1.safety import Mode
from tradingbot_operator.api.v1alpha1.tradingbot import Profile
from tradingbot_operator.desired.config import BuildConfig
from tradingbot_operator.desired.configfile import config_values, render
from tradingbot_operator.desired.hashing import digest
from tradingbot_operator.desired.naming import HASH_ANNOTATION
from tradingbot_operator.desired.quantities import amount, canonical
from tradingbot_operator.desired.sizing import resources
from tradingbot_operator.desired.tradingbot import build

CONFIG = BuildConfig(bot_image="registry.example/tradingbot:1.0.0")
GOLDEN = Path(__file__).parent / "golden"
FULL: dict[str, Any] = {
    "trading": "Paused",
    "environment": "Staging",
    "logLevel": "DEBUG",
    "profile": "LiveTrading",
    "image": "registry.example/mine@sha256:" + "0" * 64,
    "imagePullSecrets": [{"name": "registry"}],
    "redis": {"secretRef": {"name": "redis"}},
    "api": {"secretRef": {"name": "api"}},
    "notifications": {
        "telegram": {"secretRef": {"name": "telegram"}},
        "slack": {"secretRef": {"name": "slack", "key": "hook"}},
        "discord": {"enabled": False, "secretRef": {"name": "discord"}},
        "email": {
            "host": "mail.example.org",
            "sender": "bot@example.org",
            "recipients": ["you@example.org"],
            "secretRef": {"name": "mail"},
        },
    },
    "resources": {"limits": {"cpu": "0.5", "memory": "384Mi"}},
    "simulation": {"feed": {"type": "Recorded", "dataset": "recorded", "speed": 60}, "commission": 0.00001},
    "scheduling": {
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "bots", "operator": "Exists"}],
        "priorityClassName": "trading",
        "affinity": {"nodeAffinity": {}},
    },
}


def manifests(mode: Mode = Mode.SIMULATION, **spec: Any) -> dict[str, dict[str, Any]]:
    return {manifest["kind"]: manifest for manifest in build(bot(**spec), mode, CONFIG).manifests}


@pytest.mark.parametrize(("name", "spec"), [("minimal", {}), ("full", FULL)])
def test_manifests_are_the_golden_ones(name: str, spec: dict[str, Any]) -> None:
    """A change of any manifest is seen in review. Rewrite: python -m tests.unit.operator.golden."""
    found = yaml.safe_dump_all(build(bot(**spec), Mode.SIMULATION, CONFIG).manifests, sort_keys=False, width=120)
    assert found == (GOLDEN / f"{name}.yaml").read_text()


def test_whoever_is_told_is_reachable_and_no_secret_is_in_the_configuration() -> None:
    made = manifests(**FULL)
    policy = made["NetworkPolicy"]["spec"]["egress"]
    assert [{"port": 443, "protocol": "TCP"}, {"port": 587, "protocol": "TCP"}] in [rule["ports"] for rule in policy]
    container = made["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    names = {entry["name"] for entry in container["env"]}
    assert {"TELEGRAM_BOT_TOKEN", "TELEGRAM_CHAT_ID", "SLACK_WEBHOOK_URL", "SMTP_USERNAME", "SMTP_PASSWORD"} <= names
    assert "DISCORD_WEBHOOK_URL" not in names, "a channel that is off gets no secret"
    section = yaml.safe_load(made["ConfigMap"]["data"]["config.yaml"])["notifications"]
    assert section["discord"] == {"enabled": False}
    assert section["email"]["recipients"] == ["you@example.org"]


def test_the_same_object_gives_the_same_bytes() -> None:
    first, second = (json.dumps(build(bot(**FULL), Mode.SIMULATION, CONFIG).manifests) for _ in range(2))
    assert first == second


def test_every_change_of_the_configuration_is_another_config_map() -> None:
    names = {
        build(bot(**spec), Mode.SIMULATION, CONFIG).config_map
        for spec in ({}, {"logLevel": "DEBUG"}, {"trading": "Paused"}, {"risk": {"maxDrawdown": 0.1}})
    }
    assert len(names) == 4


def test_what_is_not_configuration_keeps_the_config_map() -> None:
    same = {
        build(bot(**spec), Mode.SIMULATION, CONFIG).config_map
        for spec in ({}, {"profile": "HighFrequency"}, {"emergencyStop": {"active": True}}, {"image": "other:2"})
    }
    assert len(same) == 1


def test_the_pod_is_restricted() -> None:
    pod = manifests()["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert all("hostPath" not in volume for volume in pod["volumes"])


def test_a_simulation_never_gets_the_exchange_account() -> None:
    spec = {"mode": "live", "exchange": {"credentialsSecretRef": {"name": "exchange-keys"}}}
    assert "exchange-keys" not in json.dumps(build(bot(**spec), Mode.SIMULATION, CONFIG).manifests)


@pytest.mark.parametrize(
    ("spec", "mode", "reaches"),
    [
        ({}, Mode.SIMULATION, False),
        ({"simulation": {"feed": {"type": "Recorded", "dataset": "recorded"}}}, Mode.SIMULATION, False),
        ({"simulation": {"feed": {"type": "Live"}}}, Mode.SIMULATION, True),
        ({}, Mode.LIVE, True),
    ],
)
def test_only_a_bot_that_needs_the_exchange_reaches_it(spec: dict[str, Any], mode: Mode, reaches: bool) -> None:
    egress = manifests(mode, **spec)["NetworkPolicy"]["spec"]["egress"]
    to_anywhere = {port["port"] for rule in egress if "to" not in rule for port in rule["ports"]}
    assert (443 in to_anywhere) is reaches


@pytest.mark.parametrize(
    ("address", "port"),
    [
        ("https://proxy.example.org/binance", 443),
        ("https://proxy.example.org:8443", 8443),
        ("http://exchange", 80),
        ("http://[::1]:9000/x", 9000),
    ],
)
def test_a_bot_reaches_the_exchange_where_the_spec_says_that_it_is(address: str, port: int) -> None:
    found = manifests(Mode.LIVE, exchange={"apiUrl": address})
    egress = found["NetworkPolicy"]["spec"]["egress"]
    assert {port} == {p["port"] for p in egress[-1]["ports"]}
    assert f'api_url: "{address}"' in next(iter(found["ConfigMap"]["data"].values()))


def test_a_live_bot_is_not_evicted_while_it_is_healthy() -> None:
    assert manifests()["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 1
    live = manifests(Mode.LIVE, profile="LiveTrading")["PodDisruptionBudget"]["spec"]
    assert (live["maxUnavailable"], live["unhealthyPodEvictionPolicy"]) == (0, "AlwaysAllow")


def test_the_bot_may_only_look_at_itself() -> None:
    (rule,) = manifests()["Role"]["rules"]
    assert (rule["resourceNames"], rule["verbs"]) == (["btc-breakout"], ["get", "watch"])


def test_nothing_is_applied_that_the_server_would_drop() -> None:
    """An empty value would never be found again, and the child be written on every pass."""

    def empties(value: Any, path: str) -> list[str]:
        if isinstance(value, dict):
            found = [] if value or path.endswith((".podSelector", ".nodeAffinity")) else [path]
            return found + [e for key, item in value.items() for e in empties(item, f"{path}.{key}")]
        if isinstance(value, list):
            return ([] if value else [path]) + [e for item in value for e in empties(item, path)]
        return [path] if value in {None, ""} else []

    for spec in ({}, FULL):
        for manifest in build(bot(**spec), Mode.SIMULATION, CONFIG).manifests:
            assert empties(manifest, manifest["kind"]) == []


def test_the_hash_covers_everything_but_itself() -> None:
    first, second = manifests()["Service"], manifests(logLevel="DEBUG")["Service"]
    assert first["metadata"]["annotations"][HASH_ANNOTATION] == second["metadata"]["annotations"][HASH_ANNOTATION]
    deployments = [manifests(Mode.SIMULATION, **spec)["Deployment"] for spec in ({}, {"logLevel": "DEBUG"})]
    assert len({d["metadata"]["annotations"][HASH_ANNOTATION] for d in deployments}) == 2


_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
_scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | _text | st.floats(-1e15, 1e15)
_parameters = st.dictionaries(
    _text, st.recursive(_scalars, lambda inner: st.lists(inner) | st.dictionaries(_text, inner), max_leaves=8)
)


@given(_parameters)
@example({"p\n": 1, "on": True, "x: y": "#", "": "\x85\u2028", "n": 1e-07})
def test_config_yaml_reads_back_as_it_was_meant(parameters: dict[str, Any]) -> None:
    spec = {"strategy": {"name": "breakout", "symbols": ["BTC/USD"], "parameters": copy.deepcopy(parameters)}}
    values = config_values(bot(**spec), Mode.SIMULATION)
    read = yaml.safe_load(render(values))
    assert read["strategy"]["symbols"] == ["BTC/USD"]
    assert json.dumps(read["strategy"]["parameters"]) == json.dumps(parameters)


@given(st.decimals("0.000001", "1", places=6))
def test_fractions_are_written_digit_for_digit(value: Decimal) -> None:
    spec = {"maxDrawdown": float(value), "dailyLossLimit": float(value), "maxPositionSize": 1, "riskPerTrade": 0.000001}
    text = render(config_values(bot(risk=spec), Mode.SIMULATION))
    (line,) = [line for line in text.splitlines() if "max_drawdown" in line]
    written = line.partition(": ")[2]
    assert Decimal(written) == Decimal(str(float(value)))
    assert "e" not in written.lower()


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ("0.5", "500m"),
        ("1000m", "1"),
        ("1.5", "1500m"),
        ("2", "2"),
        ("0", "0"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("1000M", "1G"),
        ("1e3", "1e3"),
        ("1000", "1k"),
        ("100n", "100n"),
        ("0.1n", "1n"),
    ],
)
def test_quantities_are_as_the_server_writes_them(given_: str, expected: str) -> None:
    assert canonical(given_) == expected


@given(st.from_regex(r"[1-9][0-9]{0,5}(\.[0-9]{1,3})?(m|k|M|G|Ki|Mi|Gi|e[0-3])?", fullmatch=True))
def test_canonical_quantities_keep_their_amount_and_stay(quantity: str) -> None:
    once = canonical(quantity)
    assert canonical(once) == once
    assert abs(amount(once) - amount(quantity)) <= Decimal("1e-9")


@pytest.mark.parametrize("profile", list(Profile))
def test_a_request_never_exceeds_its_limit(profile: Profile) -> None:
    for overrides in (None, {"limits": {"cpu": "10m", "memory": "16Mi"}}, {"requests": {"memory": "64Gi"}}):
        requirements = ResourceRequirements.model_validate(overrides) if overrides else None
        found = resources(profile, requirements)
        for name, request in found["requests"].items():
            assert amount(request) <= amount(found["limits"][name])


_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | _TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(_TEXT, inner),
)


@given(_JSON)
def test_a_hash_is_that_of_the_canonical_json(value: Any) -> None:
    """Whatever writes the JSON: with another text, an upgrade would write every child of every bot once more."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert digest(value, 64) == hashlib.sha256(text.encode()).hexdigest()
