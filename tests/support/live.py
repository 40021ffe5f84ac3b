"""Live bots on a real cluster: an account for each, at an exchange of its own; two people; a pod that stands still."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from tests.support.bots import NAMESPACE, Bot, Bots, the_example
from tests.support.waiting import ANSWER_SECONDS, PATIENCE_SECONDS, eventually

from tradingbot_cluster.demo import demo
from tradingbot_cluster.local.cgroups import hierarchies

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from tradingbot_cluster.demo.tools import Tools

SYMBOL, MARKET = "BTC/USDT", "BTCUSDT"
PRICE = 50_000
ORDERS = "/api/v3/order"
STRATEGY = {"name": "breakout", "symbols": [SYMBOL], "timeframe": "1m", "parameters": {"entry_lookback": 5}}
PATIENT = {
    "name": "momentum",
    "symbols": [SYMBOL],
    "timeframe": "1m",
    "parameters": {"lookback": 1, "threshold": 9, "trend": 2, "atr_period": 2},
}
"""A strategy that never buys: what is bought, a person bought."""
FEED = {"type": "Synthetic", "speed": 600}
PEOPLE = {"alice-edits": ("edit", "alice"), "bob-approves": ("tradingbot-approver", "bob")}
LOOK_SECONDS = 0.5
"""Several bots are waited for at once, and each look is a process."""


# -- the exchange ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Account:
    """One account, alone at an exchange; its keys and the key of the bot's API are a Secret of the same name."""

    secret: str
    url: str
    api_key: str
    api_secret: str
    bot_key: str

    @property
    def spec(self) -> dict[str, Any]:
        """What a TradingBot says of it."""
        return {"apiUrl": self.url, "credentialsSecretRef": {"name": self.secret}}

    def truth(self) -> dict[str, Any]:
        """Orders, fills and balances as they really are."""
        found: dict[str, Any] = _json(f"{self.url}/control/truth")
        return found

    def open_orders(self) -> dict[str, dict[str, Any]]:
        """What rests, by client id."""
        return {o["clientOrderId"]: o for o in self.truth()["orders"] if o["status"] in {"NEW", "PARTIALLY_FILLED"}}

    def coins(self) -> float:
        """How much of the traded asset the account holds."""
        return float(self.truth()["balances"]["main"].get("BTC", "0"))

    def journal(self, after: int = 0) -> list[dict[str, Any]]:
        """Every request that came after the one with this number."""
        entries: list[dict[str, Any]] = _json(f"{self.url}/control/journal")["entries"]
        return entries[after:]

    def sent(self, after: int = 0) -> list[str]:
        """Client ids of the orders that were sent, whatever became of them."""
        asked = [e for e in self.journal(after) if (e["method"], e["path"]) == ("POST", ORDERS)]
        return [entry["params"]["newClientOrderId"] for entry in asked]

    def cancels(self, after: int = 0) -> list[dict[str, Any]]:
        """Requests that cancel an order."""
        return [e for e in self.journal(after) if (e["method"], e["path"]) == ("DELETE", ORDERS)]

    def faults(self, *rules: dict[str, Any]) -> None:
        """Replace the faults."""
        _json(f"{self.url}/control/faults", {"rules": list(rules)})

    def buy_later(self, client_id: str, price: int = 40_000, quantity: str = "0.01") -> None:
        """Let a purchase rest far below the market, as if the bot had sent it with its last breath."""
        order = {"symbol": MARKET, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "newClientOrderId": client_id}
        query = urlencode({**order, "price": price, "quantity": quantity, "timestamp": round(time.time() * 1000)})
        signature = hmac.new(self.api_secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        address = f"{self.url}{ORDERS}?{query}&signature={signature}"
        request = urllib.request.Request(address, method="POST", headers={"X-MBX-APIKEY": self.api_key})
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
            assert answer.status == 200


@contextmanager
def account(tools: Tools) -> Iterator[Account]:
    """Run an exchange on an address of this machine that pods reach; afterwards it and its Secret are gone."""
    name = f"account-{secrets.token_hex(3)}"
    key, secret, bot_key = f"key-{secrets.token_hex(30)}", f"secret-{secrets.token_hex(30)}", secrets.token_hex(20)
    nodes = tools.get("nodes")["items"]
    address = next(a["address"] for a in nodes[0]["status"]["addresses"] if a["type"] == "InternalIP")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "secret")
        file.write_text(secret, encoding="utf-8")
        command = [
            sys.executable, "-m", "tests.exchange_server", "--host", address, "--api-key", key, "--secret-file",
            str(file), "--market", f"{SYMBOL}={PRICE}", "--every", "1", "--history", "30", "--control",
        ]  # fmt: skip
        with subprocess.Popen(command, cwd=demo.ROOT, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                url = str(json.loads(process.stdout.readline())["url"])
                values = {"api-key": key, "api-secret": secret, "bot-key": bot_key}
                literals = [f"--from-literal={name}={value}" for name, value in values.items()]
                tools.kubectl("--namespace", NAMESPACE, "create", "secret", "generic", name, *literals)
                yield Account(name, url, key, secret, bot_key)
            finally:
                tools.kubectl("--namespace", NAMESPACE, "delete", "secret", name, "--ignore-not-found")
                process.terminate()


# -- people ------------------------------------------------------------------------------------------------------------


@contextmanager
def bound(tools: Tools, people: Mapping[str, tuple[str, str]], namespace: str = NAMESPACE) -> Iterator[None]:
    """Users have roles in the namespace: role and user, by what the binding does."""
    mine = secrets.token_hex(3)  # Several run these tests on one cluster.
    roles = {f"{name}-{mine}": bound for name, bound in people.items()}
    for name, (role, user) in roles.items():
        tools.kubectl(
            "--namespace", namespace, "create", "rolebinding", name, f"--clusterrole={role}", f"--user={user}"
        )
    try:
        yield
    finally:
        tools.kubectl("--namespace", namespace, "delete", "rolebinding", *roles)


def two_people(tools: Tools) -> AbstractContextManager[None]:
    """Alice writes bots, Bob approves."""
    return bound(tools, PEOPLE)


def patch(bot: Bot, user: str, **spec: Any) -> None:
    """Change the spec as this user."""
    bot.kubectl("--as", user, "patch", "tbot", bot.name, "--type", "merge", "-p", json.dumps({"spec": spec}))


def approval(digest: str, user: str) -> dict[str, str]:
    """What somebody writes who approves for an hour."""
    ends = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"digest": digest, "approvedBy": user, "expiresAt": ends}


