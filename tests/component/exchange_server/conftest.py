"""One exchange and one unmodified ccxt client on the same manual clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.exchange_server import ExchangeServer, ManualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def server(clock: ManualClock) -> AsyncIterator[ExchangeServer]:
    async with ExchangeServer(clock=clock, balances={"USDT": 10_000, "BTC": 1}) as running:
        running.market.move("BTCUSDT", "50000")
        yield running


@pytest.fixture
async def client(server: ExchangeServer) -> AsyncIterator[Any]:
    import ccxt.async_support as ccxt

    binance = ccxt.binance(server.ccxt_options())
    yield binance
    await binance.close()
