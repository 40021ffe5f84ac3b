"""Least privilege and secrecy, looked at on the running cluster."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from tests.support.bots import NAMESPACE, Bot
from tests.support.pod_security import violations

from tradingbot_cluster.demo.tools import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tradingbot_cluster.demo.tools import Tools

NAMESPACES = (NAMESPACE, "tradingbot-system")
KINDS = "pods,events,configmaps,deployments,statefulsets,replicasets,services,roles,rolebindings,tradingbots"


CONFIDENTIAL = {"password", "url", "api-key", "access-key-id", "secret-access-key"}


def secret_values(tools: Tools) -> Iterator[tuple[str, str]]:
    for namespace in NAMESPACES:
        for secret in tools.get("secrets", "--namespace", namespace)["items"]:
            if secret["type"] != "Opaque":
                continue
            for key, value in (secret.get("data") or {}).items():
                if key in CONFIDENTIAL:
                    text = base64.b64decode(value).decode()
                    yield f"{namespace}/{secret['metadata']['name']}.{key}", text


def running(tools: Tools, namespace: str) -> dict[str, list[str]]:
    """The pods of which every container runs and that stay, with the ids of their containers."""
    found = {}
    for pod in tools.get("pods", "--namespace", namespace)["items"]:
        containers = pod["status"].get("containerStatuses", [])
        stays = "deletionTimestamp" not in pod["metadata"]
        if stays and containers and all("running" in container["state"] for container in containers):
            found[pod["metadata"]["name"]] = [c["containerID"] for c in containers]
    assert found
    return found


def of_each_pod(tools: Tools, namespace: str, verb: str, *arguments: str) -> dict[str, str]:
    """What kubectl prints about each pod; nothing about one that ends meanwhile, as those of other tests do."""
    printed = {}
    for name, containers in running(tools, namespace).items():
        try:
            printed[name] = tools.kubectl(verb, "--namespace", namespace, name, *arguments)
        except CommandError:
            if running(tools, namespace).get(name) == containers:
                raise
    assert printed
    return printed


def test_no_value_of_a_secret_appears_in_an_object_a_status_an_event_or_a_log(tools: Tools, demo_bot: Bot) -> None:
    haystacks = {}
    for namespace in NAMESPACES:
        haystacks[f"objects of {namespace}"] = json.dumps(tools.get(KINDS, "--namespace", namespace))
        logs = of_each_pod(tools, namespace, "logs", "--all-containers", "--tail=-1")
        haystacks |= {f"log of {name}": text for name, text in logs.items()}
    values = dict(secret_values(tools))
    assert any("trading-database" in name for name in values)
    leaks = [
        f"{name} in {place}" for name, value in values.items() for place, text in haystacks.items() if value in text
    ]
    assert leaks == []


def test_no_value_of_a_secret_is_an_argument_of_a_process(tools: Tools, demo_bot: Bot) -> None:
    values = dict(secret_values(tools))
    script = "for f in /proc/[0-9]*/cmdline; do tr '\\0' ' ' < $f; echo; done"
    for name, arguments in of_each_pod(tools, NAMESPACE, "exec", "--", "sh", "-c", script).items():
        assert [secret for secret, value in values.items() if value in arguments] == [], name


def test_every_pod_keeps_the_restricted_profile(tools: Tools, demo_bot: Bot) -> None:
    for namespace in NAMESPACES:
        for pod in tools.get("pods", "--namespace", namespace)["items"]:
            assert violations(pod["spec"]) == [], pod["metadata"]["name"]


def test_the_operator_cannot_read_secrets_and_a_bot_sees_its_own_object_only(tools: Tools, demo_bot: Bot) -> None:
    def may(user: str, *what: str) -> bool:
        answer = tools.kubectl_answer("auth", "can-i", *what, "--as", f"system:serviceaccount:{user}")
        return answer.strip() == "yes"

    operator = "tradingbot-system:tradingbot-operator"
    for verb in ("get", "list", "watch"):
        assert not may(operator, verb, "secrets", "--all-namespaces")
    assert not may(operator, "create", "pods/exec", "--namespace", NAMESPACE)
    bot = f"{NAMESPACE}:{demo_bot.children}"
    assert may(bot, "watch", f"tradingbots/{demo_bot.name}", "--namespace", NAMESPACE)
    assert not may(bot, "get", "tradingbots/another", "--namespace", NAMESPACE)
    assert not may(bot, "patch", f"tradingbots/{demo_bot.name}", "--namespace", NAMESPACE)
    assert not may(bot, "get", "secrets", "--namespace", NAMESPACE)
