"""What a test holds in its hands: start the server, script the market and the faults, and compare with the truth."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

import aiohttp
from aiohttp import web

from .amounts import ZERO
from .clock import Clock, ManualClock
from .exchange import Exchange
from .server import MOST_BYTES, Door
from .signing import ApiKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    from .faults import FaultPlan
    from .instruments import Instrument
    from .journal import Journal
    from .limits import Limits
    from .matching import FeeMode
    from .orders import Fill, Order
    from .server import Delay

KEY = "k" * 64
SECRET = "s" * 64
PRODUCTION_HOSTS = frozenset({"api.binance.com", "fapi.binance.com", "dapi.binance.com"})
LOOPBACK = "127.0.0.1"


class MarketControl:
    """Moves the scripted market."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def book(
        self, symbol: str, bids: Iterable[tuple[Decimal, Decimal]], asks: Iterable[tuple[Decimal, Decimal]]
    ) -> None:
        """Replace the book; what it crosses fills."""
        self._exchange.engine.set_book(symbol, bids, asks)
        self._exchange.views.remember()

    def trade(self, symbol: str, price: Decimal | str, quantity: Decimal | str) -> None:
        """Let others trade at a price: fills what rests there or better, and fires stops."""
        self._exchange.engine.print_trade(symbol, Decimal(price), Decimal(quantity))
        self._exchange.views.remember()

    def move(
        self,
        symbol: str,
        price: Decimal | str,
        *,
        size: Decimal | str = "10",
        levels: int = 3,
        spread_ticks: int = 1,
    ) -> None:
        """Quote around a price, so many levels of this size on each side, and print one step of a trade there."""
        instrument, middle, each = self._exchange.engine.market(symbol).instrument, Decimal(price), Decimal(size)
        gap = instrument.tick * spread_ticks
        bids = [(middle - gap * (number + 1), each) for number in range(levels)]
        asks = [(middle + gap * (number + 1), each) for number in range(levels)]
        self.book(symbol, bids, asks)
        self.trade(symbol, middle, instrument.step)

    def last(self, symbol: str) -> Decimal:
        return self._exchange.engine.market(symbol).last


