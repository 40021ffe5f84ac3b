"""The configuration file changes while the bot runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.component.bot.process import BotProcess, until_rows
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = {"X-API-Key": "key"}


def limits(bot: BotProcess) -> Callable[[], Any]:
    async def look() -> Any:
        return (await bot.get("/api/v1/bot/config"))[1]

    return look


def configuration(bot: BotProcess) -> Callable[[], Any]:
    async def look() -> Any:
        health = (await bot.get("/api/v1/status/health/detailed"))[1]
        return next(one for one in health["dependencies"] if one["name"] == "configuration file")

    return look


async def test_limits_count_at_once_and_a_persons_tighter_one_stays(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    bot = bots("pod", database, environment={"API_KEY": "key"}).start()
    await bot.trading()
    await bot.ask("PATCH", "/api/v1/bot/config", {"max_open_positions": 2}, **KEY)
    bot.configure(risk={"max_drawdown": 0.2, "max_open_positions": 4, "daily_loss_limit": 1})
    found = await until(
        limits(bot), "the file counts", holds=lambda found: found["configured"]["max_drawdown"] == "0.2"
    )
    assert (found["effective"]["max_drawdown"], found["effective"]["max_open_positions"]) == ("0.2", 2)
    bot.configure(risk={"max_drawdown": 0.3, "max_open_positions": 1})
    found = await until(
        limits(bot), "the file counts", holds=lambda found: found["configured"]["max_drawdown"] == "0.3"
    )
    assert (found["effective"]["max_drawdown"], found["effective"]["max_open_positions"]) == ("0.3", 1)
    assert bot.end() == 0


async def test_a_file_that_is_wrong_changes_nothing_and_is_shown(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    bot = bots("pod", database).start()
    await bot.trading()
    assert (await configuration(bot)())["status"] == "up"
    bot.configure(risk={"max_drawdwn": 0.1})
    found = await until(
        configuration(bot), "the file counts", holds=lambda found: "did you mean max_drawdown?" in found["detail"]
    )
    assert found["status"] == "down"
    bot.configure(mode="wild")
    await until(configuration(bot), "the file counts", holds=lambda found: "mode" in found["detail"])
    (bot.folder / "pod.yaml").unlink()
    await until(configuration(bot), "the file counts", holds=lambda found: "cannot be read" in found["detail"])
    assert (await limits(bot)())["configured"]["max_drawdown"] == "1"
    await until_rows(database, "SELECT count(*) FROM simulation.trades", 2)
    bot.configure()
    await until(configuration(bot), "the file counts", holds=lambda found: found["status"] == "up")
    assert bot.end() == 0


async def test_the_file_pauses_and_starts_and_names_what_needs_a_restart(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    bot = bots("pod", database).start()
    await bot.trading()
    bot.configure(trading="Paused", log_level="ERROR")
    status = await bot.until(lambda s: s["state"] == "PAUSED")
    assert status["reasons"][0]["source"] == "spec"
    bot.configure(trading="Reducing", log_level="ERROR")
    await bot.until(lambda s: s["state"] == "REDUCING")
    quiet = len(bot.lines())
    bot.configure(trading="Paused", log_level="ERROR")
    await bot.until(lambda s: s["state"] == "PAUSED")
    assert len(bot.lines()) == quiet
    bot.configure(strategy={"name": "moving-average-cross"})
    await bot.until(lambda s: s["state"] == "ACTIVE")
    found = await configuration(bot)()
    assert (found["status"], found["detail"]) == ("up", "read; counts with the next start: strategy")
    assert bot.end() == 0
