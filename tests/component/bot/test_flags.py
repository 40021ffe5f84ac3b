"""Feature flags and the stop flag in a real Redis, also while it is away."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from tests.component.bot.process import BotProcess, until_rows
from tests.support import redis
from tests.support.waiting import ANSWER_SECONDS, until

from tradingbot.config import flags as module
from tradingbot.config.flags import CACHE_SECONDS, Flags, FlagsError
from tradingbot.domain.flags import OFF

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

KEY = {"X-API-Key": "key"}
STOP = "tradingbot:stop:test/btc"


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.at = 0.0

    def monotonic(self) -> float:
        return self.at


@pytest.fixture
def cache() -> Iterator[redis.Server]:
    with redis.running() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def flags(cache: redis.Server, clock: Clock) -> AsyncIterator[Flags]:
    made = Flags(cache.url, "test/btc", clock)  # type: ignore[arg-type]
    yield made
    await made.close()


@pytest.fixture
async def other(cache: redis.Server) -> AsyncIterator[Flags]:
    """Give somebody else who uses the same Redis."""
    made = Flags(cache.url, "test/btc", Clock())  # type: ignore[arg-type]
    yield made
    await made.close()


async def test_a_flag_is_off_until_it_is_set_and_listed_under_its_name(flags: Flags) -> None:
    assert not await flags.is_enabled("short-selling")
    assert await flags.is_enabled("other", default=True)
    await flags.set("short-selling", enabled=True)
    await flags.set("fast.exit_2", enabled=False)
    assert await flags.is_enabled("short-selling")
    assert await flags.all() == {"fast.exit_2": False, "short-selling": True}
    assert await flags._redis.get("feature:short-selling") == "1"
    assert await flags._redis.get("feature:fast.exit_2") == "0"


async def test_what_others_set_is_seen_within_a_minute(flags: Flags, other: Flags, clock: Clock) -> None:
    await flags.set("a", enabled=True)
    await other.set("a", enabled=False)
    clock.at = CACHE_SECONDS - 1
    assert await flags.is_enabled("a")
    clock.at = CACHE_SECONDS
    assert not await flags.is_enabled("a")


@pytest.mark.parametrize("name", ["", "a b", "-a", "a" * 65, "a\n", "*", "ü"])
async def test_a_name_that_is_none_is_refused(flags: Flags, name: str) -> None:
    with pytest.raises(ValueError, match="a flag's name"):
        await flags.set(name, enabled=True)


async def test_without_redis_what_was_known_stays(flags: Flags, cache: redis.Server, clock: Clock) -> None:
    await flags.set("a", enabled=True)
    cache.stop()
    clock.at = 1000.0
    assert await flags.is_enabled("a")
    assert not await flags.is_enabled("b")
    for ask in (flags.all(), flags.stop_asked(), flags.set("a", enabled=False)):
        with pytest.raises(FlagsError):
            await ask
    assert flags.problem
    assert await flags.is_enabled("a")
    cache.start()
    assert await flags.all() == {"a": True}
    assert flags.problem == ""


async def test_a_redis_that_says_nothing_is_waited_for_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(hold, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.2)
    flags = Flags(f"redis://:secret@127.0.0.1:{port}/0", "test/btc", Clock())  # type: ignore[arg-type]
    with pytest.raises(FlagsError) as raised:
        await asyncio.wait_for(flags.stop_asked(), ANSWER_SECONDS)
    assert "secret" not in str(raised.value)
    await flags.close()
    silent.close()
    await silent.wait_closed()


# -- in a bot ----------------------------------------------------------------------------------------------------------


def start(bots: Callable[..., BotProcess], database: str, url: str) -> BotProcess:
    return bots("pod", database, environment={"API_KEY": "key", "REDIS_URL": url}).start()


async def test_flags_over_http(
    database: str, bots: Callable[..., BotProcess], cache: redis.Server, other: Flags
) -> None:
    bot = start(bots, database, cache.url)
    await bot.trading()
    code, body = await bot.get("/api/v1/flags")
    assert (code, body["flags"]) == (200, {})
    assert {one["name"]: one["enabled"] for one in body["steering"]} == dict.fromkeys(OFF, True)
    assert (await bot.ask("PUT", "/api/v1/flags/a", {"enabled": True}))[0] == 401
    assert await bot.ask("PUT", "/api/v1/flags/a", {"enabled": True}, **KEY) == (200, {"name": "a", "enabled": True})
    assert await other.is_enabled("a")
    assert await bot.get("/api/v1/flags/a") == (200, {"name": "a", "enabled": True})
    assert (await bot.ask("PUT", "/api/v1/flags/a%20b", {"enabled": True}, **KEY))[1]["title"] == "BadParameter"
    await asyncio.to_thread(cache.stop)
    assert (await bot.ask("PUT", "/api/v1/flags/a", {"enabled": False}, **KEY))[1]["title"] == "RedisUnavailable"
    health = (await bot.get("/api/v1/status/health/detailed"))[1]
    assert {one["name"]: one["status"] for one in health["dependencies"]}["redis"] == "down"
    assert bot.end() == 0


async def test_a_bot_without_redis_says_so(database: str, bots: Callable[..., BotProcess]) -> None:
    bot = bots("pod", database, environment={"API_KEY": "key"}).start()
    await bot.trading()
    code, body = await bot.get("/api/v1/flags")
    assert (code, body["title"]) == (409, "NoRedis")
    assert bot.end() == 0


async def test_the_stop_flag_stops_for_good_whatever_becomes_of_redis(
    database: str, bots: Callable[..., BotProcess], cache: redis.Server, other: Flags
) -> None:
    bot = start(bots, database, cache.url)
    await bot.trading()
    await other._redis.set(STOP, "close")
    status = await bot.until(lambda s: s["stop"] is not None and s["stop"]["outcome"] is not None)
    assert (status["state"], status["stop"]["source"], status["stop"]["close_positions"]) == ("KILLED", "redis", True)
    assert STOP in status["stop"]["reason"]
    await other._redis.delete(STOP)
    cache.stop()
    bot.kill()
    bot.start()
    again = await bot.trading()
    assert (again["state"], again["stop"]["id"]) == ("KILLED", status["stop"]["id"])
    code, body = await bot.ask("POST", "/api/v1/bot/resume", {"stop_id": status["stop"]["id"]}, **KEY)
    assert (code, body["state"]) == (200, "ACTIVE"), body
    assert bot.end() == 0


async def test_a_resume_while_the_flag_is_still_set_stops_again(
    database: str, bots: Callable[..., BotProcess], cache: redis.Server, other: Flags
) -> None:
    bot = start(bots, database, cache.url)
    await bot.trading()
    await other._redis.set(STOP, "1")
    first = (await bot.until(lambda s: s["state"] == "KILLED" and s["stop"]["outcome"]))["stop"]["id"]
    await bot.ask("POST", "/api/v1/bot/resume", {"stop_id": first}, **KEY)
    second = await bot.until(lambda s: s["stop"] is not None and s["stop"]["id"] != first)
    assert second["state"] == "KILLED"
    assert bot.end() == 0


async def test_without_redis_the_bot_trades(
    database: str, bots: Callable[..., BotProcess], cache: redis.Server
) -> None:
    cache.stop()
    bot = start(bots, database, cache.url)
    status = await bot.trading()
    assert status["state"] == "ACTIVE"
    await until_rows(database, "SELECT count(*) FROM simulation.trades", 3)
    await asyncio.to_thread(cache.start)
    await asyncio.to_thread(cache.stop)
    await until_rows(database, "SELECT count(*) FROM simulation.trades", 6)
    assert (await bot.get("/api/v1/status"))[1]["state"] == "ACTIVE"
    assert bot.end() == 0


# -- flags that steer --------------------------------------------------------------------------------------------------


def paused(status: dict[str, Any]) -> bool:
    return status["state"] == "PAUSED" and [reason["source"] for reason in status["reasons"]] == ["flags"]


async def known(bot: BotProcess, name: str, *, enabled: bool) -> None:
    """Wait until the bot shows, which is after it was committed, how it goes by a flag."""

    async def look() -> Any:
        body = (await bot.get("/api/v1/flags"))[1]
        return {one["name"]: one["enabled"] for one in body["steering"]}

    await until(look, f"{name} to be shown as {enabled}", holds=lambda shown: shown[name] is enabled)


async def test_what_is_said_of_the_flags_that_steer_is_read_at_once_and_silence_is_no_answer(
    flags: Flags, other: Flags
) -> None:
    assert await flags.steering() == {}
    await other.set("entries", enabled=False)
    await other.set("unrelated", enabled=False)
    assert await flags.steering() == {"entries": False}
    await other.set("entries", enabled=True)
    assert await flags.steering() == {"entries": True}


async def test_entries_are_switched_off_and_on_by_anybody_who_shares_the_redis(
    database: str, bots: Callable[..., BotProcess], cache: redis.Server, other: Flags
) -> None:
    bot = start(bots, database, cache.url)
    await bot.trading()
    await other.set("entries", enabled=False)
    status = await bot.until(paused)
    assert "PUT /api/v1/flags/entries" in status["reasons"][0]["reason"]
    await known(bot, "entries", enabled=False)
    code, body = await bot.ask("POST", "/api/v1/bot/start", **KEY)
    assert (code, body["title"]) == (409, "StillRestricted")
    assert "feature flag entries" in body["detail"]
    health = (await bot.get("/api/v1/status/health/detailed"))[1]
    assert {one["name"]: one["detail"] for one in health["dependencies"]}["redis"] == "answers; switched off: entries"
    assert (await bot.ask("PUT", "/api/v1/flags/entries", {"enabled": True}, **KEY))[0] == 200
    await bot.until(lambda status: status["state"] == "ACTIVE")
    assert bot.end() == 0


@pytest.mark.parametrize("loss", ["the server", "the key", "everything"])
async def test_what_was_off_stays_off_whatever_redis_forgets_and_however_often_the_bot_starts(
    loss: str, database: str, bots: Callable[..., BotProcess], cache: redis.Server, other: Flags
) -> None:
    bot = start(bots, database, cache.url)
    await bot.trading()
    await other.set("entries", enabled=False)
    await bot.until(paused)
    await known(bot, "entries", enabled=False)
    if loss == "the server":
        await asyncio.to_thread(cache.stop)
    else:
        await (other._redis.delete("feature:entries") if loss == "the key" else other._redis.flushall())
    await asyncio.sleep(1.5)
    assert paused((await bot.get("/api/v1/status"))[1])
    for end in (bot.kill, bot.end):
        await asyncio.to_thread(end)
        bot.start()
        assert paused(await bot.trading())
    if loss == "the server":
        await asyncio.to_thread(cache.start)
        with contextlib.suppress(FlagsError):
            await other.all()  # the connection of before is closed
    await other.set("entries", enabled=True)
    await bot.until(lambda status: status["state"] == "ACTIVE")
    assert bot.end() == 0


async def test_a_flag_that_was_switched_off_while_the_bot_was_away_counts_before_its_first_entry(
    database: str, bots: Callable[..., BotProcess], cache: redis.Server, other: Flags
) -> None:
    await other.set("entries", enabled=False)
    bot = start(bots, database, cache.url)
    status = await bot.trading()
    assert paused(status)
    await until_rows(database, "SELECT count(*) FROM simulation.decisions WHERE code = 'STATE_BLOCKS_ENTRIES'")
    assert await until_rows(database, "SELECT count(*) FROM simulation.intents", 0) == 0
    assert bot.end() == 0


async def test_trades_of_people_and_the_bots_autonomy_are_switched_off(
    database: str, bots: Callable[..., BotProcess], cache: redis.Server, other: Flags
) -> None:
    await other.set("manual_trades", enabled=False)
    await other.set("autonomous", enabled=False)
    exchange = {"order_confirmation_seconds": 86_400}
    environment = {"API_KEY": "key", "REDIS_URL": cache.url}
    bot = bots("pod", database, environment=environment, exchange=exchange).start()
    await bot.trading()
    body = {"asset_pair": "BTC/USD", "action": "buy", "stop_loss": 1, "take_profit": 1_000_000}
    code, answer = await bot.ask("POST", "/api/v1/bot/manual-trade", body, **KEY)
    assert (code, answer["title"]) == (409, "SwitchedOff")
    assert "manual_trades" in answer["detail"]
    await bot.until(lambda status: status["confirmations"] == 1)
    assert (await bot.get("/api/v1/status"))[1]["positions"] == 0
    assert bot.end() == 0


async def test_a_bot_that_has_no_redis_any_more_has_no_flags(
    database: str, bots: Callable[..., BotProcess], cache: redis.Server, other: Flags
) -> None:
    bot = start(bots, database, cache.url)
    await bot.trading()
    await other.set("entries", enabled=False)
    await bot.until(paused)
    assert bot.end() == 0
    bot.environment["REDIS_URL"] = ""
    bot.start()
    await bot.until(lambda status: status["ready"] and status["state"] == "ACTIVE")
    assert bot.end() == 0
