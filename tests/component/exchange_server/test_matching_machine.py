"""The matching core under random use: money is conserved, and nothing is locked that no open order holds."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.exchange_server.accounts import FEES, MARKET
from tests.exchange_server.clock import ManualClock
from tests.exchange_server.errors import ApiError
from tests.exchange_server.instruments import Instrument
from tests.exchange_server.matching import Engine
from tests.exchange_server.orders import NewOrder, Order

pytestmark = pytest.mark.component
SYMBOL = "BTCUSDT"
PRICES = st.integers(90_00, 110_00).map(lambda cents: Decimal(cents) / 100)
AMOUNTS = st.integers(1, 300).map(lambda steps: Decimal(steps) / 1000)
STARTS = {"USDT": Decimal(20), "BTC": Decimal("0.2")}


class Trading(RuleBasedStateMachine):
    """One account, one market, everything that a client and the market can do."""

    def __init__(self) -> None:
        super().__init__()
        self.names = 0

    @initialize(
        fees=st.sampled_from([Decimal(0), Decimal("0.001"), Decimal("0.0007")]),
        in_quote=st.booleans(),
    )
    def start(self, fees: Decimal, in_quote: bool) -> None:
        instrument = Instrument(
            "BTC", "USDT", step=Decimal("0.001"), min_quantity=Decimal("0.001"), min_notional=Decimal(1)
        )
        self.engine = Engine(
            ManualClock(),
            [instrument],
            maker_fee=fees,
            taker_fee=fees * 2,
            fee_mode="quote" if in_quote else "received",
        )
        for asset, amount in STARTS.items():
            self.engine.deposit("main", asset, amount)

    def place(self, **asked: Any) -> None:
        self.names += 1
        order = NewOrder(account="main", symbol=SYMBOL, client_id=f"c{self.names}", **asked)
        with contextlib.suppress(ApiError):
            self.engine.place(order)

    @rule(
        side=st.sampled_from(["BUY", "SELL"]),
        kind=st.sampled_from(["LIMIT", "LIMIT_MAKER"]),
        time=st.sampled_from(["GTC", "IOC", "FOK"]),
        price=PRICES,
        quantity=AMOUNTS,
    )
    def limit(self, side: str, kind: str, time: str, price: Decimal, quantity: Decimal) -> None:
        self.place(side=side, type=kind, time_in_force=time, price=price, quantity=quantity)

    @rule(side=st.sampled_from(["BUY", "SELL"]), quantity=AMOUNTS)
    def market(self, side: str, quantity: Decimal) -> None:
        self.place(side=side, type="MARKET", quantity=quantity)

    @rule(side=st.sampled_from(["BUY", "SELL"]), budget=st.integers(1, 60).map(Decimal))
    def market_by_quote(self, side: str, budget: Decimal) -> None:
        self.place(side=side, type="MARKET", quote_quantity=budget)

    @rule(
        side=st.sampled_from(["BUY", "SELL"]),
        kind=st.sampled_from(["STOP_LOSS", "TAKE_PROFIT", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"]),
        trigger=PRICES,
        price=PRICES,
        quantity=AMOUNTS,
    )
    def stop(self, side: str, kind: str, trigger: Decimal, price: Decimal, quantity: Decimal) -> None:
        priced = {"price": price} if kind.endswith("LIMIT") else {}
        self.place(side=side, type=kind, stop_price=trigger, quantity=quantity, **priced)

    @rule(middle=PRICES, sizes=st.lists(AMOUNTS, max_size=3))
    def book(self, middle: Decimal, sizes: list[Decimal]) -> None:
        gap = Decimal("0.05")
        self.engine.set_book(
            SYMBOL,
            [(middle - gap * (number + 1), size) for number, size in enumerate(sizes)],
            [(middle + gap * (number + 1), size) for number, size in enumerate(sizes)],
        )

    @rule(price=PRICES, quantity=AMOUNTS)
    def others_trade(self, price: Decimal, quantity: Decimal) -> None:
        self.engine.print_trade(SYMBOL, price, quantity)

    @precondition(lambda self: self.engine.open_orders())
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        order: Order = data.draw(st.sampled_from(self.engine.open_orders()))
        self.engine.cancel(order)
        assert order.status == "CANCELED"

    @precondition(lambda self: self.engine.open_orders())
    @rule(data=st.data(), quantity=AMOUNTS, hidden=st.booleans())
    def out_of_turn(self, data: st.DataObject, quantity: Decimal, hidden: bool) -> None:
        order: Order = data.draw(st.sampled_from(self.engine.open_orders()))
        rested = order.rests
        assert self.engine.fill_resting(order, quantity, hidden=hidden) is rested

    @invariant()
    def the_books_add_up(self) -> None:
        if not hasattr(self, "engine"):
            return
        self.engine.check()
        ledger = self.engine.ledger
        for asset, start in STARTS.items():
            total = sum((ledger.total(account, asset) for account in ("main", MARKET, FEES)), Decimal(0))
            assert total == start
            assert ledger.free("main", asset) >= 0
            assert ledger.locked("main", asset) >= 0

    @invariant()
    def balances_are_what_the_fills_say(self) -> None:
        if not hasattr(self, "engine"):
            return
        expected = dict(STARTS)
        for fill in self.engine.fills:
            sign = 1 if fill.side == "BUY" else -1
            expected["BTC"] += sign * fill.quantity
            expected["USDT"] -= sign * fill.quote
            expected[fill.commission_asset] -= fill.commission
        assert {asset: self.engine.ledger.total("main", asset) for asset in STARTS} == expected

    @invariant()
    def orders_are_what_their_fills_say(self) -> None:
        if not hasattr(self, "engine"):
            return
        for order in self.engine.orders.values():
            assert order.executed == sum((fill.quantity for fill in order.fills), Decimal(0))
            assert order.executed <= order.quantity
            for fill in order.fills:
                limit = order.asked.price
                assert limit == 0 or (fill.price <= limit if order.side == "BUY" else fill.price >= limit)


Trading.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None, derandomize=True)
TestTrading = Trading.TestCase
