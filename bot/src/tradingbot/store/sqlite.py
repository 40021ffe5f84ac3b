"""SQLite as the store of a bot that runs alone: one file per mode, written by one thread. The only user of sqlite3.

Durable like PostgreSQL: write-ahead log, `synchronous=FULL`, so a commit that returned survives the loss of power.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from tradingbot.domain.market import SECOND
from tradingbot.domain.money import ZERO, add, plain
from tradingbot.ports.store import (
    AuditRow,
    Batch,
    Clearing,
    Curve,
    FencedError,
    LatchRow,
    Lease,
    Loaded,
    SchemaError,
    StoreError,
    UnavailableError,
)
from tradingbot.store import codec
from tradingbot.store import sqlite_statements as sql
from tradingbot.store.columns import LEASE_SECONDS, page
from tradingbot.store.filelock import FileLock
from tradingbot.store.migrate import migrate_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from tradingbot.ports.clock import Clock

BUSY_SECONDS = 5.0
LOG_BYTES = 16 * 1024 * 1024
"""The write-ahead log is cut back to this size after a checkpoint."""

_GONE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOMEM,
    }
)
"""What may pass by itself, or when a person makes room: asked again until it works."""
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

T = TypeVar("T")


class _Sum:
    """Adds amounts without losing a digit, which SQLite's own `sum` would."""

    def __init__(self) -> None:
        self._total = ZERO

    def step(self, amount: str) -> None:
        """Take one more."""
        self._total = add(self._total, Decimal(amount))

    def finalize(self) -> str:
        """Return the sum as text."""
        return plain(self._total)


