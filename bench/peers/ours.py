"""Our engine and simulated exchange over the market of the comparison, with the full life of every order."""

from __future__ import annotations

import gc
import json
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.peers.data import read
from bench.peers.signal_sma import Cross
from tradingbot.backtest.driver import Driver
from tradingbot.backtest.record import Record
from tradingbot.core.engine import Engine
from tradingbot.core.snapshot import EngineConfig
from tradingbot.domain.instrument import Instrument
from tradingbot.domain.market import MINUTE, SECOND, Candle, MarketEvent, Tick
from tradingbot.domain.orders import Side
from tradingbot.risk.latch import Board
from tradingbot.risk.limits import Limits
from tradingbot.strategy.base import Context, Enter, Exit, Proposal, Strategy
from tradingbot.strategy.params import Params
from tradingbot.venues.sim.exchange import SimExchange
from tradingbot.venues.sim.rules import SimRules

if TYPE_CHECKING:
    from collections.abc import Iterable

SYMBOL = "BTC/USD"
CAPITAL = Decimal(1_000_000)
BTC = Instrument(SYMBOL, "BTC", "USD", Decimal("0.01"), Decimal("0.001"), Decimal(1))
ONE = Decimal(1)
FREE = Decimal(0)
BUY = Enter(Side.BUY, Decimal("500.00"), Decimal("2000.00"), "the fast average is above the slow one", ONE)
SELL = Exit("the fast average is below the slow one")


class OneUnit(Strategy[Params, Any]):
    """Long one unit while the fast average is above the slow one, flat otherwise."""

    def __init__(self) -> None:
        super().__init__(Params())
        self.take = Cross().take
        self.long = False

    def decide(self, price: int) -> Iterable[Proposal]:
        """Propose where the averages changed sides."""
        above = self.take(price)
        if above > 0 and not self.long:
            self.long = True
            return (BUY,)
        if above < 0 and self.long:
            self.long = False
            return (SELL,)
        return ()


class OnTicks(OneUnit):
    """On every trade."""

    def on_tick(self, ctx: Context, tick: Tick) -> Iterable[Proposal]:
        """Decide."""
        return self.decide(tick.price)


class OnCandles(OneUnit):
    """On every candle."""

    def on_candle(self, ctx: Context, candle: Candle) -> Iterable[Proposal]:
        """Decide."""
        return self.decide(candle.close)


def engine(strategy: type[OneUnit]) -> Engine:
    """Make an engine with limits that let one unit pass, and are checked all the same."""
    limits = Limits(
        max_drawdown=Decimal("0.5"),
        daily_loss_limit=Decimal("0.5"),
        risk_per_trade=Decimal("0.01"),
        min_risk_reward_ratio=Decimal(0),
        max_orders_per_minute=10_000,
        price_collar=Decimal("0.1"),
        cost=Decimal("0.001"),
        commission=Decimal("0.001"),
        max_data_age=3 * MINUTE,
    )
    config = EngineConfig(
        bot="bench/bot",
        epoch=1,
        symbols=(SYMBOL,),
        strategy="one-unit",
        strategy_key="1",
        quote="USD",
        capital=CAPITAL,
        limits=limits,
        strategy_interval=0,
        equity_interval=60 * MINUTE,
    )
    return Engine(config, Board(), {SYMBOL: BTC}, strategy)


def events(folder: Path, kind: str) -> list[MarketEvent]:
    """Load the market."""
    if kind == "ticks":
        return [Tick(ts * SECOND, SYMBOL, price, 10_000_000) for ts, price in read(folder / "ticks.csv")]
    return [
        Candle(ts * SECOND + MINUTE, SYMBOL, ts * SECOND, opened, high, low, close, 10_000_000)
        for ts, opened, high, low, close in read(folder / "bars.csv")
    ]


def main(folder: Path, kind: str) -> dict[str, object]:
    """Trade; the clock runs from the first event to the last."""
    market = events(folder, kind)
    bot = engine(OnTicks if kind == "ticks" else OnCandles)
    rules = SimRules(slippage=FREE, spread=FREE, latency=0, latency_jitter=0, depth=Decimal(10**9))
    venue = SimExchange(rules, {SYMBOL: BTC}, {"USD": CAPITAL})
    record = Record(bot)
    driver = Driver(bot, venue, record.effect)
    driver.begin(bot.open_account(market[0].ts - 1))
    gc.collect()
    begun = time.process_time()
    on_market = driver.on_market
    for event in market:
        on_market(event)
    spent = time.process_time() - begun
    if record.denied:
        raise SystemExit(f"the gate denied what was to be compared: {record.denied}")
    return {
        "events": len(market),
        "cpu_seconds": spent,
        "orders": len(record.trades),
        "final_equity": str(bot.equity),
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2])))
