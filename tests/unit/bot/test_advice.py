"""What the page advises: the command or the button that ends a restriction, in the words of where the bot runs."""

from __future__ import annotations

import pytest

from tradingbot.config.model import Settings
from tradingbot.domain.states import State
from tradingbot.risk.latch import EMERGENCY, Restriction
from tradingbot.web.advice import BY_ITSELF, Advice

CLUSTER = Settings.model_validate(
    {"strategy": {"name": "breakout"}, "bot": {"name": "btc", "namespace": "trading"}, "kubernetes": {"name": "btc"}}
)
ALONE = Settings.model_validate({"strategy": {"name": "breakout"}})


def advice(source: str, *, latch: str = "", alone: bool = False) -> str:
    held = Restriction(source, State.HALTED, "because", latched=bool(latch), latch_id=latch)
    return Advice(ALONE if alone else CLUSTER, alone=alone).of(held)


@pytest.mark.parametrize(
    ("source", "latch", "says"),
    [
        (EMERGENCY, "a-1", "kubectl tradingbot resume btc -n trading --reason"),
        ("drawdown", "drawdown-1", "kubectl tradingbot resume btc -n trading --reason"),
        ("approval", "", "kubectl tradingbot approve btc -n trading"),
        ("live", "", "kubectl tradingbot status btc -n trading"),
        ("api", "api-1", "Press Start"),
        ("spec", "", "spec.trading"),
        ("flags", "", "PUT /api/v1/flags/entries"),
    ],
)
def test_in_a_cluster_it_is_a_command_or_a_button(source: str, latch: str, says: str) -> None:
    assert says in advice(source, latch=latch)


@pytest.mark.parametrize("source", BY_ITSELF)
def test_what_ends_by_itself_says_where_to_look(source: str) -> None:
    assert "by itself" in advice(source)
    assert "Look" in advice(source) or "look" in advice(source) or "compare" in advice(source)


@pytest.mark.parametrize(("source", "latch"), [(EMERGENCY, "api-1"), ("drawdown", "drawdown-1"), ("approval", "")])
def test_alone_there_is_no_kubectl(source: str, latch: str) -> None:
    assert "kubectl" not in advice(source, latch=latch, alone=True)
    assert Advice(ALONE, alone=True).stop() == Advice(ALONE, alone=True).approve() == ""


def test_a_latch_that_is_not_written_yet_cannot_be_resumed_by_name() -> None:
    held = Restriction("drawdown", State.HALTED, "because", latched=True)
    assert Advice(CLUSTER, alone=False).of(held) == "It can be resumed as soon as the database has it."
