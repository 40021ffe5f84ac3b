"""A live bot's file loosens nothing: the sentence says who may."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from tests.unit.bot.harness import Bot, Scripted

from tradingbot.config.model import Mode, RiskSection, Settings
from tradingbot.runtime.reload import Reload
from tradingbot.terms import limits


class Runner:
    """What the reload needs of a runner."""

    def __init__(self, robot: Bot) -> None:
        self.engine, self.step = robot.engine, robot.step


class Control:
    """What it needs of the control."""

    def __init__(self, runner: Any) -> None:
        self.runner = runner

    def hold(self, *_: Any) -> None:
        raise AssertionError("nothing was paused")


def settings(mode: Mode, digest: str, **risk: Any) -> Settings:
    made = Settings.model_validate({"strategy": {"name": "breakout"}, "config_hash": digest, "risk": risk})
    return made.model_copy(update={"mode": mode})


async def looked(mode: Mode, after: Settings, before: Settings) -> tuple[Reload, Bot]:
    robot = Bot(lambda: Scripted({}))
    robot.engine.base_limits = limits(before)
    robot.engine.config = msgspec.structs.replace(robot.engine.config, limits=limits(before))
    control: Any = Control(Runner(robot))
    reload = Reload(Path("config.yaml"), before, control, lambda: after, limits)
    await reload.look()
    return reload, robot


async def test_a_live_bot_takes_what_is_tighter_and_refuses_the_whole_file_that_loosens_anything() -> None:
    before = settings(Mode.LIVE, "a")
    tighter = settings(Mode.LIVE, "b", max_drawdown="0.05")
    reload, robot = await looked(Mode.LIVE, tighter, before)
    assert (reload.problem, str(robot.engine.config.limits.max_drawdown)) == ("", "0.05")
    mixed = settings(Mode.LIVE, "c", max_drawdown="0.05", risk_per_trade="0.02")
    reload, robot = await looked(Mode.LIVE, mixed, before)
    assert "would loosen risk_per_trade of a live bot" in reload.problem
    assert "approve" in reload.problem
    assert robot.engine.config.limits == limits(before)


async def test_a_simulation_takes_both() -> None:
    reload, robot = await looked(
        Mode.SIMULATION,
        settings(Mode.SIMULATION, "b", risk_per_trade="0.02"),
        settings(Mode.SIMULATION, "a"),
    )
    assert reload.problem == ""
    assert robot.engine.config.limits.risk_per_trade == RiskSection(risk_per_trade="0.02").risk_per_trade
