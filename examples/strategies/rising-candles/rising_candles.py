"""A strategy of your own: one file, one class. Buys after some rising candles in a row, leaves after a falling one."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, ClassVar

import msgspec
from pydantic import Field

from tradingbot.domain.market import Candle
from tradingbot.domain.orders import Side
from tradingbot.strategy.base import Context, Enter, Exit, Proposal, Strategy
from tradingbot.strategy.params import Params


class RisingCandlesParams(Params):
    """What a configuration may set. A wrong value is refused at the start, with the field's name."""

    count: Annotated[int, Field(ge=1, le=100)] = 5
    """So many candles must have risen in a row."""
    stop: Annotated[Decimal, Field(gt=0, lt=1)] = Decimal("0.01")
    """Distance of the stop as a fraction of the price."""
    reward_ratio: Annotated[Decimal, Field(gt=0, le=100)] = Decimal(3)
    """Reward after costs as a multiple of the risk after costs."""


class RisingCandlesState(msgspec.Struct):
    """What must survive a restart. Nothing else may: `self` is made anew, this is written with every commit."""

    rising: int = 0


class RisingCandles(Strategy[RisingCandlesParams, RisingCandlesState]):
    """Rising candles: buys after some in a row, leaves after the first that falls."""

    Params: ClassVar = RisingCandlesParams
    State: ClassVar = RisingCandlesState

    @property
    def warmup(self) -> int:
        """Return how many candles of the past to show before the first decision."""
        return self.params.count

    def on_candle(self, ctx: Context, candle: Candle) -> Iterable[Proposal]:
        """Decide on a finished candle. Its prices are whole ticks, those of `ctx` are in quote currency."""
        rose = candle.close > candle.open
        self.state.rising = self.state.rising + 1 if rose else 0
        if ctx.position is not None:
            return () if rose else (Exit("a candle fell"),)
        if self.state.rising < self.params.count:
            return ()
        # `bracket` puts stop and target on the tick, so that the reward is worth the risk after costs.
        stop, target = ctx.bracket(Side.BUY, ctx.price * self.params.stop, self.params.reward_ratio)
        return (Enter(Side.BUY, stop, target, f"{self.state.rising} candles rose in a row"),)
