"""Attacks with real pods that take long or need the cluster to themselves: other code, other keys, another epoch.

`make test-drill` runs this: the operator is upgraded here, which moves every simulation of the cluster. The rest is in
`test_attacks.py`; docs/security.md lists both.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import secrets
import tarfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from tests.support import live
from tests.support.bots import Bots
from tests.support.installed_operator import OPERATOR
from tests.support.intruders import execute, second_deployment
from tests.support.waiting import eventually

from tradingbot.domain import ids
from tradingbot_cluster import state
from tradingbot_cluster.images.build import archive_of
from tradingbot_cluster.images.catalogue import SOURCES
from tradingbot_cluster.local.components import Instance
from tradingbot_cluster.local.node import Node
from tradingbot_cluster.paths import Layout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tradingbot_cluster.demo.tools import Tools
    from tradingbot_cluster.local.runtime import Images

pytestmark = [pytest.mark.drill, pytest.mark.timeout(1800)]


# -- images ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def images() -> Images:
    """The images of the node."""
    layout = Layout.of()
    known = state.load(layout)
    assert known is not None
    return Node(Instance(layout, known)).images


@pytest.fixture(scope="module")
def default_image(tools: Tools) -> str:
    """The image of every bot that names none."""
    (container,) = tools.get(*OPERATOR)["spec"]["template"]["spec"]["containers"]
    return str(next(each["value"] for each in container["env"] if each["name"] == "TBO_BOT_IMAGE"))


def with_a_file(archive: Path, reference: str, path: str) -> bytes:
    """Return the archive of an image with one more layer, which holds one empty file, under another name."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.addfile(tarfile.TarInfo(path.lstrip("/")), io.BytesIO())
    made = io.BytesIO()
    with tarfile.open(archive) as old, tarfile.open(fileobj=made, mode="w") as new:
        (manifest,) = json.load(old.extractfile("manifest.json"))  # type: ignore[arg-type]
        config = json.load(old.extractfile(manifest["Config"]))  # type: ignore[arg-type]
        config["rootfs"]["diff_ids"].append(f"sha256:{sha256(layer.getvalue()).hexdigest()}")
        config.pop("history", None)
        for name in dict.fromkeys(manifest["Layers"]):
            member = old.getmember(name)
            new.addfile(member, old.extractfile(member) if member.isfile() else None)
        text = json.dumps(config).encode()
        image = {
            "Config": f"{sha256(text).hexdigest()}.json",
            "RepoTags": [reference],
            "Layers": [*manifest["Layers"], "more.tar"],
        }
        parts = {image["Config"]: text, "more.tar": layer.getvalue(), "manifest.json": json.dumps([image]).encode()}
        for name, content in parts.items():
            entry = tarfile.TarInfo(str(name))
            entry.size = len(content)
            new.addfile(entry, io.BytesIO(content))
    return made.getvalue()


