"""Turn the venue's answer about one order into an event. Silence is never an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradingbot.domain.events import Accepted, Closed, End, Unknown
from tradingbot.ports.venue import Absent, Found

if TYPE_CHECKING:
    from tradingbot.domain.orders import Order
    from tradingbot.ports.venue import LookUp


def answer(order: Order, found: LookUp, ts: int) -> Accepted | Closed | Unknown:
    """Return what is now known. `Absent` must have been confirmed after the venue's visibility delay."""
    client_id = order.intent.client_id
    if isinstance(found, Found):
        if found.live:
            return Accepted(ts, client_id, found.venue_id)
        return Closed(ts, client_id, End.CANCELED, "found closed at the venue")
    if isinstance(found, Absent):
        how = End.CANCELED if order.venue_id else End.ABSENT
        return Closed(ts, client_id, how, "the venue does not know it")
    return Unknown(ts, client_id, found.cause)
