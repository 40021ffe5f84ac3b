"""Cross of two simple moving averages, with a volatility stop and a take-profit that is worth the risk after costs."""

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


class CrossParams(Params):
    """Lengths in candles, distances as fractions of the price or multiples of the average true range."""

    fast: Annotated[int, Field(ge=1, le=5000)] = 30
    slow: Annotated[int, Field(ge=2, le=5000)] = 240
    atr_period: Annotated[int, Field(ge=2, le=1000)] = 14
    stop_atr: Annotated[Decimal, Field(gt=0, le=50)] = Decimal(4)
    """Distance of the stop in average true ranges."""
    min_stop: Annotated[Decimal, Field(gt=0, lt=1)] = Decimal("0.01")
    """Least distance of the stop as a fraction of the price."""
    reward_ratio: Annotated[Decimal, Field(gt=0, le=100)] = Decimal(3)
    """Reward after costs as a multiple of the risk after costs."""
    allow_short: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> CrossParams:
        if self.fast >= self.slow:
            raise ValueError(f"fast ({self.fast}) must be less than slow ({self.slow})")
        return self


class CrossState(msgspec.Struct):
    """What survives a restart. `above` is the side on which the fast average was at the last candle."""

    fast: Sma
    slow: Sma
    atr: Atr
    above: bool | None = None


class MovingAverageCross(Strategy[CrossParams, CrossState]):
    """Moving-average cross: buys when the fast average rises above the slow one, leaves when it falls below."""

    Params: ClassVar = CrossParams
    State: ClassVar = CrossState

    def new_state(self) -> CrossState:
        """Return empty averages of the configured lengths."""
        return CrossState(Sma(self.params.fast), Sma(self.params.slow), Atr(self.params.atr_period))

    @property
    def warmup(self) -> int:
        """Return the longest of its windows, in candles."""
        return max(self.params.slow, self.params.atr_period) + 1

    def on_candle(self, ctx: Context, candle: Candle) -> Iterable[Proposal]:
        """Enter on the candle on which the averages change sides; leave for as long as they are on the wrong one."""
        s = self.state
        fast, slow = s.fast.update(candle.close), s.slow.update(candle.close)
        atr = s.atr.update(candle.high, candle.low, candle.close)
        if fast is None or slow is None or atr is None:
            return ()
        before, s.above = s.above, fast > slow
        if ctx.position is not None:
            if (ctx.position.quantity > 0) == s.above:
                return ()
            return (Exit(f"the {self.params.fast}-candle average crossed the {self.params.slow}-candle one"),)
        if before is None or before == s.above:
            return ()
        if s.above:
            return (self._enter(ctx, Side.BUY, atr, candle.close - slow),)
        return (self._enter(ctx, Side.SELL, atr, slow - candle.close),) if self.params.allow_short else ()

    def _enter(self, ctx: Context, side: Side, atr: float, beyond: float) -> Enter:
        p = self.params
        distance = max(ctx.instrument.price(round(atr)) * p.stop_atr, ctx.price * p.min_stop)
        stop, target = ctx.bracket(side, distance, p.reward_ratio)
        word = "above" if side is Side.BUY else "below"
        text = f"{p.fast}-candle average crossed {word} the {p.slow}-candle one"
        return Enter(side, stop, target, text, confidence=strength(beyond, atr))
