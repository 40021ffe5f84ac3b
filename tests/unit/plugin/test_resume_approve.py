"""`resume` and `approve`: shown first, written onto what was shown, in the caller's own name."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.plugin.fakes import DIGEST, START, FakeApi, Person, bot, condition, latched

from tradingbot_operator.kube.errors import ForbiddenError
from tradingbot_operator.plugin.errors import ExitCode
from tradingbot_operator.plugin.risk import ANNOTATION, subject
from tradingbot_operator.plugin.text import parse_span

REASON = ("--reason", "price feed is back")


def stopped(**spec: Any) -> dict[str, Any]:
    return bot(status=latched("CANCELLED"), emergencyStop={"active": True}, **spec)


def lifts(obj: dict[str, Any]) -> None:
    """The operator: it lifts the stop that is named."""
    stop = obj["status"].get("emergencyStop") or {}
    if obj["spec"].get("resume", {}).get("stopId") == stop.get("id", ""):
        obj["status"] = bot()["status"] | {"observedGeneration": obj["metadata"]["generation"]}


def test_resume_ends_the_stop_in_one_write() -> None:
    api = FakeApi.of(stopped(), on_look=lifts)
    result = Person(api)("resume", "btc", *REASON)
    assert result.code == ExitCode.OK
    assert "the stop is lifted" in result.out
    for shown in ("1f0c2a9b-2", "drill", "CANCELLED", "1 open", "it trades again in simulation"):
        assert shown in result.err
    (patch,) = api.patches
    assert patch[1]["spec"] == {
        "emergencyStop": None,
        "resume": {"stopId": "1f0c2a9b-2", "reason": "price feed is back"},
    }
    assert "emergencyStop" not in api.objects["trading", "btc"]["spec"]


def test_resume_asks_a_person() -> None:
    api = FakeApi.of(stopped(), on_look=lifts)
    assert Person(api, "n")("resume", "btc", *REASON).code == ExitCode.FAILED
    assert api.patches == []
    assert Person(api, "y")("resume", "btc", *REASON).code == ExitCode.OK


def test_resume_names_the_stop_it_means() -> None:
    api = FakeApi.of(stopped())
    result = Person(api)("resume", "btc", "--id", "1f0c2a9b-1", *REASON)
    assert (result.code, api.patches) == (ExitCode.FAILED, [])
    assert "the stop that is latched is 1f0c2a9b-2, not 1f0c2a9b-1" in result.err


def test_resume_of_a_bot_that_is_not_stopped() -> None:
    api = FakeApi.of(bot())
    result = Person(api)("resume", "btc", *REASON)
    assert (result.code, api.patches) == (ExitCode.FAILED, [])
    assert "nothing to resume from" in result.err


def test_a_new_stop_in_between_is_not_taken_back() -> None:
    api = FakeApi.of(stopped())
    person = Person(api, "y")
    original = api.patch

    def patch(*args: Any, **options: Any) -> Any:
        api.objects["trading", "btc"]["metadata"] |= {"generation": 9, "resourceVersion": "9"}
        return original(*args, **options)

    api.patch = patch  # type: ignore[method-assign]
    result = person("resume", "btc", *REASON)
    assert result.code == ExitCode.FAILED
    assert "changed while you looked at it" in result.err
    assert api.objects["trading", "btc"]["spec"]["emergencyStop"] == {"active": True}


def test_a_status_written_in_between_does_not_matter() -> None:
    api = FakeApi.of(stopped(), on_look=lifts)
    first = api.patch
    tries: list[Any] = []

    def patch(*args: Any, **options: Any) -> Any:
        if not tries:
            api.objects["trading", "btc"]["metadata"]["resourceVersion"] = "5"
        tries.append(args)
        return first(*args, **options)

    api.patch = patch  # type: ignore[method-assign]
    assert Person(api)("resume", "btc", *REASON).code == ExitCode.OK
    assert len(tries) == 2


def test_resume_that_the_operator_refuses_or_does_not_see() -> None:
    def refuses(obj: dict[str, Any]) -> None:
        obj["status"]["conditions"] = [condition("Suspended", "True", "ResumeRefused", "not this stop")]
        obj["status"]["observedGeneration"] = obj["metadata"]["generation"]

    assert Person(FakeApi.of(stopped(), on_patch=refuses))("resume", "btc", *REASON).code == ExitCode.FORBIDDEN
    late = Person(FakeApi.of(stopped()))("resume", "btc", "--timeout", "2", *REASON)
    assert late.code == ExitCode.NOT_CONFIRMED
    assert "still latched" in late.err
    assert Person(FakeApi.of(stopped()))("resume", "btc", "--no-wait", *REASON).code == ExitCode.OK


def test_resume_of_a_live_bot_says_that_an_approval_is_needed() -> None:
    def lifts_live(obj: dict[str, Any]) -> None:
        lifts(obj)
        obj["status"]["approval"] = {"requiredDigest": DIGEST}

    api = FakeApi.of(stopped(mode="live", requestedBy="alice"), on_look=lifts_live)
    result = Person(api)("resume", "btc", *REASON)
    assert "only with a fresh approval; until then it simulates" in result.err
    assert "kubectl tradingbot approve btc -n trading" in result.out


def test_a_bot_that_traded_live_when_it_was_stopped_only_closes_positions_after_the_resume() -> None:
    api = FakeApi.of(stopped(mode="live", requestedBy="alice"), on_look=lifts)
    api.objects["trading", "btc"]["status"]["mode"] = "live"
    assert "until then it only closes positions" in Person(api)("resume", "btc", *REASON).err


def test_what_is_approved_does_not_change_with_what_is_said_of_the_approval() -> None:
    one, another = bot(mode="live"), bot(mode="live")
    one["status"]["approval"] = {"requiredDigest": DIGEST, "state": "Missing", "message": "nobody has"}
    another["status"]["approval"] = {"requiredDigest": DIGEST, "state": "Valid", "message": "bob has"}
    assert subject(one) == subject(another)
    another["status"]["approval"]["lastStop"] = "1f0c2a9b-2"
    assert subject(one) != subject(another)


def test_resume_without_the_verb() -> None:
    text = (
        "forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request: bob may not resume trading: it "
        "needs the verb resume on tradingbots in namespace trading (ClusterRole tradingbot-resumer)"
    )
    api = FakeApi.of(stopped(), errors={"patch": [ForbiddenError(text, code=403)]})
    result = Person(api)("resume", "btc", *REASON)
    assert result.code == ExitCode.FORBIDDEN
    assert "create rolebinding tradingbot-resumer --clusterrole=tradingbot-resumer --user=USER -n trading" in result.err


# --- approve -----------------------------------------------------------------------------------------------------


def asked(**spec: Any) -> dict[str, Any]:
    status = {"approval": {"requiredDigest": DIGEST}}
    return bot(status=status, mode="live", requestedBy="alice", **spec)


def test_approve_shows_everything_and_writes_the_callers_name() -> None:
    api = FakeApi.of(asked())
    result = Person(api)("approve", "btc", "--expires", "7d", "--comment", "two weeks looked at")
    assert result.code == ExitCode.OK
    for shown in (
        DIGEST,
        "requested by alice",
        "strategy.name: breakout",
        "strategy.symbols: BTC/USD, ETH/USD",
        "strategy.parameters.entry: 20",
        "risk.maxDrawdown: 0.15",
        "exchange.testMode: true",
        "database.secretRef.name: db",
        "running image: registry.example.org/bot:1",
        "no note of an earlier approval",
        "To be approved by bob, until 2026-11-28T09:05:00Z (for 7d)",
    ):
        assert shown in result.err
    assert "poolSize" not in result.err
    (patch,) = api.patches
    assert patch[1]["spec"] == {
        "approval": {
            "digest": DIGEST,
            "approvedBy": "bob",
            "expiresAt": "2026-11-28T09:05:00Z",
            "comment": "two weeks looked at",
        }
    }
    assert patch[1]["metadata"]["resourceVersion"] == "1"


def test_approve_marks_what_differs_from_the_last_approval() -> None:
    api = FakeApi.of(asked())
    Person(api)("approve", "btc")
    obj = api.objects["trading", "btc"]
    obj["spec"]["risk"]["maxDrawdown"] = 0.3
    obj["spec"]["risk"]["onBreach"] = "Hold"
    del obj["spec"]["exchange"]["testMode"]
    obj["status"]["observedGeneration"] = obj["metadata"]["generation"]
    result = Person(api)("approve", "btc", "--dry-run=server")
    assert "compared with the last approval (by bob, 2026-11-21T09:05:00Z)" in result.err
    assert "  ~ risk.maxDrawdown: 0.15 → 0.3" in result.err
    assert "  + risk.onBreach: Hold" in result.err
    assert "  - exchange.testMode: true" in result.err
    assert "    strategy.name: breakout" in result.err, "what did not change is shown as well: the note can be forged"
    assert api.patches[-1][2] is True


def test_an_image_that_the_spec_does_not_name_is_the_operators() -> None:
    obj = asked()
    obj["spec"].pop("image", None)
    assert subject(obj)["image"] == "none named: the operator's default"


def test_a_forged_note_hides_nothing() -> None:
    obj = asked()
    for note in ("not json", "[]", json.dumps({"subject": 7}), json.dumps({"subject": subject(obj), "at": "\x1b[2J"})):
        obj["metadata"]["annotations"] = {ANNOTATION: note}
        result = Person(FakeApi.of(obj))("approve", "btc", "--dry-run=server")
        assert result.code == ExitCode.OK
        assert "risk.maxDrawdown: 0.15" in result.err
        assert "\x1b" not in result.err


@pytest.mark.parametrize(
    ("obj", "user", "words", "code", "message"),
    [
        (asked(), "alice", [], ExitCode.FORBIDDEN, "you (alice) asked for this change"),
        (asked(), "system:serviceaccount:ci:deploy", [], ExitCode.FORBIDDEN, "by a person"),
        (bot(status={"approval": {"requiredDigest": DIGEST}}), "bob", [], ExitCode.FAILED, "nobody has asked"),
        (bot(), "bob", [], ExitCode.FAILED, "published nothing to approve"),
        (asked(), "bob", ["--digest", "sha256:0"], ExitCode.FAILED, "nothing was approved"),
        (asked(), "bob", ["--expires", "31d"], ExitCode.USAGE, "at most 30 days"),
        (asked(), "bob", ["--expires", "0s"], ExitCode.USAGE, "in the future"),
        (asked(), "bob", ["--expires", "soon"], ExitCode.USAGE, "is no duration"),
        (asked(), "bob", ["--expires", "2020-01-01T00:00:00Z"], ExitCode.USAGE, "in the future"),
    ],
)
def test_what_cannot_be_approved(
    obj: dict[str, Any], user: str, words: list[str], code: ExitCode, message: str
) -> None:
    api = FakeApi.of(obj, user=user)
    result = Person(api)("approve", "btc", *words)
    assert (result.code, api.patches) == (code, [])
    assert message in result.err


def test_a_newer_image_is_approved_by_its_own_digest_and_shown() -> None:
    obj = asked()
    newer = f"sha256:{'e' * 64}"
    obj["status"]["approval"]["newer"] = {"digest": newer, "image": "bot:2"}
    api = FakeApi.of(obj, user="bob")
    result = Person(api, "y")("approve", "btc", "--digest", newer)
    assert result.code == ExitCode.OK
    assert api.objects["trading", "btc"]["spec"]["approval"]["digest"] == newer
    assert "newer.image: bot:2" in result.err


def test_an_older_digest_is_never_approved() -> None:
    obj = asked()
    obj["metadata"]["generation"] = 2
    api = FakeApi.of(obj)
    result = Person(api)("approve", "btc", "--timeout", "3")
    assert (result.code, api.patches) == (ExitCode.NOT_CONFIRMED, [])
    assert "has not seen the present spec" in result.err


def test_a_change_while_somebody_reads_is_not_approved() -> None:
    api = FakeApi.of(asked())
    first = api.patch

    def patch(*args: Any, **options: Any) -> Any:
        api.objects["trading", "btc"]["metadata"] |= {"resourceVersion": "7", "generation": 3}
        return first(*args, **options)

    api.patch = patch  # type: ignore[method-assign]
    result = Person(api, "y")("approve", "btc")
    assert result.code == ExitCode.FAILED
    assert "nothing was approved" in result.err
    assert "approval" not in api.objects["trading", "btc"]["spec"]


def test_approve_asks_a_person() -> None:
    api = FakeApi.of(asked())
    assert Person(api, "")("approve", "btc").code == ExitCode.FAILED
    assert api.patches == []
    assert Person(api, "yes")("approve", "btc").code == ExitCode.OK


def test_a_renewed_approval_drops_the_old_comment() -> None:
    api = FakeApi.of(asked(approval={"digest": "sha256:old", "comment": "old"}))
    Person(api)("approve", "btc")
    assert "comment" not in api.objects["trading", "btc"]["spec"]["approval"]


def test_durations() -> None:
    assert parse_span("1d12h") == timedelta(hours=36)
    assert parse_span("90s") == timedelta(seconds=90)
    for wrong in ("", "5", "h", "1h1d", "-1h"):
        with pytest.raises(ValueError, match="is no duration"):
            parse_span(wrong)
    assert START.tzinfo is not None
