"""What must not be possible, tried with real pods: docs/security.md lists each of these."""

from __future__ import annotations

import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from tests.support import live
from tests.support.bots import NAMESPACE, Bot, Bots, Database
from tests.support.intruders import database_role, execute, reach, second_deployment
from tests.support.waiting import eventually

from tradingbot.domain import ids
from tradingbot_cluster.demo.tools import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.intruders import Role

    from tradingbot_cluster.demo.tools import Tools

EDITS_BOTS = "tradingbot-system:tradingbot-operator:edit"
"""The chart's own role for those who write bots; the cluster's `edit` may do more."""
INTO_A_POD = ("create pods/exec", "create pods/attach", "create pods/portforward", "patch pods/ephemeralcontainers")
TO_THE_KEYS = (
    "get secrets",
    "create pods",
    "create jobs.batch",
    "patch deployments.apps",
    "create serviceaccounts/token",
)


def may(tools: Tools, user: str, what: str, namespace: str = NAMESPACE) -> bool:
    answer = tools.kubectl_answer("auth", "can-i", *what.split(), "--as", user, "--namespace", namespace)
    return answer.strip() == "yes"


# -- a shell in a pod --------------------------------------------------------------------------------------------------


def test_no_role_of_the_chart_opens_a_shell_or_leads_to_the_keys(tools: Tools, demo_bot: Bot) -> None:
    roles = {"ed": EDITS_BOTS, "abe": "tradingbot-approver", "ray": "tradingbot-resumer", "vi": "view"}
    with live.bound(tools, {user: (role, user) for user, role in roles.items()}):
        assert may(tools, "ed", "patch tradingbots"), "the binding is there"
        found = {(user, what) for user in roles for what in (*INTO_A_POD, *TO_THE_KEYS) if may(tools, user, what)}
        assert found == set()
        (pod,) = demo_bot.running_pods()
        with pytest.raises(CommandError, match="Forbidden"):
            demo_bot.kubectl("--as", "ed", "exec", pod, "--", "true")


def test_a_shell_in_a_pod_is_nobody_in_the_system_and_reads_one_object_of_the_cluster(demo_bot: Bot) -> None:
    (pod,) = demo_bot.running_pods()
    bots = f"/apis/tradingbots.dev/v1alpha1/namespaces/{NAMESPACE}/tradingbots"
    core = f"/api/v1/namespaces/{NAMESPACE}"
    found = reach(
        demo_bot,
        pod,
        files=["/etc/tradingbot/config.yaml", "/etc/passwd", "/opt/tradingbot/x", "/usr/bin/x", "/tmp/x"],
        requests=[
            ("GET", f"{bots}/{demo_bot.name}"),
            ("PATCH", f"{bots}/{demo_bot.name}", {"spec": {"mode": "live"}}),
            ("PATCH", f"{bots}/{demo_bot.name}/status", {"status": {"emergencyStop": None}}),
            ("GET", f"{bots}/btc-cross"),
            ("GET", bots),
            ("GET", f"{core}/secrets/trading-database"),
            ("GET", f"{core}/pods"),
            ("POST", f"{core}/pods", {}),
            ("GET", "/api/v1/namespaces"),
        ],
    )
    assert found["asks"] == [200, *[403] * 8]
    assert found["writes"] == ["/tmp/x"]
    powers = {name: found["process"][name] for name in ("CapEff", "CapBnd")}
    assert {name: int(value, 16) for name, value in powers.items()} == {"CapEff": 0, "CapBnd": 0}
    assert {name: found["process"][name] for name in ("Uid", "Gid", "NoNewPrivs", "Seccomp")} == {
        "Uid": "1000", "Gid": "1000", "NoNewPrivs": "1", "Seccomp": "2",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("lies", "answer"),
    [(["TRADING_MODE=live"], "NotApproved"), (["TRADING_MODE=live", "TRADING_APPROVED=true"], "EXCHANGE_API_KEY")],
    ids=["live", "live and approved"],
)
def test_a_simulation_that_is_told_in_its_pod_that_it_is_live_does_not_trade(
    demo_bot: Bot, lies: list[str], answer: str
) -> None:
    (pod,) = demo_bot.running_pods()
    run = f"env {' '.join(lies)} TERMINATION_LOG=/dev/stdout timeout 100 tradingbot run; echo ended with $?"
    said = execute(demo_bot, pod, "sh", "-c", run)
    assert answer in said
    assert said.splitlines()[-1].endswith("ended with 78")


