"""From simulation to live and back: real pods, two people, the chart's policies, an exchange that speaks HTTP."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.bots import NAMESPACE, Bot, Bots, Database
from tests.support.waiting import ANSWER_SECONDS, eventually

from tradingbot_cluster.demo import demo
from tradingbot_cluster.demo.tools import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tradingbot_cluster.demo.tools import Tools

KEYS = f"exchange-account-{secrets.token_hex(3)}"
"""Of this process: several run these tests on one cluster."""
STRATEGY = {"name": "breakout", "symbols": ["BTC/USDT"], "timeframe": "1m", "parameters": {"entry_lookback": 5}}
FEED = {"type": "Synthetic", "speed": 600}


@pytest.fixture(scope="module")
def exchange(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The faulty exchange, without a fault, on an address of this machine that pods reach; its keys are a Secret."""
    folder: Path = tmp_path_factory.mktemp("exchange")
    key, secret = f"key-{secrets.token_hex(30)}", f"secret-{secrets.token_hex(30)}"
    (folder / "secret").write_text(secret, encoding="utf-8")
    nodes = tools.get("nodes")["items"]
    address = next(a["address"] for a in nodes[0]["status"]["addresses"] if a["type"] == "InternalIP")
    process = subprocess.Popen(
        [
            sys.executable, "-m", "tests.exchange_server", "--host", address, "--api-key", key,
            "--secret-file", str(folder / "secret"), "--market", "BTC/USDT=50000", "--every", "0.5",
            "--history", "30",
        ],
        cwd=demo.ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    url: str = json.loads(process.stdout.readline())["url"]
    literals = (f"--from-literal=api-key={key}", f"--from-literal=api-secret={secret}")
    tools.kubectl("--namespace", NAMESPACE, "create", "secret", "generic", KEYS, *literals)
    yield url
    tools.kubectl("--namespace", NAMESPACE, "delete", "secret", KEYS)
    process.terminate()
    process.wait(timeout=ANSWER_SECONDS)
    process.stdout.close()


@pytest.fixture(scope="module")
def people(tools: Tools) -> Iterator[None]:
    """Alice writes bots, Bob approves."""
    mine = secrets.token_hex(3)
    roles = {f"alice-edits-{mine}": ("edit", "alice"), f"bob-approves-{mine}": ("tradingbot-approver", "bob")}
    for name, (role, user) in roles.items():
        tools.kubectl(
            "--namespace", NAMESPACE, "create", "rolebinding", name, f"--clusterrole={role}", f"--user={user}"
        )
    yield
    tools.kubectl("--namespace", NAMESPACE, "delete", "rolebinding", *roles)


def patch(bot: Bot, user: str, **spec: Any) -> None:
    bot.kubectl("--as", user, "patch", "tbot", bot.name, "--type", "merge", "-p", json.dumps({"spec": spec}))


def approval(digest: str, user: str) -> dict[str, str]:
    ends = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"digest": digest, "approvedBy": user, "expiresAt": ends}


def closed(bot: Bot) -> dict[str, str]:
    return {gate["name"]: gate["message"] for gate in bot.status().get("gates", []) if gate["state"] != "Open"}


def own_pods(bot: Bot) -> list[dict[str, Any]]:
    return [pod for pod in bot.pods() if pod["metadata"]["labels"]["app.kubernetes.io/component"] == "bot"]


def mode(bot: Bot) -> str:
    said = bot.api("/api/v1/status")
    return f"{said['mode']} {said['role']}"


def trail(tools: Tools, bot: Bot, schema: str) -> list[list[str]]:
    columns = "event, from_mode, to_mode, approved_by, digest"
    return Database(tools).rows(f"select {columns} from {schema}.audit where bot = '{bot.key}' order by number")


def test_a_bot_goes_live_and_comes_back(
    tools: Tools, bots: Bots, example: dict[str, Any], exchange: str, people: None
) -> None:
    bot = bots.apply(example, "live", strategy=STRATEGY, simulation={"feed": FEED})
    bot.wait_for_condition("Ready", "True", "Trading")
    account = {"apiUrl": exchange, "credentialsSecretRef": {"name": KEYS}}
    patch(bot, "alice", mode="live", requestedBy="alice", exchange=account)
    eventually(lambda: set(closed(bot)), holds=lambda seen: seen == {"Approval"}, what="only the approval is missing")
    assert mode(bot).startswith("simulation")
    digest = bot.status()["approval"]["requiredDigest"]
    for pod in own_pods(bot):
        assert KEYS not in json.dumps(pod), "a simulation never sees the keys"

    with pytest.raises(CommandError, match="verb approve"):
        patch(bot, "alice", approval=approval(digest, "alice"))
    patch(bot, "bob", approval=approval(digest, "bob"))
    eventually(lambda: mode(bot), holds=lambda seen: seen == "live trading", what="it trades live")
    bot.wait_for_condition("LiveReady", "True", "Live")
    said = bot.api("/api/v1/status")
    assert said["approval"] == {"digest": digest, "expires_at": said["approval"]["expires_at"], "valid": True}
    assert said["account"] == bot.status()["preflight"]["account"]
    assert bot.status()["live"]["state"] == "Trading"
    eventually(lambda: trail(tools, bot, "live"), what="the trail begins")
    assert trail(tools, bot, "live") == [["started", "simulation", "live", "bob", digest]]

    patch(bot, "alice", mode="simulation", approval=None)
    eventually(lambda: mode(bot), holds=lambda seen: seen == "simulation trading", what="it simulates")
    eventually(
        lambda: [pod for pod in own_pods(bot) if KEYS in json.dumps(pod)],
        holds=lambda seen: seen == [],
        what="no pod has the keys any more",
    )
    eventually(lambda: "live" not in bot.status(), what="nothing of it is left in the status")
    assert [row[:3] for row in trail(tools, bot, "live")][-1] == ["leaving", "live", "simulation"]


def test_an_approval_that_is_withdrawn_makes_a_real_live_bot_reduce(
    tools: Tools, bots: Bots, example: dict[str, Any], exchange: str, people: None
) -> None:
    bot = bots.apply(example, "lapse", strategy=STRATEGY, simulation={"feed": FEED})
    bot.wait_for_condition("Ready", "True", "Trading")
    account = {"apiUrl": exchange, "credentialsSecretRef": {"name": KEYS}}
    patch(bot, "alice", mode="live", requestedBy="alice", exchange=account)
    eventually(lambda: set(closed(bot)), holds=lambda seen: seen == {"Approval"}, what="only the approval is missing")
    patch(bot, "bob", approval=approval(bot.status()["approval"]["requiredDigest"], "bob"))
    eventually(lambda: mode(bot), holds=lambda seen: seen == "live trading", what="it trades live")
    pods = bot.running_pods()
    patch(bot, "alice", risk={"maxPositionSize": 0.5}, requestedBy="alice")
    eventually(lambda: bot.api("/api/v1/status")["state"], holds=lambda seen: seen == "REDUCING", what="REDUCING")
    eventually(lambda: bot.status()["live"]["state"] == "Reducing", what="the status says so too")
    assert bot.running_pods() == pods, "the same pod, with what was approved"
