"""Whether the market is known well enough, and the proposal makes sense in it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from tradingbot.domain.denial import DenialCode, Denied
from tradingbot.domain.flags import SHORTS
from tradingbot.domain.instrument import MarketType
from tradingbot.domain.money import add, finite, mul, plain, ratio
from tradingbot.domain.orders import Side

if TYPE_CHECKING:
    from tradingbot.risk.limits import Limits
    from tradingbot.risk.view import RiskView
    from tradingbot.strategy.base import Enter

_ONE, _TWO, _TEN = Decimal(1), Decimal(2), Decimal(10)


def data_valid(proposal: Enter, view: RiskView, _: Limits) -> Denied | None:
    """DATA_INVALID unless every price involved is a positive number."""
    prices = (("price", view.price), ("stop_loss", proposal.stop_loss), ("take_profit", proposal.take_profit))
    for name, value in prices:
        if value is None or not finite(value) or value <= 0:
            return Denied(DenialCode.DATA_INVALID, ((name, str(value)),))
    if not finite(view.equity) or view.equity <= 0:
        return Denied(DenialCode.DATA_INVALID, (("equity", str(view.equity)),))
    return None


def data_fresh(_: Enter, view: RiskView, limits: Limits) -> Denied | None:
    """DATA_STALE when the last price is too old, or candles are missing right before it."""
    age = view.now - view.price_ts
    if age < 0 or age > limits.max_data_age:
        return Denied(DenialCode.DATA_STALE, (("age_seconds", str(age // 1_000_000)),))
    if view.gap > limits.max_gap:
        return Denied(DenialCode.DATA_STALE, (("missing_candles", str(view.gap)),))
    return None


def short_possible(proposal: Enter, view: RiskView, _: Limits) -> Denied | None:
    """SHORT_NOT_POSSIBLE on a spot market, and while the feature flag is off."""
    if proposal.side is Side.SELL and not view.shorts:
        return Denied(DenialCode.SHORT_NOT_POSSIBLE, (("feature_flag", SHORTS),))
    spot = view.instrument is not None and view.instrument.market_type is MarketType.SPOT
    if proposal.side is Side.SELL and spot:
        return Denied(DenialCode.SHORT_NOT_POSSIBLE, (("market_type", MarketType.SPOT.value),))
    return None


def near_target(proposal: Enter, view: RiskView, limits: Limits) -> Enter:
    """Move a take-profit that lies further away than is permitted to where it is, on the tick."""
    price, instrument, most = view.price, view.instrument, limits.max_target_distance
    if most is None or price is None or instrument is None or not finite(proposal.take_profit):
        return proposal
    if proposal.side is Side.BUY:
        nearest = instrument.price_down(mul(price, add(_ONE, most)))
        further = proposal.take_profit > nearest
    else:
        nearest = instrument.price_up(mul(price, _ONE - most))
        further = proposal.take_profit < nearest
    return msgspec.structs.replace(proposal, take_profit=nearest) if further else proposal


def worthwhile_target(proposal: Enter, view: RiskView, limits: Limits) -> Enter:
    """Move a take-profit that is too near for the required reward to the nearest that is not, on the tick.

    For a proposal that was made at another price: its stop stays, and the target makes up for what the price has moved.
    """
    price, instrument = view.price, view.instrument
    if price is None or instrument is None or not (finite(proposal.take_profit) and finite(proposal.stop_loss)):
        return proposal
    risk, costs = _risk(proposal, price, limits)
    gain = add(mul(risk, limits.min_risk_reward_ratio), costs)
    if proposal.side is Side.BUY:
        target = max(proposal.take_profit, instrument.price_up(add(price, gain)))
    else:
        target = min(proposal.take_profit, instrument.price_down(price - gain))
    return msgspec.structs.replace(proposal, take_profit=target)


def sides(proposal: Enter, view: RiskView, _: Limits) -> Denied | None:
    """STOP_ON_WRONG_SIDE unless the price lies between stop-loss and take-profit, in the right order."""
    price = _known(view)
    if proposal.side is Side.BUY:
        right = proposal.stop_loss < price < proposal.take_profit
    else:
        right = proposal.take_profit < price < proposal.stop_loss
    if right:
        return None
    facts = (
        ("side", proposal.side.value),
        ("stop_loss", plain(proposal.stop_loss)),
        ("price", plain(price)),
        ("take_profit", plain(proposal.take_profit)),
    )
    return Denied(DenialCode.STOP_ON_WRONG_SIDE, facts)


def collar(proposal: Enter, view: RiskView, limits: Limits) -> Denied | None:
    """PRICE_COLLAR when the stop lies further away than is permitted, or than a price could be believed to go."""
    price = _known(view)
    distance = ratio(abs(price - proposal.stop_loss), price)
    widest = min(mul(limits.price_collar, _TEN), _ONE, limits.max_stop_distance or _ONE)
    if distance > widest:
        facts = (("stop_distance", f"{distance:.4f}"), ("limit", plain(widest)))
        return Denied(DenialCode.PRICE_COLLAR, facts)
    return _worst_price(proposal, price, limits)


def _worst_price(proposal: Enter, price: Decimal, limits: Limits) -> Denied | None:
    """PRICE_COLLAR when the worst price that a person accepts is none, or too far from the last one."""
    worst = proposal.worst_price
    if worst is None:
        return None
    if not finite(worst) or worst <= 0:
        return Denied(DenialCode.DATA_INVALID, (("price", str(worst)),))
    if ratio(abs(price - worst), price) > limits.price_collar:
        facts = (("price", plain(worst)), ("last", plain(price)), ("collar", plain(limits.price_collar)))
        return Denied(DenialCode.PRICE_COLLAR, facts)
    return None


def risk_reward(proposal: Enter, view: RiskView, limits: Limits) -> Denied | None:
    """RISK_REWARD_TOO_LOW when reward after costs over risk after costs is below the required ratio."""
    price = _known(view)
    risk, costs = _risk(proposal, price, limits)
    reward = abs(proposal.take_profit - price) - costs
    if reward < mul(risk, limits.min_risk_reward_ratio):
        facts = (("ratio", f"{ratio(reward, risk):.3f}"), ("required", plain(limits.min_risk_reward_ratio)))
        return Denied(DenialCode.RISK_REWARD_TOO_LOW, facts)
    return None


def _risk(proposal: Enter, price: Decimal, limits: Limits) -> tuple[Decimal, Decimal]:
    """Return what a unit loses at its stop, costs of both ways included, and these costs, in quote currency."""
    costs = mul(mul(price, limits.cost), _TWO)
    return abs(price - proposal.stop_loss) + costs, costs


def _known(view: RiskView) -> Decimal:
    if view.price is None:
        raise ValueError("data_valid runs before the checks that need a price")
    return view.price
