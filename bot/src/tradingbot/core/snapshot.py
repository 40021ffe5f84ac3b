"""The engine's state as one value: saved with every commit, read back at the start."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from tradingbot.core.flattening import Flattening
from tradingbot.core.stops import Listing, Stopped
from tradingbot.core.tally import Tally
from tradingbot.domain.errors import BrokenInvariantError
from tradingbot.domain.instrument import Instrument
from tradingbot.domain.market import Candle, Tick
from tradingbot.domain.orders import Order, Role, Side
from tradingbot.ledger.book import Book
from tradingbot.risk.budget import RateBudget
from tradingbot.risk.equity_guard import EquityGuard
from tradingbot.risk.limits import Limits


class EngineConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What a run of the engine is about. Durations in microseconds of market time."""

    bot: str
    """`namespace/name`."""
    epoch: int
    symbols: tuple[str, ...]
    strategy: str
    strategy_key: str
    """Changes when the strategy or its parameters do; then its state starts anew."""
    quote: str
    capital: Decimal
    limits: Limits
    strategy_interval: int
    equity_interval: int
    targets_rest: bool = True
    """False where the venue locks what a resting order would sell: then only the stop rests, the target is watched."""
    confirm_above: Decimal | None = None
    """Entries of a larger value in quote currency wait for a person; None lets all pass."""
    confirm_within: int = 0
    remembered: int = 0
    """So long after its end a finished order is remembered at least."""
    flags: bool = False
    """Whether there is a Redis that can switch feature flags."""
    approval: str = ""
    """Digest of what was approved, of a live bot."""
    remote: bool = False
    """The exchange is apart from the ledger, and may have what it lacks: only what it lists says what is open."""


class Closing(msgspec.Struct, frozen=True):
    """A position that is closed as soon as its protective orders are gone."""

    role: Role
    reason: str


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """An approved entry that waits for a person to confirm it."""

    client_id: str
    epoch: int
    seq: int
    symbol: str
    side: Side
    quantity: Decimal
    """The most that it may become, in base currency."""
    value: Decimal
    """In quote currency, at the price of the decision."""
    stop_loss: Decimal
    take_profit: Decimal
    worst_price: Decimal | None
    strategy: str
    reason: str
    since: int
    expires: int
    confidence: Decimal | None = None
    """What the strategy said of its signal, 0 to 1."""


class Mark(msgspec.Struct):
    """Last price of a symbol, in ticks."""

    price: int
    ts: int
    gap: int = 0


class Held(msgspec.Struct):
    """A price that is not believed yet."""

    price: int
    """In ticks."""
    ts: int
    events: list[Candle | Tick]
    """What it came with, for the strategy if it is confirmed."""


class EngineState(msgspec.Struct, kw_only=True):
    """Everything that the next step depends on, except the board (its durable part is the table of latches)."""

    now: int = 0
    book: Book = msgspec.field(default_factory=Book)
    orders: dict[str, Order] = {}
    guard: EquityGuard | None = None
    budget: RateBudget = msgspec.field(default_factory=RateBudget)
    marks: dict[str, Mark] = {}
    held: dict[str, Held] = {}
    """By symbol, a price that is far from the mark, until the next one says whether it counts."""
    held_told: dict[str, int] = {}
    """By symbol, when people were told of one last."""
    instruments: dict[str, Instrument] = {}
    intents: int = 0
    """Number of intents of this epoch."""
    epoch: int = 0
    decisions: int = 0
    equity_ts: int = 0
    asked: dict[str, int] = {}
    """By symbol, when the strategy was asked last."""
    last_intents: dict[str, str] = {}
    """By symbol and side, the candle that led to the last intent."""
    strategy_key: str = ""
    strategies: dict[str, msgspec.Raw] = {}
    stop_orders: list[str] = []
    """Entry orders that an emergency stop took back."""
    stop_positions: dict[str, Stopped] = {}
    """By symbol, the positions that an emergency stop found."""
    listing: Listing = msgspec.field(default_factory=Listing)
    limits: dict[str, str] = {}
    """Limits that people changed while the bot ran, as text."""
    limits_under: str = ""
    """The approval that held when they did."""
    tally: Tally = msgspec.field(default_factory=Tally)
    closings: dict[str, Closing] = {}
    """By symbol, what waits for protective orders to be gone."""
    flattening: dict[str, Flattening] = {}
    """By symbol, what is being sold within a collar."""
    waiting: dict[str, Waiting] = {}
    """By client id, what a person has to confirm."""
    flags_off: list[str] = []
    """Feature flags that steer and are off, as Redis said last."""
    refusals: dict[str, int] = {}
    """By symbol, how often in a row the venue refused a stop-loss."""


_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER = msgspec.json.Decoder(EngineState)


def encode(state: EngineState) -> bytes:
    """Write a state; the same state gives the same bytes."""
    return _ENCODER.encode(state)


def decode(data: bytes) -> EngineState:
    """Read a state. Fields that this version does not know are ignored, new ones get their defaults."""
    try:
        return _DECODER.decode(data)
    except msgspec.MsgspecError as error:
        raise BrokenInvariantError(f"the saved state cannot be read: {error}") from error
