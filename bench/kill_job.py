"""From a bot that cannot be reached any more to the first cancel at the exchange, on the local cluster with real pods.

A live bot trades at an exchange that is a process of this machine. Its process is stopped by SIGSTOP, as on a node that
hangs: nothing tells the control plane. At once the stop is patched into its spec. The clock starts right before that
patch is sent: only then are both true, the bot is silent and somebody waits for the stop. It ends when the exchange
receives the first cancel, by the exchange's own journal (the same machine's clock). What is cancelled is a purchase
that was placed in the bot's name after it fell silent.

The baseline is the same Job made by hand at once: what creating, scheduling and starting a pod, Python and the first
requests cost, with nothing to decide.
"""

from __future__ import annotations

import json
import statistics
import time
from typing import TYPE_CHECKING, Any

from tests.support import live
from tests.support.bots import Bot, Bots, the_example
from tests.support.waiting import eventually

from bench.figures import Figure
from tradingbot.domain import ids
from tradingbot_cluster.demo import demo, environment

if TYPE_CHECKING:
    from tradingbot_cluster.demo.tools import Tools

RUNS = 5
BOUND_SECONDS = 15.0
ENDED_SECONDS = 120
OF_THE_JOB = ("controller-uid", "job-name")
"""Labels that Kubernetes gives the pods of one Job."""


def live_bot(bots: Bots, account: live.Account) -> Bot:
    """A bot that trades live."""
    bot = bots.apply(
        the_example(), "unreachable", user="alice", mode="live", requestedBy="alice", strategy=live.PATIENT,
        simulation={"feed": live.FEED}, exchange=account.spec,
    )  # fmt: skip
    live.bobs_yes(bot)
    return bot


def first_cancel(account: live.Account, before: int, since: float) -> float:
    """Wait for a cancel; return the seconds from `since` to the moment at which the exchange received it."""
    found = eventually(lambda: account.cancels(before), what="a cancel", seconds=120)
    return float(found[0]["at"]) - since


def killed(bot: Bot, account: live.Account, number: int) -> float:
    """Make the bot unreachable and stop it; return the seconds to the first cancel."""
    with live.standing_still(live.the_pod(bot)):
        account.buy_later(ids.client_id(bot.key, 900 + number, 1))
        before, since = len(account.journal()), time.time()
        live.patch(bot, "alice", emergencyStop={"active": True, "reason": "bench"})
        seconds = first_cancel(account, before, since)
        stop = eventually(
            lambda: bot.status().get("emergencyStop", {}),
            holds=lambda seen: seen.get("kill", {}).get("finished"),
            what="the kill Job has ended",
            every=live.LOOK_SECONDS,
        )
    eventually(lambda: live.own_pods(bot), holds=lambda left: left == [], what="the pod is gone", seconds=120)
    if number == RUNS:
        return seconds
    bot.patch({"emergencyStop": None, "resume": {"stopId": stop["id"], "reason": "bench"}})
    eventually(lambda: "emergencyStop" not in bot.status(), what="the stop is lifted", seconds=120)
    live.bobs_yes(bot)
    return seconds


def by_hand(tools: Tools, bot: Bot, account: live.Account, number: int) -> float:
    """Make the last kill Job once more, by kubectl; return the seconds to the first cancel."""
    last = tools.get("job", bot.status()["emergencyStop"]["kill"]["job"], "--namespace", bot.namespace)
    template: dict[str, Any] = last["spec"]["template"]
    labels = {name: value for name, value in template["metadata"]["labels"].items() if not name.endswith(OF_THE_JOB)}
    template["metadata"] = {"labels": labels}
    name = f"{bot.children}-by-hand-{number}"
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": bot.namespace},
        "spec": {"template": template, "backoffLimit": 0},
    }
    account.buy_later(ids.client_id(bot.key, 800 + number, 1))
    before, since = len(account.journal()), time.time()
    tools.kubectl("create", "-f", "-", stdin=json.dumps(job))
    seconds = first_cancel(account, before, since)
    # A pod that is still at work, or comes up late, would cancel the next one's purchase.
    wait = ["wait", f"job/{name}", "--for=condition=complete", f"--timeout={ENDED_SECONDS}s"]
    tools.kubectl(*wait, "--namespace", bot.namespace, timeout=ENDED_SECONDS + 10)
    tools.kubectl("delete", "job", name, "--namespace", bot.namespace, "--cascade=foreground", "--wait=true")
    return seconds


def measure(tools: Tools) -> Figure:
    """Kill one bot again and again, then do by hand what the operator did."""
    bots = Bots(tools)
    with live.two_people(tools), live.account(tools) as account:
        try:
            bot = live_bot(bots, account)
            mine = [killed(bot, account, number) for number in range(1, RUNS + 1)]
            hand = [by_hand(tools, bot, account, number) for number in range(1, RUNS + 1)]
        finally:
            bots.close()
    text = (
        f"the same Job made by kubectl at once, with nothing to decide: median {statistics.median(hand):.1f} s, worst "
        f"{max(hand):.1f} s; ours: median {statistics.median(mine):.1f} s, worst {max(mine):.1f} s of {RUNS}, from the "
        "patch of a bot that stands still"
    )
    return Figure.at_most("kill_job_first_cancel_s", max(mine), "s", BOUND_SECONDS, text)


def run() -> list[Figure]:
    """Measure on the cluster of `make demo`; one that did not run before is taken down afterwards."""
    ran = environment.cluster_runs()
    tools = demo.up()
    try:
        return [measure(tools)]
    finally:
        if not ran:
            demo.down()
