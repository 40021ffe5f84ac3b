from __future__ import annotations

from decimal import Decimal

import msgspec
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
from tradingbot.ledger.book import Book, average, worth

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


def filled(number: int, quantity: str, price: str, fee: str = "0", **fees: object) -> Fill:
    return Fill(
        number,
        f"o{number}",
        f"t{number}",
        Decimal(quantity),
        Decimal(price),
        Decimal(fee),
        Liquidity.TAKER,
        **fees,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("asset", "held"),
    [("BTC", Decimal("0.999")), ("BNB", Decimal(1)), ("USD", Decimal(1))],
    ids=["base", "other", "quote"],
)
def test_a_fee_lessens_the_position_only_where_it_is_taken_in_what_was_bought(asset: str, held: Decimal) -> None:
    book = Book()
    event = filled(1, "1", "100", "0.1", fee_asset=asset, fee_amount=Decimal("0.001"))
    book.post(posting.fill(event, Side.BUY, BTC, ZERO), "fill")
    book.apply(event, intent(Side.BUY, Decimal(1), 1))
    position = book.positions["BTC/USD"]
    assert (position.quantity, position.fees) == (held, Decimal("0.1"))
    assert book.fees(asset) == Decimal("0.001")
    assert book.cash("BTC") == held
    assert total(book.balance(account, asset) for account in book.balances) == 0


def test_a_position_is_as_old_as_its_first_fill_and_belongs_to_who_opened_it() -> None:
    book = Book()
    book.apply(filled(1, "1", "100"), intent(Side.BUY, Decimal(1), 1))
    book.apply(filled(2, "1", "110"), msgspec.structs.replace(intent(Side.BUY, Decimal(1), 2), strategy="another"))
    position = book.positions["BTC/USD"]
    assert (position.opened, position.strategy, position.updated) == (1, "s", 2)


def test_stop_and_target_go_with_the_last_of_a_position_and_not_before() -> None:
    book = Book()
    book.apply(filled(1, "2", "100"), intent(Side.BUY, Decimal(2), 1))
    position = book.positions["BTC/USD"]
    position.stop_loss, position.take_profit = Decimal(90), Decimal(130)
    book.apply(filled(2, "1", "100"), intent(Side.SELL, Decimal(1), 2))
    assert position.stop_loss == 90
    assert position.take_profit == 130
    book.apply(filled(3, "1", "100"), intent(Side.SELL, Decimal(1), 3))
    closed = book.positions["BTC/USD"]
    assert closed.stop_loss is None
    assert closed.take_profit is None
    assert book.position("BTC/USD") is None


def test_what_is_written_off_is_lost_to_the_last_digit() -> None:
    book = Book()
    book.apply(filled(1, "0.0003", "101"), intent(Side.BUY, Decimal("0.0003"), 1))
    position = book.positions["BTC/USD"]
    position.stop_loss = Decimal(90)
    assert book.write_off("BTC/USD") == Decimal("0.0003")
    assert (position.quantity, position.cost, position.realized) == (ZERO, ZERO, Decimal("-0.0303"))
    assert position.stop_loss is None


def test_where_nothing_is_held_nothing_is_won_and_no_price_was_paid() -> None:
    book = Book()
    assert book.unrealized("BTC/USD", Decimal(100)) == 0
    book.apply(filled(1, "3", "100"), intent(Side.BUY, Decimal(3), 1))
    assert average(book.positions["BTC/USD"], BTC) == Decimal("100.000")
    book.apply(filled(2, "3", "101"), intent(Side.SELL, Decimal(3), 2))
    assert average(book.positions["BTC/USD"], BTC) is None
    assert book.unrealized("BTC/USD", Decimal(1)) == 0


def test_transactions_are_numbered_without_a_gap() -> None:
    book = Book()
    assert [book.post(posting.deposit("USD", Decimal(1)), "capital") for _ in range(3)] == [1, 2, 3]
