"""`status`, `logs`, `positions`, the parser and completion."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
import typer
import yaml
from tests.unit.plugin.fakes import DIGEST, FakeApi, Person, bot, condition, forbidden, latched

from tradingbot.cli.main import app
from tradingbot_operator.api.conditions import Reason
from tradingbot_operator.kube.errors import ForbiddenError, InvalidError, KubeError, NotFoundError, UnavailableError
from tradingbot_operator.plugin import completion
from tradingbot_operator.plugin.advice import next_steps
from tradingbot_operator.plugin.commands import positions
from tradingbot_operator.plugin.errors import EXPLANATIONS, ExitCode, explain
from tradingbot_operator.plugin.main import main
from tradingbot_operator.plugin.picture import take
from tradingbot_operator.plugin.render import detail, table
from tradingbot_operator.plugin.text import plain

NOW = datetime(2026, 11, 21, 9, 5, tzinfo=UTC)
LIGHT = """
import sys
from tradingbot_operator.plugin.main import main
try:
    main(["--help"])
except SystemExit:
    pass
heavy = {"kopf", "kubernetes", "pydantic", "aiohttp", "yaml", "asyncio"} & set(sys.modules)
assert not heavy, heavy
"""


def test_a_table_of_all_bots() -> None:
    api = FakeApi.of(bot("b"), bot("a", status=latched()), bot("c", "other"))
    result = Person(api)("status")
    lines = result.out.splitlines()
    assert lines[0].split() == ["NAME", "MODE", "STATE", "READY", "REASON", "POSITIONS", "STOP", "AGE"]
    assert lines[1].split() == ["a", "simulation", "KILLED", "False", "EmergencyStopped", "1", "1f0c2a9b-2", "1h5m"]
    assert lines[2].split() == ["b", "simulation", "ACTIVE", "True", "Trading", "1", "-", "1h5m"]
    assert "1 bot waiting for somebody: a" in result.out
    everywhere = Person(api)("status", "-A", "-o", "wide").out
    assert everywhere.split()[0] == "NAMESPACE"
    assert "registry.example.org/bot:1" in everywhere
    assert "other" in everywhere


def test_no_bots() -> None:
    result = Person(FakeApi.of())("status")
    assert (result.code, result.out) == (ExitCode.OK, "")
    assert "No TradingBots in namespace trading" in result.err
    assert json.loads(Person(FakeApi.of())("status", "-o", "json").out) == {"items": []}


def test_a_stop_says_what_became_of_each_order_and_position() -> None:
    status = latched("RESIDUAL", close=True)
    status["emergencyStop"]["outcome"] |= {
        "orders": [
            {"clientId": "tb1", "symbol": "BTC/USDT", "state": "CANCELLED"},
            {"clientId": "tb2", "symbol": "BTC/USDT", "state": "FILLED", "reason": "it was faster"},
        ],
        "positions": [
            {"symbol": "BTC/USDT", "state": "RESIDUAL", "requested": "0.02", "residual": "0.01", "reason": "thin book"},
            {"symbol": "ETH/USDT", "state": "FLAT", "requested": "0.3", "residual": "0", "reason": ""},
            {"symbol": "SOL/USDT", "state": "FLAT_WITH_DUST", "requested": "2", "residual": "0.001"},
            {"symbol": "XRP/USDT", "state": "KEPT", "residual": "53.2", "reason": "positions were not to be closed"},
            {"symbol": "ADA/USDT", "state": "UNKNOWN"},
            "nonsense",
        ],
    }
    out = Person(FakeApi.of(bot(status=status)))("status", "btc").out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert any(line.startswith("order tb2 BTC/USDT FILLED") and "it was faster" in line for line in lines)
    assert "position BTC/USDT RESIDUAL · 0.01 of 0.02 left: thin book" in lines
    assert "position ETH/USDT FLAT · all of 0.3 sold" in lines
    assert "position SOL/USDT FLAT_WITH_DUST · 0.001 of 2 left, too little to be sold" in lines
    assert "position XRP/USDT KEPT · 53.2 held: positions were not to be closed" in lines
    assert "position ADA/USDT UNKNOWN · ? of ? left" in lines
    assert "tb1" not in out


@pytest.mark.parametrize("reason", ["InvalidSpec", "InvalidStrategyParameters", "UnknownStrategy", "UnknownSymbol"])
def test_a_spec_that_cannot_work_is_something_to_do(reason: str) -> None:
    status = {"conditions": [condition("Ready", "False", reason), condition("Degraded", "True", reason)]}
    out = Person(FakeApi.of(bot("a", status=status)))("status", "a").out
    assert out.count("kubectl edit tbot a -n trading") == 1
    assert "Nothing to do" not in out


def test_the_gates_of_live_trading_are_lines() -> None:
    gates = [
        {"name": "Credentials", "state": "Open", "message": "The Secret keys has the keys of account k1."},
        {"name": "Approval", "state": "Closed", "message": "Another person approves it: kubectl patch"},
        "nonsense",
    ]
    out = Person(FakeApi.of(bot(mode="live", status={"gates": gates})))("status", "btc").out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "Credentials Open The Secret keys has the keys of account k1." in lines
    assert "Approval Closed Another person approves it: kubectl patch" in lines


def test_a_killed_bot_of_a_stopped_namespace_says_who_stands_in_for_it_and_what_to_do() -> None:
    status = latched()
    status["emergencyStop"] |= {
        "standing": True,
        "kill": {
            "job": "tradingbot-a-kill-0a1b2c3d4e",
            "since": "2026-11-21T09:00:08Z",
            "reason": "It did not answer.",
        },
        "outcome": {"state": "UNKNOWN", "message": "the exchange did not answer"},
    }
    out = Person(FakeApi.of(bot("a", status=status)))("status", "a").out
    for part in (
        "Kill Job",
        "tradingbot-a-kill-0a1b2c3d4e",
        "It did not answer.",
        "kubectl delete job -n trading tradingbot-a-kill-0a1b2c3d4e",
        "kubectl annotate namespace trading tradingbots.dev/emergency-stop-",
    ):
        assert part in out


def test_a_gate_that_is_not_open_is_what_to_do_next() -> None:
    gates = [{"name": "Limits", "state": "Closed", "message": "Set spec.risk.maxOrderValue."}]
    steps = next_steps(take(bot(mode="live", status={"gates": gates})), NOW)
    assert steps == ["Before live trading, Limits: Set spec.risk.maxOrderValue."]


def test_the_command_of_a_gate_stands_on_a_line_of_its_own_where_it_can_be_copied() -> None:
    command = (
        "kubectl -n trading create secret generic keys --from-literal=api-key=KEY --from-literal=api-secret=SECRET"
    )
    gates = [{"name": "Credentials", "state": "Closed", "message": f"The Secret keys does not exist: {command}"}]
    out = Person(FakeApi.of(bot("btc", mode="live", status={"gates": gates})))("status", "btc").out
    assert f"       {command}" in out.splitlines()


def test_a_condition_does_not_repeat_the_gates_that_are_listed() -> None:
    gates = [{"name": "Limits", "state": "Closed", "message": "Set spec.risk.maxOrderValue."}]
    missing = "1 of 9 gates are not open. [Limits] Set spec.risk.maxOrderValue."
    conditions = [{"type": "LiveReady", "status": "False", "reason": "LimitsNotSet", "message": missing}]
    out = Person(FakeApi.of(bot("btc", mode="live", status={"gates": gates, "conditions": conditions})))(
        "status", "btc"
    ).out
    (line,) = (line for line in out.splitlines() if line.strip().startswith("LiveReady"))
    assert line.endswith("1 of 9 gates are not open: see above.")


def test_a_condition_does_not_repeat_what_a_gate_says() -> None:
    again = "Look at the bot and approve it again: kubectl patch"
    gates = [{"name": "Approval", "state": "Closed", "message": again}]
    conditions = [
        {"type": "LiveReady", "status": "False", "reason": "ApprovalVoid", "message": f"It only closes. {again}"}
    ]
    out = Person(FakeApi.of(bot("btc", mode="live", status={"gates": gates, "conditions": conditions})))(
        "status", "btc"
    ).out
    (line,) = (line for line in out.splitlines() if line.strip().startswith("LiveReady"))
    assert line.endswith("It only closes. See the gate Approval above.")


def test_tighter_limits_than_approved_are_approved() -> None:
    approval = {"digest": DIGEST, "approvedBy": "bob", "expiresAt": "2026-11-22T09:00:00Z"}
    for state, problem in (("Valid", ""), ("WrongDigest", "changed since")):
        status = {"approval": {"requiredDigest": "sha256:" + 64 * "e", "state": state}}
        found = take(bot(mode="live", requestedBy="alice", approval=approval, status=status)).approval.problem(NOW)
        assert problem in found
        assert bool(found) is bool(problem)


def test_one_bot_in_detail() -> None:
    result = Person(FakeApi.of(bot(status=latched("RESIDUAL"))))("status", "btc")
    for shown in (
        "TradingBot trading/btc",
        "Emergency stop 1f0c2a9b-2 is latched",
        "2026-11-21T09:00:00Z (5m ago)",
        "RESIDUAL",
        "look at the exchange yourself",
        "kubectl tradingbot stop btc -n trading --close-positions",
        "kubectl tradingbot resume btc -n trading --reason",
    ):
        assert shown in result.out
    assert "\x1b" not in result.out


def test_a_healthy_bot_needs_nobody() -> None:
    result = Person(FakeApi.of(bot()))("status", "tradingbot/btc")
    assert "Nothing to do." in result.out
    assert next_steps(take(bot()), NOW) == []


def test_machines_get_the_same_facts() -> None:
    api = FakeApi.of(bot(status=latched()))
    one = json.loads(Person(api)("status", "btc", "-o", "json").out)
    assert one["stop"]["id"] == "1f0c2a9b-2"
    assert one["openOrders"] == 2
    assert one["conditions"][0]["type"] == "Ready"
    assert one["nextSteps"]
    many = yaml.safe_load(Person(api)("status", "-o", "yaml").out)
    assert many["items"][0] == one


@pytest.mark.parametrize("reason", list(Reason), ids=lambda reason: reason.value)
def test_every_reason_can_be_shown(reason: Reason) -> None:
    conditions = [condition("Ready", "False", reason.value), condition("Suspended", "True", reason.value)]
    picture = take(bot(status={"conditions": conditions}))
    assert reason.value in detail(picture, NOW, colour=True)
    assert reason.value in table([picture], NOW, namespaces=False, wide=True, colour=True)
    assert all("{" not in step.replace('{"spec', "").replace('{"trading', "") for step in next_steps(picture, NOW))


@pytest.mark.parametrize(
    "obj",
    [
        {},
        {"metadata": {"name": "a", "namespace": "b"}},
        {"metadata": {"name": "a"}, "spec": None, "status": None},
        {"metadata": {"name": "a"}, "spec": {"emergencyStop": 7}, "status": {"conditions": [1, {}], "positions": "x"}},
        {"metadata": {"name": "a"}, "status": {"emergencyStop": {"id": 7, "outcome": "x"}, "approval": []}},
    ],
)
def test_an_object_of_which_nothing_is_as_expected_can_be_shown(obj: dict[str, Any]) -> None:
    assert detail(take(obj), NOW, colour=False)


def test_text_of_others_cannot_act_on_the_terminal() -> None:
    nasty = "\x1b[2J\x1b[31mall is well\r\u202e\nhidden"
    obj = bot(status={"conditions": [condition("Ready", "True", nasty, nasty)]})
    shown = Person(FakeApi.of(obj))("status", "btc").out
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "\r" not in shown
    assert plain(nasty).count("\n") == 0


def test_approval_is_explained() -> None:
    approval = {"digest": DIGEST, "approvedBy": "bob", "expiresAt": "2026-11-21T10:00:00Z"}
    live: dict[str, Any] = {"mode": "live", "requestedBy": "alice"}
    status = {"approval": {"requiredDigest": DIGEST}}

    def verdict(**change: Any) -> str:
        return Person(FakeApi.of(bot(status=status, **{**live, **change})))("status", "btc").out

    assert "valid" in verdict(approval=approval)
    assert "(in 55m)" in verdict(approval=approval)
    assert "nobody has approved" in verdict()
    assert "the approval has expired" in verdict(approval=approval | {"expiresAt": "2026-11-21T09:00:00Z"})
    assert "changed since" in verdict(approval=approval | {"digest": "sha256:0"})
    assert "the same person" in verdict(approval=approval, requestedBy="bob")
    assert "A second person (not alice)" in verdict()


def test_names_and_selectors_exclude_each_other() -> None:
    assert Person(FakeApi.of(bot()))("status", "btc", "-l", "a=b").code == ExitCode.USAGE
    assert Person(FakeApi.of(bot()))("status", "btc", "-A").code == ExitCode.USAGE


def test_watching_shows_each_change_once_and_survives_the_server() -> None:
    later = bot(status=latched())
    api = FakeApi.of(bot(), events=[("MODIFIED", bot()), ("MODIFIED", later), ("DELETED", later)])
    api.errors["watch"] = [KubeError("too old", code=410), UnavailableError("gone away", code=503)]
    person = Person(api)
    with pytest.raises(KeyboardInterrupt):
        person("status", "btc", "-w")
    assert person.slept == [2.0]
    assert person.out.getvalue().count("TradingBot trading/btc") == 2
    assert "gone away; trying again" in person.err.getvalue()


def test_logs_of_all_pods() -> None:
    pods = [
        {"metadata": {"name": name, "creationTimestamp": f"2026-11-21T0{hour}:00:00Z"}}
        for name, hour in (("new", 9), ("old", 8))
    ]
    api = FakeApi.of(bot(), pod_list=pods, logs={"new": ["n1", "n2"], "old": ["o1"]})
    assert Person(api)("logs", "btc").out == "[old] o1\n[new] n1\n[new] n2\n"
    assert Person(api)("logs", "btc", "--pod", "new", "--since", "10m", "--tail", "5").out == "n1\nn2\n"
    assert (api.log_options[-1].since_seconds, api.log_options[-1].tail) == (600, 5)
    followed = Person(api)("logs", "btc", "-f").out.splitlines()
    assert sorted(followed) == ["[new] n1", "[new] n2", "[old] o1"]
    assert Person(FakeApi.of(bot()))("logs", "btc").code == ExitCode.NOT_FOUND
    assert Person(api)("logs", "btc", "--since", "x").code == ExitCode.USAGE


def test_positions() -> None:
    path = "/api/v1/bot/positions"
    positions = [
        {"quantity": "0.5", "symbol": "BTC/USD", "entry_price": "50000", "orders": [1]},
        {"quantity": "2", "symbol": "ETH/USD", "entry_price": None},
    ]
    for answer in (positions, {"positions": positions}):
        result = Person(FakeApi.of(bot(), answers={path: answer}))("positions", "btc")
        assert result.out.splitlines()[0].split() == ["SYMBOL", "QUANTITY", "ENTRY-PRICE"]
        assert result.out.splitlines()[1].split() == ["BTC/USD", "0.5", "50000"]
        assert result.out.splitlines()[2].split() == ["ETH/USD", "2", "-"]
    assert "no open positions" in Person(FakeApi.of(bot(), answers={path: {"positions": []}}))("positions", "btc").out
    both = {"positions": positions, "orders": [{"symbol": "SOL/USD", "side": "buy", "ts": "09:05"}]}
    assert (
        "Open orders\nSYMBOL    SIDE   PLACED\nSOL/USD   buy    09:05"
        in Person(FakeApi.of(bot(), answers={path: both}))("positions", "btc").out
    )
    raw = Person(FakeApi.of(bot(), answers={path: positions}))("positions", "btc", "-o", "json").out
    assert json.loads(raw) == positions
    silent = Person(FakeApi.of(bot()))("positions", "btc")
    assert (silent.code, "Open positions by its last status: 1" in silent.err) == (ExitCode.FAILED, True)
    denied = Person(FakeApi.of(bot(), errors={"ask": [forbidden("get", "services/proxy", "")]}))("positions", "btc")
    assert denied.code == ExitCode.FORBIDDEN
    assert "--verb=get --resource=services/proxy -n trading" in denied.err


def test_positions_show_what_waits_for_a_word_and_a_bot_without_such_orders_needs_none() -> None:
    waiting = {"client_id": "tb1-1-7", "symbol": "SOL/USD", "side": "buy", "quantity": "3", "expires_at": "09:10"}
    answers: dict[str, Any] = {
        "/api/v1/bot/positions": {"positions": []},
        "/api/v1/bot/orders/waiting": {"orders": [waiting]},
    }
    shown = Person(FakeApi.of(bot(), answers=answers))("positions", "btc").out
    assert "wait for a person's word" in shown
    assert "SYMBOL    SIDE   QUANTITY   CLIENT-ID   EXPIRES-AT\nSOL/USD   buy    3          tb1-1-7     09:10" in shown
    answers["/api/v1/bot/orders/waiting"] = {"orders": []}
    assert "wait" not in Person(FakeApi.of(bot(), answers=answers))("positions", "btc").out


def test_the_command_that_is_named_for_an_answer_is_one_of_the_bots() -> None:
    program, *words = positions.CONFIRM.split()
    found: Any = typer.main.get_command(app)
    for word in words:
        found = found.commands[word]
    assert (program, found.params[0].name) == ("tradingbot", "client_id")


# --- command line ------------------------------------------------------------------------------------------------


def test_errors_say_what_is_wrong_and_what_to_do() -> None:
    unknown = explain(NotFoundError("the answer was 404: 404 page not found", code=404))
    assert "does not know TradingBots" in str(unknown)
    assert unknown.code == ExitCode.NOT_FOUND
    assert explain(UnavailableError("down")).code == ExitCode.FAILED
    policy = (
        "tradingbots \"btc\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request: too early"
    )
    for refusal in (ForbiddenError(policy, code=403), InvalidError(policy, code=422)):
        assert str(explain(refusal)) == "refused by the policy p: too early"


def test_help_documents_exit_codes_and_is_there_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["stop", "--help"])
    assert end.value.code == 0
    shown = capsys.readouterr().out
    for code, text in EXPLANATIONS.items():
        assert f"  {code.value}  {text}" in shown
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", [["fly"], ["stop", "--dry-run=client"], ["resume", "btc"], ["approve"], []])
def test_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == ExitCode.USAGE
    assert "usage: kubectl tradingbot" in capsys.readouterr().err


def test_an_unknown_cluster_is_an_error_with_a_hint(capsys: pytest.CaptureFixture[str], tmp_path: Any) -> None:
    assert main(["status", "--kubeconfig", str(tmp_path / "none")]) == ExitCode.FAILED
    assert "--kubeconfig or --context" in capsys.readouterr().err
    assert main(["status", "--as-group", "x"]) == ExitCode.USAGE


def test_completion(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("tradingbot_operator.plugin.main.connect", lambda args: FakeApi.of(bot("aaa"), bot("abc")))
    assert completion.candidates(["st"]) == [
        "status\twhat bots do, why, and what to do next",
        "stop\tstop trading at once, and wait until it is confirmed",
    ]
    assert completion.candidates(["stop", "a"]) == ["aaa", "abc"]
    assert completion.candidates(["stop", "aaa", ""]) == ["abc"]
    assert completion.candidates(["stop", "--dry-run", ""]) == ["none", "server"]
    assert completion.candidates(["status", "-n", ""]) == ["trading"]
    assert completion.candidates(["status", "--watc"])[0].startswith("--watch\t")
    assert completion.candidates(["completion", ""]) == list(completion._SCRIPTS)
    assert main(["__complete", "stop", "ab"]) == 0
    assert capsys.readouterr().out == "abc\n:4\n"
    for shell in completion._SCRIPTS:
        assert main(["completion", shell]) == 0
        assert "kubectl-tradingbot __complete" in capsys.readouterr().out
