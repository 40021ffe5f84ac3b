"""The statements. `{schema}` is the mode's schema; the commit is one round trip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradingbot.store import columns
from tradingbot.store.columns import LEASE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

FIRST_EPOCH = {"live": "extract(epoch FROM clock_timestamp())::bigint"}
"""By schema, the least epoch of a lease that is taken now, where it is not 1.

Client order ids are functions of bot, epoch and number. A database that was restored gives epochs anew, and an exchange
that is asked for an id must not answer with the order that had it before: there, no epoch is older than the moment.
"""

ACQUIRE = f"""
INSERT INTO {{schema}}.lease AS l (bot, epoch, holder, acquired_at, expires_at)
VALUES ($1, {{first_epoch}}, $2, clock_timestamp(), clock_timestamp() + interval '{LEASE_SECONDS} seconds')
ON CONFLICT (bot) DO UPDATE SET
    epoch = greatest(l.epoch + 1, excluded.epoch), holder = excluded.holder,
    acquired_at = excluded.acquired_at, expires_at = excluded.expires_at
WHERE l.expires_at <= clock_timestamp() OR l.holder = excluded.holder
RETURNING epoch
"""

RENEW = f"""
UPDATE {{schema}}.lease SET expires_at = clock_timestamp() + interval '{LEASE_SECONDS} seconds'
WHERE bot = $1 AND holder = $2 AND epoch = $3 RETURNING epoch
"""

RELEASE = """
UPDATE {schema}.lease SET expires_at = clock_timestamp(), holder = ''
WHERE bot = $1 AND holder = $2 AND epoch = $3
"""

HOLDER = "SELECT holder FROM {schema}.lease WHERE bot = $1 AND expires_at > clock_timestamp()"

_UPSERT_LATCH = """
ON CONFLICT (bot, source) WHERE cleared_at IS NULL DO UPDATE SET
    close_positions = latches.close_positions OR excluded.close_positions,
    outcome = coalesce(excluded.outcome, latches.outcome)
"""


def _insert(table: str, names: str) -> str:
    rows = f"json_populate_recordset(NULL::{{schema}}.{table}, ${{parameter}}::json)"
    target = f"INSERT INTO {{schema}}.{table} (bot, {names})"
    return f"{target} SELECT $1, {names} FROM {rows} WHERE EXISTS (SELECT FROM head)"


def _notes(parameter: str) -> str:
    fields = "key text, kind text, title text, body text, seconds double precision"
    return f"""INSERT INTO {{schema}}.outbox (bot, key, kind, title, body, expires_at)
    SELECT $1, key, kind, title, body, clock_timestamp() + make_interval(secs => seconds)
    FROM json_to_recordset(${parameter}::json) AS n({fields})"""


def _upsert(table: str, names: str, key: str) -> str:
    return f"""{_insert(table, names)}
    ON CONFLICT (bot, {key}) DO UPDATE SET {columns.assignments(names)}, updated_at = clock_timestamp()"""


_ROWS = {
    "intents": _insert("intents", columns.INTENTS),
    "orders": _upsert("orders", columns.ORDERS, "client_id"),
    "trades": _insert("trades", columns.TRADES),
    "positions": _upsert("positions", columns.POSITIONS, "symbol"),
    "postings": _insert("postings", columns.POSTINGS),
    "equity": f"{_insert('equity', columns.EQUITY)} ON CONFLICT (bot, market_ts) DO NOTHING",
    "decisions": _insert("decisions", columns.DECISIONS),
    "latches": f"{_insert('latches', columns.LATCHES)} {_UPSERT_LATCH}",
    "outbox": f"{_notes('{parameter}')} WHERE EXISTS (SELECT FROM head) ON CONFLICT (bot, key) DO NOTHING",
}
"""By table, what writes its rows; `{parameter}` is the number of the parameter that holds them."""

COMMITS: tuple[tuple[str, ...], ...] = (
    (),
    ("orders",),
    ("intents", "orders", "decisions"),
    ("intents", "orders", "postings", "decisions"),
    ("intents", "orders", "trades", "positions", "postings"),
    tuple(_ROWS),
)
"""Tables of the commits that are prepared, the smaller first: the head alone, what became of an order, an order that
leaves (and with money set aside for it), a fill with its stop, everything."""


# $1 bot, $2 epoch, $3 seq, $4 market_ts, $5 cursor, $6 engine, $7 venue, $8 … rows.
# `fence` locks the lease row: whoever takes the lease over waits for us, or we see that we lost it.
# `head` moves from seq - 1 to seq and nowhere else, so the same batch twice is written once.
_COMMIT = """
WITH fence AS (
    SELECT epoch FROM {schema}.lease WHERE bot = $1 AND epoch = $2 FOR SHARE
), head AS (
    INSERT INTO {schema}.heads AS h (bot, seq, epoch, market_ts, cursor, engine, venue)
    SELECT $1, $3, $2, $4, $5::jsonb, $6, $7 FROM fence
    WHERE $3::bigint = 1 OR EXISTS (SELECT FROM {schema}.heads WHERE bot = $1)
    ON CONFLICT (bot) DO UPDATE SET
        seq = excluded.seq, epoch = excluded.epoch, market_ts = excluded.market_ts, cursor = excluded.cursor,
        engine = excluded.engine, venue = excluded.venue, committed_at = clock_timestamp()
    WHERE h.seq = excluded.seq - 1
    RETURNING seq
)"""
_ANSWER = """
SELECT (SELECT count(*) FROM fence) AS fenced_in, (SELECT count(*) FROM head) AS moved,
       (SELECT seq FROM {schema}.heads WHERE bot = $1) AS before
