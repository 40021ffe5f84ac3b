"""The faulty exchange and a venue on the same manual clock, with production's URLs and so production's error table."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

from tests.exchange_server import ApiKey, ExchangeServer, FaultPlan, ManualClock

from tradingbot.domain.orders import Approved, Intent, OrderType, Role, Side
from tradingbot.ports.venue import Unavailable
from tradingbot.venues.ccxt.gateway import Credentials
from tradingbot.venues.ccxt.terms import CcxtReport, VenueConfig
from tradingbot.venues.ccxt.venue import CcxtVenue

if TYPE_CHECKING:
    from types import TracebackType

SYMBOL = "BTC/USDT"
MARKET = "BTCUSDT"
KEY = "key-of-a-person-" + "k" * 48
SECRET = "secret-of-a-person-" + "s" * 45
DELAY = 2
"""Seconds of the visibility delay."""


class SharedClock:
    """The bot's clock, read from the exchange's; waiting moves both."""

    def __init__(self, manual: ManualClock, skew_ms: int = 0) -> None:
        self.manual, self.skew_ms = manual, skew_ms

    def now(self) -> datetime:
        return datetime.fromtimestamp((self.manual.now_ms() + self.skew_ms) / 1000, UTC)

    def monotonic(self) -> float:
        return self.manual.now_ms() / 1000

    async def sleep(self, seconds: float) -> None:
        self.manual.advance(ms=round(seconds * 1000))


def intent(client_id: str, **more: Any) -> Approved[Intent]:
    """A limit order that rests, unless said otherwise."""
    whole: dict[str, Any] = {
        "bot": "default/test",
        "epoch": 1,
        "seq": 1,
        "symbol": SYMBOL,
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "role": Role.ENTRY,
        "quantity": Decimal("0.01"),
        "strategy": "test",
        "reason": "test",
        "ts": 0,
        "limit_price": Decimal(49_000),
        **more,
    }
    return Approved(Intent(client_id=client_id, **whole))


class World:
    """`async with World() as world`: a venue that is connected to an exchange."""

    def __init__(
        self,
        *,
        connect: bool = True,
        skew_ms: int = 0,
        faults: FaultPlan | None = None,
        key: ApiKey | None = None,
        server: dict[str, Any] | None = None,
        **config: Any,
    ) -> None:
        self.manual = ManualClock()
        self.clock = SharedClock(self.manual, skew_ms)
        self.key = key or ApiKey(KEY, SECRET)
        self.server = ExchangeServer(
            clock=self.manual,
            keys=[self.key],
            balances={"USDT": 1_000_000, "BTC": 1},
            faults=faults,
            **(server or {}),
        )
        terms: dict[str, Any] = {"symbols": (SYMBOL,), "test_mode": False, "weight_per_minute": 6000, **config}
        self.config = VenueConfig(visibility_delay=DELAY, **terms)
        self._connect = connect
        self.venue: CcxtVenue
        self._session: Any = None

    def make_venue(self) -> CcxtVenue:
        """Another venue on the same account: what a restart would see."""
        credentials = Credentials(self.key.key, self.key.secret)
        return CcxtVenue(self.config, credentials, self.clock, options={"session": self._session})

    async def __aenter__(self) -> Self:
        await self.server.start()
        self.server.market.move(MARKET, "50000")
        self._session = self.server.production_session()
        self.venue = self.make_venue()
        if self._connect:
            report = await self.venue.connect()
            assert report.verdict == "ok", report
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.venue.close()
        await self._session.close()
        await self.server.stop()

    def wait(self, seconds: int = DELAY) -> None:
        self.manual.advance(seconds=seconds)

    async def report(self, since: int = 0) -> CcxtReport:
        told = await self.venue.report(since)
        assert not isinstance(told, Unavailable), told
        return told
