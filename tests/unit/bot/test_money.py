from __future__ import annotations

from decimal import Decimal, Inexact

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingbot.domain import ids
from tradingbot.domain.instrument import split_symbol
from tradingbot.domain.market import timeframe
from tradingbot.domain.money import UNIT, add, ceil_to, floor_to, mul, plain, share, sub, total

AMOUNTS = st.decimals(min_value=-(10**12), max_value=10**12, places=8)
POSITIVE = st.decimals(min_value=Decimal("0.00000001"), max_value=10**9, places=8)
STEPS = st.sampled_from(
    [Decimal("0.00000001"), Decimal("0.0001"), Decimal("0.125"), Decimal("0.5"), Decimal(1), Decimal(25)]
)


@given(AMOUNTS, AMOUNTS)
def test_what_is_added_can_be_taken_away_again_exactly(left: Decimal, right: Decimal) -> None:
    assert sub(add(left, right), right) == left


def test_an_inexact_result_raises_instead_of_losing_a_digit() -> None:
    with pytest.raises(Inexact):
        add(Decimal(10) ** 45, Decimal("0.00000001"))
    big = Decimal(10) ** 30
    assert sub(add(big, Decimal("1e-18")), big) == Decimal("1e-18")


@given(AMOUNTS, STEPS)
def test_floor_and_ceiling_are_multiples_and_enclose(value: Decimal, step: Decimal) -> None:
    low, high = floor_to(value, step), ceil_to(value, step)
    assert low % step == 0
    assert high % step == 0
    assert low <= value <= high
    assert high - low < step + UNIT or high - low == step


@given(POSITIVE, st.lists(POSITIVE, min_size=1, max_size=8))
def test_shares_never_exceed_the_whole_and_the_rest_is_kept(amount: Decimal, parts: list[Decimal]) -> None:
    whole = total(parts)
    given_out = [share(amount, part, whole) for part in parts]
    rest = sub(amount, total(given_out))
    assert rest >= 0
    assert rest <= UNIT * len(parts)
    assert share(amount, whole, whole) == amount


@given(AMOUNTS)
def test_plain_digits_read_back_as_the_same_value(value: Decimal) -> None:
    text = plain(value)
    assert "E" not in text.upper()
    assert Decimal(text) == value
    assert plain(mul(value, Decimal("1.000"))) == text


def test_ids_are_functions_of_what_they_name() -> None:
    assert ids.client_id("trading/a", 3, 71) == ids.client_id("trading/a", 3, 71)
    names = {ids.client_id(bot, epoch, seq) for bot in ("a/b", "a/c") for epoch in range(40) for seq in range(40)}
    assert len(names) == 3200
    assert max(len(ids.client_id("trading/a", 2**31, 2**40)) for _ in "x") <= 32
    with pytest.raises(ValueError, match="at least 0"):
        ids.base36(-1)


@pytest.mark.parametrize(("text", "seconds"), [("1m", 60), ("5m", 300), ("4h", 14_400), ("1d", 86_400), ("30s", 30)])
def test_timeframes(text: str, seconds: int) -> None:
    assert timeframe(text) == seconds * 1_000_000


@pytest.mark.parametrize("text", ["", "m", "1x", "0m", "-1m", "1.5h", "\u0661m"])
def test_a_bad_timeframe_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match="for example 1m or 4h"):
        timeframe(text)


@pytest.mark.parametrize("symbol", ["BTC", "BTC/", "/USD", "BTC-USD"])
def test_a_bad_symbol_says_how_to_write_one(symbol: str) -> None:
    with pytest.raises(ValueError, match="BASE/QUOTE"):
        split_symbol(symbol)