"""


def tables_for(rows: Collection[str]) -> tuple[str, ...]:
    """Return the tables of the smallest commit that writes these rows.

    A table that is named costs time without rows too: the server opens it and each of its indexes. Each statement costs
    a few milliseconds whenever a connection is made, so there is none for sets that hardly come.
    """
    return next(tables for tables in COMMITS if set(rows) <= set(tables))


def commit(tables: Sequence[str]) -> str:
    """Return the statement that moves the head and writes rows of these tables, one parameter for each from $8 on."""
    rows = [
        f", w_{table} AS ({_ROWS[table].replace('{parameter}', str(number))}\n)"
        for number, table in enumerate(tables, start=8)
    ]
    return "".join((_COMMIT, *rows, _ANSWER))


WRITE_LATCH = f"""
INSERT INTO {{schema}}.latches (bot, {columns.LATCHES})
SELECT $1, {columns.LATCHES} FROM json_populate_recordset(NULL::{{schema}}.latches, $2::json)
{_UPSERT_LATCH}
RETURNING {columns.LATCH_ROW}
"""

# What is known to be written is never inserted again: an outcome that comes late must not revive what was lifted.
UPDATE_LATCH = f"""
UPDATE {{schema}}.latches SET close_positions = latches.close_positions OR $3, outcome = coalesce($4::jsonb, outcome)
WHERE bot = $1 AND number = $2 AND cleared_at IS NULL
RETURNING {columns.LATCH_ROW}
"""

# $1 bot, $2 epoch, $3 id, $4 who, $5 why, $6 object, $7 key of the resume. The fence is that of a commit.
CLEAR_LATCH = f"""
WITH fence AS (
    SELECT epoch FROM {{schema}}.lease WHERE bot = $1 AND epoch = $2 FOR SHARE
), cleared AS (
    UPDATE {{schema}}.latches l SET
        cleared_at = clock_timestamp(), cleared_by = $4, cleared_reason = $5, cleared_object = $6
    FROM fence
    WHERE l.bot = $1 AND l.cleared_at IS NULL
      AND CASE WHEN l.stop_id <> '' THEN l.stop_id ELSE l.source || '-' || l.number END = $3
      AND NOT EXISTS (SELECT FROM {{schema}}.latches v WHERE v.bot = $1 AND $7 = ANY(v.void_resumes))
    RETURNING {", ".join(f"l.{name}" for name in columns.names(columns.LATCH_ROW))}
)
SELECT (SELECT count(*) FROM fence) AS fenced_in, cleared.* FROM (SELECT 1) AS one LEFT JOIN cleared ON true
"""

# $1 bot, $2 keys. Beside the newest stop, held or not: what is void stays so after it.
VOID_RESUMES = """
UPDATE {schema}.latches l SET
    void_resumes = ARRAY(SELECT DISTINCT key FROM unnest(l.void_resumes || $2::text[]) AS key ORDER BY key)
