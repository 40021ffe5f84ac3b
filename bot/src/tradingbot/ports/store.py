"""The durable truth. A commit is all or nothing, and refused to everyone but the holder of the lease."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from tradingbot.domain.effects import Decision, Post
from tradingbot.domain.fills import EquityPoint, Position, Trade
from tradingbot.domain.notes import Note
from tradingbot.domain.orders import Intent, Order
from tradingbot.domain.states import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


TIES = {"trades": "trade_id", "orders": "client_id", "decisions": "seq", "equity": "market_ts", "audit": "number"}
"""What tells rows of the same market time apart."""
FILTERS: dict[str, tuple[str, ...]] = {
    "trades": ("symbol", "side", "role", "strategy", "client_id"),
    "orders": ("symbol", "side", "role", "state", "strategy", "client_id"),
    "decisions": ("symbol", "action", "approved", "code", "strategy"),
    "equity": (),
    "audit": ("event",),
}
"""Columns by which rows can be chosen; `approved` is `true` or `false`."""


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
    number: int = 0
    """Given by the database, 0 before it is written there."""
    cleared_at: datetime | None = None
    cleared_by: str = ""
    cleared_reason: str = ""
    cleared_object: str = ""
    """`<uid>-<generation>` of the object whose resume lifted it."""
    void_resumes: tuple[str, ...] = ()
    """Keys of the resumes that came too early, as far as they are noted here. Only `latches` reads them."""

    @property
    def id(self) -> str:
        """Return what a resume has to name; empty for a limit that is not written yet."""
        return self.stop_id or (f"{self.source}-{self.number}" if self.number else "")

    @property
    def key(self) -> tuple[str, int, datetime]:
        """Return what tells this row from all others, also of a database that was restored."""
        return self.source, self.number, self.since


class Clearing(msgspec.Struct, frozen=True, kw_only=True):
    """A person's resume."""

    latch_id: str
    reason: str
    seen_in: str
    """`<uid>-<generation>` of the object that carried it; `api` when it came over HTTP."""
    by: str = "spec.resume"
    key: str = ""
    """`resume_key`; nothing is lifted by one that is noted as void."""


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
    notes: list[Note] = []


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A note that is not done yet."""

    number: int
    kind: str
    title: str
    body: str
    sent: tuple[str, ...]
    """Channels that have it."""
    attempts: int
    """How often it was tried, this time included."""
    created_at: datetime
    expired: bool


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """Something that changes who answers for what is traded. Texts are empty where they do not apply."""

    at: datetime
    event: str
    """`started`, `approved`, `reducing` or `leaving`."""
    from_mode: str
    to_mode: str
    subject: str
    """Hash of what is traded: strategy, parameters, symbols and limits."""
    reached_ts: int
    """Market time that the ledger had reached, in microseconds."""
    digest: str = ""
    approved_by: str = ""
    expires_at: datetime | None = None
    account: str = ""
    config_hash: str = ""
    holder: str = ""
    """The process that writes."""
    reason: str = ""


class Curve(msgspec.Struct, frozen=True):
    """What the equity curve shows after a market time; times in microseconds, 0 without any point."""

    first_ts: int = 0
    last_ts: int = 0
    drawdown: Decimal = Decimal(0)
    """Largest fall below the peak, as a fraction of it."""


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

    async def open(self) -> None:
        """Connect and migrate; raise `UnavailableError` when that is not possible now, `SchemaError` when never."""
        ...

    async def close(self) -> None:
        """Let go of everything, after what is under way, within bounds."""
        ...

    async def acquire(self, holder: str) -> Lease | None:
        """Take the lease if it is free or expired; None while another one holds it."""
        ...

    async def renew(self, holder: str, epoch: int) -> Lease:
        """Prolong the lease; raise `FencedError` when it is lost."""
        ...

    async def release(self, holder: str, epoch: int) -> None:
        """Give the lease back; does nothing when it is held by another."""
        ...

    async def holder(self) -> str:
        """Return who holds the lease, empty when nobody does."""
        ...

    async def load(self) -> Loaded | None:
        """Read the last committed state; None for a bot that never traded."""
        ...

    async def commit(self, batch: Batch, epoch: int) -> None:
        """Write a batch in one round trip. Raises `FencedError` or `UnavailableError`; again is safe."""
        ...

    async def latches(self, known: Sequence[int] = ()) -> list[LatchRow]:
        """Read the restrictions that hold, those asked for by number, those with void resumes, the stop lifted last."""
        ...

    async def write_latch(self, row: LatchRow, note: Note | None = None) -> LatchRow | None:
        """Write a restriction now, lease or not: whoever sees a stop may record it. Return the row that counts.

        A row with a number is only brought up to date; None when it does not hold any more. The note is written in the
        same transaction.
        """
        ...

    async def clear_latch(self, clearing: Clearing, epoch: int, after: LatchRow | None = None) -> LatchRow | None:
        """Lift the restriction with exactly this id, as the holder of the lease; None when it does not hold.

        `after` is a stop that came after the resume: it is written in the same transaction.
        """
        ...

    async def void_resumes(self, keys: Sequence[str]) -> bool:
        """Note beside the newest emergency stop that these resumes lift nothing, ever; say whether there is one."""
        ...

    async def claim_notes(self, limit: int, seconds: float) -> list[Waiting]:
        """Take notes that are due, oldest first; nobody else is given them for this long."""
        ...

    async def settle_notes(self, numbers: Sequence[int], sent: Sequence[str], outcome: str, again: float) -> None:
        """Note which channels have them; with an outcome they are done, without one they are due again in a while."""
        ...

    async def notes_waiting(self) -> tuple[int, float]:
        """Return how many notes are not done, and the age of the oldest in seconds."""
        ...

    async def prune(self, table: str, days: float, limit: int) -> int:
        """Delete the oldest rows of `decisions`, `equity` or `outbox` written so many days ago; return how many."""
        ...

    async def ping(self) -> None:
        """Raise `UnavailableError` unless the database answers."""
        ...

    async def audit(self, row: AuditRow) -> None:
        """Write down what changed, lease or not."""
        ...

    async def curve(self, after: int) -> Curve:
        """Sum the equity curve up, from the first point after a market time."""
        ...

    async def rows(
        self,
        table: str,
        limit: int,
        before: int | None = None,
        *,
        tie: str = "",
        where: Mapping[str, str] | None = None,
    ) -> list[Mapping[str, Any]]:
        """Read the newest rows of `trades`, `decisions`, `orders`, `equity` or `audit`, newest first.

        `before` is the market time of the last row that is known already, and `tie` its value in the column `TIES`
        (without it, rows of that very moment are left out). `where` holds columns of `FILTERS` and their text.
        """
        ...
