"""An exchange, simulated or real. An outcome is accepted, refused or unknown: there is no bool for it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import msgspec

from tradingbot.domain.events import Fill
from tradingbot.domain.orders import Side

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from tradingbot.domain.market import Event, MarketEvent
    from tradingbot.domain.orders import Approved, Intent


NOT_FOUND = "ORDER_NOT_FOUND"
"""Code of a refused cancel: the venue has been asked twice, and knows no such order."""


class Accepted(msgspec.Struct, frozen=True):
    """The venue has the order; of a cancel, that it lives no more."""

    venue_id: str
    ts: int
    filled: Decimal | None = None
    """Of a cancel: how much of the order was executed, as far as the venue says it."""


class Refused(msgspec.Struct, frozen=True):
    """The venue does not have the order, and said so."""

    code: str
    text: str

    @property
    def cause(self) -> str:
        """Return what to say of it, as of an outcome that nobody knows."""
        return self.text


class Unknown(msgspec.Struct, frozen=True):
    """Nobody knows."""

    cause: str


Outcome = Accepted | Refused | Unknown


class Found(msgspec.Struct, frozen=True):
    """The venue knows the order."""

    venue_id: str
    live: bool
    filled: Decimal


class Absent(msgspec.Struct, frozen=True):
    """The venue answered, and does not know the order."""


class Unavailable(msgspec.Struct, frozen=True):
    """The venue did not answer. Never the same as absent."""

    cause: str


LookUp = Found | Absent | Unavailable


class OpenOrder(msgspec.Struct, frozen=True):
    """An order that lives at the venue."""

    client_id: str
    symbol: str
    side: Side
    quantity: Decimal
    filled: Decimal
    stop_price: Decimal | None = None
    """In quote currency; None for an order that is no stop."""

    @property
    def enters(self) -> bool:
        """Tell whether it opens something: on a spot market only what buys does."""
        return self.side is Side.BUY


class VenueReport(msgspec.Struct, frozen=True):
    """What the venue says is true."""

    ts: int
    orders: tuple[OpenOrder, ...]
    fills: tuple[Fill, ...]
    balances: dict[str, Decimal]
    """By asset, what is free and what is set aside together."""
    positions: dict[str, Decimal]
    """By symbol, in base currency."""
    symbols: dict[str, str] = {}
    """By trade id, what was traded, where a fill may be of an order that the ledger lacks."""


class Venue(Protocol):
    """Moves messages; decides nothing. The simulated and the real one pass the same tests."""

    async def submit(self, approved: Approved[Intent]) -> Outcome:
        """Send an order."""
        ...

    async def cancel(self, client_id: str, symbol: str) -> Outcome:
        """Take an order back. Accepted means that it lives no more."""
        ...

    async def look_up(self, client_id: str, symbol: str) -> LookUp:
        """Ask for one order by the id that we gave it."""
        ...

    async def report(self, since: int) -> VenueReport | Unavailable:
        """Ask for open orders, fills since a moment, balances and positions."""
        ...


@runtime_checkable
class RealVenue(Venue, Protocol):
    """A venue that executes on its own time, and tells afterwards."""

    @property
    def problem(self) -> str:
        """Return why it takes no entries, empty when it does."""
        ...

    async def look_up(self, client_id: str, symbol: str, *, urgent: bool = False) -> LookUp:
        """Ask for one order by the id that we gave it; an urgent question may spend the share kept for stops."""
        ...

    async def fills_of(self, client_id: str, symbol: str, *, urgent: bool = False) -> tuple[Fill, ...] | Unavailable:
        """Ask for every fill of one order; `Unavailable` while fewer are told than the order says it has."""
        ...

    async def listing(self, symbols: Collection[str] | None = None) -> list[OpenOrder] | Unavailable:
        """Ask, of the share that is kept for stops, for the account's open orders in some symbols, or in all."""
        ...


@runtime_checkable
class SimulatedVenue(Venue, Protocol):
    """A venue that lives on the market it is shown, and whose state is committed with the ledger."""

    def match(self, event: MarketEvent) -> Sequence[Event]:
        """Execute what this candle or tick executes; called again until it returns nothing more."""
        ...

    def advance(self, ts: int) -> None:
        """Set the market time of the next message."""
        ...

    def restart(self, balances: Mapping[str, Decimal]) -> None:
        """Begin anew with these balances; nothing is open and nothing is held."""
        ...

    def save(self) -> bytes:
        """Write the whole state."""
        ...

    def load(self, state: bytes) -> None:
        """Read what `save` wrote."""
        ...
