"""The exchange behind the HTTP door: one object that the routes act on."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from .amounts import exact
from .faults import FaultPlan, Kind, Struck
from .instruments import DEFAULT_INSTRUMENTS, Instrument
from .journal import Journal
from .limits import Limiter, Limits
from .matching import Engine, FeeMode
from .views import Views

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .clock import Clock
    from .orders import Fill, NewOrder, Order
    from .signing import ApiKey

DEFAULT_FEE = Decimal("0.001")


class Exchange:
    """Engine, keys, limits, faults and journal, together."""

    def __init__(
        self,
        clock: Clock,
        keys: Iterable[ApiKey],
        *,
        faults: FaultPlan | None = None,
        instruments: Iterable[Instrument] = DEFAULT_INSTRUMENTS,
        limits: Limits | None = None,
        maker_fee: Decimal = DEFAULT_FEE,
        taker_fee: Decimal = DEFAULT_FEE,
        fee_mode: FeeMode = "received",
    ) -> None:
        self.clock = clock
        self.keys = {key.key: key for key in keys}
        self.faults = faults or FaultPlan()
        self.limiter = Limiter(limits or Limits())
        self.journal = Journal()
        self.engine = Engine(clock, instruments, maker_fee=maker_fee, taker_fee=taker_fee, fee_mode=fee_mode)
        self.views = Views(self.engine)
        self.started_ms = clock.now_ms()
        self._untold: list[tuple[Order, Fill, int]] = []
        self._cancels = 0
        for key in self.keys.values():
            self.views.know(key.account)

    def deposit(self, account: str, balances: Mapping[str, Decimal]) -> None:
        """Put money on an account, from outside."""
        for asset, amount in balances.items():
            self.engine.deposit(account, asset, amount)
        self.views.remember()

    def place(self, asked: NewOrder, struck: Struck) -> Order:
        order = self.engine.place(asked)
        unseen = struck.get(Kind.ORDER_INVISIBLE)
        if unseen is not None:
            order.invisible_lookups = unseen.count
        self.views.remember()
        return order

    def cancel(self, order: Order, struck: Struck) -> str:
        """Cancel an order and return the cancel's own id; faults may let a fill slip in."""
        race, late = struck.get(Kind.CANCEL_RACES_FILL), struck.get(Kind.FILL_AFTER_CANCEL)
        if race is not None:
            self._slip(order, race.share, hidden=False)
        if late is not None and order.rests and self._slip(order, late.share, hidden=True):
            order.told_status = "CANCELED"
            self._untold.append((order, order.fills[-1], late.count))
        if order.is_open or order.told_status is None:
            self.engine.cancel(order)
        self.views.remember()
        self._cancels += 1
        return f"cancel-{self._cancels}"

    def find(self, account: str, symbol: str, order_id: str | None, client_id: str | None) -> Order | None:
        """Look an order up; an invisible one is not found, and one look nearer to being seen."""
        for order in reversed(self.engine.orders.values()):
            named = str(order.order_id) == order_id if order_id else order.client_id == client_id
            if named and (order.account, order.symbol) == (account, symbol):
                if not order.invisible_lookups:
                    return order
                order.invisible_lookups -= 1
                self.views.remember()
                return None
        return None

    def fills(self, account: str, symbol: str) -> list[Fill]:
        """Every fill that is told by now; each call brings hidden ones nearer."""
        told = [f for f in self.engine.fills if not f.hidden and (f.account, f.symbol) == (account, symbol)]
        waiting = [(order, fill, looks - (fill.account == account)) for order, fill, looks in self._untold]
        self._untold = [item for item in waiting if item[2] > 0]
        for order, fill, looks in waiting:
            if looks <= 0:
                self._tell(order, fill)
        return told

    def publish_fills(self) -> int:
        """Tell every hidden fill now; say how many there were."""
        count = len(self._untold)
        for order, fill, _ in self._untold:
            self._tell(order, fill)
        self._untold.clear()
        return count

    def _tell(self, order: Order, fill: Fill) -> None:
        fill.hidden = False
        order.told_status = None
        self.views.remember()

    @exact
    def _slip(self, order: Order, share: float, *, hidden: bool) -> bool:
        return self.engine.fill_resting(order, order.remaining * Decimal(str(share)), hidden=hidden)
