"""Ten days of recorded candles through a built-in strategy; prints the ledger's hash. Run by test_golden."""

from __future__ import annotations

import itertools
import sys

import msgspec
from tests.unit.bot.harness import Bot, config

from tradingbot.domain.instrument import MarketType
from tradingbot.domain.market import MINUTE
from tradingbot.feeds import catalogue
from tradingbot.feeds.recorded import RecordedFeed
from tradingbot.risk.limits import Limits
from tradingbot.strategy import registry
from tradingbot.venues.sim.rules import SimRules

CANDLES = 14_400


def run(strategy: str, seed: int, limits: Limits | None = None) -> Bot:
    found = catalogue.find([catalogue.PACKAGED], "recorded", "BTC/USD", "1m", MarketType.SPOT)
    feed = RecordedFeed([found], MINUTE, loop=False)
    rules = SimRules(seed=seed)
    wanted = msgspec.structs.replace(limits or Limits(), cost=rules.cost, commission=rules.commission)
    settings = config(wanted, strategy=strategy)
    bot = Bot(registry.factory(strategy, {}), settings=settings, rules=rules, instrument=found.instrument)
    bot.show(*itertools.islice(feed.stream("BTC/USD", 0), CANDLES))
    feed.close()
    return bot


if __name__ == "__main__":
    result = run(sys.argv[1], int(sys.argv[2]))
    print(result.ledger_hash(), len(result.trades), result.engine.equity)
