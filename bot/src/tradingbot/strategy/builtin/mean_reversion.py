"""Mean reversion: buys when a stretched price turns back (Bollinger bands or RSI), leaves at the mean."""

from __future__ import annotations

import math
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, ClassVar

import msgspec
from pydantic import Field, model_validator

from tradingbot.domain.orders import Side
from tradingbot.strategy.base import Context, Enter, Exit, Proposal, Strategy
from tradingbot.strategy.indicators import Atr, strength
from tradingbot.strategy.params import Params

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tradingbot.domain.market import Candle


class Bollinger(msgspec.Struct):
    """Mean and population standard deviation of the last `size` values, in ticks (Bollinger 2001, ch. 7).

    Sum and sum of squares are integers, so the running values are exactly those computed anew.
    """

    size: int
    window: list[int] = []
    total: int = 0
    squares: int = 0

    def update(self, value: int) -> tuple[float, float] | None:
        """Take a value; return mean and deviation once `size` values were seen."""
        self.window.append(value)
        self.total += value
        self.squares += value * value
        if len(self.window) > self.size:
            dropped = self.window.pop(0)
            self.total -= dropped
            self.squares -= dropped * dropped
        if len(self.window) < self.size:
            return None
        spread = self.size * self.squares - self.total * self.total
        return self.total / self.size, math.sqrt(spread) / self.size


class Rsi(msgspec.Struct):
    """Relative strength index after Wilder (1978) over `size` changes, 0 to 100; 50 where nothing moved."""

    size: int
    seen: int = 0
    last: int = 0
    gain: float = 0.0
    loss: float = 0.0

    def update(self, value: int) -> float | None:
        """Take a value in ticks; return the index once `size` changes were seen."""
        if self.seen:
            change = value - self.last
            weight = min(self.seen, self.size)
            self.gain += (max(change, 0) - self.gain) / weight
            self.loss += (max(-change, 0) - self.loss) / weight
        self.seen += 1
        self.last = value
        if self.seen <= self.size:
            return None
        both = self.gain + self.loss
        # Where nothing fell, rounding can lead beyond the end of the scale.
        return min(100.0, 100.0 * self.gain / both) if both else 50.0


class Signal(StrEnum):
    """What says that the price is stretched."""

    BOLLINGER = "bollinger"
    RSI = "rsi"


_ONLY = {
    Signal.BOLLINGER: ("period", "deviations"),
    Signal.RSI: ("rsi_period", "oversold", "overbought", "rsi_exit"),
}


class MeanReversionParams(Params):
    """Lengths in candles, distances as fractions of the price or multiples of the average true range."""

    signal: Signal = Signal.BOLLINGER
    """`bollinger` or `rsi`; parameters of the other one are refused."""
    period: Annotated[int, Field(ge=2, le=5000)] = 240
    """Candles of the Bollinger bands; the mean at which a position is left."""
    deviations: Annotated[Decimal, Field(gt=0, le=10)] = Decimal("2.5")
    """Distance of the bands from the mean in standard deviations."""
    rsi_period: Annotated[int, Field(ge=2, le=1000)] = 60
    """Candles of the RSI."""
    oversold: Annotated[Decimal, Field(gt=0, lt=100)] = Decimal(30)
    """An RSI that rises back through this level buys."""
    overbought: Annotated[Decimal, Field(gt=0, lt=100)] = Decimal(70)
    """An RSI that falls back through this level sells short, where that is allowed."""
    rsi_exit: Annotated[Decimal, Field(gt=0, lt=100)] = Decimal(55)
    """An RSI of at least this leaves a long position; a short one is left at 100 minus this."""
    atr_period: Annotated[int, Field(ge=2, le=1000)] = 14
    """Candles of the average true range."""
    stop_atr: Annotated[Decimal, Field(gt=0, le=50)] = Decimal(4)
    """Distance of the stop in average true ranges."""
    min_stop: Annotated[Decimal, Field(gt=0, lt=1)] = Decimal("0.01")
    """Least distance of the stop as a fraction of the price; closer ones only pay commission."""
    reward_ratio: Annotated[Decimal, Field(gt=0, le=100)] = Decimal(3)
    """Reward after costs as a multiple of the risk after costs, at the take-profit."""
    exit_at_mean: bool = True
    """Leave when the price is back at its mean; otherwise only at stop or take-profit."""
    cooldown: Annotated[int, Field(ge=0, le=5000)] = 60
    """Candles to wait after a position was closed."""
    allow_short: bool = False
    """Sell short too; a spot market refuses it."""

    @model_validator(mode="after")
    def _fits(self) -> MeanReversionParams:
        for signal, names in _ONLY.items():
            given = [name for name in names if name in self.model_fields_set]
            if given and signal is not self.signal:
                raise ValueError(f"{given[0]} belongs to signal {signal.value}, but signal is {self.signal.value}")
        if not self.oversold < self.rsi_exit:
            raise ValueError(f"oversold ({self.oversold}) must be less than rsi_exit ({self.rsi_exit})")
        if not self.oversold < self.overbought:
            raise ValueError(f"oversold ({self.oversold}) must be less than overbought ({self.overbought})")
        if self.allow_short and not 100 - self.rsi_exit < self.overbought:
            raise ValueError(f"overbought ({self.overbought}) must be more than 100 - rsi_exit ({self.rsi_exit})")
        return self


