"""The statements for SQLite. Each does what its namesake in `statements` does; a commit is several of them."""

# ruff: noqa: S608 - what is put in are constants of this package
from __future__ import annotations

from typing import TYPE_CHECKING

from tradingbot.store import columns

if TYPE_CHECKING:
    from collections.abc import Iterable

# ?1 bot, ?2 holder, ?3 now, ?4 until (microseconds), ?5 now (text), ?6 whether the lock of the file is ours, ?7 the
# least epoch (`statements.FIRST_EPOCH`).
# A holder that had the lock of the file and has it no more is gone: nobody needs to wait for its lease to expire.
ACQUIRE = """
INSERT INTO lease (bot, epoch, holder, locked, acquired_at, expires_at) VALUES (?1, ?7, ?2, ?6, ?5, ?4)
ON CONFLICT (bot) DO UPDATE SET
    epoch = max(lease.epoch + 1, excluded.epoch), holder = excluded.holder, locked = excluded.locked,
    acquired_at = excluded.acquired_at, expires_at = excluded.expires_at
WHERE lease.expires_at <= ?3 OR lease.holder = excluded.holder OR (lease.locked AND excluded.locked)
RETURNING epoch
"""
RENEW = "UPDATE lease SET expires_at = ?4 WHERE bot = ?1 AND holder = ?2 AND epoch = ?3 RETURNING epoch"
RELEASE = "UPDATE lease SET expires_at = ?4, holder = '' WHERE bot = ?1 AND holder = ?2 AND epoch = ?3"
HOLDER = "SELECT holder FROM lease WHERE bot = ?1 AND expires_at > ?2"
FENCE = "SELECT epoch FROM lease WHERE bot = ?1 AND epoch = ?2"

SEQ = "SELECT seq FROM heads WHERE bot = ?1"
MOVE_HEAD = """
INSERT INTO heads (bot, seq, epoch, market_ts, cursor, engine, venue, committed_at)
VALUES (?1, ?3, ?2, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (bot) DO UPDATE SET
    seq = excluded.seq, epoch = excluded.epoch, market_ts = excluded.market_ts, cursor = excluded.cursor,
    engine = excluded.engine, venue = excluded.venue, committed_at = excluded.committed_at
"""

_UPSERT_LATCH = """
ON CONFLICT (bot, source) WHERE cleared_at IS NULL DO UPDATE SET
    close_positions = latches.close_positions OR excluded.close_positions,
    outcome = coalesce(excluded.outcome, latches.outcome)
"""


RECORDED = ("decisions", "equity")


def _insert(table: str, listed: str, conflict: str = "") -> str:
    """Insert the rows of a JSON array (?2) for a bot (?1); ?3 is the time, where a table keeps it."""
    values = ", ".join(f"value ->> '$.{name}'" for name in columns.names(listed))
    if table in RECORDED:
        listed, values = f"{listed}, recorded_at", f"{values}, ?3"
    return f"INSERT INTO {table} (bot, {listed}) SELECT ?1, {values} FROM json_each(?2) WHERE true {conflict}"


def _upsert(table: str, key: str, listed: str) -> str:
    now = "updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
    return _insert(table, listed, f"ON CONFLICT (bot, {key}) DO UPDATE SET {columns.assignments(listed)}, {now}")


INSERTS = {
    "intents": _insert("intents", columns.INTENTS),
    "orders": _upsert("orders", "client_id", columns.ORDERS),
    "trades": _insert("trades", columns.TRADES),
    "positions": _upsert("positions", "symbol", columns.POSITIONS),
    "postings": _insert("postings", columns.POSTINGS),
    "equity": _insert("equity", columns.EQUITY, "ON CONFLICT (bot, market_ts) DO NOTHING"),
    "decisions": _insert("decisions", columns.DECISIONS),
    "latches": _insert("latches", columns.LATCHES, _UPSERT_LATCH),
}

AUDIT = _insert("audit", columns.AUDIT)
# A fraction for a person: the digits of a float are enough.
CURVE = """SELECT coalesce(min(market_ts), 0) AS first_ts, coalesce(max(market_ts), 0) AS last_ts,
    coalesce(max((CAST(peak AS REAL) - CAST(equity AS REAL)) / nullif(CAST(peak AS REAL), 0)), 0) AS drawdown
FROM equity WHERE bot = ?1 AND market_ts > ?2"""