def closed(bot: Bot) -> dict[str, str]:
    """The gates that are not open, with what each says."""
    return {gate["name"]: gate["message"] for gate in bot.status().get("gates", []) if gate["state"] != "Open"}


def wait_for_approval_only(bot: Bot, seconds: float = PATIENCE_SECONDS) -> str:
    """Wait until nothing but the approval is missing; return what is to be approved."""
    eventually(
        lambda: set(closed(bot)),
        holds=lambda seen: seen == {"Approval"},
        what=f"{bot.name}: only the approval is missing",
        seconds=seconds,
        every=LOOK_SECONDS,
    )
    return str(bot.status()["approval"]["requiredDigest"])


def mode(bot: Bot) -> str:
    """Mode and role, as the bot says it."""
    said = bot.api("/api/v1/status")
    return f"{said['mode']} {said['role']}"


def wait_for_mode(bot: Bot, wanted: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until the bot says so."""
    eventually(
        lambda: mode(bot),
        holds=lambda seen: seen == wanted,
        what=f"{bot.name}: {wanted}",
        seconds=seconds,
        every=LOOK_SECONDS,
    )


def bobs_yes(bot: Bot) -> None:
    """Let Bob approve what is to be approved, and wait until the pod that was made for this approval trades.

    A bot that was live before says "live trading" all the time: at first the pod of the approval before, which only
    reduces and is about to be replaced.
    """
    digest = wait_for_approval_only(bot)
    patch(bot, "bob", approval=approval(digest, "bob"))
    wait_for_mode(bot, "live trading")
    eventually(
        lambda: bot.api("/api/v1/status"),
        holds=lambda said: (said["role"], said["state"], said["approval"]["digest"]) == ("trading", "ACTIVE", digest),
        what=f"{bot.name}: it trades with this approval",
        seconds=PATIENCE_SECONDS,
        every=LOOK_SECONDS,
    )
    bot.wait_for_condition("LiveReady", "True", "Live")


# -- the bot -----------------------------------------------------------------------------------------------------------


def own_pods(bot: Bot) -> list[dict[str, Any]]:
    """Pods of the bot itself, without its Jobs."""
    return [pod for pod in bot.pods() if pod["metadata"]["labels"]["app.kubernetes.io/component"] == "bot"]


def the_pod(bot: Bot) -> dict[str, Any]:
    """The one pod that trades."""
    ready = set(bot.running_pods())
    (found,) = (pod for pod in own_pods(bot) if pod["metadata"]["name"] in ready)
    return found


def buy(pod: dict[str, Any], bot_key: str, timeout: float = 15) -> tuple[int, Any]:
    """Ask the bot in this pod for a position; return the status and what it said."""
    body = {"asset_pair": SYMBOL, "action": "buy", "size": "0.02", "stop_loss": "48000", "take_profit": "65000"}
    return command(pod, "/api/v1/bot/manual-trade", bot_key, body, timeout)


def command(pod: dict[str, Any], path: str, bot_key: str, body: dict[str, Any], timeout: float = 15) -> tuple[int, Any]:
    """POST to the bot in this pod."""
    headers = {"X-API-Key": bot_key, "Content-Type": "application/json"}
    address = f"http://{pod['status']['podIP']}:8080{path}"
    request = urllib.request.Request(address, data=json.dumps(body).encode(), headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def get(pod: dict[str, Any], path: str) -> Any:
    """GET from the bot in this pod."""
    return _json(f"http://{pod['status']['podIP']}:8080{path}")


def hold(bot: Bot, at: Account) -> str:
    """Give the bot a position; return the client id of the stop that rests for it."""
    before = set(at.open_orders())
    eventually(
        lambda: buy(the_pod(bot), at.bot_key),
        holds=lambda answer: answer[0] == 202,
        what=f"{bot.name}: it takes an order",
        every=LOOK_SECONDS,
    )
    resting = eventually(lambda: set(at.open_orders()) - before, what=f"{bot.name}: a stop rests")
    assert len(resting) == 1
    return resting.pop()


@dataclass(frozen=True)
class Desk:
    """A live bot that holds a position, and its account."""

    bot: Bot
    account: Account
    protection: str
    """Client id of the stop that rests for the position."""


def go_live(bots: Bots, name: str, at: Account, **spec: Any) -> Bot:
    """Bring a bot that never buys by itself to live trading, on an account of its own."""
    asked: dict[str, Any] = {
        "mode": "live", "requestedBy": "alice", "strategy": PATIENT, "simulation": {"feed": FEED},
        "exchange": at.spec, "api": {"secretRef": {"name": at.secret, "key": "bot-key"}},
    }  # fmt: skip
    bot = bots.apply(the_example(), name, user="alice", **asked, **spec)
    bobs_yes(bot)
    return bot


def open_desk(bots: Bots, name: str, at: Account, **spec: Any) -> Desk:
    """Bring a bot to live trading and give it a position."""
    bot = go_live(bots, name, at, **spec)
    return Desk(bot, at, hold(bot, at))


def let_go(pod: dict[str, Any], at: Account) -> None:
    """Let the bot in this pod sell what it holds; nothing is held and nothing rests afterwards."""
    if at.open_orders():
        eventually(
            lambda: command(pod, f"/api/v1/bot/positions/{SYMBOL.replace('/', '-')}/close", at.bot_key, {})[0],
            holds=lambda answer: answer < 300,
            what="it takes the order to sell",
            every=LOOK_SECONDS,
        )
    eventually(
        lambda: (at.open_orders(), at.coins()),
        holds=lambda left: left == ({}, 0.0),
        what="nothing rests and nothing is held any more",
        every=LOOK_SECONDS,
    )


def resume(desk: Desk, reason: str) -> Desk:
    """Resume by the id of the stop that is latched, approve anew, and give the bot a position."""
    bot = desk.bot
    stop = bot.status()["emergencyStop"]["id"]
    bot.patch({"emergencyStop": None, "resume": {"stopId": stop, "reason": reason}})
    eventually(lambda: "emergencyStop" not in bot.status(), what=f"{bot.name}: the stop is lifted")
    bobs_yes(bot)
    return Desk(bot, desk.account, hold(bot, desk.account))


# -- silence -----------------------------------------------------------------------------------------------------------


def processes(pod: dict[str, Any], program: bytes = b"tradingbot") -> set[int]:
    """The processes of a program in a pod of this machine, by the pod's control group."""
    uid = pod["metadata"]["uid"]
    names = (f"pod{uid}", f"pod{uid.replace('-', '_')}")
    found: set[int] = set()
    for top in {hierarchy.path for hierarchy in hierarchies()}:
        for folder, _, files in os.walk(top):
            if "cgroup.procs" in files and any(name in folder for name in names):
                found |= {int(line) for line in Path(folder, "cgroup.procs").read_text().split()}
    return {pid for pid in found if program in _command_line(pid)}


@contextmanager
def standing_still(pod: dict[str, Any]) -> Iterator[Frozen]:
    """The bot's process neither runs nor ends, as on a node that hangs; it goes on at the end at the latest."""
    frozen = Frozen(processes(pod))
    assert frozen.pids, "the pod has no process on this machine"
    frozen.send(signal.SIGSTOP)
    try:
        yield frozen
    finally:
        frozen.wake()


class Frozen:
    """Processes that stand still."""

    def __init__(self, pids: set[int]) -> None:
        self.pids = pids
        self._lines = {pid: _command_line(pid) for pid in pids}

    def send(self, number: int) -> None:
        for pid in self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def alive(self) -> set[int]:
        """Those that have not ended."""
        return {pid for pid in self.pids if _command_line(pid) == self._lines[pid]}

    def wake(self) -> None:
        """Let them go on."""
        self.send(signal.SIGCONT)


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _json(address: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(address, data=data), timeout=10) as answer:
        return json.loads(answer.read())
