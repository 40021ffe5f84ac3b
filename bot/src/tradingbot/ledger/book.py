"""The book: balances and positions, projected from postings and fills."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from tradingbot.domain.fills import Position
from tradingbot.domain.money import ZERO, add, mul, share, sub
from tradingbot.ledger.accounts import AVAILABLE, EXCHANGE, FEES, HELD
from tradingbot.ledger.rules import balanced, not_negative

if TYPE_CHECKING:
    from tradingbot.domain.effects import Posting
    from tradingbot.domain.events import Fill
    from tradingbot.domain.instrument import Instrument
    from tradingbot.domain.orders import Intent


class Book(msgspec.Struct):
    """Balances by account and asset, positions by symbol. Amounts are exact."""

    balances: dict[str, dict[str, Decimal]] = {}
    positions: dict[str, Position] = {}
    last_tx: int = 0

    def post(self, postings: tuple[Posting, ...], cause: str) -> int:
        """Check a transaction, apply it, and return its number."""
        balanced(postings, cause)
        for leg in postings:
            account = self.balances.setdefault(leg.account, {})
            account[leg.asset] = add(account.get(leg.asset, ZERO), leg.amount)
        not_negative(self.balances, HELD, cause)
        self.last_tx += 1
        return self.last_tx

    def balance(self, account: str, asset: str) -> Decimal:
        """Return the sum of all postings of an account in an asset."""
        return self.balances.get(account, {}).get(asset, ZERO)

    def cash(self, asset: str) -> Decimal:
        """Return what is owned of an asset: free and set aside."""
        return add(self.balance(AVAILABLE, asset), self.balance(HELD, asset))

    def fees(self, asset: str) -> Decimal:
        """Return what was paid in fees."""
        return self.balance(FEES, asset)

    def given(self, asset: str) -> Decimal:
        """Return what was given for other assets (below zero: got)."""
        return self.balance(EXCHANGE, asset)

    def position(self, symbol: str) -> Position | None:
        """Return the open position of a symbol, or None."""
        position = self.positions.get(symbol)
        return position if position is not None and position.open else None

    def open_positions(self) -> list[Position]:
        """Return all open positions, by symbol."""
        return [self.positions[symbol] for symbol in sorted(self.positions) if self.positions[symbol].open]

    def apply(self, event: Fill, intent: Intent) -> Decimal:
        """Move the position by a fill; return the profit or loss that it realized, without its fee."""
        position = self.positions.setdefault(intent.symbol, Position(intent.symbol))
        signed = mul(event.quantity, Decimal(intent.side.sign))
        if event.fee_asset and event.fee_asset == intent.symbol.partition("/")[0]:
            # A fee that was taken in what was bought: so much less of it is held.
            signed = sub(signed, event.fee_amount)
        realized = ZERO
        opposite = position.quantity and (position.quantity > 0) != (signed > 0)
        closing = min(abs(signed), abs(position.quantity)) if opposite else ZERO
        if closing:
            given_up = share(position.cost, closing, abs(position.quantity))
            received = mul(closing, event.price)
            realized = sub(received, given_up) if position.quantity > 0 else sub(given_up, received)
            position.cost = sub(position.cost, given_up)
        opening = sub(abs(signed), closing)
        if opening:
            position.cost = add(position.cost, mul(opening, event.price))
        if opening and (closing or not position.open):
            position.opened = event.ts
            position.strategy = intent.strategy
        position.quantity = add(position.quantity, signed)
        position.realized = add(position.realized, realized)
        position.fees = add(position.fees, event.fee)
        position.updated = event.ts
        if not position.open:
            position.stop_loss = position.take_profit = None
        return realized

    def write_off(self, symbol: str) -> Decimal:
        """Close a position that is too small to be sold; what it cost is lost. Return what stays behind."""
        position = self.positions[symbol]
        left = position.quantity
        position.realized = sub(position.realized, position.cost)
        position.quantity = position.cost = ZERO
        position.stop_loss = position.take_profit = None
        return left

    def unrealized(self, symbol: str, price: Decimal) -> Decimal:
        """Return the profit or loss of the open position at a price, in quote currency."""
        position = self.position(symbol)
        if position is None:
            return ZERO
        value = mul(abs(position.quantity), price)
        return sub(value, position.cost) if position.quantity > 0 else sub(position.cost, value)


def worth(position: Position, price: Decimal) -> Decimal:
    """Return the value of a position at a price, below zero for a short one."""
    return mul(position.quantity, price)


def average(position: Position, instrument: Instrument) -> Decimal | None:
    """Return the average price of a position for display, cut to the tick's digits plus two."""
    if not position.open:
        return None
    step = mul(instrument.tick, Decimal("0.01"))
    return share(position.cost, Decimal(1), abs(position.quantity)).quantize(step)
