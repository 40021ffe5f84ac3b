"""People are told, whatever fails, at least once, and trading never waits for it. Real protocols, real processes."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import pytest
from tests.component.bot.messengers import DISCORD, SLACK, TOKEN, Messengers
from tests.component.bot.sqlite_world import SqliteWorld
from tests.component.bot.store_contract import batch, latch, note
from tests.support.waiting import until

from tradingbot.config.load import load
from tradingbot.domain.notes import Kind, Note
from tradingbot.notify import channels
from tradingbot.notify.channels import Channel, DeliveryError, Message
from tradingbot.notify.sender import Sender
from tradingbot.observe import health as healths
from tradingbot.observe.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.component.bot.alone import AloneProcess

DEFAULTS = {"strategy": {"name": "breakout"}}


@pytest.fixture
async def messengers() -> AsyncIterator[Messengers]:
    made = await Messengers().start()
    yield made
    await made.stop()


def built(environment: dict[str, str]) -> tuple[list[Channel], dict[str, str]]:
    return channels.build(load(environment, defaults=DEFAULTS).notifications)


class Desk:
    """A store with notes, and a sender."""

    def __init__(self, folder: Path, made: list[Any], kinds: frozenset[str] = frozenset(Kind)) -> None:
        self.world = SqliteWorld(folder)
        self.store = self.world()
        self.health = healths.new(self.world.clock)
        self.metrics = Metrics("s", "Spot", "x")
        self.sender = Sender(self.store, made, "test/bot", kinds, self.world.clock, self.health, self.metrics)
        self.seq = 0

    async def write(self, *notes: Note) -> None:
        lease = await self.store.acquire("a")
        assert lease is not None
        self.seq += 1
        await self.store.commit(batch(self.seq, notes=list(notes)), lease.epoch)

    async def close(self) -> None:
        await self.sender.close(5.0)
        await self.store.close()


async def test_each_channel_gets_the_message_in_its_own_protocol(messengers: Messengers, tmp_path: Path) -> None:
    made, problems = built(messengers.environment())
    assert problems == {}
    desk = Desk(tmp_path, made)
    await desk.write(
        Note(key="k", kind=Kind.LIMIT, title="HALTED: daily loss", text="lost 3.1 % today, 3 % are allowed")
    )
    assert await desk.sender.round()
    for channel in ("telegram", "slack", "discord", "email"):
        told = messengers.texts(channel)
        assert "HALTED: daily loss" in told, channel
        assert "3 % are allowed" in told, channel
        assert len(messengers.told[channel]) == (2 if channel == "email" else 1)
    assert [mail["to"] for mail in messengers.told["email"]] == [["you@example.org"], ["me@example.org"]]
    assert await desk.store.notes_waiting() == (0, 0.0)
    assert not await desk.sender.round()
    assert desk.health.notifications == dict.fromkeys(("telegram", "slack", "discord", "email"), "ok")
    await desk.close()


async def test_a_channel_that_fails_is_tried_again_and_the_others_are_not_told_twice(
    messengers: Messengers, tmp_path: Path
) -> None:
    made, _ = built(messengers.environment())
    desk = Desk(tmp_path, made)
    messengers.down = {"telegram", "email"}
    await desk.write(note("a"))
    await desk.sender.round()
    assert (len(messengers.told["slack"]), len(messengers.told["telegram"])) == (1, 0)
    assert "503" in desk.health.notifications["telegram"]
    assert desk.health.notifications["slack"] == "ok"
    assert (await desk.store.notes_waiting())[0] == 1
    assert not await desk.sender.round(), "it waits before it tries again"
    messengers.down = set()
    desk.world.clock.passed += 6.0
    await desk.sender.round()
    assert {name: len(told) for name, told in messengers.told.items()} == {
        "telegram": 1,
        "slack": 1,
        "discord": 1,
        "email": 2,
    }
    assert desk.health.notifications["telegram"] == "ok"
    assert await desk.store.notes_waiting() == (0, 0.0)
    exposed = desk.metrics.expose().decode()
    assert 'notification_deliveries_total{channel="telegram",outcome="failed"} 1.0' in exposed
    assert 'notifications_total{outcome="sent"} 1.0' in exposed
    await desk.close()


async def test_it_waits_longer_each_time_and_gives_up_when_it_is_of_no_use_any_more(
    messengers: Messengers, tmp_path: Path
) -> None:
    made, _ = built({k: v for k, v in messengers.environment().items() if k.startswith("SLACK")})
    desk = Desk(tmp_path, made)
    messengers.down = {"slack"}
    await desk.write(note("a"))
    tries: list[float] = []
    while len(tries) < 6:
        asked = messengers.asked
        await desk.sender.round()
        if messengers.asked > asked:
            tries.append(desk.world.clock.passed)
        desk.world.clock.passed += 1.0
    assert [round(later - earlier) for earlier, later in itertools.pairwise(tries)] == [5, 10, 20, 40, 80]
    assert (await desk.store.notes_waiting())[0] == 1
    desk.world.clock.passed += 24 * 3600
    await desk.sender.round()
    assert len(tries) == messengers.asked, "what is of no use any more is not sent"
    assert await desk.store.notes_waiting() == (0, 0.0)
    assert 'notifications_total{outcome="expired"} 1.0' in desk.metrics.expose().decode()
    await desk.close()


async def test_a_burst_is_one_message(messengers: Messengers, tmp_path: Path) -> None:
    made, _ = built({k: v for k, v in messengers.environment().items() if k.startswith("DISCORD")})
    desk = Desk(tmp_path, made)
    await desk.write(*(note(str(n)) for n in range(15)))
    await desk.sender.round()
    assert len(messengers.told["discord"]) == 1
    assert "15 messages" in messengers.texts("discord")
    assert "title 14" in messengers.texts("discord")
    await desk.close()


async def test_what_nobody_wants_to_hear_is_not_sent(messengers: Messengers, tmp_path: Path) -> None:
    made, _ = built(messengers.environment())
    desk = Desk(tmp_path, made, frozenset({Kind.STOP}))
    await desk.store.write_latch(latch(), Note(key="s", kind=Kind.STOP, title="EMERGENCY STOP", text="x"))
    await desk.write(note("a"))
    await desk.sender.round()
    assert "EMERGENCY STOP" in messengers.texts("slack")
    assert "title a" not in messengers.texts("slack")
    assert await desk.store.notes_waiting() == (0, 0.0)
    await desk.close()


@pytest.mark.parametrize("channel", ["telegram", "slack", "discord", "email"])
async def test_no_secret_is_in_what_a_channel_says_went_wrong(messengers: Messengers, channel: str) -> None:
    environment = messengers.environment()
    await messengers.stop()
    made, _ = built({**environment, "SMTP_USERNAME": "user-secret", "SMTP_PASSWORD": "password-secret"})
    (one,) = [candidate for candidate in made if candidate.name == channel]
    with pytest.raises(DeliveryError) as error:
        await asyncio.to_thread(one.send, Message("t", "x", True))
    for secret in (TOKEN, SLACK, DISCORD, SLACK.split("/")[-1], DISCORD.split("/")[-1], "password-secret"):
        assert secret not in str(error.value)
    await messengers.start()


@pytest.mark.parametrize(
    ("environment", "channel", "words"),
    [
        ({"TELEGRAM_BOT_TOKEN": "x"}, "telegram", "TELEGRAM_CHAT_ID"),
        ({"TELEGRAM_CHAT_ID": "1"}, "telegram", "TELEGRAM_BOT_TOKEN"),
        ({"TELEGRAM_BOT_TOKEN": "x y", "TELEGRAM_CHAT_ID": "1"}, "telegram", "is written"),
        ({"SLACK_WEBHOOK_URL": "https://example.org/hook"}, "slack", "hooks.slack.com"),
        ({"DISCORD_WEBHOOK_URL": "nonsense"}, "discord", "discord.com"),
        ({"SMTP_HOST": "mail.example.org"}, "email", "SMTP_FROM"),
    ],
)
def test_a_channel_that_cannot_work_is_named_and_stops_nothing(
    environment: dict[str, str], channel: str, words: str
) -> None:
    made, problems = built(environment)
    assert made == []
    assert words in problems[channel]


def test_a_channel_that_is_switched_off_is_not_used() -> None:
    assert built({"TELEGRAM_ENABLED": "false", "TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_CHAT_ID": "1"}) == ([], {})


async def test_a_channel_that_says_nothing_holds_up_neither_the_others_nor_trading(
    messengers: Messengers, alone: Callable[..., AloneProcess]
) -> None:
    messengers.slow = {"telegram"}
    bot = alone("one", "--speed", "7200", LOG_LEVEL="DEBUG", **messengers.environment()).start()
    await bot.trading()
    await until(lambda: "trade_closed" in str(bot.query("SELECT kind FROM outbox")), f"a trade is closed; {bot.tail()}")
    await until(lambda: "started: breakout" in messengers.texts("slack"), "the start is told")
    await until(lambda: bool(messengers.told["email"]), "by mail too")
    _, health = await bot.get("/health")
    assert health["status"] == "healthy"
    assert await asyncio.to_thread(bot.end) == 0, "it ends, though a messenger does not answer"
    written = bot.log.read_text() + (bot.data / "tradingbot.log").read_text()
    for secret in (TOKEN, SLACK.split("/")[-1], DISCORD.split("/")[-1]):
        assert secret not in written


async def test_killed_between_writing_and_telling_it_is_told_by_the_next_process(
    messengers: Messengers, alone: Callable[..., AloneProcess]
) -> None:
    messengers.down = {"telegram", "slack", "discord", "email"}
    bot = alone("one", "--speed", "7200", SLACK_WEBHOOK_URL=messengers.environment()["SLACK_WEBHOOK_URL"]).start()
    await bot.trading()
    await until(lambda: messengers.asked > 0, "it tries")
    bot.kill()
    messengers.down = set()
    assert messengers.told["slack"] == []
    bot.start()
    await bot.trading()
    await until(lambda: "epoch 1, ACTIVE" in messengers.texts("slack"), "the first start is told")
    assert await asyncio.to_thread(bot.end) == 0
    assert "stopped: breakout" in messengers.texts("slack"), "what is told last, is told before the end"
