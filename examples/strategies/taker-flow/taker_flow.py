"""A strategy of ticks: buys while takers buy much more than they sell, leaves when they no longer do."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, ClassVar

import msgspec
from pydantic import Field

from tradingbot.domain.market import Tick
from tradingbot.domain.orders import Side
from tradingbot.strategy.base import Context, Enter, Exit, Proposal, Strategy
from tradingbot.strategy.params import Params


class TakerFlowParams(Params):
    """What a configuration may set."""

    window: Annotated[int, Field(ge=2, le=10_000)] = 100
    """So many trades are looked at."""
    excess: Annotated[Decimal, Field(gt=0, lt=1)] = Decimal("0.8")
    """Buy when bought minus sold is more than this part of what was traded."""
    stop: Annotated[Decimal, Field(gt=0, lt=1)] = Decimal("0.02")
    """Distance of the stop as a fraction of the price."""


class TakerFlowState(msgspec.Struct):
    """The last trades as signed volumes in lots, and their sums: whole numbers, so nothing drifts."""

    signed: list[int] = []
    balance: int = 0
    traded: int = 0


class TakerFlow(Strategy[TakerFlowParams, TakerFlowState]):
    """Taker flow: buys while takers buy much more than they sell."""

    Params: ClassVar = TakerFlowParams
    State: ClassVar = TakerFlowState

    def on_tick(self, ctx: Context, tick: Tick) -> Iterable[Proposal]:
        """Decide on a trade of the market. Its price is in whole ticks, its volume in whole lots."""
        s = self.state
        s.signed.append(tick.volume * tick.side)
        s.balance += s.signed[-1]
        s.traded += abs(s.signed[-1])
        if len(s.signed) <= self.params.window:
            return ()
        gone = s.signed.pop(0)
        s.balance -= gone
        s.traded -= abs(gone)
        if ctx.position is not None:
            return (Exit("takers sell more than they buy"),) if s.balance < 0 else ()
        if s.balance <= s.traded * self.params.excess:
            return ()
        stop, target = ctx.bracket(Side.BUY, ctx.price * self.params.stop, Decimal(3))
        return (Enter(Side.BUY, stop, target, f"takers bought {s.balance} lots more than they sold"),)
