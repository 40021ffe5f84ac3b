"""Migrations: numbered SQL files, each in one transaction, remembered with its sha256, one migrator at a time."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tradingbot.ports.store import SchemaError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import asyncpg

FOLDER = Path(__file__).resolve().parent / "migrations" / "postgres"
SQLITE = Path(__file__).resolve().parent / "migrations" / "sqlite"
SCHEMAS = ("simulation", "live")
LOCK = 0x7472_6164_6962_6F74
"""Key of the advisory lock: two bots that start at once do not migrate at once."""

_TABLE = """
CREATE SCHEMA IF NOT EXISTS tradingbot;
CREATE TABLE IF NOT EXISTS tradingbot.migrations (
    schema     text NOT NULL,
    number     integer NOT NULL,
    name       text NOT NULL,
    sha256     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (schema, number)
);
"""


_FILE_TABLE = """
CREATE TABLE IF NOT EXISTS migrations (
    schema     TEXT NOT NULL,
    number     INTEGER NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL,
    sha256     TEXT NOT NULL,
    applied_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT
"""


class Migration(NamedTuple):
    """One file."""

    number: int
    name: str
    sha256: str
    sql: str


def available(folder: Path = FOLDER) -> list[Migration]:
    """Read the files, in order; raise when a number is missing or comes twice."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        match = re.fullmatch(r"(\d{4})_([a-z0-9_]+)\.sql", path.name)
        if match is None:
            raise SchemaError(f"{path.name} is not named NNNN_words.sql")
        text = path.read_text(encoding="utf-8")
        found.append(Migration(int(match[1]), match[2], hashlib.sha256(text.encode()).hexdigest(), text))
    numbers = [migration.number for migration in found]
    if numbers != list(range(1, len(found) + 1)):
        raise SchemaError(f"migrations are numbered {numbers}, expected 1 to {len(found)}")
    return found


async def migrate(connection: asyncpg.Connection, migrations: list[Migration] | None = None) -> int:
    """Bring the schemas of both modes up to date; return how many migrations were applied.

    Refuses a database of a newer version, and one whose applied migrations differ from ours.
    """
    wanted = available() if migrations is None else migrations
    applied = 0
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        # An existing database needs no right to create a schema.
        if await connection.fetchval("SELECT to_regclass('tradingbot.migrations')") is None:
            await connection.execute(_TABLE)
    for schema in SCHEMAS:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
            applied += await _one_schema(connection, schema, wanted)
    return applied


async def _one_schema(connection: asyncpg.Connection, schema: str, wanted: list[Migration]) -> int:
    rows = await connection.fetch("SELECT number, sha256 FROM tradingbot.migrations WHERE schema = $1", schema)
    there = {row["number"]: row["sha256"] for row in rows}
    missing = pending(there, wanted, schema)
    if missing and not there:
        await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
    for migration in missing:
        await connection.execute(migration.sql.replace("{schema}", schema).replace("{mode}", schema))
        await connection.execute(
            "INSERT INTO tradingbot.migrations (schema, number, name, sha256) VALUES ($1, $2, $3, $4)",
            schema,
            migration.number,
            migration.name,
            migration.sha256,
        )
    return len(missing)


async def same_mode(connection: asyncpg.Connection, schema: str) -> None:
    """Refuse a schema that was made for the other mode, for example one that was renamed."""
    made_for = await connection.fetchval(
        "SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d "
        "JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum "
        "WHERE d.adrelid = to_regclass($1) AND a.attname = 'mode'",
        f'"{schema}".heads',
    )
    if made_for is None or f"'{schema}'" not in made_for:
        raise SchemaError(
            f"the schema {schema} holds the ledger of another mode ({made_for}): simulation and live share nothing; "
            "give it back its name, or use another database"
        )


def pending(there: Mapping[int, str], wanted: Sequence[Migration], schema: str) -> list[Migration]:
    """Return what is still to be applied, given number and sha256 of what was; refuse what does not fit."""
    newest = max(there, default=0)
    if newest > len(wanted):
        raise SchemaError(
            f"the database is at migration {newest} of schema {schema}, this version knows {len(wanted)}: "
            "run the newer version of the bot, or restore a backup from before"
        )
    for migration in wanted:
        known = there.get(migration.number)
        if known is not None and known != migration.sha256:
            raise SchemaError(
                f"migration {migration.number} of schema {schema} was applied with other text (sha256 {known[:12]}…, "
                f"ours {migration.sha256[:12]}…): a released migration must never be edited"
            )
    return [migration for migration in wanted if migration.number not in there]


def migrate_file(connection: sqlite3.Connection, mode: str, migrations: list[Migration] | None = None) -> int:
    """Bring a SQLite file up to date; return how many migrations were applied. All of them, or none.

    A file belongs to one mode for ever: one that holds the other mode's ledger is refused.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(_FILE_TABLE)
        rows = connection.execute("SELECT number, sha256, schema FROM migrations").fetchall()
        _same_mode(rows, mode)
        there = {number: sha256 for number, sha256, _ in rows}
        missing = pending(there, available(SQLITE) if migrations is None else migrations, mode)
        for migration in missing:
            for statement in _statements(migration.sql.replace("{mode}", mode)):
                connection.execute(statement)
            connection.execute(
                "INSERT INTO migrations (schema, number, name, sha256) VALUES (?, ?, ?, ?)",
                (mode, migration.number, migration.name, migration.sha256),
            )
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return len(missing)


def _same_mode(rows: list[tuple[int, str, str]], mode: str) -> None:
    others = {schema for _, _, schema in rows} - {mode}
    if others:
        raise SchemaError(f"the file holds the ledger of mode {others.pop()}, not of {mode}: give each its own")


def _statements(script: str) -> list[str]:
    """Split a script: `executescript` would end the transaction."""
    found, part = [], ""
    for line in script.splitlines(keepends=True):
        part += line
        if sqlite3.complete_statement(part):
            found.append(part)
            part = ""
    return found
