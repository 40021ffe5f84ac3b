"""What the account has made so far: sums that grow with every fill, saved with the state, never recomputed."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from tradingbot.domain.money import ZERO, add, sub


class Tally(msgspec.Struct):
    """Since the account was opened or started anew. Money in quote currency, after fees where nothing else is said."""

    since: int = 0
    """Market time in microseconds."""
    fills: int = 0
    trips: int = 0
    """Positions that were opened and closed again."""
    won: int = 0
    lost: int = 0
    gross_profit: Decimal = ZERO
    """Sum of the round trips that made something."""
    gross_loss: Decimal = ZERO
    """Sum of those that lost something, as a positive number."""
    fees: Decimal = ZERO
    max_drawdown: Decimal = ZERO
    """Largest loss from the peak at a point of the equity curve, as a fraction."""
    open: dict[str, Decimal] = {}
    """By symbol, what the round trip under way has made so far."""

    def fill(self, symbol: str, realized: Decimal, fee: Decimal, *, closed: bool) -> None:
        """Count a fill: what it realized before its fee, and whether nothing is held any more."""
        self.fills += 1
        self.fees = add(self.fees, fee)
        made = sub(add(self.open.get(symbol, ZERO), realized), fee)
        if not closed:
            self.open[symbol] = made
            return
        self.open.pop(symbol, None)
        self.trips += 1
        if made > 0:
            self.won += 1
            self.gross_profit = add(self.gross_profit, made)
        elif made < 0:
            self.lost += 1
            self.gross_loss = sub(self.gross_loss, made)
