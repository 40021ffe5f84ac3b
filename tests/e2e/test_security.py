"""Least privilege and secrecy, looked at on the running cluster."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from tests.support.bots import NAMESPACE, Bot
from tests.support.pod_security import violations

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


def test_no_value_of_a_secret_appears_in_an_object_a_status_an_event_or_a_log(tools: Tools, demo_bot: Bot) -> None:
    haystacks = {}
    for namespace in NAMESPACES:
        haystacks[f"objects of {namespace}"] = json.dumps(tools.get(KINDS, "--namespace", namespace))
        for pod in tools.get("pods", "--namespace", namespace)["items"]:
            name = pod["metadata"]["name"]
            haystacks[f"log of {name}"] = tools.kubectl(
                "logs", "--namespace", namespace, name, "--all-containers", "--tail=-1"
            )
    values = dict(secret_values(tools))
    assert any("trading-database" in name for name in values)
    leaks = [
        f"{name} in {place}" for name, value in values.items() for place, text in haystacks.items() if value in text
    ]
    assert leaks == []


def test_no_value_of_a_secret_is_an_argument_of_a_process(tools: Tools, demo_bot: Bot) -> None:
    values = dict(secret_values(tools))
    for pod in tools.get("pods", "--namespace", NAMESPACE)["items"]:
        if pod["status"]["phase"] != "Running":
            continue
        arguments = tools.kubectl(
            "exec", "--namespace", NAMESPACE, pod["metadata"]["name"], "--", "sh", "-c",
            "for f in /proc/[0-9]*/cmdline; do tr '\\0' ' ' < $f; echo; done",
        )  # fmt: skip
        assert [name for name, value in values.items() if value in arguments] == []


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