WHERE bot = $1 AND number = (SELECT max(number) FROM {schema}.latches WHERE bot = $1 AND source = 'emergency_stop')
RETURNING number
"""

LATCHES = f"""
SELECT {columns.LATCH_READ} FROM {{schema}}.latches
WHERE bot = $1 AND (cleared_at IS NULL OR void_resumes <> '{{{{}}}}' OR number = ANY($2::bigint[]) OR number = (
    SELECT number FROM {{schema}}.latches
    WHERE bot = $1 AND cleared_at IS NOT NULL AND source = 'emergency_stop' ORDER BY cleared_at DESC LIMIT 1
))
ORDER BY source, number
"""

WRITE_NOTES = f"{_notes('2')} ON CONFLICT (bot, key) DO NOTHING"

# $1 bot, $2 limit, $3 seconds. An array, as a plain IN may run its query again, and claim more than the limit.
CLAIM_NOTES = """
UPDATE {schema}.outbox SET attempts = attempts + 1, next_at = clock_timestamp() + make_interval(secs => $3)
WHERE bot = $1 AND number = ANY(ARRAY(
    SELECT number FROM {schema}.outbox WHERE bot = $1 AND done_at IS NULL AND next_at <= clock_timestamp()
    ORDER BY number LIMIT $2 FOR UPDATE SKIP LOCKED
))
RETURNING number, kind, title, body, sent, attempts, created_at, expires_at <= clock_timestamp() AS expired
"""

# $1 bot, $2 numbers, $3 channels, $4 outcome, $5 seconds.
SETTLE_NOTES = """
UPDATE {schema}.outbox SET
    sent = $3, outcome = nullif($4, ''), next_at = clock_timestamp() + make_interval(secs => $5),
    done_at = CASE WHEN $4 <> '' THEN clock_timestamp() END
WHERE bot = $1 AND number = ANY($2::bigint[])
"""
NOTES_WAITING = """
SELECT count(*) AS number, coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8 AS age
FROM {schema}.outbox WHERE bot = $1 AND done_at IS NULL
"""

WRITTEN = {
    "decisions": ("recorded_at", ("seq", "market_ts")),
    "equity": ("recorded_at", ("market_ts",)),
    "outbox": ("created_at", ("number",)),
}
"""Tables that are pruned: the column that says when a row was written, and the key in the order of writing."""


def prune(table: str) -> str:
    """Return the statement that deletes old rows: $1 bot, $2 days, $3 limit. It looks at the first rows, not at all."""
    at, key = WRITTEN[table][0], ", ".join(WRITTEN[table][1])
    first = f"SELECT {key}, {at} FROM {{schema}}.{table} WHERE bot = $1 ORDER BY {key} LIMIT $3"
    old = f"SELECT {key} FROM ({first}) AS first WHERE {at} < clock_timestamp() - make_interval(secs => $2 * 86400)"
    return f"DELETE FROM {{schema}}.{table} WHERE bot = $1 AND ({key}) IN ({old}) RETURNING 1"


HEAD = "SELECT seq, market_ts, cursor::text, engine, venue FROM {schema}.heads WHERE bot = $1"
BALANCES = "SELECT account, asset, sum(amount) AS amount FROM {schema}.postings WHERE bot = $1 GROUP BY account, asset"
LIVE_ORDERS = f"""SELECT client_id, state FROM {{schema}}.orders
WHERE bot = $1 AND state IN {columns.LIVE_STATES}"""
HOLDINGS = "SELECT symbol, quantity FROM {schema}.positions WHERE bot = $1"

AUDIT = f"""
INSERT INTO {{schema}}.audit (bot, {columns.AUDIT})
SELECT $1, {columns.AUDIT} FROM json_populate_recordset(NULL::{{schema}}.audit, $2::json)
"""
CURVE = """SELECT coalesce(min(market_ts), 0) AS first_ts, coalesce(max(market_ts), 0) AS last_ts,
    coalesce(max((peak - equity) / nullif(peak, 0)), 0) AS drawdown
FROM {schema}.equity WHERE bot = $1 AND market_ts > $2"""

NEWEST = {
    "trades": f"SELECT {columns.TRADES}, recorded_at FROM {{schema}}.trades",
    "orders": f"SELECT {columns.ORDERS}, updated_at FROM {{schema}}.orders",
    "decisions": f"SELECT {columns.DECISIONS} FROM {{schema}}.decisions",
    "equity": f"SELECT {columns.EQUITY} FROM {{schema}}.equity",
    "audit": f"SELECT number, {columns.AUDIT}, recorded_at FROM {{schema}}.audit",
}


def newest(table: str, *, tie: bool, where: Iterable[str]) -> str:
    """Return the query for a page of rows; `columns.page` gives its parameters."""
    return NEWEST[table] + columns.page_tail(table, "$", tie=tie, where=where)