# ?1 bot, ?2 rows, ?3 now (microseconds).
WRITE_NOTES = """
INSERT INTO outbox (bot, key, kind, title, body, created_at, next_at, expires_at)
SELECT ?1, value ->> '$.key', value ->> '$.kind', value ->> '$.title', value ->> '$.body', ?3, ?3,
       ?3 + CAST((value ->> '$.seconds') * 1000000 AS INTEGER)
FROM json_each(?2) WHERE true ON CONFLICT (bot, key) DO NOTHING
"""
# ?1 bot, ?2 limit, ?3 now, ?4 until.
CLAIM_NOTES = """
UPDATE outbox SET attempts = attempts + 1, next_at = ?4
WHERE number IN (
    SELECT number FROM outbox WHERE bot = ?1 AND done_at IS NULL AND next_at <= ?3 ORDER BY number LIMIT ?2
)
RETURNING number, kind, title, body, sent, attempts, created_at, expires_at <= ?3 AS expired
"""
# ?1 bot, ?2 numbers, ?3 channels, ?4 outcome, ?5 now, ?6 next.
SETTLE_NOTES = """
UPDATE outbox SET sent = ?3, outcome = nullif(?4, ''), next_at = ?6, done_at = CASE WHEN ?4 <> '' THEN ?5 END
WHERE bot = ?1 AND number IN (SELECT value FROM json_each(?2))
"""
NOTES_WAITING = "SELECT count(*) AS number, min(created_at) AS oldest FROM outbox WHERE bot = ?1 AND done_at IS NULL"

_WRITTEN = {"decisions": "recorded_at < ?2", "equity": "recorded_at < ?2", "outbox": "created_at < ?3"}
_OLD = "SELECT rowid FROM {table} WHERE bot = ?1 AND {old} ORDER BY rowid LIMIT ?4"
PRUNE = {
    table: f"DELETE FROM {table} WHERE rowid IN ({_OLD.format(table=table, old=old)})"
    for table, old in _WRITTEN.items()
}
"""?1 bot, ?2 and ?3 the moment as text and in microseconds, ?4 limit."""

WRITE_LATCH = f"{INSERTS['latches']} RETURNING {columns.LATCH_ROW}"
UPDATE_LATCH = f"""
UPDATE latches SET close_positions = close_positions OR ?3, outcome = coalesce(?4, outcome)
WHERE bot = ?1 AND number = ?2 AND cleared_at IS NULL
RETURNING {columns.LATCH_ROW}
"""
CLEAR_LATCH = f"""
UPDATE latches SET cleared_at = ?6, cleared_by = ?3, cleared_reason = ?4, cleared_object = ?5
WHERE bot = ?1 AND cleared_at IS NULL
  AND CASE WHEN stop_id <> '' THEN stop_id ELSE source || '-' || number END = ?2
  AND NOT EXISTS (SELECT 1 FROM latches AS v, json_each(v.void_resumes) AS k WHERE v.bot = ?1 AND k.value = ?7)
RETURNING {columns.LATCH_ROW}
"""
VOID_RESUMES = """
UPDATE latches SET void_resumes = (
    SELECT json_group_array(value) FROM (
        SELECT value FROM json_each(void_resumes) UNION SELECT value FROM json_each(?2) ORDER BY value
    )
)
WHERE bot = ?1 AND number = (SELECT max(number) FROM latches WHERE bot = ?1 AND source = 'emergency_stop')
"""
LATCHES = f"""
SELECT {columns.LATCH_READ} FROM latches
WHERE bot = ?1 AND (cleared_at IS NULL OR void_resumes <> '[]' OR number IN (SELECT value FROM json_each(?2)) OR
number = (
    SELECT number FROM latches
    WHERE bot = ?1 AND cleared_at IS NOT NULL AND source = 'emergency_stop'
    ORDER BY cleared_at DESC, number DESC LIMIT 1
))
ORDER BY source, number
"""

HEAD = "SELECT seq, market_ts, cursor, engine, venue FROM heads WHERE bot = ?1"
BALANCES = "SELECT account, asset, exact_sum(amount) AS amount FROM postings WHERE bot = ?1 GROUP BY account, asset"
LIVE_ORDERS = f"SELECT client_id, state FROM orders WHERE bot = ?1 AND state IN {columns.LIVE_STATES}"
HOLDINGS = "SELECT symbol, quantity FROM positions WHERE bot = ?1"

_READ = {
    "trades": f"SELECT {columns.TRADES}, recorded_at FROM trades",
    "orders": f"SELECT {columns.ORDERS}, updated_at FROM orders",
    "decisions": f"SELECT {columns.DECISIONS} FROM decisions",
    "equity": f"SELECT {columns.EQUITY} FROM equity",
    "audit": f"SELECT number, {columns.AUDIT}, recorded_at FROM audit",
}


def newest(table: str, *, tie: bool, where: Iterable[str]) -> str:
    """Return the query for a page of rows; `columns.page` gives its parameters."""
    return _READ[table] + columns.page_tail(table, "?", tie=tie, where=where)


_AMOUNTS = """quantity, limit_price, stop_price, hold, filled, average_price, fees, price, fee, realized, cost,
    stop_loss, take_profit, amount, equity, cash, unrealized, peak, day_start"""
_MOMENTS = "decided_at, created_at, updated_at, executed_at, recorded_at, at, since, cleared_at, opened_at, expires_at"
DECIMALS = frozenset(columns.names(_AMOUNTS))
TIMES = frozenset(columns.names(_MOMENTS))
BOOLEANS = frozenset({"approved", "reduce_only", "close_positions"})
ARRAYS = frozenset({"void_resumes"})
