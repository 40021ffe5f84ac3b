"""What the charts make: complete, restricted, with no more rights than used."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from tests.support.charts import CHARTS, KUBERNETES, NAMES, ROOT, Manifest, helm, of_kind, render
from tests.support.pod_security import pod_specs, shortcomings, violations

from tradingbot_operator.settings import Settings

FULL: dict[str, dict[str, Any]] = {
    "tradingbot-operator": {
        "image": {"repository": "example.com/operator", "tag": "", "digest": "sha256:" + "0" * 64},
        "imagePullSecrets": [{"name": "registry"}],
        "watchNamespaces": ["one", "two"],
        "serviceAccount": {"annotations": {"a": "b"}},
        "podAnnotations": {"a": "b"},
        "podLabels": {"c": "d"},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "high",
        "networkPolicy": {
            "metricsFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
            "apiServerCIDRs": ["10.0.0.1/32"],
        },
        "podDisruptionBudget": {"enabled": True},
        "metrics": {
            "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
            "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
            "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
            "dashboards": {"enabled": True, "labels": {"grafana_dashboard": "1"}},
        },
    },
    "tradingbot-stack": {
        "imagePullSecrets": [{"name": "registry"}],
        "postgresql": {"persistence": {"storageClass": "fast"}, "image": {"digest": "sha256:" + "0" * 64}},
        "redis": {"persistence": {"enabled": False}},
        "s3": {"persistence": {"enabled": False}},
        "networkPolicy": {"additionalFrom": [{"podSelector": {}}]},
    },
}
CASES = [(chart, values) for chart in NAMES for values in ({}, FULL[chart])]
every_case = pytest.mark.parametrize(
    ("chart", "values"), CASES, ids=[f"{chart} {'full' if values else 'default'}" for chart, values in CASES]
)


def rules(manifests: list[Manifest]) -> list[tuple[str, Manifest]]:
    return [
        (f"{manifest['kind']} {manifest['metadata']['name']}", rule)
        for manifest in of_kind(manifests, "Role", "ClusterRole")
        for rule in manifest["rules"]
    ]


@pytest.mark.parametrize("chart", NAMES)
def test_helm_finds_nothing_to_complain_about(chart: str) -> None:
    done = helm("lint", "--strict", "--kube-version", KUBERNETES, str(CHARTS / chart))
    assert done.returncode == 0, done.stdout + done.stderr


@every_case
def test_every_manifest_is_named_labelled_and_unique(chart: str, values: dict[str, Any]) -> None:
    manifests = render(chart, values)
    identities = [(m["kind"], m["metadata"].get("namespace"), m["metadata"]["name"]) for m in manifests]
    assert len(set(identities)) == len(identities)
    for manifest in manifests:
        if manifest["kind"] != "CustomResourceDefinition":
            assert manifest["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"
            cluster_scoped = manifest["kind"].startswith(("ClusterRole", "ValidatingAdmissionPolicy"))
            assert ("namespace" in manifest["metadata"]) != cluster_scoped, manifest["metadata"]["name"]


@every_case
def test_every_pod_keeps_the_restricted_profile_and_more(chart: str, values: dict[str, Any]) -> None:
    specs = [found for manifest in render(chart, values) for found in pod_specs(manifest)]
    assert len(specs) >= (2 if chart == "tradingbot-operator" else 6)
    found = [f"{place}: {what}" for place, spec in specs for what in (*violations(spec), *shortcomings(spec))]
    assert found == []


@every_case
def test_no_role_reads_secrets_or_has_a_wildcard(chart: str, values: dict[str, Any]) -> None:
    for name, rule in rules(render(chart, values)):
        assert "secrets" not in rule["resources"], name
        assert not any("*" in item for key in ("apiGroups", "resources", "verbs") for item in rule[key]), name
        assert not {"escalate", "bind", "impersonate"} & set(rule["verbs"]), name
        assert not {"pods/exec", "pods/attach", "serviceaccounts/token"} & set(rule["resources"]), name


@every_case
def test_nobody_may_approve_or_resume_by_installing_the_chart(chart: str, values: dict[str, Any]) -> None:
    """A role with these verbs is for a person, by name: bound to nothing here, and part of no role that people have."""
    manifests = render(chart, values)
    bound = {manifest["roleRef"]["name"] for manifest in of_kind(manifests, "RoleBinding", "ClusterRoleBinding")}
    for role in of_kind(manifests, "Role", "ClusterRole"):
        if {verb for rule in role["rules"] for verb in rule["verbs"]} & {"approve", "resume"}:
            assert role["metadata"]["name"] not in bound
            assert "aggregate-to" not in str(role["metadata"]["labels"])


def keys(value: Any) -> set[str]:
    """All keys in a manifest, at any depth."""
    if isinstance(value, dict):
        return set(value) | {key for inner in value.values() for key in keys(inner)}
    if isinstance(value, list):
        return {key for inner in value for key in keys(inner)}
    return set()


@every_case
def test_no_default_and_no_template_declares_the_emergency_stop(chart: str, values: dict[str, Any]) -> None:
    for manifest in render(chart, values):
        if manifest["kind"] != "CustomResourceDefinition":
            assert "emergencyStop" not in keys(manifest), manifest["metadata"]["name"]
    assert "emergencyStop" not in keys(yaml.safe_load((CHARTS / chart / "values.yaml").read_text(encoding="utf-8")))


def roles_of_the_operator(values: dict[str, Any]) -> list[Manifest]:
    """The roles that are bound to the operator's ServiceAccount."""
    manifests = render("tradingbot-operator", values)
    (deployment,) = of_kind(manifests, "Deployment")
    account = deployment["spec"]["template"]["spec"]["serviceAccountName"]
    references = [
        (binding["roleRef"]["kind"], binding["metadata"].get("namespace"), binding["roleRef"]["name"])
        for binding in of_kind(manifests, "RoleBinding", "ClusterRoleBinding")
        if account in [subject["name"] for subject in binding["subjects"]]
    ]
    found = {
        (manifest["kind"], manifest["metadata"].get("namespace"), manifest["metadata"]["name"]): manifest
        for manifest in of_kind(manifests, "Role", "ClusterRole")
    }
    return [found[reference] for reference in references]


