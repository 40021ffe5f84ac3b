"""Older CRDs and older statuses on a real API server: no downgrade resumes, and none makes the operator write for ever.

The API server drops what its CRD does not know when it reads, and refuses it when it is applied.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.api.crd.server import ROOT, install_crd
from tests.api.operator.live_bots import BotAnswers, LiveBot, stamp
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.api.crd.server import Manifest, Server
    from tests.api.operator.conftest import StartOperator
    from tests.api.operator.harness import Namespace

pytestmark = pytest.mark.api
CRD = ROOT / "crds/tradingbots.dev_tradingbots.yaml"


@pytest.fixture
def older(api_server: Server, namespace: Namespace) -> Iterator[Callable[..., None]]:
    """Install the CRD without some fields of the status; the present one comes back in the end."""
    present: Manifest = yaml.safe_load(CRD.read_text(encoding="utf-8"))

    def drops(known: Manifest, path: str) -> bool:
        """Whether the server drops this field, in an object of its own that nobody reconciles."""
        where = f"/apis/tradingbots.dev/v1alpha1/namespaces/{namespace.name}/tradingbots/probe/status"
        found = namespace.request("PATCH", where, {"status": known}, "application/merge-patch+json")["status"]
        return not _has(found, path)

    def install(*paths: str) -> None:
        crd = copy.deepcopy(present)
        for path in paths:
            *parents, last = path.split(".")
            schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
            for part in parents:
                schema = schema["properties"][part]
            del schema["properties"][last]
        install_crd(api_server, crd)
        stop = {"id": "probe-1", "since": stamp(), "voidResume": "x"}
        approval = {"newer": {"image": "bot:2"}}
        known = {"emergencyStop": stop, "approval": approval}
        for path in paths:
            if _has(known, path):
                eventually(lambda path=path: drops(known, path), f"the server drops {path}")  # type: ignore[misc]

    namespace.bot("probe")
    yield install
    install_crd(api_server, present)


def _has(status: Any, path: str) -> bool:
    for part in path.split("."):
        if not isinstance(status, dict) or part not in status:
            return False
        status = status[part]
    return True


def stop_of(bot: LiveBot) -> dict[str, Any] | None:
    found: dict[str, Any] | None = bot.namespace.status("a").get("emergencyStop")
    return found


def stopped(bot: LiveBot, answers: BotAnswers) -> str:
    """Stop the bot, and take the stop back in the spec."""
    bot.simulate()
    bot.edit(emergencyStop={"active": True})
    stop = eventually(lambda: stop_of(bot), "it is stopped")["id"]
    said = {"id": stop, "since": stamp(), "source": "spec", "reason": "", "close_positions": False}
    outcome = {"state": "CANCELLED", "orders_cancelled": 0, "message": ""}
    answers.says |= {"state": "KILLED", "stop": said | {"outcome": outcome}}
    bot.edit(emergencyStop=None)
    eventually(lambda: (stop_of(bot) or {}).get("outcome", {}).get("state") == "CANCELLED", "the exchange agrees")
    return str(stop)


def test_a_crd_that_does_not_know_the_latch_resumes_nothing_and_the_latch_comes_back(
    namespace: Namespace, answers: BotAnswers, start_operator: StartOperator, older: Callable[..., None]
) -> None:
    operator = start_operator(TBO_BOT_POLL_SECONDS="1")
    bot = LiveBot(namespace, answers)
    stop = stopped(bot, answers)
    older("emergencyStop", "lastStop")
    bot.edit(logLevel="DEBUG")
    eventually(lambda: stop_of(bot) is None, "the field is gone from the object")
    operator.idle()
    before = operator.writes()
    later = stamp(4)
    eventually(lambda: stamp() >= later, "the bot was asked a few times")
    assert operator.writes() == before, "what the server drops is not written again and again"
    operator.kill()
    older()
    start_operator(TBO_BOT_POLL_SECONDS="1")
    eventually(lambda: (stop_of(bot) or {}).get("id") == stop, "the bot has it, and so it is latched here again")
    assert namespace.status("a")["state"] == "KILLED"


def test_a_resume_of_before_the_downgrade_does_not_end_the_stop(
    namespace: Namespace, answers: BotAnswers, start_operator: StartOperator, older: Callable[..., None]
) -> None:
    start_operator(TBO_BOT_POLL_SECONDS="1")
    bot = LiveBot(namespace, answers)
    first = stopped(bot, answers)
    resume = {"stopId": first, "reason": "checked"}
    bot.edit(resume=resume)
    answers.says |= {
        "state": "ACTIVE",
        "stop": None,
        "last_stop": {"id": first, "resumed_at": stamp(), "reason": "checked"},
    }
    eventually(lambda: stop_of(bot) is None, "it is resumed")
    bot.edit(emergencyStop={"active": True})
    second = eventually(lambda: stop_of(bot), "it is stopped again")["id"]
    assert second != first
    older("emergencyStop", "lastStop")
    bot.edit(emergencyStop=None)
    older()
    said = {"id": second, "since": stamp(), "source": "spec", "reason": "", "close_positions": False}
    answers.says |= {"state": "KILLED", "stop": said}
    eventually(lambda: (stop_of(bot) or {}).get("id") == second, "the bot's own latch, which the resume does not name")


def test_a_crd_that_does_not_know_what_was_remembered_of_a_live_bot_keeps_no_stop_from_being_latched(
    namespace: Namespace, answers: BotAnswers, start_operator: StartOperator, older: Callable[..., None]
) -> None:
    """An upgrade of the operator whose CRDs were forgotten: the server refuses those fields, so they are left out."""
    older(*(f"live.{name}" for name in ("image", "imageDigest", "account", "build", "changedAt")), "approval.newer")
    start_operator(TBO_BOT_POLL_SECONDS="1")
    bot = LiveBot(namespace, answers)
    bot.go_live()
    bot.until("Trading")
    assert "image" not in namespace.status("a")["live"]
    bot.edit(emergencyStop={"active": True})
    assert eventually(lambda: stop_of(bot), "it is latched")["source"] == "spec"


def test_what_the_crd_lacks_is_tried_once_and_not_with_every_status(
    namespace: Namespace, answers: BotAnswers, start_operator: StartOperator, older: Callable[..., None]
) -> None:
    older(*(f"live.{name}" for name in ("image", "imageDigest", "account", "build", "changedAt")), "approval.newer")
    namespace.delete("TradingBot", "probe")
    operator = start_operator(TBO_BOT_POLL_SECONDS="1")
    bot = LiveBot(namespace, answers)
    bot.go_live()
    bot.until("Trading")

    def refused() -> float:
        return sum(
            value
            for name, value in operator.metrics().items()
            if name.startswith("rest_client_requests_total") and "status" in name and 'code="2' not in name
        )

    lacks = operator.metrics()["tradingbot_operator_undeclared_fields"]
    assert 0 < lacks <= 6
    operator.idle()
    before, writes = refused(), operator.writes()["tradingbots/status"]
    for number in range(3):
        # A pass in which nothing is to be said.
        namespace.edit("TradingBot", "a", {"metadata": {"annotations": {"example.org/pass": str(number)}}})
        operator.idle()
    assert operator.writes()["tradingbots/status"] == writes
    answers.says["positions"] = 2
    eventually(lambda: namespace.status("a").get("positions") == 2, "what is to be said is written")
    assert refused() == before, "one request for a status, and none that is refused"
    assert [line["field"] for line in operator.lines() if "install the operator's own CRDs" in line["message"]]
