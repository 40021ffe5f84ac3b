"""A live bot in its own process, a real PostgreSQL, and the faulty exchange with a market that moves in real time."""

from __future__ import annotations

import asyncio
import contextlib
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

import asyncpg
import ccxt.async_support as ccxt
from tests.exchange_server import ApiKey, ExchangeServer
from tests.exchange_server.clock import WallClock
from tests.exchange_server.market import Candle
from tests.support import waiting
from tests.support.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from types import TracebackType

    from tests.component.bot.process import BotProcess

SYMBOL, MARKET = "BTC/USDT", "BTCUSDT"
KEY = ApiKey("key-of-a-person-" + "k" * 48, "secret-of-a-person-" + "s" * 45)
PRICE = Decimal(50_000)
RISE = Decimal(50_200)
"""Above the channel of the last candles: the strategy buys."""
CLIMB = Decimal("0.5")
"""So much more with each step of `LiveWorld.rise`."""
TARGET = Decimal(53_000)
"""Beyond any target of a position that was opened at `RISE`."""
FALL = Decimal(49_000)
"""Below any stop of such a position."""
STEP_SECONDS = 0.2
LIVE = ("OPEN", "PARTIAL", "SENT", "UNKNOWN", "INTENT")

CONFIG: dict[str, Any] = {
    "mode": "live",
    "strategy": {
        "name": "breakout",
        "symbols": [SYMBOL],
        "timeframe": "1s",
        "parameters": {"entry_lookback": 5, "exit_lookback": 600, "atr_period": 2, "min_stop": 0.01, "cooldown": 0},
    },
    "simulation": {"strategy_interval_seconds": 1},
}


class LiveWorld:
    """`async with LiveWorld() as world`: the exchange, whose price follows `world.price`."""

    def __init__(self, key: ApiKey = KEY, **server: Any) -> None:
        self.key = key
        self.price = PRICE
        self.moving = True
        self._risen: Decimal | None = None
        balances = server.pop("balances", {"USDT": 10_000, "BTC": 1})
        self.server = ExchangeServer(clock=server.pop("clock", WallClock()), keys=[key], balances=balances, **server)
        self._driver: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.server.start()
        now = self.server.clock.now_ms()
        market = self.server.exchange.engine.market(MARKET)
        for second in range(700, 0, -1):
            market.add_candle(Candle(now - now % 1000 - second * 1000, PRICE, PRICE, PRICE, PRICE, Decimal(1)))
        self.server.market.move(MARKET, self.price)
        self._driver = asyncio.create_task(self._drive())
        return self

    async def _drive(self) -> None:
        while True:
            if self.price == self._risen and not self.filled("BUY"):
                self.price = self._risen = self.price + CLIMB
            if self.moving:
                self.server.market.move(MARKET, self.price)
            await asyncio.sleep(STEP_SECONDS)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._driver is not None:
            self._driver.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._driver
        await self.server.stop()

    def rise(self, price: Decimal = RISE) -> None:
        """Leave the channel, and rise on until somebody buys, or `price` is set, or `level_off` is called.

        One step would not do: when a busy machine lets two candles come at once, nothing is decided on the older one.
        """
        self.price = self._risen = price

    def level_off(self) -> None:
        """Stay at the price that was reached."""
        self._risen = None

    @property
    def truth(self) -> Any:
        return self.server.truth

    def settings(self, **changes: Any) -> dict[str, Any]:
        """What a bot process needs to trade here."""
        environment = {
            "TRADING_MODE": "live",
            "TRADING_APPROVED": "true",
            "EXCHANGE_API_KEY": self.key.key,
            "EXCHANGE_API_SECRET": self.key.secret,
            **changes.pop("environment", {}),
        }
        exchange = {"name": "binance", "test_mode": False, "api_url": self.server.url, "rate_limit_per_minute": 6000}
        exchange |= changes.pop("exchange", {})
        return {**CONFIG, "exchange": exchange, "environment": environment, **changes}

    async def place(
        self,
        client_id: str,
        side: str = "buy",
        quantity: str = "0.01",
        *,
        at: int = 40_000,
        symbol: str = SYMBOL,
        stop: bool = False,
    ) -> None:
        """Let an order rest that the bot knows nothing of: at a price, or from a stop price on."""
        more: dict[str, Any] = {"clientOrderId": client_id} | ({"stopLossPrice": str(at)} if stop else {})
        kind, price = ("market", None) if stop else ("limit", str(at))
        async with self._client() as client:
            await client.create_order(symbol, kind, side, quantity, price, more)

    async def take_back(self, client_id: str) -> None:
        """Cancel an order without the bot."""
        async with self._client() as client:
            await client.cancel_order("", SYMBOL, {"clientOrderId": client_id})

    @contextlib.asynccontextmanager
    async def _client(self) -> AsyncIterator[Any]:
        client = ccxt.binance(self.server.ccxt_options(self.key))
        try:
            yield client
        finally:
            await client.close()

    def open(self, client_id: str) -> bool:
        """Whether the newest order of this name is really open."""
        return client_id in {order.client_id for order in self.truth.open_orders}

    def filled(self, side: str) -> list[Any]:
        """The orders of one side of which something was executed."""
        return [order for order in self.truth.orders if order.side == side and order.executed > 0]

    def resting(self) -> list[Any]:
        return list(self.truth.open_orders)


async def until(check: Callable[[], Any], what: str, bot: BotProcess, seconds: float = PATIENCE_SECONDS) -> Any:
    """Wait until something is true of the exchange."""
    return await waiting.until(check, lambda: f"{what}; {bot.tail()}", ended=bot.ended, seconds=seconds)


async def ledger(url: str) -> dict[str, Decimal]:
    """What the bot's ledger says that the account owns, by asset."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "SELECT asset, sum(amount) AS amount FROM live.postings WHERE account IN ('available', 'held') "
            "GROUP BY asset ORDER BY asset"
        )
        return {row["asset"]: row["amount"] for row in rows}
    finally:
        await connection.close()


async def rows(url: str, query: str) -> list[dict[str, Any]]:
    connection = await asyncpg.connect(url)
    try:
        return [dict(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def agrees(bot: BotProcess) -> dict[str, Any]:
    """Wait until the bot trades and nothing restricts it."""
    return await bot.until(lambda status: status["ready"] and status["reasons"] == [])


async def audit(world: LiveWorld, database: str) -> None:
    """What must hold between the exchange and the rows, whatever happened to the processes."""
    world.truth.check()
    orders = {order.client_id: order for order in world.truth.orders}
    assert len(orders) == len(world.truth.orders), "no order was sent twice"
    intents = {row["client_id"]: row for row in await rows(database, "SELECT * FROM live.intents")}
    assert orders.keys() <= intents.keys(), "every order has an intent"
    known = {row["client_id"]: row for row in await rows(database, "SELECT * FROM live.orders")}
    alive = {order.client_id for order in world.truth.open_orders}
    live = {client_id for client_id, row in known.items() if row["state"] in LIVE}
    assert live == alive, "what lives, lives on both sides"
    for client_id, row in known.items():
        executed = orders[client_id].executed if client_id in orders else Decimal(0)
        assert row["filled"] == executed, row
    assert await ledger(database) == world.truth.balances()
    twice = await rows(
        database,
        "SELECT 1 FROM live.intents i JOIN live.orders o USING (bot, client_id) WHERE i.role = 'entry' "
        "AND o.state <> 'NEVER_ARRIVED' GROUP BY i.symbol, i.market_ts HAVING count(*) > 1",
    )
    assert twice == [], "one decision, one order"