def test_the_operator_has_exactly_the_rights_that_the_documentation_lists() -> None:
    text = (ROOT / "docs" / "rbac.md").read_text(encoding="utf-8")
    documented, in_cluster = (
        yaml.safe_load("rules:\n" + block)["rules"]
        for block in re.findall(r"```yaml\n(?:cluster )?rules:\n(.*?)```", text, re.DOTALL)
    )
    everywhere, namespaces = sorted(roles_of_the_operator({}), key=lambda role: str(role["metadata"]["name"]))
    assert (everywhere["kind"], everywhere["rules"]) == ("ClusterRole", documented)
    assert (namespaces["kind"], namespaces["rules"]) == ("ClusterRole", in_cluster)
    some = {"watchNamespaces": ["one", "two"]}
    limited = roles_of_the_operator(some | {"namespaceStops": False})
    assert [role for role in roles_of_the_operator(some) if role not in limited] == [namespaces]
    assert [(role["kind"], role["metadata"]["namespace"]) for role in limited] == [("Role", "one"), ("Role", "two")]
    assert all(role["rules"] == documented for role in limited)


def test_people_get_rights_by_the_roles_that_they_have() -> None:
    roles = {
        manifest["metadata"]["name"].rpartition(":")[2]: manifest
        for manifest in of_kind(render("tradingbot-operator"), "ClusterRole")
        if "aggregate-to" in str(manifest["metadata"]["labels"])
    }
    verbs = {name: {verb for rule in role["rules"] for verb in rule["verbs"]} for name, role in roles.items()}
    assert verbs == {
        "view": {"get", "list", "watch"},
        "edit": {"create", "update", "patch", "delete"},
        "admin": {"deletecollection"},
    }
    resources = {resource for rule in roles["edit"]["rules"] for resource in rule["resources"]}
    assert resources == {"tradingbots", "backupschedules", "recoveryjobs"}, "status belongs to the operator"


@every_case
def test_every_setting_that_the_deployment_gives_is_one_of_the_operator(chart: str, values: dict[str, Any]) -> None:
    for deployment in of_kind(render(chart, values), "Deployment"):
        environment = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
        given = {variable["name"] for variable in environment}
        assert given <= {f"TBO_{name.upper()}" for name in Settings.model_fields}
        assert "TBO_BOT_IMAGE" in given


def test_the_settings_are_accepted_by_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    (deployment,) = of_kind(render("tradingbot-operator", FULL["tradingbot-operator"]), "Deployment")
    for variable in deployment["spec"]["template"]["spec"]["containers"][0]["env"]:
        monkeypatch.setenv(variable["name"], variable.get("value", "somewhere"))
    settings = Settings()
    assert settings.watch_namespaces == ("one", "two")
    assert settings.bot_image == "localhost/tradingbot/bot:0.1.0"
    assert (settings.metrics_port, settings.health_port) == (8080, 8081)


def test_one_operator_at_a_time() -> None:
    (deployment,) = of_kind(render("tradingbot-operator"), "Deployment")
    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}


@pytest.mark.parametrize(
    ("chart", "values", "where"),
    [
        ("tradingbot-operator", '{"replicas": 2}', "replicas"),
        ("tradingbot-operator", '{"logLevel": "info"}', "logLevel"),
        ("tradingbot-operator", '{"image": {"repository": "a:b:c"}}', "repository"),
        ("tradingbot-operator", '{"image": {"digest": "sha256:short"}}', "digest"),
        ("tradingbot-operator", '{"watchNamespaces": "trading"}', "watchNamespaces"),
        ("tradingbot-operator", '{"bot": {"images": {}}}', "images"),
        ("tradingbot-stack", '{"postgres": {}}', "postgres"),
        ("tradingbot-stack", '{"postgresql": {"password": "x"}}', "password"),
        ("tradingbot-stack", '{"postgresql": {"uid": 0}}', "uid"),
        ("tradingbot-stack", '{"postgresql": {"image": {"tag": 17}}}', "tag"),
        ("tradingbot-stack", '{"redis": {"maxMemory": "lots"}}', "maxMemory"),
        ("tradingbot-stack", '{"s3": {"bucket": "Not_A_Bucket"}}', "bucket"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_name(chart: str, values: str, where: str) -> None:
    done = helm("template", "x", str(CHARTS / chart), "--kube-version", KUBERNETES, "--values", "-", values=values)
    assert done.returncode != 0
    assert where in done.stderr


@pytest.mark.parametrize("chart", NAMES)
def test_the_readme_lists_every_value_with_its_default(chart: str) -> None:
    readme = (CHARTS / chart / "README.md").read_text(encoding="utf-8")
    done = helm_values_table(chart)
    assert done in readme, f"run: python charts/values_table.py; the table of {chart}/README.md is old"


def helm_values_table(chart: str) -> str:
    import importlib.util

    specification = importlib.util.spec_from_file_location("values_table", CHARTS / "values_table.py")
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return str(module.table(CHARTS / chart))
