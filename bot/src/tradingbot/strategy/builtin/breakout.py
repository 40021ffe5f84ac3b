"""Breakout of the Donchian channel, with a volatility stop and a take-profit that is worth the risk after costs."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, ClassVar

import msgspec
from pydantic import Field

from tradingbot.domain.orders import Side
from tradingbot.strategy.base import Context, Enter, Exit, Proposal, Strategy
from tradingbot.strategy.indicators import Atr, Extreme, strength
from tradingbot.strategy.params import Params

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tradingbot.domain.market import Candle


class BreakoutParams(Params):
    """Lengths in candles, distances as fractions of the price or multiples of the average true range."""

    entry_lookback: Annotated[int, Field(ge=2, le=5000)] = 20
    """A close beyond the extreme of this many candles opens a position."""
    exit_lookback: Annotated[int, Field(ge=2, le=5000)] = 240
    """A close beyond the opposite extreme of this many candles closes it."""
    atr_period: Annotated[int, Field(ge=2, le=1000)] = 14
    stop_atr: Annotated[Decimal, Field(gt=0, le=50)] = Decimal(3)
    """Distance of the stop in average true ranges."""
    min_stop: Annotated[Decimal, Field(gt=0, lt=1)] = Decimal("0.01")
    """Least distance of the stop as a fraction of the price; closer ones only pay commission."""
    reward_ratio: Annotated[Decimal, Field(gt=0, le=100)] = Decimal(3)
    """Reward after costs as a multiple of the risk after costs."""
    cooldown: Annotated[int, Field(ge=0, le=5000)] = 60
    """Candles to wait after a position was closed."""
    allow_short: bool = False


class BreakoutState(msgspec.Struct):
    """What survives a restart."""

    high: Extreme
    low: Extreme
    exit_high: Extreme
    exit_low: Extreme
    atr: Atr
    held: bool = False
    waited: int = 0


class Breakout(Strategy[BreakoutParams, BreakoutState]):
    """Donchian channel breakout: buys new highs, gives up at a volatility stop, leaves at the opposite channel."""

    Params: ClassVar = BreakoutParams
    State: ClassVar = BreakoutState

    def new_state(self) -> BreakoutState:
        """Return empty channels of the configured lengths."""
        p = self.params
        return BreakoutState(
            high=Extreme(p.entry_lookback, 1),
            low=Extreme(p.entry_lookback, -1),
            exit_high=Extreme(p.exit_lookback, 1),
            exit_low=Extreme(p.exit_lookback, -1),
            atr=Atr(p.atr_period),
            waited=p.cooldown,
        )

    @property
    def warmup(self) -> int:
        """Return the longest of its windows, in candles."""
        return max(self.params.entry_lookback, self.params.exit_lookback, self.params.atr_period)

    def on_candle(self, ctx: Context, candle: Candle) -> Iterable[Proposal]:
        """Compare the close with the channels of the candles before it."""
        s = self.state
        top, bottom = s.high.value, s.low.value
        exit_top, exit_bottom = s.exit_high.value, s.exit_low.value
        s.high.update(candle.high)
        s.low.update(candle.low)
        s.exit_high.update(candle.high)
        s.exit_low.update(candle.low)
        atr = s.atr.update(candle.high, candle.low, candle.close)
        held = ctx.position is not None
        s.waited = 0 if s.held and not held else s.waited + 1
        s.held = held
        if ctx.position is not None:
            long = ctx.position.quantity > 0
            if long and exit_bottom is not None and candle.close < exit_bottom:
                return (Exit(f"close below the {self.params.exit_lookback}-candle low"),)
            if not long and exit_top is not None and candle.close > exit_top:
                return (Exit(f"close above the {self.params.exit_lookback}-candle high"),)
            return ()
        if top is None or bottom is None or atr is None or s.waited < self.params.cooldown:
            return ()
        if candle.close > top:
            return (self._enter(ctx, Side.BUY, atr, candle.close - top),)
        if self.params.allow_short and candle.close < bottom:
            return (self._enter(ctx, Side.SELL, atr, bottom - candle.close),)
        return ()

    def _enter(self, ctx: Context, side: Side, atr: float, beyond: int) -> Enter:
        p = self.params
        reach = ctx.instrument.price(round(atr)) * p.stop_atr
        distance = max(reach, ctx.price * p.min_stop)
        stop, target = ctx.bracket(side, distance, p.reward_ratio)
        word = "above" if side is Side.BUY else "below"
        text = f"close {word} the {p.entry_lookback}-candle channel"
        return Enter(side, stop, target, text, confidence=strength(beyond, atr))
