from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.bot.harness import BTC, FUTURES

from tradingbot.domain.effects import Posting
from tradingbot.domain.errors import BrokenInvariantError
from tradingbot.domain.events import Fill, Liquidity
from tradingbot.domain.money import ZERO, add, mul, sub, total
from tradingbot.domain.orders import Intent, OrderType, Role, Side
from tradingbot.ledger import posting
from tradingbot.ledger.book import Book, worth

QUANTITY = st.integers(1, 50_000).map(BTC.quantity)
PRICE = st.integers(1, 400_000).map(BTC.price)
FEE = st.decimals(min_value=0, max_value=100, places=8)


def intent(side: Side, quantity: Decimal, number: int) -> Intent:
    return Intent(
        client_id=f"o{number}",
        bot="test/bot",
        epoch=1,
        seq=number,
        symbol="BTC/USD",
        side=side,
        type=OrderType.MARKET,
        role=Role.ENTRY,
        quantity=quantity,
        strategy="s",
        reason="r",
        ts=number,
    )


@settings(max_examples=150)
@given(st.lists(st.tuples(st.sampled_from(Side), QUANTITY, PRICE, FEE), min_size=1, max_size=12))
def test_cash_position_and_fees_are_conserved_to_the_last_digit(
    fills: list[tuple[Side, Decimal, Decimal, Decimal]],
) -> None:
    book = Book()
    book.post(posting.deposit("USD", Decimal(10_000)), "capital")
    realized = ZERO
    for number, (side, quantity, price, fee) in enumerate(fills, 1):
        wanted = intent(side, quantity, number)
        event = Fill(number, wanted.client_id, f"t{number}", quantity, price, fee, Liquidity.TAKER)
        book.post(posting.fill(event, side, FUTURES, ZERO), "fill")
        realized = add(realized, book.apply(event, wanted))
        # Whatever happened: no asset was made or lost.
        for asset in ("USD", "BTC"):
            assert total(book.balance(account, asset) for account in book.balances) == 0
        position = book.positions["BTC/USD"]
        assert book.cash("BTC") == position.quantity
        assert position.cost >= 0
        assert (position.cost == 0) or position.open
        # Equity two ways: what is owned, and what was put in plus profits minus fees.
        owned = add(book.cash("USD"), worth(position, price))
        earned = add(realized, book.unrealized("BTC/USD", price))
        assert owned == sub(add(Decimal(10_000), earned), book.fees("USD"))
    assert book.positions["BTC/USD"].realized == realized
    assert book.positions["BTC/USD"].fees == total(fee for _, _, _, fee in fills)


def test_an_unbalanced_transaction_is_a_broken_invariant() -> None:
    legs = (Posting("available", "USD", Decimal(1)), Posting("fees", "USD", Decimal("-0.99999999")))
    with pytest.raises(BrokenInvariantError, match=r"USD legs sum to 0.00000001"):
        Book().post(legs, "test")


def test_each_asset_balances_on_its_own() -> None:
    legs = (Posting("available", "USD", Decimal(1)), Posting("exchange", "BTC", Decimal(-1)))
    with pytest.raises(BrokenInvariantError, match="legs sum"):
        Book().post(legs, "test")


@pytest.mark.parametrize("amount", ["NaN", "Infinity"])
def test_what_is_not_a_number_is_no_amount(amount: str) -> None:
    with pytest.raises(BrokenInvariantError, match="is not an amount"):
        Book().post((Posting("available", "USD", Decimal(amount)),), "test")


def test_there_are_no_other_accounts() -> None:
    with pytest.raises(BrokenInvariantError, match="no account 'pocket'"):
        Book().post((Posting("pocket", "USD", Decimal(1)),), "test")


def test_a_hold_cannot_be_released_twice() -> None:
    book = Book()
    book.post(posting.deposit("USD", Decimal(100)), "capital")
    book.post(posting.hold("USD", Decimal(40)), "hold")
    assert book.cash("USD") == 100
    book.post(posting.release("USD", Decimal(40)), "release")
    with pytest.raises(BrokenInvariantError, match="held USD would be -40"):
        book.post(posting.release("USD", Decimal(40)), "release")


def test_a_position_that_turns_keeps_the_cost_of_the_new_side_only() -> None:
    book = Book()
    one, three = Decimal(1), Decimal(3)
    book.apply(Fill(1, "o1", "t1", one, Decimal(100), ZERO, Liquidity.TAKER), intent(Side.BUY, one, 1))
    realized = book.apply(Fill(2, "o2", "t2", three, Decimal(130), ZERO, Liquidity.TAKER), intent(Side.SELL, three, 2))
    position = book.positions["BTC/USD"]
    assert realized == 30
    assert position.quantity == -2
    assert position.cost == mul(Decimal(2), Decimal(130))
    assert position.opened == 2
