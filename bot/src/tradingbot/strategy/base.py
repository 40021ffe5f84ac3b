"""The shape of a strategy. One instance trades one symbol; what must survive a restart lives in `self.state`."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

import msgspec

from tradingbot.domain.market import Tick
from tradingbot.domain.money import add, mul
from tradingbot.domain.orders import Side

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tradingbot.domain.fills import Position
    from tradingbot.domain.instrument import Instrument
    from tradingbot.domain.market import Candle, MarketEvent


class Enter(msgspec.Struct, frozen=True):
    """Propose to open a position at about the last price. The size is the gate's business."""

    side: Side
    stop_loss: Decimal
    """Price in quote currency at which the position is given up."""
    take_profit: Decimal
    """Price in quote currency at which the profit is taken."""
    reason: str
    quantity: Decimal | None = None
    """A person's own size in base currency: taken whole or denied. A strategy leaves it to the gate."""
    worst_price: Decimal | None = None
    """A person's own worst price in quote currency, within the collar."""
    confidence: Decimal | None = None
    """How strong the signal is, 0 to 1. Without one, nothing is opened while a `min_confidence` is set."""


class Exit(msgspec.Struct, frozen=True):
    """Propose to close the position in this symbol."""

    reason: str


Proposal = Enter | Exit


class NoState(msgspec.Struct):
    """For a strategy that remembers nothing."""


class Account(Protocol):
    """What a strategy may know of the account."""

    @property
    def equity(self) -> Decimal:
        """Return the value of the whole account in quote currency."""
        ...

    def position(self, symbol: str) -> Position | None:
        """Return the open position of a symbol, or None."""
        ...


class Context:
    """What a strategy may look at while it is asked. Read only; computed when it is looked at."""

    __slots__ = ("_account", "_price", "cost", "instrument", "min_reward", "now", "symbol")

    def __init__(self, instrument: Instrument, account: Account, costs: tuple[Decimal, Decimal]) -> None:
        self.instrument = instrument
        self.symbol = instrument.symbol
        self.now = 0
        """Market time in microseconds: the close of this candle, the moment of this tick."""
        self._account = account
        self._price = 0
        self.cost, self.min_reward = costs
        # cost: one way, as a fraction of the order's value (commission, half the spread, slippage)
        # min_reward: the risk-reward ratio below which the gate denies an entry

    def at(self, event: MarketEvent) -> None:
        """Move on to an event; the engine does this before it asks."""
        self.now = event.ts
        self._price = event.price if isinstance(event, Tick) else event.close

    @property
    def price(self) -> Decimal:
        """Return the last price in quote currency."""
        return self.instrument.price(self._price)

    @property
    def position(self) -> Position | None:
        """Return the open position in this symbol, or None."""
        return self._account.position(self.symbol)

    @property
    def equity(self) -> Decimal:
        """Return the value of the whole account in quote currency."""
        return self._account.equity

    def bracket(self, side: Side, distance: Decimal, reward: Decimal) -> tuple[Decimal, Decimal]:
        """Return stop-loss and take-profit around the last price, on the tick.

        `distance` is that of the stop in quote currency; the take-profit lies where the reward after costs is at least
        `reward` (or the gate's minimum, if that is more) times the risk after costs.
        """
        costs = mul(mul(self.price, self.cost), Decimal(2))
        # A stop on the tick is up to one tick further away than asked, so the reward is measured from there.
        risk = add(add(distance, self.instrument.tick), costs)
        gain = add(mul(max(reward, self.min_reward), risk), costs)
        if side is Side.BUY:
            return self.instrument.price_down(self.price - distance), self.instrument.price_up(self.price + gain)
        return self.instrument.price_up(self.price + distance), self.instrument.price_down(self.price - gain)


P = TypeVar("P")
S = TypeVar("S", bound=msgspec.Struct)


class Strategy(Generic[P, S]):
    """Base of all strategies.

    A subclass names its `Params` (see `strategy.params`) and its `State` (a msgspec Struct), and implements
    `on_candle`, `on_tick` or both. `on_candle` is called once for every finished candle, also while it warms up; then
    what it returns is ignored. `on_tick` is called once for every trade of the market, where the feed knows trades.
    """

    Params: ClassVar[type[Any]]
    State: ClassVar[type[msgspec.Struct]] = NoState

    def __init__(self, params: P) -> None:
        self.params = params
        self.state: S = self.new_state()

    def new_state(self) -> S:
        """Return the state before the first candle."""
        return self.State()  # type: ignore[return-value]

    @property
    def warmup(self) -> int:
        """Return how many candles the strategy wants to have seen before it may propose."""
        return 0

    def on_candle(self, ctx: Context, candle: Candle) -> Iterable[Proposal]:
        """Look at a finished candle and propose. The candle's prices are in ticks, those of `ctx` in quote currency."""
        del ctx, candle
        return ()

    def on_tick(self, ctx: Context, tick: Tick) -> Iterable[Proposal]:
        """Look at a trade of the market and propose. Its price is in ticks, its volume in lots."""
        del ctx, tick
        return ()

    @classmethod
    def hears_candles(cls) -> bool:
        """Tell whether this class looks at candles."""
        return cls.on_candle is not Strategy.on_candle

    @classmethod
    def hears_ticks(cls) -> bool:
        """Tell whether this class looks at ticks."""
        return cls.on_tick is not Strategy.on_tick
