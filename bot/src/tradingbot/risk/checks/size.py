"""How much? The smallest of what risk, position size and funds allow, cut down to the lot."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from tradingbot.domain.denial import DenialCode, Denied
from tradingbot.domain.money import ONE, add, finite, floor_to, mul, plain, ratio

if TYPE_CHECKING:
    from tradingbot.risk.limits import Limits
    from tradingbot.risk.view import RiskView
    from tradingbot.strategy.base import Enter

_TWO = Decimal(2)


def worst_price(proposal: Enter, price: Decimal, limits: Limits) -> Decimal:
    """Return the price beyond which the entry may not execute, in quote currency."""
    if proposal.worst_price is not None:
        return proposal.worst_price
    return mul(price, add(ONE, mul(limits.price_collar, Decimal(proposal.side.sign))))


def unit_hold(proposal: Enter, price: Decimal, limits: Limits) -> Decimal:
    """Return what one unit of the base currency can cost at worst, commission included."""
    worst = max(price, worst_price(proposal, price, limits))
    return mul(worst, add(ONE, limits.commission))


def largest(view: RiskView, limits: Limits) -> Decimal:
    """Return the largest value of one order in quote currency."""
    share = mul(view.equity, limits.max_position_size)
    return share if limits.max_order_value is None else min(share, limits.max_order_value)


def quantity(proposal: Enter, view: RiskView, limits: Limits) -> Decimal | Denied:
    """Return the quantity in base currency, or ORDER_TOO_SMALL / INSUFFICIENT_FUNDS."""
    if view.instrument is None or view.price is None:
        raise ValueError("the symbol and its price are checked before the size")
    price, instrument = view.price, view.instrument
    unit_risk = abs(price - proposal.stop_loss) + mul(mul(price, limits.cost), _TWO)
    by_risk = ratio(mul(view.equity, limits.risk_per_trade), unit_risk)
    by_value = ratio(largest(view, limits), price)
    by_funds = ratio(view.available, unit_hold(proposal, price, limits))
    if proposal.quantity is not None:
        return _own_size(proposal.quantity, view, (by_risk, by_value, by_funds))
    wanted = floor_to(min(by_risk, by_value), instrument.lot)
    size = min(wanted, floor_to(max(by_funds, Decimal(0)), instrument.lot))
    if mul(size, price) >= instrument.min_notional and size > 0:
        return size
    facts = (("value", plain(mul(size, price))), ("min_notional", plain(instrument.min_notional)))
    if mul(wanted, price) >= instrument.min_notional and wanted > 0:
        return Denied(DenialCode.INSUFFICIENT_FUNDS, (("available", plain(view.available)), *facts))
    return Denied(DenialCode.ORDER_TOO_SMALL, facts)


def _own_size(size: Decimal, view: RiskView, most: tuple[Decimal, Decimal, Decimal]) -> Decimal | Denied:
    """Take the size that a person asked for whole, or deny it with the first limit that it exceeds."""
    instrument, price = view.instrument, view.price
    if instrument is None or price is None or not finite(size) or size <= 0:
        return Denied(DenialCode.DATA_INVALID, (("quantity", str(size)),))
    if floor_to(size, instrument.lot) != size:
        return Denied(DenialCode.ORDER_TOO_SMALL, (("quantity", plain(size)), ("lot", plain(instrument.lot))))
    codes = (DenialCode.RISK_PER_TRADE, DenialCode.ORDER_VALUE, DenialCode.INSUFFICIENT_FUNDS)
    for code, limit in zip(codes, most, strict=True):
        if size > limit:
            largest_size = plain(floor_to(max(limit, Decimal(0)), instrument.lot))
            return Denied(code, (("quantity", plain(size)), ("largest", largest_size)))
    if mul(size, price) < instrument.min_notional:
        facts = (("value", plain(mul(size, price))), ("min_notional", plain(instrument.min_notional)))
        return Denied(DenialCode.ORDER_TOO_SMALL, facts)
    return size


def order_value(size: Decimal, view: RiskView, limits: Limits) -> Denied | None:
    """ORDER_VALUE when an order is worth more than one position may be, whoever computed its size."""
    if view.price is None:
        raise ValueError("the price is checked before the value")
    value, limit = mul(size, view.price), largest(view, limits)
    if value > limit:
        return Denied(DenialCode.ORDER_VALUE, (("value", plain(value)), ("limit", plain(limit))))
    return None