class SqliteStore:
    """Rows of one bot in one mode. `ports.store.Store` says what each method promises."""

    def __init__(self, path: Path, bot: str, mode: str, clock: Clock) -> None:
        self.path, self.bot, self.mode, self.clock = path, bot, mode, clock
        self._lock = FileLock(path.with_name(path.name + ".lock"))
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="ledger-read")
        self._connection: sqlite3.Connection | None = None
        self._reading: sqlite3.Connection | None = None
        self._inode = self._read_inode = 0

    # -- connection ------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Open and migrate the file; raise `UnavailableError` when it cannot be written."""
        await self._write(lambda _: None)

    async def close(self) -> None:
        """Close the file, after what is under way. It may be used again, and is opened anew then."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._reader, self._drop_reading)
        await loop.run_in_executor(self._writer, self._drop)
        self._lock.release()

    def _connected(self) -> sqlite3.Connection:
        """Return the connection of the writing thread."""
        if self._connection is not None:
            if self._is_there():
                return self._connection
            self._drop()
            raise UnavailableError(f"{self.path} was removed or replaced while it was open")
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            self.path.chmod(0o600)
            connection.row_factory = sqlite3.Row
            connection.create_aggregate("exact_sum", 1, _Sum)  # type: ignore[arg-type]
            settings = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"journal_size_limit={LOG_BYTES}")
            for setting in settings:
                connection.execute(f"PRAGMA {setting}")
            migrate_file(connection, self.mode)
        except BaseException:
            connection.close()
            raise
        self._connection, self._inode = connection, self.path.stat().st_ino
        return connection

    def _is_there(self) -> bool:
        try:
            return self.path.stat().st_ino == self._inode
        except FileNotFoundError:
            return False

    def _drop(self) -> None:
        """Close the connection: the next use opens the file anew, and recovers what was committed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _drop_reading(self) -> None:
        connection, self._reading = self._reading, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do something in the writing thread, in a transaction: all or nothing."""

        def body() -> T:
            with self._errors(self._drop), _transaction(self._connected()) as connection:
                return work(connection)

        return await asyncio.get_running_loop().run_in_executor(self._writer, body)

    async def _read(self, statement: str, *arguments: Any) -> list[dict[str, Any]]:
        """Read in a thread of its own, so that a long history never delays a commit."""

        def body() -> list[dict[str, Any]]:
            with self._errors(self._drop_reading):
                if self._read_inode != self._inode:
                    self._drop_reading()
                if self._reading is None:
                    self._read_inode = self._inode
                    self._reading = sqlite3.connect(
                        f"{self.path.absolute().as_uri()}?mode=ro",
                        uri=True,
                        timeout=BUSY_SECONDS,
                        check_same_thread=False,
                    )
                    self._reading.row_factory = sqlite3.Row
                return [_row(row) for row in self._reading.execute(statement, arguments)]

        if self._connection is None:
            await self.open()
        return await asyncio.get_running_loop().run_in_executor(self._reader, body)

    @contextlib.contextmanager
    def _errors(self, drop: Callable[[], None]) -> Iterator[None]:
        """Turn what goes wrong into a `StoreError`; the connection is given up, whatever it was."""
        try:
            yield
        except sqlite3.Error as error:
            drop()
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            text = f"{self.path}: {error}"
            if code in _DAMAGED:
                raise SchemaError(f"{text}: put a good copy in its place, or move it away to begin anew") from error
            raise (UnavailableError if code in _GONE else StoreError)(text) from error
        except OSError as error:
            drop()
            raise UnavailableError(f"{self.path}: {error.strerror or error}") from error

    async def ping(self) -> None:
        """Raise `UnavailableError` unless the file can be written."""
        await self.open()

    # -- lease -----------------------------------------------------------------------------------------------------

    def _now(self) -> int:
        return codec.microseconds(self.clock.now())

    def _until(self) -> int:
        return self._now() + int(LEASE_SECONDS) * SECOND

    async def acquire(self, holder: str) -> Lease | None:
        """Take the lease if it is free, expired, ours, or of a process that ended; the epoch grows with it."""

        def work(connection: sqlite3.Connection) -> Lease | None:
            had = self._lock.held
            locked = self._lock.take()
            arguments = (self.bot, holder, self._now(), self._until(), codec.iso(self.clock.now()), locked)
            rows = connection.execute(sql.ACQUIRE, arguments).fetchall()
            if not rows and not had:
                self._lock.release()
            return Lease(rows[0]["epoch"], LEASE_SECONDS) if rows else None

        return await self._write(work)

    async def renew(self, holder: str, epoch: int) -> Lease:
        """Prolong the lease; raise `FencedError` when it is lost."""

        def work(connection: sqlite3.Connection) -> Lease:
            if not connection.execute(sql.RENEW, (self.bot, holder, epoch, self._until())).fetchall():
                raise FencedError(f"epoch {epoch} of {self.bot} is over")
            return Lease(epoch, LEASE_SECONDS)

        return await self._write(work)

    async def release(self, holder: str, epoch: int) -> None:
        """Give the lease back; the next holder need not wait for it to expire."""

        def work(connection: sqlite3.Connection) -> bool:
            return connection.execute(sql.RELEASE, (self.bot, holder, epoch, self._now())).rowcount > 0

        if await self._write(work):
            self._lock.release()

    async def holder(self) -> str:
        """Return who holds the lease, empty when nobody does."""
        rows = await self._read(sql.HOLDER, self.bot, self._now())
        return str(rows[0]["holder"]) if rows else ""

    # -- state -----------------------------------------------------------------------------------------------------

    async def load(self) -> Loaded | None:
        """Read where the bot stood."""

        def work(connection: sqlite3.Connection) -> Loaded | None:
            def rows(statement: str) -> list[dict[str, Any]]:
                return [_row(row) for row in connection.execute(statement, (self.bot,))]

            heads = rows(sql.HEAD)
            if not heads:
                return None
            head = heads[0]
            balances: dict[str, dict[str, Any]] = {}
            for row in rows(sql.BALANCES):
                balances.setdefault(row["account"], {})[row["asset"]] = row["amount"]
            return Loaded(
                seq=head["seq"],
                market_ts=head["market_ts"],
                cursor=msgspec.json.decode(head["cursor"], type=dict[str, int]),
                engine=head["engine"],
                venue=head["venue"],
                balances=balances,
                open_orders={row["client_id"]: row["state"] for row in rows(sql.LIVE_ORDERS)},
                positions={row["symbol"]: row["quantity"] for row in rows(sql.HOLDINGS)},
            )

        return await self._write(work)

    async def commit(self, batch: Batch, epoch: int) -> None:
        """Write a batch in one transaction; all or nothing."""
        # Encoded here: the engine changes its orders and positions while the thread writes.
        tables = {} if codec.only_head(batch) else codec.tables(batch)
        place = (batch.market_ts, codec.cursor(batch.cursor), batch.engine, batch.venue)

        def work(connection: sqlite3.Connection) -> None:
            self._fence(connection, epoch, "written")
            row = connection.execute(sql.SEQ, (self.bot,)).fetchone()
            before = row["seq"] if row is not None else None
            if before == batch.seq:
                return
            if batch.seq != (before or 0) + 1:
                raise StoreError(f"commit {batch.seq} does not follow {before}: the history has a gap")
            connection.execute(sql.MOVE_HEAD, (self.bot, epoch, batch.seq, *place, codec.iso(self.clock.now())))
            for table, rows in tables.items():
                if rows != "[]":
                    connection.execute(sql.INSERTS[table], (self.bot, rows))

        await self._write(work)

    def _fence(self, connection: sqlite3.Connection, epoch: int, done: str) -> None:
        if connection.execute(sql.FENCE, (self.bot, epoch)).fetchone() is None:
            raise FencedError(f"epoch {epoch} of {self.bot} is over: nothing was {done}")

    # -- restrictions ----------------------------------------------------------------------------------------------

    async def latches(self, known: Sequence[int] = ()) -> list[LatchRow]:
        """Read what holds, what is asked for by number, and the emergency stop that was lifted last."""
        numbers = msgspec.json.encode(list(known)).decode()
        return [codec.latch(row) for row in await self._read(sql.LATCHES, self.bot, numbers)]

    async def write_latch(self, row: LatchRow) -> LatchRow | None:
        """Write a restriction now, lease or not. The first one of a source stays, its outcome is updated."""
        if row.number:
            return await self._one_latch(
                sql.UPDATE_LATCH, self.bot, row.number, row.close_positions, codec.outcome(row)
            )
        return await self._one_latch(sql.WRITE_LATCH, self.bot, codec.latches([row]))

    async def _one_latch(self, statement: str, *arguments: Any) -> LatchRow | None:
        return await self._write(lambda connection: _latch(connection.execute(statement, arguments).fetchall()))

    async def clear_latch(self, clearing: Clearing, epoch: int, after: LatchRow | None = None) -> LatchRow | None:
        """Lift a restriction and write the stop that came after the resume, both or neither."""
        why = (clearing.latch_id, clearing.by, clearing.reason, clearing.seen_in)

        def work(connection: sqlite3.Connection) -> LatchRow | None:
            self._fence(connection, epoch, "lifted")
            moment = codec.iso(self.clock.now())
            cleared = _latch(connection.execute(sql.CLEAR_LATCH, (self.bot, *why, moment)).fetchall())
            if after is not None:
                connection.execute(sql.INSERTS["latches"], (self.bot, codec.latches([after])))
            return cleared

        return await self._write(work)

    async def audit(self, row: AuditRow) -> None:
        """Write down what changed."""
        await self._write(lambda connection: connection.execute(sql.AUDIT, (self.bot, codec.audit(row))))

    # -- reading ---------------------------------------------------------------------------------------------------

    async def curve(self, after: int) -> Curve:
        """Sum the equity curve up."""
        (row,) = await self._read(sql.CURVE, self.bot, after)
        return Curve(row["first_ts"], row["last_ts"], Decimal(str(row["drawdown"])))

    async def rows(
        self,
        table: str,
        limit: int,
        before: int | None = None,
        *,
        tie: str = "",
        where: Mapping[str, str] | None = None,
    ) -> list[Mapping[str, Any]]:
        """Read the newest rows of a table, newest first; `before` is a market time in microseconds."""
        query = sql.newest(table, tie=bool(tie), where=where or {})
        return list(await self._read(query, *page(self.bot, table, limit, before, tie, where or {})))


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _row(row: sqlite3.Row) -> dict[str, Any]:
    return {name: _value(name, row[name]) for name in row.keys()}  # noqa: SIM118 - a Row iterates over its values


def _value(name: str, value: Any) -> Any:
    """Give a value the type that PostgreSQL would give it."""
    if value is None:
        return None
    if name in sql.DECIMALS:
        return Decimal(value)
    if name in sql.TIMES:
        return dt.datetime.fromisoformat(value)
    return bool(value) if name in sql.BOOLEANS else value


def _latch(rows: list[sqlite3.Row]) -> LatchRow | None:
    return codec.latch(_row(rows[0])) if rows else None
