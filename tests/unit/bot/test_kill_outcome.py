"""The one word for a kill, and the report that fits into a termination log."""

from __future__ import annotations

import json
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingbot.domain import ids
from tradingbot.jobs import outcome
from tradingbot.jobs.outcome import OrderEnd, PositionEnd

ORDERS = (outcome.CANCELLED, outcome.FILLED, outcome.GONE, outcome.KEPT, outcome.OPEN, outcome.UNKNOWN)
POSITIONS = (outcome.FLAT, outcome.FLAT_WITH_DUST, outcome.RESIDUAL, outcome.UNKNOWN)


def order(state: str, client_id: str = "a") -> OrderEnd:
    return OrderEnd(client_id=client_id, symbol="BTC/USDT", state=state)


def position(state: str) -> PositionEnd:
    return PositionEnd(symbol="BTC/USDT", requested="1", residual="0", state=state)


@pytest.mark.parametrize(("one", "other"), list(product(POSITIONS, POSITIONS)))
def test_the_worst_position_gives_the_word(one: str, other: str) -> None:
    found = outcome.verdict([], [position(one), position(other)], verified=True, close=True)
    assert found == max(one, other, key=POSITIONS.index)


@pytest.mark.parametrize("state", ORDERS)
@pytest.mark.parametrize("close", [True, False])
def test_an_order_that_may_live_is_never_a_success(state: str, close: bool) -> None:
    found = outcome.verdict(
        [order(outcome.CANCELLED), order(state)], [position(outcome.FLAT)], verified=True, close=close
    )
    expected = outcome.FLAT if close else outcome.CANCELLED
    assert found == (outcome.UNKNOWN if state in (outcome.OPEN, outcome.UNKNOWN) else expected)


@pytest.mark.parametrize("close", [True, False])
def test_what_was_not_verified_is_unknown(close: bool) -> None:
    assert outcome.verdict([], [], verified=False, close=close) == outcome.UNKNOWN


@given(
    st.lists(st.tuples(st.sampled_from(ORDERS), st.text(max_size=400)), max_size=80),
    st.lists(st.tuples(st.sampled_from(POSITIONS), st.text(max_size=400)), max_size=60),
    st.text(max_size=1500),
)
def test_the_report_fits_and_keeps_what_went_wrong(
    orders: list[tuple[str, str]], positions: list[tuple[str, str]], message: str
) -> None:
    made = [OrderEnd(client_id=f"o{n}", symbol="A/B", state=s, reason=r) for n, (s, r) in enumerate(orders)]
    held = [
        PositionEnd(symbol=f"S{n}/B", requested="1", residual="1", state=s, reason=r)
        for n, (s, r) in enumerate(positions)
    ]
    whole = outcome.report("stop-1", outcome.UNKNOWN, made, held, message, confirmed=False)
    short = outcome.bounded(whole)
    assert len(json.dumps(short, ensure_ascii=False).encode()) <= 4096 or not (short["orders"] or short["positions"])
    left_out = len(whole["orders"]) + len(whole["positions"]) - len(short["orders"]) - len(short["positions"])
    assert short.get("left_out", 0) == left_out
    assert short["orders"] == whole["orders"][: len(short["orders"])]
    assert short["orders_cancelled"] == sum(1 for state, _ in orders if state == outcome.CANCELLED)
    assert len(whole["orders"]) == len(made)


@given(st.integers(0, 10**7), st.integers(1, 10**6), st.integers(1, 10**6))
def test_an_order_of_a_kill_is_this_bots_and_no_intent_has_its_id(epoch: int, seq: int, number: int) -> None:
    run = 1_795_219_200_000
    name = ids.kill_id("test/btc", run, number)
    assert ids.is_of("test/btc", name)
    assert ids.is_kill("test/btc", name)
    assert not ids.is_kill("test/btc", ids.client_id("test/btc", epoch, seq))
    assert not ids.is_of("test/btd", name)
    assert name != ids.client_id("test/btc", epoch, seq)
    assert len(name) <= 36
