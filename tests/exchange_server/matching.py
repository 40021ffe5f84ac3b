"""The matching core: synchronous, deterministic, and it proves its own books after each change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from . import errors
from .accounts import FEES, MARKET, WORLD, Ledger
from .amounts import ZERO, exact, round_down
from .market import Market, PublicTrade
from .orders import STOPS, Fill, NewOrder, Order
from .validation import check_new_order, would_trigger

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from .clock import Clock
    from .instruments import Instrument

FeeMode = Literal["received", "quote"]


class Engine:
    """Markets, orders and balances. Clients trade with the scripted market, never with each other."""

    def __init__(
        self,
        clock: Clock,
        instruments: Iterable[Instrument],
        *,
        maker_fee: Decimal,
        taker_fee: Decimal,
        fee_mode: FeeMode = "received",
    ) -> None:
        self.clock = clock
        self.markets = {instrument.symbol: Market(instrument) for instrument in instruments}
        self.ledger = Ledger()
        self.orders: dict[int, Order] = {}
        self.fills: list[Fill] = []
        self.maker_fee = maker_fee
        self.taker_fee = taker_fee
        self.fee_mode = fee_mode
        self._lock_asset: dict[int, str] = {}
        self._open: dict[int, Order] = {}
        self._prints = 0

    def market(self, symbol: str) -> Market:
        found = self.markets.get(symbol)
        if found is None:
            raise errors.unknown_symbol()
        return found

    def open_orders(self, account: str | None = None, symbol: str | None = None) -> list[Order]:
        """Every open order, oldest first."""
        return [
            order
            for order in self._open.values()
            if (account is None or order.account == account) and (symbol is None or order.symbol == symbol)
        ]

    @exact
    def deposit(self, account: str, asset: str, amount: Decimal) -> None:
        self.ledger.transfer("deposit", WORLD, account, asset, amount)
        self.check()

    @exact
    def withdraw(self, account: str, asset: str, amount: Decimal) -> None:
        if self.ledger.free(account, asset) < amount:
            raise errors.insufficient_balance()
        self.ledger.transfer("withdrawal", account, WORLD, asset, amount)
        self.check()

    @exact
    def validate(self, asked: NewOrder) -> None:
        """Refuse what the exchange would refuse, and change nothing (order/test)."""
        market = self.market(asked.symbol)
        check_new_order(asked, market, self.open_orders(asked.account))

    @exact
    def place(self, asked: NewOrder) -> Order:
        """Take an order: it fills, rests, waits for its trigger, or is refused with a reason."""
        self.validate(asked)
        now = self.clock.now_ms()
        order = Order(order_id=len(self.orders) + 1, asked=asked, created=now, updated=now, quantity=asked.quantity)
        instrument = self.market(asked.symbol).instrument
        self._lock_asset[order.order_id] = instrument.quote if asked.side == "BUY" else instrument.base
        if asked.type == "MARKET":
            path = self._affordable_path(order)
            self._admit(order)
            self._take(order, path)
            self._finish(order, "FILLED" if order.remaining == ZERO and path else "EXPIRED")
        else:
            if asked.type == "LIMIT_MAKER" and self.market(asked.symbol).walk(
                asked.side, asked.quantity, limit=asked.price
            ):
                raise errors.refused("Order would immediately match and take.")
            needed = self._needed_lock(order)
            if self.ledger.free(order.account, self._lock_asset[order.order_id]) < needed:
                raise errors.insufficient_balance()
            self._admit(order)
            self._relock(order)
            if asked.type not in STOPS:
                self._work(order)
        self.check()
        return order

    @exact
    def cancel(self, order: Order) -> None:
        """Take an open order out of the market."""
        if not order.is_open:
            raise errors.nothing_to_cancel()
        self._finish(order, "CANCELED")
        self.check()

    @exact
    def set_book(
        self, symbol: str, bids: Iterable[tuple[Decimal, Decimal]], asks: Iterable[tuple[Decimal, Decimal]]
    ) -> None:
        """Replace what others offer; resting orders that it reaches fill at their own price."""
        market = self.market(symbol)
        market.set_book(bids, asks)
        for order in self._by_priority(symbol):
            path = market.walk(order.side, order.remaining, limit=order.price)
            for price, quantity in path:
                market.consume(order.side, price, quantity)
                self._fill(order, order.price, quantity, maker=True)
        self.check()

    @exact
    def print_trade(self, symbol: str, price: Decimal, quantity: Decimal) -> None:
        """A trade of others at this price: as much of it as our resting orders are owed goes to them."""
        market = self.market(symbol)
        market.instrument.check_price(price)
        left = quantity
        for order in self._by_priority(symbol):
            reached = price <= order.price if order.side == "BUY" else price >= order.price
            take = min(left, order.remaining)
            if reached and take > ZERO:
                left -= take
                self._fill(order, order.price, take, maker=True)
        self._prints += 1
        market.record(PublicTrade(self._prints, self.clock.now_ms(), price, quantity, self._prints % 2 == 0))
        for order in self.open_orders(symbol=symbol):
            if order.waits_for_trigger and would_trigger(order.asked, price):
                self._trigger(order)
        self.check()

    @exact
    def fill_resting(self, order: Order, quantity: Decimal, *, hidden: bool = False) -> bool:
        """Fill a resting order at its own price, out of turn; say whether there was something to fill."""
        take = min(round_down(quantity, self.market(order.symbol).instrument.step), order.remaining)
        if not order.rests or take <= ZERO:
            return False
        self._fill(order, order.price, take, maker=True)
        order.fills[-1].hidden = hidden
        self.check()
        return True

    def check(self) -> None:
        """Prove the books."""
        self.ledger.check(self._open.values(), self._lock_asset)
        for order in self._open.values():
            if order.remaining <= ZERO or order.locked != self._needed_lock(order):
                msg = f"order {order.order_id} is open with {order.remaining} remaining and {order.locked} locked"
                raise errors.BrokenInvariantError(msg)

    def _admit(self, order: Order) -> None:
        self.orders[order.order_id] = order
        self._open[order.order_id] = order

    def _by_priority(self, symbol: str) -> list[Order]:
        resting = [order for order in self.open_orders(symbol=symbol) if order.rests]
        return sorted(resting, key=lambda o: (-o.price if o.side == "BUY" else o.price, o.order_id))

    def _work(self, order: Order) -> None:
        """Let a priced order meet the market for the first time."""
        market = self.market(order.symbol)
        path = market.walk(order.side, order.remaining, limit=order.price)
        total = sum((quantity for _, quantity in path), ZERO)
        if order.asked.time_in_force == "FOK" and total < order.remaining:
            path = []
        self._take(order, path)
        if order.is_open and order.asked.time_in_force in {"IOC", "FOK"}:
            self._finish(order, "EXPIRED")

    def _trigger(self, order: Order) -> None:
        order.triggered = True
        order.updated = self.clock.now_ms()
        if order.asked.type in {"STOP_LOSS", "TAKE_PROFIT"}:
            self._relock(order, release=True)
            path = self._affordable_path(order, cut=True)
            self._take(order, path)
            if order.is_open:
                self._finish(order, "EXPIRED")
        else:
            self._work(order)

    def _affordable_path(self, order: Order, *, cut: bool = False) -> list[tuple[Decimal, Decimal]]:
        """Where an order without a price fills; without the money it is refused, or cut when it is a stop."""
        market, asked = self.market(order.symbol), order.asked
        budget = asked.quote_quantity if asked.quote_quantity > ZERO else None
        path = market.walk(order.side, order.remaining, budget=budget)
        if budget is not None:
            order.quantity = sum((quantity for _, quantity in path), ZERO)
        free = self.ledger.free(order.account, self._lock_asset[order.order_id])
        rate = 1 + (self.taker_fee if self.fee_mode == "quote" else ZERO)
        cost = sum((p * q * rate if order.side == "BUY" else q for p, q in path), ZERO)
        if cost <= free:
            return path
        if not cut:
            raise errors.insufficient_balance()
        step, paid, kept = market.instrument.step, ZERO, []
        for price, quantity in path:
            unit = price * rate if order.side == "BUY" else 1
            take = min(quantity, (free - paid) // (unit * step) * step)
            if take > ZERO:
                kept.append((price, take))
                paid += take * unit
        return kept

    def _take(self, order: Order, path: list[tuple[Decimal, Decimal]]) -> None:
        market = self.market(order.symbol)
        for price, quantity in path:
            market.consume(order.side, price, quantity)
            self._fill(order, price, quantity, maker=False)

    def _fill(self, order: Order, price: Decimal, quantity: Decimal, *, maker: bool) -> None:
        instrument = self.market(order.symbol).instrument
        quote, rate = price * quantity, self.maker_fee if maker else self.taker_fee
        in_base = order.side == "BUY" and self.fee_mode == "received"
        commission = round_down((quantity if in_base else quote) * rate)
        fill = Fill(
            trade_id=len(self.fills) + 1,
            order_id=order.order_id,
            account=order.account,
            symbol=order.symbol,
            side=order.side,
            price=price,
            quantity=quantity,
            quote=quote,
            commission=commission,
            commission_asset=instrument.base if in_base else instrument.quote,
            maker=maker,
            ts=self.clock.now_ms(),
        )
        order.executed += quantity
        order.quote_executed += quote
        order.updated = fill.ts
        order.status = "PARTIALLY_FILLED" if order.remaining > ZERO else "FILLED"
        order.fills.append(fill)
        self.fills.append(fill)
        self._relock(order)
        cause = f"fill {fill.trade_id}"
        pays, gets = (instrument.quote, instrument.base) if order.side == "BUY" else (instrument.base, instrument.quote)
        paid, got = (quote, quantity) if order.side == "BUY" else (quantity, quote)
        self.ledger.transfer(cause, MARKET, order.account, gets, got)
        self.ledger.transfer(cause, order.account, MARKET, pays, paid)
        self.ledger.transfer(cause, order.account, FEES, fill.commission_asset, commission)
        if not order.is_open:
            self._finish(order, order.status)

    def _finish(self, order: Order, status: str) -> None:
        order.status = status
        order.updated = self.clock.now_ms()
        self._relock(order)
        self._open.pop(order.order_id, None)

    def _needed_lock(self, order: Order) -> Decimal:
        unpriced = order.asked.type in {"STOP_LOSS", "TAKE_PROFIT"}
        if not order.is_open or order.asked.type == "MARKET" or (unpriced and order.triggered):
            return ZERO
        if order.side == "SELL":
            return order.remaining
        price = order.asked.stop_price if unpriced else order.price
        rate = max(self.maker_fee, self.taker_fee) if self.fee_mode == "quote" else ZERO
        return order.remaining * price * (1 + rate)

    def _relock(self, order: Order, *, release: bool = False) -> None:
        needed = ZERO if release else self._needed_lock(order)
        self.ledger.lock(order.account, self._lock_asset[order.order_id], needed - order.locked)
        order.locked = needed
