"""`stop`: sent first, confirmed only by what counts, and never weaker than what is asked for already."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.plugin.fakes import FakeApi, Person, bot, forbidden, latched

from tradingbot_operator.kube.errors import ForbiddenError, UnavailableError
from tradingbot_operator.plugin.errors import ExitCode
from tradingbot_operator.plugin.stopping import observe

if TYPE_CHECKING:
    from collections.abc import Callable


def operator(outcome: str | None, *, close: bool = False) -> Callable[[dict[str, Any]], None]:
    """The operator: it latches whatever stop it sees."""

    def look(obj: dict[str, Any]) -> None:
        if obj["spec"].get("emergencyStop", {}).get("active"):
            generation = obj["metadata"]["generation"]
            obj["status"] |= latched(outcome, stop_id=f"1f0c2a9b-{generation}", close=close)
            obj["status"]["observedGeneration"] = generation

    return look


def report(outcome: str | None, **other: Any) -> dict[str, Any]:
    stop: dict[str, Any] = {"id": "1f0c2a9b-2", "since": "2026-11-21T09:00:00Z"}
    if outcome:
        stop |= {"outcome": {"state": outcome, "orders_cancelled": 3, "message": ""}}
    return {"state": "KILLED", "role": "trading", "stop": stop, **other}


def test_one_bot_is_stopped_without_a_question_and_confirmed() -> None:
    api = FakeApi.of(bot(), on_look=operator("CANCELLED"))
    person = Person(api, "should not be asked")
    result = person("stop", "btc", "--reason", "wrong prices")
    assert result.code == ExitCode.OK
    assert "trading/btc is stopped: CANCELLED" in result.out
    assert "kubectl tradingbot resume btc -n trading" in result.out
    assert person.says == ["should not be asked"]
    (patch,) = api.patches
    stop = {"active": True, "closePositions": False, "reason": "wrong prices"}
    assert patch == ("btc", {"spec": {"emergencyStop": stop}}, False)


@pytest.mark.parametrize(
    ("outcome", "close", "code"),
    [
        ("CANCELLED", False, ExitCode.OK),
        ("FLAT", False, ExitCode.OK),
        ("FLAT", True, ExitCode.OK),
        ("FLAT_WITH_DUST", True, ExitCode.OK),
        ("CANCELLED", True, ExitCode.NOT_CONFIRMED),
        ("RESIDUAL", True, ExitCode.NOT_CONFIRMED),
        ("UNKNOWN", False, ExitCode.NOT_CONFIRMED),
        ("PENDING", False, ExitCode.NOT_CONFIRMED),
        (None, False, ExitCode.NOT_CONFIRMED),
    ],
)
def test_only_what_the_exchange_confirmed_counts(outcome: str | None, close: bool, code: ExitCode) -> None:
    api = FakeApi.of(bot(), on_look=operator(outcome, close=close))
    words = ["stop", "btc", *(["--close-positions"] if close else [])]
    result = Person(api)(*words)
    assert result.code == code
    if code is ExitCode.NOT_CONFIRMED:
        assert "is latched, but not confirmed" in result.out


def test_without_an_operator_the_bot_itself_is_asked() -> None:
    api = FakeApi.of(bot(), answers={"/api/v1/status": report("CANCELLED")})
    result = Person(api)("stop", "btc")
    assert result.code == ExitCode.OK
    assert "3 orders cancelled" in result.out
    assert "says the bot" in result.out


@pytest.mark.parametrize("other", [{"role": "standby"}, {"state": "ACTIVE"}, {"role": None}])
def test_a_pod_that_does_not_trade_proves_nothing(other: dict[str, Any]) -> None:
    api = FakeApi.of(bot(), answers={"/api/v1/status": report("CANCELLED", **other)})
    result = Person(api)("stop", "btc", "--timeout", "10")
    assert result.code == ExitCode.NOT_CONFIRMED
    assert "neither the operator nor the bot" in result.out


def test_nobody_answers() -> None:
    result = Person(FakeApi.of(bot()))("stop", "btc", "--timeout", "10")
    assert result.code == ExitCode.NOT_CONFIRMED
    assert "the bot itself does not answer" in result.out


def test_it_says_when_asking_the_bot_is_forbidden() -> None:
    api = FakeApi.of(bot(), errors={"ask": [forbidden("get", "services/proxy", "")] * 99})
    result = Person(api)("stop", "btc", "--timeout", "10")
    assert "get on services/proxy" in " ".join(result.out.split())


def test_a_request_without_an_answer_is_repeated() -> None:
    lost = [UnavailableError("the API server does not answer") for _ in range(3)]
    api = FakeApi.of(bot(), on_look=operator("CANCELLED"), errors={"patch": list(lost)})
    assert Person(api)("stop", "btc").code == ExitCode.OK
    api = FakeApi.of(bot(), errors={"patch": lost * 99})
    assert Person(api)("stop", "btc", "--timeout", "3").code == ExitCode.FAILED


def test_reading_that_is_forbidden_does_not_stand_in_the_way_of_the_stop() -> None:
    api = FakeApi.of(bot(), errors={"get": [forbidden("get")] * 99}, answers={"/api/v1/status": report("CANCELLED")})
    assert Person(api)("stop", "btc").code == ExitCode.OK
    assert len(api.patches) == 1


def test_forbidden_says_what_is_missing_and_who_can_grant_it() -> None:
    api = FakeApi.of(bot(), errors={"patch": [forbidden()]})
    result = Person(api)("stop", "btc")
    assert result.code == ExitCode.FORBIDDEN
    assert "NOT STOPPED" in result.out
    assert "bob may not patch tradingbots.tradingbots.dev in namespace trading" in " ".join(result.out.split())
    assert "kubectl create role tradingbot-patch --verb=patch" in result.out


def test_a_stop_does_not_weaken_one_that_closes_positions() -> None:
    active = {"active": True, "closePositions": True}
    api = FakeApi.of(bot(emergencyStop=active), on_look=operator("FLAT", close=True))
    assert Person(api)("stop", "btc").code == ExitCode.OK
    assert api.patches[0][1] == {"spec": {"emergencyStop": {"active": True}}}
    assert api.objects["trading", "btc"]["spec"]["emergencyStop"]["closePositions"] is True


def test_what_an_old_stop_said_about_positions_does_not_count() -> None:
    api = FakeApi.of(bot(emergencyStop={"active": False, "closePositions": True}), on_look=operator("CANCELLED"))
    Person(api)("stop", "btc")
    assert api.objects["trading", "btc"]["spec"]["emergencyStop"] == {"active": True, "closePositions": False}


def test_a_latch_of_before_is_no_confirmation_while_it_is_being_resumed() -> None:
    obj = bot(status=latched("CANCELLED"))
    obj["metadata"]["generation"] = 7
    obj["status"]["observedGeneration"] = 6
    assert observe(obj, 7, None, close_positions=False).latched is False
    obj["status"]["observedGeneration"] = 7
    assert observe(obj, 7, None, close_positions=False).confirmed is True


def test_dry_run_and_no_wait() -> None:
    api = FakeApi.of(bot())
    result = Person(api)("stop", "btc", "--dry-run=server")
    assert (result.code, api.patches[0][2]) == (ExitCode.OK, True)
    assert "nothing was changed" in result.out
    result = Person(api)("stop", "btc", "--no-wait")
    assert (result.code, api.patches[1][2]) == (ExitCode.OK, False)
    assert "not waited for" in result.out


def test_a_bot_that_does_not_exist() -> None:
    result = Person(FakeApi.of(bot()))("stop", "tbot/eth")
    assert result.code == ExitCode.NOT_FOUND
    assert "TradingBot eth in namespace trading" in " ".join(result.out.split())


@pytest.mark.parametrize("words", [[], ["btc", "--all"], ["btc", "-l", "a=b"], ["btc", "-A"]])
def test_it_must_be_clear_which(words: list[str]) -> None:
    api = FakeApi.of(bot())
    assert Person(api)("stop", *words).code == ExitCode.USAGE
    assert api.patches == []


def test_all_asks_a_person_and_not_a_script() -> None:
    bots = [bot("a"), bot("b"), bot("c", "other")]
    api = FakeApi.of(*bots, on_look=operator("CANCELLED"))
    refused = Person(api, "n")("stop", "--all")
    assert (refused.code, api.patches) == (ExitCode.FAILED, [])
    assert "trading/a, trading/b" in refused.err
    assert Person(api, "y")("stop", "--all").code == ExitCode.OK
    assert {name for name, _, _ in api.patches} == {"a", "b"}
    everything = Person(api)("stop", "--all", "-A")
    assert everything.code == ExitCode.OK
    assert "3 of 3 bots confirmed stopped" in everything.out
    assert Person(api, "unused")("stop", "--all", "--yes").code == ExitCode.OK


def test_a_selector_stops_those_that_it_finds() -> None:
    chosen = bot("a")
    chosen["metadata"]["labels"] = {"team": "x"}
    api = FakeApi.of(chosen, bot("b"), on_look=operator("CANCELLED"))
    assert Person(api)("stop", "-l", "team=x").code == ExitCode.OK
    assert [name for name, _, _ in api.patches] == ["a"]
    assert Person(api)("stop", "-l", "team=y").code == ExitCode.NOT_FOUND


def test_one_that_fails_does_not_hide_behind_those_that_succeed() -> None:
    api = FakeApi.of(bot("a"), bot("b"), on_look=operator("CANCELLED"), errors={"patch": [forbidden()]})
    result = Person(api)("stop", "--all", "-o", "json")
    assert result.code == ExitCode.NOT_CONFIRMED
    items = json.loads(result.out)["items"]
    assert sorted(item["confirmed"] for item in items) == [False, True]
    assert set(items[0]) == {
        "namespace",
        "name",
        "asked",
        "latched",
        "confirmed",
        "stopId",
        "seenBy",
        "outcome",
        "message",
    }


def test_a_policy_that_refuses_is_named() -> None:
    text = (
        "tradingbots.tradingbots.dev \"btc\" is forbidden: ValidatingAdmissionPolicy 'system.operator.stop' "
        "with binding 'system.operator.stop' denied request: this stop is not latched yet"
    )
    api = FakeApi.of(bot(), errors={"patch": [ForbiddenError(text, code=403)]})
    result = Person(api)("stop", "btc")
    assert result.code == ExitCode.FORBIDDEN
    assert "refused by the policy system.operator.stop: this stop is not latched yet" in " ".join(result.out.split())