# -- a second pod, another history -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Victim:
    """A live bot, its account, and the database role that it has alone."""

    bot: Bot
    account: live.Account
    role: Role

    def flat_pod(self) -> dict[str, Any]:
        """The pod that trades, when it holds nothing."""
        pod = live.the_pod(self.bot)
        live.let_go(pod, self.account)
        return pod

    def buy(self, pod: dict[str, Any]) -> int:
        return live.buy(pod, self.account.bot_key, timeout=60)[0]

    def buys(self, pod: dict[str, Any]) -> int:
        """Ask until it is done: right after a start or a sale, the bot looks at the exchange first."""
        return eventually(
            lambda: self.buy(pod),
            holds=lambda answer: answer == 202,
            what=f"{self.bot.name}: it takes an order",
            every=live.LOOK_SECONDS,
        )

    def ordered(self) -> set[str]:
        """Client ids of the orders that the exchange was asked for."""
        return set(self.account.sent())

    def recorded(self) -> set[str]:
        """Client ids of the orders that were recorded before they were sent."""
        rows = self.role.database.rows(f"select client_id from live.intents where bot = '{self.bot.key}'")
        return {client_id for (client_id,) in rows}


@pytest.fixture(scope="module")
def victim(tools: Tools, people: None) -> Iterator[Victim]:
    with ExitStack() as stack:
        account, role = stack.enter_context(live.account(tools)), stack.enter_context(database_role(tools))
        bots = Bots(tools)
        stack.callback(bots.close)
        bot = live.go_live(bots, "victim", account, database={"secretRef": {"name": role.secret}})
        yield Victim(bot, account, role)


def epoch(client_id: str) -> str:
    return client_id.split("-")[1]


def says(pod: dict[str, Any]) -> dict[str, Any]:
    """What this very pod says of itself."""
    found: dict[str, Any] = live.get(pod, "/api/v1/status")
    return found


def test_of_two_deployments_with_the_same_environment_one_sends_orders(victim: Victim) -> None:
    own, before = victim.flat_pod(), victim.ordered()
    with second_deployment(victim.bot) as double:
        assert (says(double)["mode"], says(double)["role"], says(double)["epoch"]) == ("live", "standby", 0)
        with ThreadPoolExecutor(2) as both:
            refused, done = both.submit(victim.buy, double), both.submit(victim.buys, own)
            assert (refused.result(), done.result()) == (409, 202)
        sent = eventually(lambda: victim.ordered() - before, holds=lambda new: len(new) == 2, what="entry and stop")
        assert (says(own)["role"], says(double)["role"]) == ("trading", "standby")
    assert {epoch(client_id) for client_id in sent} == {ids.base36(says(own)["epoch"])}
    assert victim.ordered() - victim.recorded() == set(), "nothing that was not recorded first"


def test_a_deployment_that_is_scaled_to_two_is_scaled_back_and_one_sends_orders(victim: Victim) -> None:
    own, before = victim.flat_pod(), victim.ordered()
    epoch_before = says(own)["epoch"]
    victim.bot.kubectl("--as", "alice", "scale", "--replicas=2", f"deployment/{victim.bot.children}")
    assert victim.buys(own) == 202
    eventually(
        lambda: victim.bot.tools.get("deployment", victim.bot.children, "--namespace", NAMESPACE)["spec"]["replicas"],
        holds=lambda replicas: replicas == 1,
        what="the operator scales it back",
    )
    eventually(lambda: len(live.own_pods(victim.bot)), holds=lambda pods: pods == 1, what="one pod is left")
    sent = eventually(lambda: victim.ordered() - before, holds=lambda new: len(new) == 2, what="entry and stop")
    assert {epoch(client_id) for client_id in sent} == {ids.base36(epoch_before)}
    assert (says(own)["role"], says(own)["epoch"]) == ("trading", epoch_before), "the same pod, the same right"


