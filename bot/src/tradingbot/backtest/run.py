"""One backtest from settings to result. Reads no clock; the same inputs give the same result, byte for byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradingbot import terms, wiring
from tradingbot.backtest.driver import Driver
from tradingbot.backtest.record import Record
from tradingbot.core.engine import Engine
from tradingbot.core.mux import merge
from tradingbot.domain.errors import ConfigurationError
from tradingbot.domain.instrument import split_symbol
from tradingbot.domain.market import Candle, Tick
from tradingbot.risk.latch import Board
from tradingbot.venues.sim.exchange import SimExchange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tradingbot.backtest.setup import Market
    from tradingbot.config.model import Settings
    from tradingbot.domain.market import MarketEvent

BATCH = 500
"""Progress is told after this many events."""
EPOCH = 1


class Backtest:
    """Engine, simulated exchange and market of one run."""

    def __init__(self, settings: Settings, market: Market) -> None:
        self.settings, self.market = settings, market
        make_strategy = wiring.strategy_maker(settings)
        instruments = market.source.instruments
        self.engine = Engine(terms.engine_config(settings, EPOCH), Board(), instruments, make_strategy)
        quote = split_symbol(settings.strategy.symbols[0])[1]
        venue = SimExchange(terms.rules(settings), instruments, {quote: settings.simulation.initial_capital})
        self.record = Record(self.engine)
        self.driver = Driver(self.engine, venue, self.record.effect)

    def events(self) -> Iterator[MarketEvent]:
        """Yield what happens in all symbols in the order of a simulation."""
        feed, end = self.market.source, self.market.end
        # Nothing closes at or before the opening of the first candle, so `begin` loses none.
        for event in merge([feed.stream(symbol, self.market.begin) for symbol in sorted(self.engine.config.symbols)]):
            if event.ts > end:
                return
            yield event

    def run(self, progress: Callable[[int], None] | None = None) -> Record:
        """Trade to the end; `progress` is called with the market time now and then."""
        engine, driver, record = self.engine, self.driver, self.record
        if self.market.warm:
            for symbol, strategy in engine.strategies.items():
                engine.warm_up(symbol, self.market.source.history(symbol, self.market.begin, strategy.warmup))
        driver.begin(engine.open_account(self.market.begin))
        on_market = driver.on_market
        event: MarketEvent | None = None
        for number, event in enumerate(self.events(), 1):
            on_market(event)
            if isinstance(event, Candle):
                record.candle(event)
            if progress is not None and number % BATCH == 0:
                progress(event.ts)
        if event is None:
            raise ConfigurationError("DataNotFound", "there are no market data between --from and --to")
        if isinstance(event, Tick):
            record.end(event)
        return record
