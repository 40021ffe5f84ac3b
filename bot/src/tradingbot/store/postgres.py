"""PostgreSQL as the store of one bot in one mode. The only module that opens connections."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import asyncpg
import msgspec

from tradingbot.domain.errors import ConfigurationError
from tradingbot.domain.secrecy import first_line
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
    Waiting,
)
from tradingbot.store import codec, statements
from tradingbot.store.columns import LEASE_SECONDS, page
from tradingbot.store.migrate import migrate, same_mode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from asyncpg.pool import PoolConnectionProxy
    from asyncpg.prepared_stmt import PreparedStatement

    from tradingbot.domain.notes import Note

CONNECT_SECONDS = 5.0
COMMAND_SECONDS = 5.0

_GONE = (
    OSError,
    ssl.SSLError,
    asyncio.TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # What asyncpg raises for a connection of which it has heard the end, and has not seen it yet.
    asyncpg.InternalClientError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.QueryCanceledError,
    asyncpg.DiskFullError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidCachedStatementError,
)
"""What may pass by itself, or when a person repairs the database: asked again until it answers."""


class _Writer(NamedTuple):
    """A connection that is ready for every commit."""

    connection: PoolConnectionProxy
    commits: dict[tuple[str, ...], PreparedStatement[asyncpg.Record]]


class PostgresStore:
    """Rows of one bot. `ports.store.Store` says what each method promises."""

    def __init__(self, url: str, bot: str, schema: str, *, pool_size: int, max_overflow: int) -> None:
        self._url, self.bot, self.schema = url, bot, schema
        self._size = (1, max(2, pool_size + max_overflow))
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()
        self._writer: _Writer | None = None
        """What commits, while no commit is under way: no order waits for a connection or a statement."""
        first = statements.FIRST_EPOCH.get(schema, "1")
        self._sql = {name: text.format(schema=schema, first_epoch=first) for name, text in _statements().items()}
        self._commits = {tables: statements.commit(tables).format(schema=schema) for tables in statements.COMMITS}

    # -- connection ------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Connect and migrate; raise `UnavailableError` when the database does not answer."""
        async with self._opening:
            if self._pool is not None:
                return
            try:
                pool = await asyncpg.create_pool(
                    self._url,
                    min_size=self._size[0],
                    max_size=self._size[1],
                    timeout=CONNECT_SECONDS,
                    command_timeout=COMMAND_SECONDS,
                    max_inactive_connection_lifetime=60.0,
                    max_cached_statement_lifetime=0,
                    reset=_as_it_is,
                    server_settings={"application_name": f"tradingbot {self.bot}"},
                )
            except (ValueError, asyncpg.ClientConfigurationError):
                text = "database.url (DB_URL) must be written postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
                raise ConfigurationError("InvalidConfiguration", text) from None
            except _GONE as error:
                raise UnavailableError(first_line(error)) from error
            try:
                async with pool.acquire(timeout=CONNECT_SECONDS) as connection:
                    await connection.execute("SET lock_timeout = '60s'; SET statement_timeout = '300s'")
                    await migrate(connection)  # type: ignore[arg-type]
                    await same_mode(connection, self.schema)  # type: ignore[arg-type]
                    await connection.execute("RESET lock_timeout; RESET statement_timeout")
            except _GONE as error:
                await _terminate(pool)
                raise UnavailableError(first_line(error)) from error
            except asyncpg.PostgresError as error:
                await _terminate(pool)
                raise SchemaError(f"the migration failed: {error}") from error
            except BaseException:
                await _terminate(pool)
                raise
            self._pool = pool

    async def close(self) -> None:
        """Close all connections, waiting at most two seconds for what is under way."""
        pool, self._pool = self._pool, None
        writer, self._writer = self._writer, None
        if pool is None:
            return
        try:
            if writer is not None:
                await pool.release(writer.connection)
            await asyncio.wait_for(pool.close(), 2.0)
        except TimeoutError:
            pool.terminate()

    async def _fetch(self, name: str, *arguments: Any, sql: str | None = None) -> list[Mapping[str, Any]]:
        async with self._pool_for(name) as pool:
            rows = await pool.fetch(sql or self._sql[name], *arguments, timeout=COMMAND_SECONDS)
        return cast("list[Mapping[str, Any]]", rows)

    async def _write(self, tables: tuple[str, ...], *arguments: Any) -> Mapping[str, Any]:
        async with self._pool_for("COMMIT") as pool:
            writer, self._writer = self._writer, None
            if writer is not None and writer.connection.is_closed():
                await pool.release(writer.connection)
                writer = None
            if writer is None:
                writer = await self._prepare(pool)
            keep = False
            try:
                row = await writer.commits[tables].fetchrow(*arguments, timeout=COMMAND_SECONDS)
                keep = self._pool is pool and self._writer is None
            finally:
                if keep:
                    self._writer = writer
                else:
                    await _end(pool, writer.connection)
        return cast("Mapping[str, Any]", row)

    async def _prepare(self, pool: asyncpg.Pool) -> _Writer:
        """Take a connection and plan every commit on it, once and for all.

        Each is run for the epoch 0, which nobody ever has: it writes nothing, and leaves its plan and the tables in the
        server's memory. Otherwise the first orders of each kind would be planned anew, each time, while they wait.
        """
        connection = await pool.acquire(timeout=CONNECT_SECONDS)
        try:
            await connection.execute("SET plan_cache_mode = force_generic_plan")
            commits = {}
            for tables, sql in self._commits.items():
                commits[tables] = await connection.prepare(sql, timeout=COMMAND_SECONDS)
                head = (self.bot, 0, 0, 0, "{}", b"", b"")
                await commits[tables].fetchrow(*head, *("[]" for _ in tables), timeout=COMMAND_SECONDS)
        except BaseException:
            await _end(pool, connection)
            raise
        return _Writer(connection, commits)

    @contextlib.asynccontextmanager
    async def _pool_for(self, name: str) -> AsyncIterator[asyncpg.Pool]:
        """Give the pool; what goes wrong while it is used becomes a `StoreError`."""
        if self._pool is None:
            await self.open()
        pool = self._pool
        if pool is None:
            raise UnavailableError("not connected")
        try:
            yield pool
        except _GONE as error:
            raise UnavailableError(first_line(error)) from error
        except asyncpg.UndefinedTableError as error:
            # The database was replaced under us, for example by a restore: connect and migrate again.
            await self.close()
            raise UnavailableError(first_line(error)) from error
        except asyncpg.PostgresError as error:
            raise StoreError(f"{name}: {error}") from error

    async def ping(self) -> None:
        """Raise `UnavailableError` unless the database answers."""
        await self._fetch("PING")

    # -- lease -----------------------------------------------------------------------------------------------------

    async def acquire(self, holder: str) -> Lease | None:
        """Take the lease if it is free, expired or ours; the epoch grows with it."""
        rows = await self._fetch("ACQUIRE", self.bot, holder)
        return Lease(rows[0]["epoch"], LEASE_SECONDS) if rows else None

    async def renew(self, holder: str, epoch: int) -> Lease:
        """Prolong the lease; raise `FencedError` when it is lost."""
        rows = await self._fetch("RENEW", self.bot, holder, epoch)
        if not rows:
            raise FencedError(f"epoch {epoch} of {self.bot} is over")
        return Lease(epoch, LEASE_SECONDS)

    async def release(self, holder: str, epoch: int) -> None:
        """Give the lease back; the next holder need not wait for it to expire."""
        await self._fetch("RELEASE", self.bot, holder, epoch)

    async def holder(self) -> str:
        """Return who holds the lease, empty when nobody does."""
        rows = await self._fetch("HOLDER", self.bot)
        return str(rows[0]["holder"]) if rows else ""

    # -- state -----------------------------------------------------------------------------------------------------

    async def load(self) -> Loaded | None:
        """Read where the bot stood."""
        rows = await self._fetch("HEAD", self.bot)
        if not rows:
            return None
        head = rows[0]
        balances: dict[str, dict[str, Any]] = {}
        for row in await self._fetch("BALANCES", self.bot):
            balances.setdefault(row["account"], {})[row["asset"]] = row["amount"]
        live = {row["client_id"]: row["state"] for row in await self._fetch("LIVE_ORDERS", self.bot)}
        positions = {row["symbol"]: row["quantity"] for row in await self._fetch("HOLDINGS", self.bot)}
        return Loaded(
            seq=head["seq"],
            market_ts=head["market_ts"],
            cursor=msgspec.json.decode(head["cursor"], type=dict[str, int]),
            engine=codec.unpack(head["engine"]),
            venue=codec.unpack(head["venue"]),
            balances=balances,
            open_orders=live,
            positions=positions,
        )

    async def commit(self, batch: Batch, epoch: int) -> None:
        """Write a batch in one round trip; all or nothing."""
        states = codec.pack(batch.engine), codec.pack(batch.venue)
        head = (self.bot, epoch, batch.seq, batch.market_ts, codec.cursor(batch.cursor), *states)
        rows = codec.tables(batch)
        tables = statements.tables_for(rows)
        answer = await self._write(tables, *head, *(rows.get(table, "[]") for table in tables))
        if not answer["fenced_in"]:
            raise FencedError(f"epoch {epoch} of {self.bot} is over: nothing was written")
        if answer["moved"] or answer["before"] == batch.seq:
            return
        # An earlier try, broken off here, may have been written over there while this one waited for its locks. What
        # this one saw as the state from before is older than that.
        heads = await self._fetch("HEAD", self.bot)
        there = heads[0]["seq"] if heads else None
        if there != batch.seq:
            raise StoreError(f"commit {batch.seq} does not follow {there}: the history has a gap")

    # -- restrictions ----------------------------------------------------------------------------------------------

    async def latches(self, known: Sequence[int] = ()) -> list[LatchRow]:
        """Read what holds, what is asked for by number, and the emergency stop that was lifted last."""
        return [codec.latch(row) for row in await self._fetch("LATCHES", self.bot, list(known))]

    async def write_latch(self, row: LatchRow, note: Note | None = None) -> LatchRow | None:
        """Write a restriction now, lease or not. The first one of a source stays, its outcome is updated."""
        arguments: list[Any]
        name, arguments = "WRITE_LATCH", [codec.latches([row])]
        if row.number:
            name, arguments = "UPDATE_LATCH", [row.number, row.close_positions, codec.outcome(row)]
        async with (
            self._pool_for(name) as pool,
            pool.acquire(timeout=COMMAND_SECONDS) as connection,
            connection.transaction(),
        ):
            written = await connection.fetchrow(self._sql[name], self.bot, *arguments, timeout=COMMAND_SECONDS)
            if note is not None and written is not None:
                await connection.execute(self._sql["WRITE_NOTES"], self.bot, codec.notes([note]))
        return codec.latch(cast("Mapping[str, Any]", written)) if written is not None else None

    async def clear_latch(self, clearing: Clearing, epoch: int, after: LatchRow | None = None) -> LatchRow | None:
        """Lift a restriction and write the stop that came after the resume, both or neither."""
        why = (clearing.latch_id, clearing.by, clearing.reason, clearing.seen_in, clearing.key)
        async with (
            self._pool_for("CLEAR_LATCH") as pool,
            pool.acquire(timeout=COMMAND_SECONDS) as connection,
            connection.transaction(),
        ):
            row = await connection.fetchrow(self._sql["CLEAR_LATCH"], self.bot, epoch, *why)
            if row is None or not row["fenced_in"]:
                raise FencedError(f"epoch {epoch} of {self.bot} is over: nothing was lifted")
            if after is not None:
                await connection.execute(self._sql["WRITE_LATCH"], self.bot, codec.latches([after]))
        return codec.latch(cast("Mapping[str, Any]", row)) if row["source"] is not None else None

    async def void_resumes(self, keys: Sequence[str]) -> bool:
        """Note resumes that never count."""
        return bool(await self._fetch("VOID_RESUMES", self.bot, list(keys)))

    async def audit(self, row: AuditRow) -> None:
        """Write down what changed."""
        await self._fetch("AUDIT", self.bot, codec.audit(row))

    # -- notes -----------------------------------------------------------------------------------------------------

    async def claim_notes(self, limit: int, seconds: float) -> list[Waiting]:
        """Take notes that are due, oldest first."""
        rows = await self._fetch("CLAIM_NOTES", self.bot, limit, seconds)
        found = [Waiting(**{**row, "sent": tuple(row["sent"])}) for row in rows]
        return sorted(found, key=lambda waiting: waiting.number)

    async def settle_notes(self, numbers: Sequence[int], sent: Sequence[str], outcome: str, again: float) -> None:
        """Note which channels have them."""
        await self._fetch("SETTLE_NOTES", self.bot, list(numbers), list(sent), outcome, again)

    async def notes_waiting(self) -> tuple[int, float]:
        """Return how many notes are not done, and the age of the oldest."""
        (row,) = await self._fetch("NOTES_WAITING", self.bot)
        return row["number"], row["age"]

    async def prune(self, table: str, days: float, limit: int) -> int:
        """Delete the oldest rows of a table."""
        query = statements.prune(table).format(schema=self.schema)
        return len(await self._fetch("prune", self.bot, days, limit, sql=query))

    # -- reading ---------------------------------------------------------------------------------------------------

    async def curve(self, after: int) -> Curve:
        """Sum the equity curve up."""
        (row,) = await self._fetch("CURVE", self.bot, after)
        return Curve(row["first_ts"], row["last_ts"], row["drawdown"])

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
        query = statements.newest(table, tie=bool(tie), where=where or {}).format(schema=self.schema)
        return await self._fetch(table, *page(self.bot, table, limit, before, tie, where or {}), sql=query)


def _statements() -> dict[str, str]:
    names = (
        "ACQUIRE",
        "RENEW",
        "RELEASE",
        "HOLDER",
        "HEAD",
        "BALANCES",
        "LIVE_ORDERS",
        "HOLDINGS",
        "WRITE_NOTES",
        "CLAIM_NOTES",
        "SETTLE_NOTES",
        "NOTES_WAITING",
    )
    latches = ("WRITE_LATCH", "UPDATE_LATCH", "CLEAR_LATCH", "VOID_RESUMES", "LATCHES")
    found = {name: str(getattr(statements, name)) for name in (*names, *latches)}
    return {**found, "PING": "SELECT 1", "AUDIT": statements.AUDIT, "CURVE": statements.CURVE}


async def _terminate(pool: asyncpg.Pool) -> None:
    pool.terminate()
    await asyncio.sleep(0)


async def _end(pool: asyncpg.Pool, connection: PoolConnectionProxy) -> None:
    """Close a connection that is not as the others: nobody else is to be given it."""
    connection.terminate()
    await pool.release(connection)


async def _as_it_is(_: object) -> None:
    """Give a connection back without a round trip: what runs on one leaves nothing behind, no lock and no setting."""