def test_a_live_bot_trades_without_any_right_on_the_history_of_the_simulation(victim: Victim) -> None:
    assert victim.role.may_read("simulation.trades")
    victim.flat_pod()
    victim.role.only_live()
    assert victim.role.may_read("live.trades")
    assert not victim.role.may_read("simulation.trades")
    old, before = victim.bot.running_pods(), victim.ordered()
    victim.bot.kubectl("delete", "pod", *old, "--wait=false")
    eventually(lambda: set(victim.bot.running_pods()) - set(old), what="another pod")
    assert victim.buys(live.the_pod(victim.bot)) == 202
    eventually(lambda: victim.ordered() - before, holds=lambda new: len(new) >= 2, what="entry and stop")
    assert victim.ordered() - victim.recorded() == set()


@pytest.mark.parametrize(("history", "place"), [("simulation", "live"), ("live", "simulation")])
def test_the_database_takes_no_row_of_one_mode_into_the_history_of_the_other(
    tools: Tools, victim: Victim, history: str, place: str
) -> None:
    if not victim.ordered():
        assert victim.buys(victim.flat_pod()) == 202
        eventually(victim.recorded, what="the live history has a row")
    tables = f"select table_name from information_schema.tables where table_schema = '{place}' order by 1"
    unguarded = [
        table
        for (table,) in Database(tools).rows(tables)
        if f"mode = '{place}'::text"
        not in victim.role.administer(
            f"select string_agg(pg_get_constraintdef(oid), ' ') from pg_constraint "
            f"where conrelid = '{place}.{table}'::regclass"
        )
    ]
    assert unguarded == []
    with pytest.raises(CommandError, match="violates check constraint"):
        victim.role.administer(f"insert into {place}.intents select * from {history}.intents limit 1")


# -- another namespace -------------------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(tools: Tools) -> Iterator[str]:
    """A namespace that Eve administers, who has no right anywhere else."""
    name = f"elsewhere-{secrets.token_hex(3)}"
    tools.kubectl("create", "namespace", name)
    try:
        with live.bound(tools, {"eve": ("admin", "eve")}, name):
            yield name
    finally:
        tools.kubectl("delete", "namespace", name, "--wait=false")


def test_who_administers_another_namespace_moves_no_bot_of_this_one(
    tools: Tools, demo_bot: Bot, example: dict[str, Any], elsewhere: str
) -> None:
    before, pods = demo_bot.object(), demo_bot.running_pods()
    name, children = demo_bot.name, demo_bot.children
    stop = json.dumps({"spec": {"emergencyStop": {"active": True}}})
    attempts = [
        ("patch", "tbot", name, "--type", "merge", "-p", stop),
        ("patch", "tbot", name, "--subresource", "status", "--type", "merge", "-p", '{"status":{"state":"KILLED"}}'),
        ("delete", "tbot", name),
        ("exec", pods[0], "--", "true"),
        ("delete", "pod", *pods),
        ("scale", "--replicas=0", f"deployment/{children}"),
        ("get", "secret", "trading-database"),
        ("create", "rolebinding", "eve", "--clusterrole=admin", "--user=eve"),
        ("get", "--raw", f"/api/v1/namespaces/{NAMESPACE}/services/{children}:http/proxy/api/v1/status"),
        ("annotate", "namespace", NAMESPACE, "tradingbots.dev/emergency-stop=true"),
    ]
    for attempt in attempts:
        with pytest.raises(CommandError, match=r"(?i)forbidden"):
            demo_bot.kubectl("--as", "eve", *attempt)

    # In her own namespace she may: a bot of the same name, stopped, and a stop of the whole namespace.
    twin = Bot(tools, elsewhere, name)
    manifest = example | {"metadata": {"name": name, "namespace": elsewhere}}
    twin.kubectl("--as", "eve", "apply", "-f", "-", stdin=json.dumps(manifest))
    twin.kubectl("--as", "eve", "patch", "tbot", name, "--type", "merge", "-p", stop)
    eventually(lambda: twin.status().get("emergencyStop"), what="her own bot is stopped")
    assert demo_bot.status().get("emergencyStop") is None
    after = demo_bot.object()
    assert after["spec"] == before["spec"]
    assert (after["metadata"]["uid"], demo_bot.running_pods()) == (before["metadata"]["uid"], pods)
    assert demo_bot.api("/api/v1/status")["state"] == "ACTIVE"
