"""Shutting a bot out of its own database, for a process that is not the bot: raise the epoch, write the latch.

On one connection of its own, without migrating anything, each step bounded: an emergency waits for no one. Both are
written in one transaction, so no pod can take the lease in between without finding the latch.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

import asyncpg
import msgspec

from tradingbot.domain.secrecy import first_line
from tradingbot.ports.store import LatchRow, StoreError, UnavailableError
from tradingbot.store import codec, columns, statements

if TYPE_CHECKING:
    from collections.abc import Mapping

CONNECT_SECONDS = 3.0
COMMAND_SECONDS = 3.0
HOUR = 3_600_000_000
"""Microseconds: fills may be told late, so so much before the last commit is looked at again."""

_LIFTED = """SELECT EXISTS (SELECT FROM {schema}.latches WHERE bot = $1 AND stop_id = $2 AND cleared_at IS NOT NULL)
    AND NOT EXISTS (SELECT FROM {schema}.latches WHERE bot = $1 AND stop_id = $2 AND cleared_at IS NULL)"""
_TAKE = """
INSERT INTO {schema}.lease AS l (bot, epoch, holder, acquired_at, expires_at)
VALUES ($1, 1, $2, clock_timestamp(), clock_timestamp() + make_interval(secs => $3))
ON CONFLICT (bot) DO UPDATE SET
    epoch = l.epoch + 1, holder = excluded.holder,
    acquired_at = excluded.acquired_at, expires_at = excluded.expires_at
RETURNING epoch
"""
_HELD = "SELECT EXISTS (SELECT FROM {schema}.lease WHERE bot = $1 AND holder = $2 AND epoch = $3)"
_ORDERS = "SELECT client_id, symbol, role FROM {schema}.orders WHERE bot = $1 AND state IN " + columns.LIVE_STATES
_POSITIONS = "SELECT symbol, quantity, stop_loss FROM {schema}.positions WHERE bot = $1 AND quantity <> 0"
_HEAD = "SELECT market_ts FROM {schema}.heads WHERE bot = $1"
_KNOWN = "SELECT trade_id FROM {schema}.trades WHERE bot = $1 AND market_ts >= $2"

_GONE = (OSError, asyncio.TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


class Held(msgspec.Struct, frozen=True):
    """A position as the ledger has it."""

    quantity: Decimal
    """In base currency."""
    stop_loss: Decimal | None


class Books(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger knew when the gate was closed; nothing is added to it by the bot afterwards."""

    epoch: int
    latch: LatchRow
    """The stop that counts: the older one, where there was one."""
    orders: dict[str, tuple[str, str]]
    """By client id, symbol and role of each order that was not final."""
    symbols: frozenset[str]
    positions: dict[str, Held]
    since: int
    """Fills before this moment (microseconds) are all in the ledger."""
    known: frozenset[str]
    """Ids of the fills since then that are."""


class LiftedError(StoreError):
    """A person has resumed trading after this very stop."""


class Fence:
    """The database of one bot in one mode, closed to the bot."""

    def __init__(self, url: str, bot: str, schema: str, holder: str) -> None:
        self._url, self._bot, self._schema, self._holder = url, bot, schema, holder
        self._connection: asyncpg.Connection | None = None
        self._epoch = 0

    async def shut(self, row: LatchRow, seconds: float) -> Books:
        """Raise the epoch, hold the lease so long, write the latch; return what the ledger says.

        Raise `LiftedError` when this stop was lifted already (nothing is written), `UnavailableError` when the database
        does not do it.
        """
        try:
            connection = await self._connect()
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = '{COMMAND_SECONDS:.0f}s'")
                if await connection.fetchval(self._sql(_LIFTED), self._bot, row.stop_id):
                    raise LiftedError(f"the database says that {row.stop_id} was resumed: nothing is fenced or closed")
                self._epoch = await connection.fetchval(self._sql(_TAKE), self._bot, self._holder, seconds)
                latch = await connection.fetchrow(self._sql(statements.WRITE_LATCH), self._bot, codec.latches([row]))
            return await self._books(connection, codec.latch(cast("Mapping[str, Any]", latch)))
        except _GONE as error:
            await self._drop()
            raise UnavailableError(first_line(error)) from error

    async def _books(self, connection: asyncpg.Connection, latch: LatchRow) -> Books:
        orders = await connection.fetch(self._sql(_ORDERS), self._bot)
        positions = await connection.fetch(self._sql(_POSITIONS), self._bot)
        head = await connection.fetchval(self._sql(_HEAD), self._bot)
        since = max(0, head - HOUR) if head is not None else 0
        known = await connection.fetch(self._sql(_KNOWN), self._bot, since - HOUR)
        return Books(
            epoch=self._epoch,
            latch=latch,
            orders={row["client_id"]: (row["symbol"], row["role"]) for row in orders},
            symbols=frozenset(row["symbol"] for row in (*orders, *positions)),
            positions={row["symbol"]: Held(row["quantity"], row["stop_loss"]) for row in positions},
            since=since,
            known=frozenset(row["trade_id"] for row in known),
        )

    async def holds(self) -> bool:
        """Tell whether nobody has taken the lease from us, as far as the database answers."""
        if self._connection is None:
            return True
        try:
            return bool(await self._connection.fetchval(self._sql(_HELD), self._bot, self._holder, self._epoch))
        except _GONE:
            return True

    async def open(self, latch: LatchRow, outcome: dict[str, Any]) -> bool:
        """Write what came of the stop beside its latch, and give the lease back; return whether that was done."""
        try:
            connection = await self._connect()
            text = msgspec.json.encode(outcome).decode()
            update = self._sql(statements.UPDATE_LATCH)
            await connection.fetchrow(update, self._bot, latch.number, latch.close_positions, text)
            await connection.execute(self._sql(statements.RELEASE), self._bot, self._holder, self._epoch)
        except _GONE:
            return False
        return True

    async def close(self) -> None:
        """Close the connection."""
        await self._drop()

    async def _connect(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(
                self._url,
                timeout=CONNECT_SECONDS,
                command_timeout=COMMAND_SECONDS,
                server_settings={"application_name": f"tradingbot kill {self._bot}"},
            )
        return self._connection

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    def _sql(self, text: str) -> str:
        return text.format(schema=self._schema)