@pytest.fixture(scope="module")
def other_image(images: Images, default_image: str, desk: live.Desk, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The bot's image with one more file among its code, so that it is another build; only the node has it."""
    code = execute(
        desk.bot, *desk.bot.running_pods(), "python3", "-c", "import tradingbot; print(tradingbot.__path__[0])"
    )
    name, _, tag = default_image.rpartition(":")
    reference = f"{name}:other-{secrets.token_hex(4)}"
    file = tmp_path_factory.mktemp("images") / "other.tar"
    file.write_bytes(with_a_file(archive_of(SOURCES["bot"], tag), reference, f"{code.strip()}/other.py"))
    images.load(file)
    return reference


# -- the bot -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def account(tools: Tools) -> Iterator[live.Account]:
    with live.account(tools) as made:
        yield made


@pytest.fixture(scope="module")
def bots(tools: Tools) -> Iterator[Bots]:
    made = Bots(tools)
    yield made
    made.close()


@pytest.fixture(scope="module")
def desk(bots: Bots, account: live.Account, people: None) -> live.Desk:
    return live.open_desk(bots, "pinned", account, deletionPolicy="Retain")


def trades(desk: live.Desk) -> bool:
    """Whether it sells and buys when a person says so, and a stop rests for it at the exchange."""
    pod = live.the_pod(desk.bot)
    live.let_go(pod, desk.account)
    if live.buy(pod, desk.account.bot_key)[0] != 202:
        return False
    eventually(desk.account.open_orders, what="a stop rests for it")
    return True


def another_pod(desk: live.Desk) -> None:
    """Delete the bot's pod, as a node that is drained does."""
    old = desk.bot.running_pods()
    desk.bot.kubectl("delete", "pod", *old, "--wait=false")
    eventually(lambda: set(desk.bot.running_pods()) - set(old), what="another pod", every=live.LOOK_SECONDS)


@contextmanager
def upgraded(tools: Tools, image: str, before: str) -> Iterator[None]:
    """The operator has another default image for bots."""
    try:
        tools.kubectl("set", "env", *OPERATOR, f"TBO_BOT_IMAGE={image}")
        tools.kubectl("rollout", "status", *OPERATOR, "--timeout=120s", timeout=130)
        yield
    finally:
        tools.kubectl("set", "env", *OPERATOR, f"TBO_BOT_IMAGE={before}")
        tools.kubectl("rollout", "status", *OPERATOR, "--timeout=120s", timeout=130)


def test_a_bot_that_wakes_up_after_another_took_over_sends_nothing(desk: live.Desk) -> None:
    own, key = live.the_pod(desk.bot), desk.account.bot_key
    live.let_go(own, desk.account)
    old, before = live.get(own, "/api/v1/status")["epoch"], len(desk.account.journal())
    with second_deployment(desk.bot) as double, live.standing_still(own) as frozen, ThreadPoolExecutor(1) as others:
        waiting = others.submit(live.buy, own, key, 100)
        taken = eventually(
            lambda: live.get(double, "/api/v1/status"), holds=lambda said: said["role"] == "trading", what="a take-over"
        )
        assert taken["epoch"] > old
        eventually(lambda: live.buy(double, key)[0], holds=lambda answer: answer == 202, what="the second one buys")
        eventually(lambda: len(desk.account.sent(before)), holds=lambda sent: sent == 2, what="entry and stop")
        assert frozen.alive(), "the process had not ended: it could have gone on trading"
        frozen.wake()
        with contextlib.suppress(OSError):  # Where the kubelet was faster, nobody answers.
            assert waiting.result()[0] >= 400
        eventually(lambda: live.get(own, "/api/v1/status")["role"] == "standby", what="the first one waits")
        sent = desk.account.sent(before)
    assert {client_id.split("-")[1] for client_id in sent} == {ids.base36(taken["epoch"])}


def test_an_upgrade_of_the_operator_leaves_a_live_bot_its_approved_image(
    tools: Tools, desk: live.Desk, default_image: str, other_image: str
) -> None:
    pods = desk.bot.running_pods()
    with upgraded(tools, other_image, default_image):
        newer = eventually(
            lambda: desk.bot.status()["approval"].get("newer"),
            holds=lambda seen: (seen or {}).get("digest"),
            what="the newer image was looked at, and waits",
        )
        assert newer["image"] == other_image
        assert desk.bot.running_pods() == pods
        another_pod(desk)
        (pod,) = live.own_pods(desk.bot)
        assert pod["spec"]["containers"][0]["image"] == default_image
        eventually(lambda: trades(desk), what="it trades on")
        assert desk.bot.status()["live"]["state"] == "Trading"


def test_other_code_behind_the_tag_only_reduces(
    bots: Bots, tools: Tools, images: Images, default_image: str, other_image: str, people: None
) -> None:
    tag = f"{default_image.rpartition(':')[0]}:moved-{secrets.token_hex(4)}"
    images.tag(default_image, tag)
    with live.account(tools) as account:
        desk = live.open_desk(bots, "moved", account, image=tag, deletionPolicy="Retain")
        images.tag(other_image, tag)
        old, sent = desk.bot.running_pods(), len(account.journal())
        desk.bot.kubectl("delete", "pod", *old, "--wait=false")
        eventually(lambda: set(desk.bot.running_pods()) - set(old), what="a pod with the other code")
        said = eventually(
            lambda: desk.bot.api("/api/v1/status"),
            holds=lambda seen: (seen["role"], seen["state"]) == ("trading", "REDUCING"),
            what="it only reduces",
        )
        assert "ANOTHER_BUILD" in json.dumps(said["reasons"])
        assert live.buy(live.the_pod(desk.bot), account.bot_key)[0] >= 400
        assert account.sent(sent) == []
        assert set(account.open_orders()) == {desk.protection}, "the position keeps its stop"
        eventually(lambda: desk.bot.status()["live"]["state"], holds=lambda seen: seen == "Reducing", what="it is said")


def test_with_the_keys_of_another_account_the_bot_does_not_start_and_with_its_own_it_trades_on(
    tools: Tools, desk: live.Desk
) -> None:
    def put(key: str, secret: str) -> None:
        values = {"api-key": key, "api-secret": secret}
        data = {name: base64.b64encode(value.encode()).decode() for name, value in values.items()}
        desk.bot.kubectl("patch", "secret", desk.account.secret, "--type", "merge", "-p", json.dumps({"data": data}))

    resting = set(desk.account.open_orders())
    with live.account(tools) as other:
        put(other.api_key, other.api_secret)
        try:
            sent = len(desk.account.journal())
            desk.bot.kubectl("delete", "pod", *desk.bot.running_pods(), "--wait=false")
            shown = desk.bot.wait_for_condition("Degraded", "True", "AnotherAccount")
            assert "put the approved one back into the Secret" in shown["message"]
            assert other.journal() == []
        finally:
            put(desk.account.api_key, desk.account.api_secret)
    assert desk.account.sent(sent) == []
    assert set(desk.account.open_orders()) == resting, "the positions keep their stops"
    eventually(lambda: trades(desk), what="with its own keys it trades on", seconds=240)
