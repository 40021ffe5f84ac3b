"""Events beside market data: answers of the venue, and what people and dependencies ask of the engine."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec

from tradingbot.domain.market import Event
from tradingbot.domain.money import ZERO
from tradingbot.domain.states import State


class Liquidity(StrEnum):
    """Who waited: a maker's order rested, a taker's did not."""

    MAKER = "maker"
    TAKER = "taker"


class End(StrEnum):
    """How an order ended without being filled."""

    CANCELED = "canceled"
    EXPIRED = "expired"
    ABSENT = "absent"
    """The venue has never heard of it, and had the time to."""


class Sent(Event, frozen=True, tag="sent"):
    """An order leaves the process now."""

    client_id: str


class Accepted(Event, frozen=True, tag="accepted"):
    """The venue confirmed the order."""

    client_id: str
    venue_id: str


class Refused(Event, frozen=True, tag="refused"):
    """The venue refused the order; it does not exist there."""

    client_id: str
    code: str
    text: str


class Unknown(Event, frozen=True, tag="unknown"):
    """Nobody knows whether the order arrived. Resolved by asking, never by sending again."""

    client_id: str
    cause: str


class Fill(Event, frozen=True, tag="fill"):
    """A part of an order was executed."""

    client_id: str
    trade_id: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    """In quote currency."""
    liquidity: Liquidity
    fee_asset: str = ""
    """In what it was taken, empty for the quote currency."""
    fee_amount: Decimal = ZERO
    """How much of that asset; `fee` is then its value, for reports."""


class Adopted(Event, frozen=True, tag="adopted"):
    """An order in this bot's name that its ledger lacks is entered, so that its fills can be booked.

    A sale of `tradingbot kill` in its place; or the stop of a position, of a kill or from before a restored database.
    """

    client_id: str
    symbol: str
    quantity: Decimal
    """What was sold, or is to be sold from the stop price on, in base currency."""
    price: Decimal
    """The lowest price of the sale's fills, or the stop price, in quote currency."""
    rests: bool = False
    """It is the stop."""


class Stray(msgspec.Struct, frozen=True):
    """An entry of this bot's name that the exchange had and the ledger lacked, and what became of it."""

    client_id: str
    symbol: str
    state: str
    """In the words of a stop's outcome: CANCELLED, FILLED, GONE, UNKNOWN, OPEN."""
    reason: str


class Listed(Event, frozen=True, tag="listed"):
    """The exchange was asked for every open order of this bot's name, whatever the ledger says of them."""

    entries_sent: int
    """How many entries had left in this epoch when it was asked: what it says holds until the next one leaves."""
    none: bool
    """It listed no entry."""
    problem: str = ""
    """Why it did not say so, where a person has to know."""
    strays: tuple[Stray, ...] = ()


class Closed(Event, frozen=True, tag="closed"):
    """The venue has positive evidence that the order lives no more."""

    client_id: str
    how: End
    note: str


class CancelFailed(Event, frozen=True, tag="cancel_failed"):
    """A cancel was refused or lost; the order stands as it stood."""

    client_id: str
    note: str


class Hold(Event, frozen=True, tag="hold"):
    """A source restricts trading, or lets go of its restriction (`state` ACTIVE)."""

    source: str
    state: State
    reason: str
    latched: bool = False
    latch_id: str = ""


class Resumed(Event, frozen=True, tag="resumed"):
    """A person's resume of a latched restriction is durable, and the venue was asked anew."""

    source: str


class EmergencyStop(Event, frozen=True, tag="emergency_stop"):
    """Somebody pulled the plug."""

    stop_id: str
    source: str
    reason: str
    close_positions: bool
    replaces: bool = False
    """The one that counted until now was resumed, or is not the one of the database."""


class ManualTrade(Event, frozen=True, tag="manual_trade"):
    """A person proposes a position. The gate judges it as it would a strategy's proposal."""

    symbol: str
    side: str
    """`buy` or `sell`."""
    stop_loss: Decimal
    take_profit: Decimal
    quantity: Decimal | None
    """In base currency; None leaves the size to the limits."""
    price: Decimal | None
    """Worst price at which it may execute, in quote currency; None leaves it to the price collar."""
    reason: str


class ClosePosition(Event, frozen=True, tag="close_position"):
    """A person wants a position closed at market, in whatever state the bot is."""

    symbol: str
    reason: str


class ChangeLimits(Event, frozen=True, tag="change_limits"):
    """A person changes limits. Whether that is permitted was decided before; None takes a change back."""

    changes: tuple[tuple[str, str | None], ...]
    reason: str


class ReloadLimits(Event, frozen=True, tag="reload_limits"):
    """The configuration file says other limits; None is no limit. Changes of people hold as far as they permit less."""

    changes: tuple[tuple[str, str | None], ...]


class SwitchFlags(Event, frozen=True, tag="switch_flags"):
    """Redis says which of the flags that steer are off, all others being on."""

    off: tuple[str, ...]


class ResetAccount(Event, frozen=True, tag="reset_account"):
    """A person starts a simulated account anew. Nothing is held and no order is open when this comes."""

    capital: Decimal
    reason: str


class Confirmation(Event, frozen=True, tag="confirmation"):
    """A person says yes or no to an order that waits."""

    client_id: str
    confirmed: bool
    by: str


class CapitalMoved(Event, frozen=True, tag="capital_moved"):
    """Somebody paid into the account (amount above zero) or took out of it."""

    asset: str
    amount: Decimal
    note: str


class Shutdown(Event, frozen=True, tag="shutdown"):
    """The process is about to end: entry orders go, protective orders stay."""

    reason: str