class MeanReversionState(msgspec.Struct):
    """What survives a restart."""

    bands: Bollinger
    rsi: Rsi
    atr: Atr
    stretched: int = 0
    """Where the last candle closed: -1 too low, 1 too high, 0 in between."""
    held: bool = False
    waited: int = 0


class MeanReversion(Strategy[MeanReversionParams, MeanReversionState]):
    """Mean reversion: buys when a price that fell too far turns back (Bollinger bands or RSI), leaves at the mean."""

    Params: ClassVar = MeanReversionParams
    State: ClassVar = MeanReversionState

    def new_state(self) -> MeanReversionState:
        """Return empty indicators of the configured lengths."""
        p = self.params
        return MeanReversionState(Bollinger(p.period), Rsi(p.rsi_period), Atr(p.atr_period), waited=p.cooldown)

    @property
    def warmup(self) -> int:
        """Return how many candles its indicators look back; Wilder's averages need several times their length."""
        p = self.params
        longest = p.period if p.signal is Signal.BOLLINGER else 5 * p.rsi_period
        return max(longest, 5 * p.atr_period) + 1

    def on_candle(self, ctx: Context, candle: Candle) -> Iterable[Proposal]:
        """Enter on the candle that turns back, leave on the one that reaches the mean."""
        s = self.state
        found = self._bollinger(candle.close) if self.params.signal is Signal.BOLLINGER else self._rsi(candle.close)
        atr = s.atr.update(candle.high, candle.low, candle.close)
        held = ctx.position is not None
        s.waited = 0 if s.held and not held else s.waited + 1
        s.held = held
        if found is None or atr is None:
            return ()
        stretched, above, below, *way = found
        before, s.stretched = s.stretched, stretched
        if ctx.position is not None:
            long = ctx.position.quantity > 0
            if self.params.exit_at_mean and (above if long else below):
                return (Exit("the price is back at its mean"),)
            return ()
        if s.waited < self.params.cooldown:
            return ()
        if before < 0 <= stretched:
            return (self._enter(ctx, Side.BUY, atr, strength(*way)),)
        if self.params.allow_short and before > 0 >= stretched:
            return (self._enter(ctx, Side.SELL, atr, strength(*way)),)
        return ()

    def _bollinger(self, close: int) -> tuple[int, bool, bool, float, float] | None:
        """Return where the price stands in its bands, above and below the mean or not; its way back, and the band's."""
        found = self.state.bands.update(close)
        if found is None:
            return None
        mean, deviation = found
        reach = float(self.params.deviations) * deviation
        stretched = (close > mean + reach) - (close < mean - reach)
        return stretched, close >= mean, close <= mean, abs(close - mean), reach

    def _rsi(self, close: int) -> tuple[int, bool, bool, float, float] | None:
        """Return the same for the RSI, whose mean is `rsi_exit`."""
        value, p = self.state.rsi.update(close), self.params
        if value is None:
            return None
        stretched = (value > p.overbought) - (value < p.oversold)
        mean = float(p.rsi_exit) if value < p.rsi_exit else 100 - float(p.rsi_exit)
        way = float(p.rsi_exit - p.oversold)
        return stretched, value >= p.rsi_exit, value <= 100 - p.rsi_exit, abs(value - mean), way

    def _enter(self, ctx: Context, side: Side, atr: float, confidence: Decimal) -> Enter:
        p = self.params
        distance = max(ctx.instrument.price(round(atr)) * p.stop_atr, ctx.price * p.min_stop)
        stop, target = ctx.bracket(side, distance, p.reward_ratio)
        if p.signal is Signal.BOLLINGER:
            edge = f"the {p.period}-candle Bollinger bands"
        else:
            edge = f"an RSI of {p.oversold if side is Side.BUY else p.overbought}"
        text = f"turned {'up' if side is Side.BUY else 'down'} from outside {edge}"
        return Enter(side, stop, target, text, confidence=confidence)
