"""The contract, on the simulated exchange and through ccxt."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from tests.component.bot.ccxt.contract import VenueContract
from tests.component.bot.ccxt.world import MARKET, SYMBOL, World

from tradingbot.domain.instrument import Instrument
from tradingbot.domain.market import MINUTE, Candle
from tradingbot.venues.sim.exchange import SimExchange
from tradingbot.venues.sim.rules import SimRules

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tradingbot.ports.venue import Venue

pytestmark = pytest.mark.component
BTC = Instrument(SYMBOL, "BTC", "USDT", Decimal("0.01"), Decimal("0.00001"), Decimal(5))


class SimGround:
    fee_in_base = False

    def __init__(self) -> None:
        self.venue = SimExchange(SimRules(latency=0, latency_jitter=0), {SYMBOL: BTC}, {"USDT": Decimal(1_000_000)})
        self._minute = 1

    def move(self, price: str) -> None:
        self._minute += 1
        ticks, opened = round(Decimal(price) / BTC.tick), self._minute * MINUTE
        candle = Candle(opened + MINUTE, SYMBOL, opened, ticks, ticks, ticks, ticks, 100_000_000)
        while self.venue.match(candle):
            pass
        self.venue.advance(candle.ts)

    def wait(self) -> None:
        self.venue.advance(self.venue.state.now + MINUTE)


class CcxtGround:
    fee_in_base = True

    def __init__(self, world: World) -> None:
        self.world = world
        self.venue: Venue = world.venue

    def move(self, price: str) -> None:
        self.world.manual.advance(seconds=1)
        self.world.server.market.move(MARKET, price)

    def wait(self) -> None:
        self.world.wait()


class TestSimulated(VenueContract):
    @pytest.fixture
    def ground(self) -> SimGround:
        return SimGround()


class TestCcxt(VenueContract):
    @pytest.fixture
    async def ground(self) -> AsyncIterator[CcxtGround]:
        async with World() as world:
            world.server.exchange.engine.withdraw("main", "BTC", Decimal(1))
            world.server.exchange.views.remember()
            yield CcxtGround(world)
