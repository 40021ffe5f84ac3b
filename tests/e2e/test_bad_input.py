"""What cannot work is shown with a reason and the way out, harms nothing that ran, and heals by a correction alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.bots import Bot, Bots, Database
from tests.support.waiting import eventually

from tradingbot_cluster.demo.tools import CommandError, Tools


def with_strategy(example: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**example["spec"]["strategy"], **changes}


def assert_trades_on(tools: Tools, bot: Bot, pod: str) -> None:
    """The pod that ran before runs, and its market time and its ledger go on."""
    assert pod in bot.running_pods()
    ticks = f"select max(at) from simulation.equity where bot = '{bot.key}'"
    database = Database(tools)
    before = database.value(ticks)
    eventually(lambda: database.value(ticks), holds=lambda now: now > before, what="the ledger goes on")


@pytest.mark.parametrize(
    ("broken", "reason", "hint"),
    [
        ({"image": "localhost/tradingbot/no-such-image:1"}, "ImagePullFailed", "no-such-image"),
        ({"database": {"secretRef": {"name": "no-such-secret"}}}, "SecretNotFound", "no-such-secret"),
        ({"strategy": {"name": "no-such-strategy"}}, "UnknownStrategy", "breakout"),
        ({"strategy": {"parameters": {"entry_lookback": -3}}}, "InvalidStrategyParameters", "entry_lookback"),
    ],
    ids=["image", "secret", "strategy", "parameters"],
)
def test_a_bad_edit_leaves_the_running_bot_alone_and_a_correction_heals(
    tools: Tools, bots: Bots, example: dict[str, Any], broken: dict[str, Any], reason: str, hint: str
) -> None:
    bot = bots.apply(example, "edited")
    bot.wait_for_condition("Ready", "True", "Trading")
    (pod,) = bot.running_pods()

    bot.patch(broken)

    shown = bot.wait_for_condition("Degraded", "True", reason)
    assert hint in shown["message"]
    assert_trades_on(tools, bot, pod)

    whole = {**example, "metadata": {"name": bot.name, "namespace": bot.namespace}}
    bot.kubectl("replace", "-f", "-", stdin=json.dumps(whole))
    bot.wait_for_condition("Degraded", "False")
    bot.wait_for_condition("Ready", "True")


def test_a_bot_that_never_could_start_heals_by_its_secret_alone(
    tools: Tools, bots: Bots, example: dict[str, Any]
) -> None:
    bot = bots.apply(example, "early", database={"secretRef": {"name": "made-later"}})
    shown = bot.wait_for_condition("Degraded", "True", "SecretNotFound")
    assert "kubectl create secret" in shown["message"]
    try:
        bot.kubectl(
            "create", "-f", "-",
            stdin=json.dumps({
                "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "made-later"},
                "stringData": {"url": Database(tools).url},
            }),
        )  # fmt: skip
        bot.wait_for_condition("Ready", "True")
    finally:
        bot.kubectl("delete", "secret", "made-later", "--ignore-not-found")


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"mode": "simulated"}, 'Unsupported value: "simulated"'),
        ({"risk": {"maxDrawdown": 1.5}}, "spec.risk.maxDrawdown"),
        ({"risk": {"maxOpenPositions": -1}}, "spec.risk.maxOpenPositions"),
        ({"risc": {}}, 'unknown field "spec.risc"'),
        ({"strategy": {"name": "breakout", "symbols": []}}, "spec.strategy.symbols"),
    ],
    ids=["enum", "fraction", "negative", "unknown field", "no symbols"],
)
def test_nonsense_is_refused_by_kubectl_apply(
    bots: Bots, example: dict[str, Any], spec: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(CommandError) as refused:
        bots.apply(example, "refused", **spec)
    assert sentence in refused.value.output
