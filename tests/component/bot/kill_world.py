"""A bot's legacy: orders at the faulty exchange, a position, a ledger in PostgreSQL. Then `tradingbot kill`."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import asyncpg
from tests.component.bot.ccxt.world import intent
from tests.component.bot.job import CONFIG, KEY, MARKET, SECRET, SYMBOL, Ended, exchange, run_job

from tradingbot.config.load import load
from tradingbot.domain import ids
from tradingbot.domain.orders import OrderType, Role, Side
from tradingbot.jobs.kill import Order, good, kill
from tradingbot.ports.venue import Accepted
from tradingbot.runtime.clock import WallClock
from tradingbot.store.migrate import migrate
from tradingbot.venues.ccxt.gateway import Credentials
from tradingbot.venues.ccxt.terms import VenueConfig
from tradingbot.venues.ccxt.venue import CcxtVenue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.exchange_server import ExchangeServer

BOT = "test/btc"
STOP = "1f0c2a9b-7"
OWN = "tests-own-order"
"""Client id of an order that a person placed by hand."""


class Killed(NamedTuple):
    """What a kill says."""

    code: int
    report: dict[str, Any]


class Legacy:
    """What a bot that cannot be reached any more has left at the exchange."""

    def __init__(self, folder: Path, server: ExchangeServer, venue: CcxtVenue) -> None:
        self.folder, self.server, self.venue = folder, server, venue
        self._number = 0

    def next_id(self) -> str:
        self._number += 1
        return ids.client_id(BOT, 1, self._number)

    async def send(self, client_id: str = "", **more: Any) -> str:
        name = client_id or self.next_id()
        outcome = await self.venue.submit(intent(name, **more))
        assert isinstance(outcome, Accepted), outcome
        return name

    async def entry(self, price: int = 49_000, quantity: str = "0.01", client_id: str = "") -> str:
        """A purchase that rests."""
        return await self.send(client_id, limit_price=Decimal(price), quantity=Decimal(quantity))

    async def position(self, quantity: str = "0.01", client_id: str = "") -> str:
        """A purchase that is filled at once."""
        more: dict[str, Any] = {"type": OrderType.MARKET, "limit_price": Decimal(51_000), "quantity": Decimal(quantity)}
        return await self.send(client_id, **more)

    async def stop(self, quantity: str = "0.00999", price: int = 45_000) -> str:
        """A stop-loss that rests."""
        more: dict[str, Any] = {"side": Side.SELL, "type": OrderType.STOP, "role": Role.STOP, "limit_price": None}
        return await self.send(stop_price=Decimal(price), quantity=Decimal(quantity), reduce_only=True, **more)

    async def kill(self, *, close: bool = False, deadline: float = 60.0, url: str = "", **changes: Any) -> Killed:
        """Run it in this process."""
        section = {"test_mode": False, "api_url": self.server.url, "rate_limit_per_minute": 6000}
        path = self.folder / "kill.yaml"
        path.write_text(json.dumps({**CONFIG, "exchange": section, **changes}))
        environment = {"EXCHANGE_API_KEY": KEY, "EXCHANGE_API_SECRET": SECRET, "DB_URL": url}
        order = Order(stop_id=STOP, close_positions=close, deadline=deadline)
        report = await kill(load(environment, path), WallClock(), order)
        text = json.dumps(report)
        assert KEY not in text
        assert SECRET not in text
        return Killed(0 if good(report) else 1, report)

    async def process(self, *options: str, url: str = "", **changes: Any) -> Ended:
        """Run it as a process of its own."""
        database = {"DB_URL": url} if url else {}
        environment = {**database, **changes.pop("environment", {})}
        command = ("kill", "--stop-id", STOP, *options)
        return await run_job(self.folder, *command, url=self.server.url, environment=environment, **changes)

    def open(self) -> set[str]:
        """Client ids of the orders that are really open."""
        return {order.client_id for order in self.server.truth.open_orders}

    def sales(self) -> list[Any]:
        """Every order that the kill has sent to sell."""
        return [order for order in self.server.truth.orders if order.client_id.startswith(ids.kill_id(BOT, 0, 0)[:12])]

    @property
    def coins(self) -> Decimal:
        """What the account holds of the base asset, free and set aside."""
        return self.server.truth.balances()["BTC"]


@asynccontextmanager
async def legacy(folder: Path, **settings: Any) -> AsyncIterator[Legacy]:
    """Start the exchange, and a venue for the orders of the bot that was."""
    server = exchange(**settings)
    async with server:
        server.market.move(MARKET, "50000")
        config = VenueConfig(
            symbols=(SYMBOL,), test_mode=False, api_url=server.url, weight_per_minute=6000, orders_per_ten_seconds=200
        )
        venue = CcxtVenue(config, Credentials(KEY, SECRET), WallClock())
        await venue.connect()
        try:
            yield Legacy(folder, server, venue)
        finally:
            await venue.close()


class Ledger:
    """The rows of a live bot, written by hand."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def make(
        self,
        positions: dict[str, str] | None = None,
        orders: dict[str, str] | None = None,
        stop_loss: int | None = None,
    ) -> None:
        """Write a lease, a head, positions by symbol, and open orders by client id with their role."""
        connection = await asyncpg.connect(self.url)
        await migrate(connection)
        await connection.execute(
            "INSERT INTO live.lease (bot, epoch, holder, acquired_at, expires_at) "
            "VALUES ($1, 5, 'pod', now(), now() + interval '15 seconds')",
            BOT,
        )
        await connection.execute(
            "INSERT INTO live.heads (bot, seq, epoch, market_ts, cursor, engine, venue) "
            "VALUES ($1, 1, 5, (extract(epoch FROM now()) * 1000000)::bigint, '{}', '', '')",
            BOT,
        )
        for symbol, quantity in (positions or {}).items():
            await connection.execute(
                "INSERT INTO live.positions (bot, symbol, strategy, quantity, cost, realized, fees, stop_loss) "
                "VALUES ($1, $2, 'breakout', $3, 1, 0, 0, $4)",
                BOT,
                symbol,
                Decimal(quantity),
                stop_loss,
            )
        for number, (client_id, role) in enumerate((orders or {}).items()):
            await connection.execute(
                "INSERT INTO live.intents (bot, client_id, epoch, seq, symbol, side, type, role, quantity, "
                "reduce_only, hold, strategy, reason, market_ts, decided_at) VALUES ($1, $2, 5, $3, $4, 'buy', "
                "'limit', $5, 1, false, 0, 'breakout', '', 0, now())",
                BOT,
                client_id,
                number,
                SYMBOL,
                role,
            )
            await connection.execute(
                "INSERT INTO live.orders (bot, client_id, symbol, side, type, role, strategy, state, ask, venue_id, "
                "quantity, filled, fees, note, market_ts, created_at) VALUES ($1, $2, $3, 'buy', 'limit', $4, "
                "'breakout', 'SENT', 'none', '', 1, 0, 0, '', 0, now())",
                BOT,
                client_id,
                SYMBOL,
                role,
            )
        await connection.close()

    async def book(self, trade_id: str, client_id: str) -> None:
        """Let the ledger know a fill."""
        connection = await asyncpg.connect(self.url)
        await connection.execute(
            "INSERT INTO live.trades (bot, trade_id, client_id, symbol, strategy, side, role, direction, quantity, "
            "price, fee, realized, liquidity, market_ts, executed_at) VALUES ($1, $2, $3, $4, 'breakout', 'buy', "
            "'entry', 'long', 1, 1, 0, 0, 'taker', (extract(epoch FROM now()) * 1000000)::bigint, now())",
            BOT,
            trade_id,
            client_id,
            SYMBOL,
        )
        await connection.close()

    async def one(self, query: str) -> Any:
        connection = await asyncpg.connect(self.url)
        try:
            row = await connection.fetchrow(query)
            return None if row is None else dict(row)
        finally:
            await connection.close()

    async def lease(self) -> Any:
        return await self.one("SELECT epoch, holder, expires_at > now() AS held FROM live.lease")

    async def latch(self) -> Any:
        return await self.one("SELECT * FROM live.latches WHERE cleared_at IS NULL")
