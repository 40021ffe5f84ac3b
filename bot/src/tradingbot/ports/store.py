"""The durable truth. A commit is all or nothing, and refused to everyone but the holder of the lease."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from tradingbot.domain.effects import Decision, Post
from tradingbot.domain.fills import EquityPoint, Position, Trade
from tradingbot.domain.orders import Intent, Order
from tradingbot.domain.states import State

if TYPE_CHECKING:
    from collections.abc import Mapping


class StoreError(Exception):
    """Root of what a store can answer instead of doing it."""


class FencedError(StoreError):
    """Another bot holds the lease. Nothing was written."""


class UnavailableError(StoreError):
    """The database does not answer. Whether the last commit was written is not known; committing again is safe."""


class SchemaError(StoreError):
    """The database holds something that this version cannot work with; a person has to look."""


class LatchRow(msgspec.Struct, frozen=True, kw_only=True):
    """A restriction that outlives processes."""

    source: str
    state: State
    reason: str
    since: datetime
    stop_id: str = ""
    origin: str = ""
    """For an emergency stop: who asked for it (`spec`, `api`)."""
    close_positions: bool = False
    outcome: dict[str, Any] | None = None


class Batch(msgspec.Struct, kw_only=True):
    """What is written at once, before anything of it is sent."""

    seq: int
    """Number of this commit, one more than the last."""
    market_ts: int
    cursor: dict[str, int]
    """By symbol, the close of the last candle that this state has seen."""
    engine: bytes
    venue: bytes
    intents: list[Intent] = []
    orders: dict[str, Order] = {}
    trades: list[Trade] = []
    positions: dict[str, Position] = {}
    posts: list[Post] = []
    decisions: list[Decision] = []
    equity: list[EquityPoint] = []
    latches: list[LatchRow] = []


class Lease(msgspec.Struct, frozen=True):
    """The right to write. `epoch` grows with every new holder."""

    epoch: int
    seconds: float
    """How long it is valid, counted from before it was asked for."""


class Loaded(msgspec.Struct, kw_only=True):
    """Where a bot stood when it last committed."""

    seq: int
    market_ts: int
    cursor: dict[str, int]
    engine: bytes
    venue: bytes
    balances: dict[str, dict[str, Decimal]]
    """By account and asset, the sum of all postings."""
    open_orders: dict[str, str]
    """By client id, the state of each order that is not final."""
    positions: dict[str, Decimal]


class Store(Protocol):
    """Everything that a bot writes and reads. Knows one bot in one mode."""

    async def acquire(self, holder: str) -> Lease | None:
        """Take the lease if it is free or expired; None while another one holds it."""
        ...

    async def renew(self, holder: str, epoch: int) -> Lease:
        """Prolong the lease; raise `FencedError` when it is lost."""
        ...

    async def release(self, holder: str, epoch: int) -> None:
        """Give the lease back; does nothing when it is held by another."""
        ...

    async def load(self) -> Loaded | None:
        """Read the last committed state; None for a bot that never traded."""
        ...

    async def commit(self, batch: Batch, epoch: int) -> None:
        """Write a batch in one round trip. Raises `FencedError` or `UnavailableError`; again is safe."""
        ...

    async def latches(self) -> list[LatchRow]:
        """Read the restrictions that hold."""
        ...

    async def write_latch(self, row: LatchRow) -> None:
        """Write a restriction now, lease or not: whoever sees a stop may record it."""
        ...

    async def ping(self) -> None:
        """Raise `UnavailableError` unless the database answers."""
        ...

    async def rows(self, table: str, limit: int, before: int | None = None) -> list[Mapping[str, Any]]:
        """Read the newest rows of `trades`, `decisions`, `orders` or `equity`, newest first."""
        ...
