"""The budget, on a clock that the test holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingbot.venues.ccxt.limits import LEAST_FOR_STOPS, WEIGHT_LISTING, Budget, Lane, Wait


class Hand:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hand() -> Hand:
    return Hand()


def drained(budget: Budget, lane: Lane, weight: int = 1) -> int:
    """Spend until the lane is empty; say how often it worked."""
    count = 0
    while budget.spend(lane, weight) is None:
        count += 1
    return count


@pytest.mark.parametrize("lane", [Lane.ENTRY, Lane.QUERY])
def test_a_fifth_is_kept_for_cancels(hand: Hand, lane: Lane) -> None:
    budget = Budget(hand, 100)
    assert drained(budget, lane) == 80
    assert drained(budget, Lane.STOP) == 20


def test_questions_about_single_orders_spend_the_share_of_a_stop_but_leave_room_for_the_list_that_confirms_it(
    hand: Hand,
) -> None:
    budget = Budget(hand, 1200)
    assert drained(budget, Lane.QUERY) == 960
    assert drained(budget, Lane.FOLLOW) == 140
    assert budget.spend(Lane.STOP, WEIGHT_LISTING) is None
    assert drained(budget, Lane.STOP) == 0


def test_a_cancel_needs_to_leave_room_for_nothing(hand: Hand) -> None:
    budget = Budget(hand, 1200)
    drained(budget, Lane.FOLLOW)
    assert drained(budget, Lane.STOP) == WEIGHT_LISTING


def test_the_reserve_is_rounded_up_and_never_below_a_fifth(hand: Hand) -> None:
    assert drained(Budget(hand, 7), Lane.ENTRY) == 5
    with pytest.raises(ValueError, match="from 20"):
        Budget(hand, 100, reserved_percent=19)


def test_it_says_when_it_works_again_and_then_it_does(hand: Hand) -> None:
    budget = Budget(hand, 100)
    assert budget.spend(Lane.ENTRY, 50) is None
    hand.now += 10
    assert budget.spend(Lane.ENTRY, 30) is None
    wait = budget.spend(Lane.ENTRY, 40)
    assert wait == Wait("RATE_BUDGET", 50.0)
    hand.now += 49.9
    assert budget.spend(Lane.ENTRY, 40) is not None
    hand.now += 0.1
    assert budget.spend(Lane.ENTRY, 40) is None


def test_orders_have_their_own_window_with_a_reserve(hand: Hand) -> None:
    budget = Budget(hand, 10_000, orders_per_ten_seconds=10)
    entries = [budget.spend(Lane.ENTRY, 1, is_order=True) for _ in range(9)]
    assert [entry is None for entry in entries] == [True] * 8 + [False]
    assert budget.spend(Lane.STOP, 1, is_order=True) is None
    assert budget.spend(Lane.QUERY, 1) is None
    hand.now += 10
    assert budget.spend(Lane.ENTRY, 1, is_order=True) is None


@pytest.mark.parametrize(("banned", "code"), [(True, "BANNED"), (False, "RATE_LIMITED")])
def test_nothing_leaves_while_the_exchange_wants_silence(hand: Hand, banned: bool, code: str) -> None:
    budget = Budget(hand, 100)
    budget.silence(7, banned=banned)
    for lane in Lane:
        assert budget.spend(lane, 1) == Wait(code, 7.0)
    budget.silence(3, banned=False)
    assert budget.silent_for == 7.0
    hand.now += 7
    assert budget.spend(Lane.ENTRY, 1) is None


def test_a_429_that_does_not_say_how_long_is_a_minute(hand: Hand) -> None:
    budget = Budget(hand, 100)
    budget.silence(None, banned=False)
    assert budget.silent_for == 60.0


def test_what_others_at_our_address_spend_counts(hand: Hand) -> None:
    budget = Budget(hand, 100)
    assert budget.spend(Lane.ENTRY, 10) is None
    budget.observe(75)
    budget.observe(20)
    assert drained(budget, Lane.ENTRY) == 5


@given(st.lists(st.tuples(st.floats(0, 30), st.sampled_from(Lane), st.integers(1, 40)), max_size=60))
def test_no_minute_exceeds_the_limit_and_entries_never_touch_the_reserve(steps: list[tuple[float, Lane, int]]) -> None:
    hand = Hand()
    budget = Budget(hand, 100)
    spent: list[tuple[float, int]] = []
    for pause, lane, weight in steps:
        hand.now += pause
        if budget.spend(lane, weight) is None:
            spent.append((hand.now, weight))
            used = sum(cost for when, cost in spent if when > hand.now - 60)
            assert used <= (100 if lane in (Lane.STOP, Lane.FOLLOW) else 80)


@pytest.mark.parametrize("limit", [60, 100, 200, 400, 1200])
def test_a_stop_is_left_room_for_by_questions_that_would_take_all_that_comes_free(hand: Hand, limit: int) -> None:
    """The list of all open orders costs 100, more than a fifth of a small limit; a busy bot leaves nothing else."""
    budget = Budget(hand, limit, least_for_stops=LEAST_FOR_STOPS)
    for _ in range(120):
        drained(budget, Lane.QUERY)
        hand.now += 0.5
    begun = hand.now
    while budget.spend(Lane.STOP, 100) is not None:
        drained(budget, Lane.QUERY)
        hand.now += 0.5
        assert hand.now - begun <= 60
    hand.now += 60
    assert drained(budget, Lane.QUERY) == limit - -(-limit // 5), "afterwards questions have their share again"


def test_who_gives_up_a_stop_holds_nothing_back_for_longer_than_a_minute(hand: Hand) -> None:
    budget = Budget(hand, 200)
    drained(budget, Lane.QUERY)
    assert budget.spend(Lane.STOP, 100) is not None
    hand.now += 59.9
    assert drained(budget, Lane.QUERY) == 0
    hand.now += 0.1
    assert drained(budget, Lane.QUERY) == 160


@pytest.mark.parametrize("limit", [1, 50, 199])
def test_a_stop_may_spend_a_little_however_small_the_limit_is_and_nothing_else_may(hand: Hand, limit: int) -> None:
    budget = Budget(hand, limit, least_for_stops=LEAST_FOR_STOPS)
    asked = drained(budget, Lane.QUERY)
    assert asked <= limit
    assert asked + drained(budget, Lane.STOP) == LEAST_FOR_STOPS
