"""The Secrets of the stack: generated, kept, and never anything but references elsewhere."""

from __future__ import annotations

import base64
from urllib.parse import urlsplit

import yaml
from tests.support.charts import CHARTS, of_kind, render

CONFIDENTIAL = {"password", "url", "api-key", "access-key-id", "secret-access-key"}


def secrets() -> dict[str, dict[str, str]]:
    manifests = of_kind(render("tradingbot-stack", namespace="trading"), "Secret")
    return {
        manifest["metadata"]["name"]: {key: base64.b64decode(value).decode() for key, value in manifest["data"].items()}
        for manifest in manifests
    }


def test_bots_find_what_they_refer_to() -> None:
    found = secrets()
    database = urlsplit(found["trading-database"]["url"])
    assert (database.scheme, database.username, database.path) == ("postgresql", "trading_simulation", "/trading")
    assert (database.hostname, database.port) == ("tradingbot-postgresql.trading.svc", 5432)
    assert database.password == found["trading-database"]["password"]
    assert found["trading-redis"]["url"] == (
        f"redis://:{found['trading-redis']['password']}@tradingbot-redis.trading.svc:6379/0"
    )
    assert found["trading-storage"]["endpoint"] == "http://tradingbot-s3.trading.svc:7070"
    assert len(found["trading-api"]["api-key"]) == 40
    assert found["tradingbot-postgresql"]["password"] != found["trading-database"]["password"]


def test_they_are_kept_as_the_volumes_are() -> None:
    for manifest in of_kind(render("tradingbot-stack"), "Secret"):
        assert manifest["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert of_kind(render("tradingbot-stack", {"secrets": {"create": False}}), "Secret") == []


def test_no_generated_value_is_anywhere_else() -> None:
    manifests = render("tradingbot-stack", namespace="trading")
    values = [
        base64.b64decode(value).decode()
        for manifest in of_kind(manifests, "Secret")
        for key, value in manifest["data"].items()
        if key in CONFIDENTIAL
    ]
    others = yaml.safe_dump([manifest for manifest in manifests if manifest["kind"] != "Secret"])
    assert values
    assert not [value for value in values if value in others]


def test_no_value_of_the_chart_is_a_password() -> None:
    text = (CHARTS / "tradingbot-stack" / "values.yaml").read_text(encoding="utf-8")
    assert not [line for line in text.splitlines() if "password:" in line.partition("#")[0].lower()]


def test_claims_can_be_upgraded() -> None:
    """The claims of a StatefulSet cannot change: nothing in them may come from the version of the chart."""
    for manifest in of_kind(render("tradingbot-stack"), "StatefulSet"):
        (claim,) = manifest["spec"]["volumeClaimTemplates"]
        labels = {"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"}
        assert set(claim["metadata"]["labels"]) == labels
        assert set(manifest["spec"]["selector"]["matchLabels"]) == labels
