"""The preflight's words open the way to live trading: only those of the very pod that the operator asked for count."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.api.operator.live_bots import LIVE, LiveBot, stamp
from tests.support.waiting import eventually

from tradingbot_operator.api.model import parse
from tradingbot_operator.api.v1alpha1 import TradingBot
from tradingbot_operator.api.v1alpha1.live import PreflightStatus
from tradingbot_operator.desired.config import BuildConfig
from tradingbot_operator.desired.preflight import preflight
from tradingbot_operator.policy.preflight import inputs_of, run_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.api.operator.conftest import StartOperator
    from tests.api.operator.harness import OperatorProcess

pytestmark = pytest.mark.api


def test_a_pod_that_pretends_to_be_the_preflight_is_not_believed(bot: LiveBot) -> None:
    bot.simulate()
    bot.edit(**LIVE)
    real = eventually(
        lambda: next(iter(bot.namespace.list("Pod", "app.kubernetes.io/component=preflight")), None), "its pod"
    )
    forged = bot.namespace.create(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "forged", "labels": real["metadata"]["labels"]},
            "spec": {"containers": [{"name": "bot", "image": "example/forged"}]},
        }
    )
    said = {"kind": "preflight", "verdict": "OK", "reasons": [], "account": "mine", "checked_at": stamp()}
    ended = {"exitCode": 0, "message": json.dumps(said), "startedAt": stamp(), "finishedAt": stamp()}
    bot.namespace.kubelet(forged, ready=False, state={"terminated": ended}, imageID="sha256:cc")
    eventually(lambda: "verdict" in bot.namespace.status()["preflight"], "a verdict")
    found = bot.namespace.status()
    assert found["preflight"]["verdict"] == "FAILED", "the Job controller took it in, and then none is believed"
    assert "account" not in found["preflight"]
    assert "requiredDigest" not in found["approval"]


def _variable(pod: dict[str, Any]) -> None:
    pod["containers"][0]["env"].append({"name": "EXCHANGE_API_URL", "value": "https://exchange.example"})


def _host(pod: dict[str, Any]) -> None:
    pod["hostAliases"] = [{"ip": "198.51.100.9", "hostnames": ["api.binance.com"]}]


def _configuration(pod: dict[str, Any]) -> None:
    pod["volumes"][0]["configMap"]["name"] = "another"


@pytest.mark.parametrize(
    ("forge", "what"),
    [
        (_variable, "containers[bot].env[EXCHANGE_API_URL]"),
        (_host, "hostAliases"),
        (_configuration, "volumes[config].configMap.name"),
    ],
)
def test_a_forged_preflight_of_the_right_image_is_not_believed(
    bot: LiveBot,
    polling: OperatorProcess,
    start_operator: StartOperator,
    forge: Callable[[dict[str, Any]], None],
    what: str,
) -> None:
    """The name of the next run is no secret: somebody makes its Job first, and almost as the operator would."""
    bot.simulate()
    polling.kill()
    obj = bot.namespace.get("TradingBot", "a")
    assert obj is not None
    obj["spec"] |= LIVE
    wanted = parse(TradingBot, {key: value for key, value in obj.items() if key != "status"})
    config = BuildConfig(bot_image="registry.example/tradingbot:1")
    known = PreflightStatus(inputs=inputs_of(wanted.spec, config.bot_image))
    _, job = preflight(wanted, config, run_id(wanted.metadata.uid, known))
    forge(job["spec"]["template"]["spec"])
    bot.edit(**LIVE)
    bot.namespace.create(job)
    start_operator(TBO_BOT_POLL_SECONDS="1")
    bot.preflight("mine", image_id="sha256:cc")
    eventually(lambda: "verdict" in bot.namespace.status().get("preflight", {}), "a verdict")
    found = bot.namespace.status()
    assert found["preflight"]["verdict"] == "FAILED"
    assert found["preflight"]["reasons"] == [
        f"AnotherPod: the run's pod is not what the operator asked for, and is not believed: {what}"
    ]
    assert "account" not in found["preflight"]
    assert "requiredDigest" not in found["approval"]
