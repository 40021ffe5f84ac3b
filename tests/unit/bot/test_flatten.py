"""What is sold next of a position in a hurry: never more than there is, never below the floor, never a dead end."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tradingbot.core.flatten import SHARES, Dust, Level, Limits, NoDepth, Slice, floor_price, next_slice
from tradingbot.domain.instrument import Instrument

BTC = Instrument("BTC/USDT", "BTC", "USDT", Decimal("0.01"), Decimal("0.001"), Decimal(10))
LIMITS = Limits(instrument=BTC, min_quantity=Decimal("0.001"), max_quantity=Decimal(5))
COLLAR = Decimal("0.04")
LAST = Decimal(1000)


def after(left: str, bids: list[tuple[str, str]], step: int = 0) -> Slice | Dust | NoDepth:
    book = [(Decimal(price), Decimal(quantity)) for price, quantity in bids]
    return next_slice(Decimal(left), book, LAST, COLLAR, step, LIMITS)


def test_the_collar_widens_in_steps_to_its_maximum() -> None:
    assert [floor_price(LAST, COLLAR, step, BTC) for step in range(len(SHARES))] == [995, 990, 980, 960]


def test_a_deep_book_takes_all_at_the_narrowest_collar() -> None:
    assert after("1", [("999", "5")]) == Slice(Decimal(1), Decimal(995), 0)


def test_a_slice_is_what_the_book_shows_within_the_collar() -> None:
    assert after("1", [("999", "0.3"), ("996", "0.2"), ("994", "9")]) == Slice(Decimal("0.5"), Decimal(995), 0)


def test_where_nobody_buys_within_the_narrow_collar_it_widens() -> None:
    assert after("1", [("985", "0.3")]) == Slice(Decimal("0.3"), Decimal(980), 2)


def test_it_never_narrows_again() -> None:
    assert after("1", [("999", "9")], step=3) == Slice(Decimal(1), Decimal(960), 3)


def test_an_empty_book_and_one_below_the_collar_are_no_market() -> None:
    assert after("1", []) == NoDepth(Decimal(960))
    assert after("1", [("959.99", "100")]) == NoDepth(Decimal(960))


def test_what_is_too_small_for_an_order_is_dust() -> None:
    assert after("0.0009", [("999", "9")]) == Dust()
    assert after("0.009", [("999", "9")]) == Dust()
    assert after("0.010", [("999", "9")]) == Dust()
    assert isinstance(after("0.011", [("999", "9")]), Slice)


def test_a_rest_that_could_never_be_sold_goes_along() -> None:
    assert after("1", [("999", "0.995")]) == Slice(Decimal(1), Decimal(995), 0)


def test_no_order_is_larger_than_the_exchange_takes() -> None:
    assert after("12", [("999", "50")]) == Slice(Decimal(5), Decimal(995), 0)


def test_a_floor_is_rounded_up_to_the_tick_so_that_it_is_never_below_the_collar() -> None:
    assert floor_price(Decimal("1000.01"), COLLAR, 0, BTC) == Decimal("995.01")


def test_who_buys_at_the_floor_itself_buys_within_the_collar() -> None:
    assert after("1", [("995", "0.5")]) == Slice(Decimal("0.5"), Decimal(995), 0)


def fine(min_notional: int = 0, min_quantity: str = "0") -> Limits:
    """An exchange with small steps and few demands."""
    coin = Instrument("BTC/USDT", "BTC", "USDT", Decimal("0.01"), Decimal("0.00001"), Decimal(min_notional))
    return Limits(instrument=coin, min_quantity=Decimal(min_quantity))


def test_whether_it_is_dust_is_judged_at_the_narrowest_collar() -> None:
    """Worth 10.01 there, and 9.96 at the next one."""
    left = Decimal("0.01006")
    found = next_slice(left, [(LAST, Decimal(1))], LAST, COLLAR, 0, fine(min_notional=10))
    assert found == Slice(left, Decimal(995), 0)


def test_what_the_exchange_takes_is_taken_at_its_very_limits_and_nothing_is_not_sold() -> None:
    least = fine(10, "0.5")
    assert least.sellable(Decimal("0.5"), Decimal(20))
    assert not least.sellable(Decimal("0.49999"), Decimal(100))
    assert not least.sellable(Decimal("0.5"), Decimal("19.99"))
    assert not fine().sellable(Decimal("0.000009"), Decimal(100))


def test_a_collar_of_everything_sells_for_a_little_and_never_for_nothing() -> None:
    cent = [(Decimal("0.01"), Decimal(1))]
    assert next_slice(Decimal(1), cent, Decimal(2), Decimal(1), 3, fine()) == NoDepth(Decimal(0))
    one = [(Decimal(1), Decimal(1))]
    assert next_slice(Decimal(1), one, Decimal(2), Decimal("0.5"), 3, fine()) == Slice(Decimal(1), Decimal(1), 3)


amounts = st.decimals(Decimal("0.0001"), Decimal(20), places=4)
levels = st.lists(st.tuples(st.decimals(Decimal("0.01"), Decimal(1100), places=2), amounts), max_size=8)


@given(left=amounts, book=levels, step=st.integers(0, 3), maximum=st.decimals(Decimal("0.001"), Decimal(1), places=3))
def test_whatever_the_book_says_nothing_is_given_away(
    left: Decimal, book: list[Level], step: int, maximum: Decimal
) -> None:
    found = next_slice(left, book, LAST, maximum, step, LIMITS)
    floor = LAST * (1 - maximum)
    if isinstance(found, Slice):
        assert 0 < found.quantity <= left
        assert LIMITS.sellable(found.quantity, found.price)
        assert found.price >= floor
        assert found.step >= step
        assert any(price >= found.price for price, _ in book)
        assert found.quantity % BTC.lot == 0
        assert found.price % BTC.tick == 0
    elif isinstance(found, NoDepth):
        assert found.floor >= floor


@given(left=amounts, book=levels)
def test_a_book_that_is_bought_from_ends(left: Decimal, book: list[Level]) -> None:
    """However thin: each slice makes what is left smaller, so there is an end."""
    for _ in range(20_001):
        found = next_slice(left, book, LAST, COLLAR, 0, LIMITS)
        if not isinstance(found, Slice):
            return
        left -= found.quantity
    raise AssertionError("it sells for ever")
