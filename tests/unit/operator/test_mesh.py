"""The pods of Jobs ask every mesh in the mesh's own words to stay out; the bots' pods leave that to the namespace."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.unit.operator.helpers import bot

from tradingbot_operator.api.v1alpha1.safety import EmergencyStopStatus, Mode
from tradingbot_operator.desired.config import BuildConfig
from tradingbot_operator.desired.killjob import kill_job
from tradingbot_operator.desired.preflight import preflight
from tradingbot_operator.desired.tradingbot import build

CONFIG = BuildConfig(bot_image="b:1")
ASKED = {
    "istio": ("labels", "sidecar.istio.io/inject", "false"),
    "kuma": ("labels", "kuma.io/sidecar-injection", "disabled"),
    "linkerd": ("annotations", "linkerd.io/inject", "disabled"),
    "consul": ("annotations", "consul.hashicorp.com/connect-inject", "false"),
}


def _deployment() -> dict[str, Any]:
    template: dict[str, Any] = build(bot(), Mode.LIVE, CONFIG).manifests[-1]["spec"]["template"]
    return template


def _preflight() -> dict[str, Any]:
    template: dict[str, Any] = preflight(bot(), CONFIG, "1")[1]["spec"]["template"]
    return template


def _kill() -> dict[str, Any]:
    stop = EmergencyStopStatus(id="1f0c2a9b-7", since=datetime(2026, 11, 21, tzinfo=UTC))
    job = kill_job("a", "trading", "1f0c2a9b", stop, "tradingbot-a-kill-0", _deployment())
    template: dict[str, Any] = job["spec"]["template"]
    return template


@pytest.mark.parametrize("mesh", ASKED)
@pytest.mark.parametrize("template", [_preflight(), _kill()], ids=["preflight", "kill"])
def test_no_sidecar_is_put_into_the_pod_of_a_job(template: dict[str, Any], mesh: str) -> None:
    """The preflight would not be believed, and a Job whose proxy runs on would never end."""
    place, name, value = ASKED[mesh]
    assert template["metadata"][place][name] == value


def test_the_pods_of_bots_say_nothing_about_meshes() -> None:
    """A template that changes with the operator would start every bot anew; the namespace decides."""
    meta = _deployment()["metadata"]
    assert not {name for _, name, _ in ASKED.values()} & {*meta["labels"], *meta.get("annotations", {})}
