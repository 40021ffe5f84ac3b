"""Objects that are nested without end, in a namespace of somebody else's: the operator of all goes on with its work."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.api.operator.harness import SPEC
from tests.support.waiting import eventually

from tradingbot_operator.desired.kinds import BY_NAME
from tradingbot_operator.desired.naming import labels
from tradingbot_operator.plugin.main import main

if TYPE_CHECKING:
    from tests.api.operator.conftest import StartOperator
    from tests.api.operator.harness import Namespace

pytestmark = pytest.mark.api
LEVELS = 5_000
DEEP = '{"f:a":' * LEVELS + "{}" + "}" * LEVELS
HERE = '"DEEP"'


def create(namespace: Namespace, kind: str, manifest: dict[str, Any]) -> None:
    """Write what Python's own parser does not read back."""
    text = json.dumps(manifest).replace(HERE, DEEP)
    server = namespace.server
    connection, headers = server._connection, server._headers
    connection.request(
        "POST", BY_NAME[kind].path(namespace.name), text, {**headers, "Content-Type": "application/json"}
    )
    response = connection.getresponse()
    said = response.read()
    assert response.status == 201, said[:300]
    assert said.count(b'"f:a"') >= LEVELS, "the server has kept it"


def test_neither_a_bot_nor_what_looks_like_a_child_ends_the_operator_or_hides_a_stop(
    namespace: Namespace, start_operator: StartOperator
) -> None:
    spec = SPEC | {"strategy": SPEC["strategy"] | {"parameters": {"x": "DEEP"}}}
    hostile = {"apiVersion": "tradingbots.dev/v1alpha1", "kind": "TradingBot", "metadata": {"name": "deep"}}
    create(namespace, "TradingBot", hostile | {"spec": spec})
    fields = {"manager": "x", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1"}
    managed = [fields | {"time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:data": "DEEP"}}]
    meta = {"name": "deep", "labels": labels("deep", "bot"), "managedFields": managed}
    create(namespace, "ConfigMap", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"a": "b"}})

    start_operator()
    namespace.bot("b")
    namespace.wait_for_children("b")
    # And while it runs.
    create(namespace, "ConfigMap", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta | {"name": "deep2"}})
    path = BY_NAME["TradingBot"].path(namespace.name, "deep")
    patch = json.dumps({"spec": {"emergencyStop": {"active": True}}})
    connection, headers = namespace.server._connection, namespace.server._headers
    connection.request("PATCH", path, patch, {**headers, "Content-Type": "application/merge-patch+json"})
    assert connection.getresponse().read().count(b'"emergencyStop"') >= 1

    def latched() -> bool:
        connection.request("GET", path, None, headers)
        return b'"source":"spec"' in connection.getresponse().read()

    eventually(latched, "its stop is latched, although nothing can be built from it")
    namespace.edit("TradingBot", "b", {"spec": {"emergencyStop": {"active": True}}})
    eventually(lambda: namespace.status("b").get("emergencyStop"), "and so is everybody else's")
    plugin = ["--all", "--reason", "drill", "--no-wait", "--yes", "--kubeconfig", str(namespace.kubeconfig)]
    assert main(["stop", *plugin, "--namespace", namespace.name]) == 0, "whoever stops all of them by the plugin can"
