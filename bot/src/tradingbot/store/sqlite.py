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
from tradingbot.ports.store import (
    AuditRow,
    Batch,
    Clearing,
    Curve,
    FencedError,
    LatchRow,
    Lease,
    Loaded,
    StoreError,
    UnavailableError,
    Waiting,
)
from tradingbot.store import codec
from tradingbot.store import sqlite_rows as rows
from tradingbot.store import sqlite_statements as sql
from tradingbot.store.columns import LEASE_SECONDS, page
from tradingbot.store.filelock import FileLock
from tradingbot.store.migrate import migrate_file
from tradingbot.store.sqlite_errors import store_error
from tradingbot.store.statements import FIRST_EPOCH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from tradingbot.domain.notes import Note
    from tradingbot.ports.clock import Clock

BUSY_SECONDS = 5.0
LOG_BYTES = 16 * 1024 * 1024
"""The write-ahead log is cut back to this size after a checkpoint."""

T = TypeVar("T")


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
            connection.create_aggregate("exact_sum", 1, rows.Sum)  # type: ignore[arg-type]
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
                return [rows.plain(row) for row in self._reading.execute(statement, arguments)]

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
            raise store_error(self.path, error) from error
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
            first = self._now() // SECOND if self.mode in FIRST_EPOCH else 1
            arguments = (self.bot, holder, self._now(), self._until(), codec.iso(self.clock.now()), locked, first)
            row = connection.execute(sql.ACQUIRE, arguments).fetchone()
            if row is None and not had:
                self._lock.release()
            return Lease(row["epoch"], LEASE_SECONDS) if row is not None else None

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
        found = await self._read(sql.HOLDER, self.bot, self._now())
        return str(found[0]["holder"]) if found else ""

    # -- state -----------------------------------------------------------------------------------------------------

    async def load(self) -> Loaded | None:
        """Read where the bot stood."""

        def work(connection: sqlite3.Connection) -> Loaded | None:
            def read(statement: str) -> list[dict[str, Any]]:
                return [rows.plain(row) for row in connection.execute(statement, (self.bot,))]

            heads = read(sql.HEAD)
            if not heads:
                return None
            head = heads[0]
            balances: dict[str, dict[str, Any]] = {}
            for row in read(sql.BALANCES):
                balances.setdefault(row["account"], {})[row["asset"]] = row["amount"]
            return Loaded(
                seq=head["seq"],
                market_ts=head["market_ts"],
                cursor=msgspec.json.decode(head["cursor"], type=dict[str, int]),
                engine=head["engine"],
                venue=head["venue"],
                balances=balances,
                open_orders={row["client_id"]: row["state"] for row in read(sql.LIVE_ORDERS)},
                positions={row["symbol"]: row["quantity"] for row in read(sql.HOLDINGS)},
            )

        return await self._write(work)

    async def commit(self, batch: Batch, epoch: int) -> None:
        """Write a batch in one transaction; all or nothing."""
        # Encoded here: the engine changes its orders and positions while the thread writes.
        tables = codec.tables(batch)
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
            for table, text in tables.items():
                self._insert(connection, table, text)

        await self._write(work)

    def _insert(self, connection: sqlite3.Connection, table: str, text: str) -> None:
        if table == "outbox":
            connection.execute(sql.WRITE_NOTES, (self.bot, text, self._now()))
        elif table in sql.RECORDED:
            connection.execute(sql.INSERTS[table], (self.bot, text, codec.iso(self.clock.now())))
        else:
            connection.execute(sql.INSERTS[table], (self.bot, text))

    def _fence(self, connection: sqlite3.Connection, epoch: int, done: str) -> None:
        if connection.execute(sql.FENCE, (self.bot, epoch)).fetchone() is None:
            raise FencedError(f"epoch {epoch} of {self.bot} is over: nothing was {done}")

    # -- restrictions ----------------------------------------------------------------------------------------------

    async def latches(self, known: Sequence[int] = ()) -> list[LatchRow]:
        """Read what holds, what is asked for by number, and the emergency stop that was lifted last."""
        numbers = msgspec.json.encode(list(known)).decode()
        return [codec.latch(row) for row in await self._read(sql.LATCHES, self.bot, numbers)]

    async def write_latch(self, row: LatchRow, note: Note | None = None) -> LatchRow | None:
        """Write a restriction now, lease or not. The first one of a source stays, its outcome is updated."""
        arguments: tuple[Any, ...]
        statement, arguments = sql.WRITE_LATCH, (self.bot, codec.latches([row]))
        if row.number:
            statement, arguments = sql.UPDATE_LATCH, (self.bot, row.number, row.close_positions, codec.outcome(row))

        def work(connection: sqlite3.Connection) -> LatchRow | None:
            written = rows.latch(connection.execute(statement, arguments).fetchall())
            if note is not None and written is not None:
                connection.execute(sql.WRITE_NOTES, (self.bot, codec.notes([note]), self._now()))
            return written

        return await self._write(work)

    async def clear_latch(self, clearing: Clearing, epoch: int, after: LatchRow | None = None) -> LatchRow | None:
        """Lift a restriction and write the stop that came after the resume, both or neither."""
        why = (clearing.latch_id, clearing.by, clearing.reason, clearing.seen_in)

        def work(connection: sqlite3.Connection) -> LatchRow | None:
            self._fence(connection, epoch, "lifted")
            moment = codec.iso(self.clock.now())
            cleared = rows.latch(connection.execute(sql.CLEAR_LATCH, (self.bot, *why, moment, clearing.key)).fetchall())
            if after is not None:
                connection.execute(sql.INSERTS["latches"], (self.bot, codec.latches([after])))
            return cleared

        return await self._write(work)

    async def void_resumes(self, keys: Sequence[str]) -> bool:
        """Note resumes that never count."""
        arguments = (self.bot, msgspec.json.encode(list(keys)).decode())
        return await self._write(lambda connection: connection.execute(sql.VOID_RESUMES, arguments).rowcount > 0)

    async def audit(self, row: AuditRow) -> None:
        """Write down what changed."""
        await self._write(lambda connection: connection.execute(sql.AUDIT, (self.bot, codec.audit(row))))

    # -- notes -----------------------------------------------------------------------------------------------------

    async def claim_notes(self, limit: int, seconds: float) -> list[Waiting]:
        """Take notes that are due, oldest first."""

        def work(connection: sqlite3.Connection) -> list[Waiting]:
            now = self._now()
            found = connection.execute(sql.CLAIM_NOTES, (self.bot, limit, now, now + int(seconds * SECOND))).fetchall()
            return sorted((rows.waiting(row) for row in found), key=lambda waiting: waiting.number)

        return await self._write(work)

    async def settle_notes(self, numbers: Sequence[int], sent: Sequence[str], outcome: str, again: float) -> None:
        """Note which channels have them."""
        lists = [msgspec.json.encode(list(values)).decode() for values in (numbers, sent)]
        now = self._now()
        arguments = (self.bot, *lists, outcome, now, now + int(again * SECOND))
        await self._write(lambda connection: connection.execute(sql.SETTLE_NOTES, arguments).rowcount)

    async def notes_waiting(self) -> tuple[int, float]:
        """Return how many notes are not done, and the age of the oldest."""
        (row,) = await self._read(sql.NOTES_WAITING, self.bot)
        return row["number"], (self._now() - row["oldest"]) / SECOND if row["number"] else 0.0

    async def prune(self, table: str, days: float, limit: int) -> int:
        """Delete the oldest rows of a table."""
        at = self.clock.now() - dt.timedelta(days=days)
        arguments = (self.bot, codec.iso(at), codec.microseconds(at), limit)
        return await self._write(lambda connection: connection.execute(sql.PRUNE[table], arguments).rowcount)

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