class Truth:
    """What is really so, whatever the answers said."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    @property
    def orders(self) -> list[Order]:
        """Every order that was ever accepted."""
        return list(self._exchange.engine.orders.values())

    @property
    def open_orders(self) -> list[Order]:
        return self._exchange.engine.open_orders()

    @property
    def fills(self) -> list[Fill]:
        """Every execution, also those not told yet."""
        return list(self._exchange.engine.fills)

    def order(self, client_id: str) -> Order | None:
        """The newest order with this client id."""
        return next((order for order in reversed(self.orders) if order.client_id == client_id), None)

    def balances(self, account: str = "main") -> dict[str, Decimal]:
        """Free and locked together."""
        ledger = self._exchange.engine.ledger
        return {asset: ledger.total(account, asset) for asset in ledger.assets(account)}

    def locked(self, account: str = "main") -> dict[str, Decimal]:
        ledger = self._exchange.engine.ledger
        found = {asset: ledger.locked(account, asset) for asset in ledger.assets(account)}
        return {asset: amount for asset, amount in found.items() if amount != ZERO}

    def check(self) -> None:
        """Prove the books; raises when they do not add up."""
        self._exchange.engine.check()


class ExchangeServer:
    """`async with ExchangeServer() as server`: a real HTTP server on loopback."""

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        keys: Iterable[ApiKey] | None = None,
        balances: Mapping[str, Decimal | str | int] | None = None,
        faults: FaultPlan | None = None,
        instruments: Iterable[Instrument] | None = None,
        limits: Limits | None = None,
        maker_fee: Decimal | str = "0.001",
        taker_fee: Decimal | str = "0.001",
        fee_mode: FeeMode = "received",
        delay: Delay = asyncio.sleep,
        host: str = LOOPBACK,
        port: int = 0,
        extra_routes: Iterable[web.RouteDef] = (),
    ) -> None:
        more: dict[str, Any] = {} if instruments is None else {"instruments": instruments}
        self.clock: Clock = clock or ManualClock()
        self.keys = list(keys) if keys is not None else [ApiKey(KEY, SECRET)]
        self.exchange = Exchange(
            self.clock,
            self.keys,
            faults=faults,
            limits=limits,
            maker_fee=Decimal(maker_fee),
            taker_fee=Decimal(taker_fee),
            fee_mode=fee_mode,
            **more,
        )
        self.exchange.deposit(
            self.keys[0].account, {asset: Decimal(amount) for asset, amount in (balances or {}).items()}
        )
        self.market = MarketControl(self.exchange)
        self.truth = Truth(self.exchange)
        self.url = ""
        self._delay, self._host, self._port = delay, host, port
        self._extra_routes = list(extra_routes)
        self._runner: web.AppRunner | None = None
        self._door: Door | None = None

    @property
    def faults(self) -> FaultPlan:
        return self.exchange.faults

    @property
    def journal(self) -> Journal:
        return self.exchange.journal

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; `url` says where."""
        self._door = Door(self.exchange, self._delay)
        app = web.Application(client_max_size=MOST_BYTES)
        app.add_routes(self._extra_routes)
        app.router.add_route("*", "/{path:.*}", self._door.handle)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://{self._host}:{self._port}"

    async def stop(self) -> None:
        """Stop listening, let go of what is held, and prove the books a last time."""
        if self._door is not None:
            self._door.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self.truth.check()

    async def restart(self) -> None:
        """Go away and come back at the same address, with nothing forgotten."""
        await self.stop()
        await self.start()

    def api_urls(self) -> dict[str, str]:
        """What ccxt's `urls['api']` has to be for every request to come here."""
        spot = dict.fromkeys(("public", "private"), f"{self.url}/api/v3")
        wallet = {"sapi": "sapi/v1", "sapiV2": "sapi/v2", "sapiV3": "sapi/v3", "sapiV4": "sapi/v4", "v1": "api/v1"}
        futures = {
            f"{market}{kind}{version}": f"{market}/{version.lower() or 'v1'}"
            for market in ("fapi", "dapi")
            for kind in ("Public", "Private")
            for version in ("", "V2", "V3")
        }
        others = {"fapiData": "futures/data", "dapiData": "futures/data", "papi": "papi/v1", "papiV2": "papi/v2"}
        others |= {"eapiPublic": "eapi/v1", "eapiPrivate": "eapi/v1"}
        return spot | {name: f"{self.url}/{path}" for name, path in (wallet | futures | others).items()}

    def ccxt_options(self, key: ApiKey | None = None, **more: Any) -> dict[str, Any]:
        """What to construct `ccxt.async_support.binance` with. Amounts come as text; its clock is the server's."""
        used = key or self.keys[0]
        return {
            "apiKey": used.key,
            "secret": used.secret,
            "number": str,
            "nonce": self.clock.now_ms,
            "enableRateLimit": False,
            "timeout_on_exit": 0,
            "urls": {"api": self.api_urls()},
            "options": {"warnOnFetchOpenOrdersWithoutSymbol": False},
            **more,
        }

    def production_session(self) -> aiohttp.ClientSession:
        """A session for `ccxt_options(session=…, urls={})`: production's URLs, answered here.

        ccxt chooses its table of error codes by the URL; only with this one it takes the table that it takes in
        production. A host that is not Binance's is refused, so nothing leaves the machine. Close it yourself.
        """
        port = self._port

        async def redirect(
            request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            if request.url.host not in PRODUCTION_HOSTS:
                msg = f"{request.url.host} is not served here"
                raise aiohttp.ClientConnectionError(msg)
            request.url = request.url.with_scheme("http").with_host(LOOPBACK).with_port(port)
            return await handler(request)

        return aiohttp.ClientSession(middlewares=(redirect,))
