"""Momentum: buys a price that rises fast in the direction of its trend, with a volatility stop."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, ClassVar

import msgspec
from pydantic import Field, model_validator

from tradingbot.domain.orders import Side
from tradingbot.strategy.base import Context, Enter, Exit, Proposal, Strategy
from tradingbot.strategy.indicators import Atr, Sma, strength
from tradingbot.strategy.params import Params

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tradingbot.domain.market import Candle


class RateOfChange(msgspec.Struct):
    """Change of a value over `size` candles, as a fraction of the value then."""

    size: int
    window: list[int] = []

    def update(self, value: int) -> float | None:
        """Take a value in ticks; return the change once there is a value `size` candles ago."""
        self.window.append(value)
        if len(self.window) > self.size + 1:
            self.window.pop(0)
        if len(self.window) <= self.size:
            return None
        then = self.window[0]
        return (value - then) / then


class MomentumParams(Params):
    """Lengths in candles, distances as fractions of the price or multiples of the average true range."""

    lookback: Annotated[int, Field(ge=1, le=5000)] = 120
    """Candles over which the rate of change is taken."""
    threshold: Annotated[Decimal, Field(gt=0, lt=10)] = Decimal("0.01")
    """A rate of change that rises to this fraction opens a position."""
    exit_threshold: Annotated[Decimal, Field(gt=-1, lt=10)] = Decimal("-0.005")
    """A rate of change below this fraction closes it."""
    trend: Annotated[int, Field(ge=2, le=5000)] = 720
    """Candles of the simple moving average that the price must be above (below, for a short position)."""
    atr_period: Annotated[int, Field(ge=2, le=1000)] = 14
    """Candles of the average true range."""
    stop_atr: Annotated[Decimal, Field(gt=0, le=50)] = Decimal(4)
    """Distance of the stop in average true ranges."""
    min_stop: Annotated[Decimal, Field(gt=0, lt=1)] = Decimal("0.01")
    """Least distance of the stop as a fraction of the price; closer ones only pay commission."""
    reward_ratio: Annotated[Decimal, Field(gt=0, le=100)] = Decimal(3)
    """Reward after costs as a multiple of the risk after costs."""
    cooldown: Annotated[int, Field(ge=0, le=5000)] = 60
    """Candles to wait after a position was closed."""
    allow_short: bool = False
    """Sell short too; a spot market refuses it."""

    @model_validator(mode="after")
    def _ordered(self) -> MomentumParams:
        if self.exit_threshold >= self.threshold:
            raise ValueError(f"exit_threshold ({self.exit_threshold}) must be less than threshold ({self.threshold})")
        return self


class MomentumState(msgspec.Struct):
    """What survives a restart. `last` is the rate of change at the last candle."""

    change: RateOfChange
    trend: Sma
    atr: Atr
    last: float | None = None
    held: bool = False
    waited: int = 0


class Momentum(Strategy[MomentumParams, MomentumState]):
    """Momentum: buys when the price rises fast and above its trend, leaves when the rate of change turns."""

    Params: ClassVar = MomentumParams
    State: ClassVar = MomentumState

    def new_state(self) -> MomentumState:
        """Return empty indicators of the configured lengths."""
        p = self.params
        return MomentumState(RateOfChange(p.lookback), Sma(p.trend), Atr(p.atr_period), waited=p.cooldown)

    @property
    def warmup(self) -> int:
        """Return how many candles its indicators look back; Wilder's average needs several times its length."""
        p = self.params
        return max(p.lookback + 1, p.trend, 5 * p.atr_period) + 1

    def on_candle(self, ctx: Context, candle: Candle) -> Iterable[Proposal]:
        """Enter on the candle that reaches the threshold with the trend, leave when the momentum is gone."""
        s, p = self.state, self.params
        change = s.change.update(candle.close)
        trend = s.trend.update(candle.close)
        atr = s.atr.update(candle.high, candle.low, candle.close)
        held = ctx.position is not None
        s.waited = 0 if s.held and not held else s.waited + 1
        s.held = held
        if change is None:
            return ()
        before, s.last = s.last, change
        if ctx.position is not None:
            gone = -change if ctx.position.quantity < 0 else change
            if gone < p.exit_threshold:
                return (Exit(f"the {p.lookback}-candle rate of change turned"),)
            return ()
        if before is None or trend is None or atr is None or s.waited < p.cooldown:
            return ()
        if before < p.threshold <= change and candle.close > trend:
            return (self._enter(ctx, Side.BUY, atr, change),)
        if p.allow_short and -before < p.threshold <= -change and candle.close < trend:
            return (self._enter(ctx, Side.SELL, atr, -change),)
        return ()

    def _enter(self, ctx: Context, side: Side, atr: float, change: float) -> Enter:
        p = self.params
        distance = max(ctx.instrument.price(round(atr)) * p.stop_atr, ctx.price * p.min_stop)
        stop, target = ctx.bracket(side, distance, p.reward_ratio)
        words = ("rose", "above") if side is Side.BUY else ("fell", "below")
        text = f"{words[0]} {p.threshold:%} or more in {p.lookback} candles, {words[1]} the {p.trend}-candle average"
        threshold = float(p.threshold)
        return Enter(side, stop, target, text, confidence=strength(change - threshold, threshold))
