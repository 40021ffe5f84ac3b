"""One request as the routes see it, and the reading of its parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import errors
from .amounts import ZERO, parse
from .orders import NewOrder

if TYPE_CHECKING:
    from decimal import Decimal

    from .exchange import Exchange
    from .faults import Struck
    from .signing import ApiKey


@dataclass(frozen=True, slots=True)
class Call:
    """Parameters, who asks, and the faults that the answer meets."""

    exchange: Exchange
    params: dict[str, str]
    struck: Struck
    key: ApiKey | None = None

    @property
    def account(self) -> str:
        if self.key is None:
            msg = "a signed route was called without a key"
            raise errors.BrokenInvariantError(msg)
        return self.key.account

    def text(self, name: str) -> str:
        value = self.params.get(name, "")
        if not value:
            raise errors.missing(name)
        return value

    def symbol(self) -> str:
        symbol = self.text("symbol")
        return self.exchange.engine.market(symbol).instrument.symbol

    def optional_symbol(self) -> str | None:
        return self.symbol() if "symbol" in self.params else None

    def integer(self, name: str, default: int) -> int:
        text = self.params.get(name, str(default))
        if not text.isdigit():
            raise errors.illegal(name, r"^[0-9]{1,20}$")
        return int(text)

    def amount(self, name: str) -> Decimal:
        text = self.params.get(name)
        if text is None:
            return ZERO
        value = parse(name, text)
        if value == ZERO:
            raise errors.ApiError(-1013, f"Invalid {name}.")
        return value

    def new_order(self) -> NewOrder:
        """Read a new order."""
        symbol, side, kind = self.symbol(), self.text("side"), self.text("type")
        if side not in {"BUY", "SELL"}:
            raise errors.ApiError(-1117, "Invalid side.")
        timed = kind in {"LIMIT", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"}
        if timed:
            self.text("timeInForce")
        elif "timeInForce" in self.params:
            raise errors.not_required("timeInForce")
        generated = f"generated-{len(self.exchange.engine.orders) + 1}"
        return NewOrder(
            account=self.account,
            symbol=symbol,
            side="BUY" if side == "BUY" else "SELL",
            type=kind,
            client_id=self.params.get("newClientOrderId", generated),
            time_in_force=self.params.get("timeInForce", "GTC"),
            price=self.amount("price"),
            quantity=self.amount("quantity"),
            quote_quantity=self.amount("quoteOrderQty"),
            stop_price=self.amount("stopPrice"),
        )
