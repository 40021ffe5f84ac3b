"""The statements. `{schema}` is the mode's schema; the commit is one round trip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradingbot.ports.store import FILTERS, TIES

if TYPE_CHECKING:
    from collections.abc import Sequence

LEASE_SECONDS = 15.0
"""How long a lease holds without being renewed."""

ACQUIRE = f"""
INSERT INTO {{schema}}.lease AS l (bot, epoch, holder, acquired_at, expires_at)
VALUES ($1, 1, $2, clock_timestamp(), clock_timestamp() + interval '{LEASE_SECONDS} seconds')
ON CONFLICT (bot) DO UPDATE SET
    epoch = l.epoch + 1, holder = excluded.holder,
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

_INTENTS = """client_id, epoch, seq, symbol, side, type, role, quantity, limit_price, stop_price, reduce_only, hold,
    strategy, reason, market_ts, decided_at"""
_ORDERS = """client_id, symbol, side, type, role, strategy, state, ask, venue_id, quantity, filled, average_price, fees,
    note, market_ts, created_at"""
_TRADES = """trade_id, client_id, symbol, strategy, side, role, direction, quantity, price, fee, realized, liquidity,
    market_ts, executed_at"""
_POSITIONS = "symbol, strategy, quantity, cost, realized, fees, stop_loss, take_profit, opened_at"
_POSTINGS = "tx, leg, account, asset, amount, cause, market_ts"
_EQUITY = "market_ts, at, equity, cash, unrealized, peak, day_start"
_DECISIONS = "seq, symbol, strategy, action, side, approved, code, facts, reason, client_id, market_ts, decided_at"
_LATCHES = "source, state, reason, since, stop_id, origin, close_positions, outcome"

_UPSERT_LATCH = """
ON CONFLICT (bot, source) WHERE cleared_at IS NULL DO UPDATE SET
    close_positions = latches.close_positions OR excluded.close_positions,
    outcome = coalesce(excluded.outcome, latches.outcome)
"""


def _insert(table: str, columns: str, parameter: int) -> str:
    rows = f"json_populate_recordset(NULL::{{schema}}.{table}, ${parameter}::json)"
    target = f"INSERT INTO {{schema}}.{table} (bot, {columns})"
    return f"{target} SELECT $1, {columns} FROM {rows} WHERE EXISTS (SELECT FROM head)"


def _set(columns: str) -> str:
    names = [name.strip() for name in columns.split(",")]
    return ", ".join(f"{name} = excluded.{name}" for name in names)


# $1 bot, $2 epoch, $3 seq, $4 market_ts, $5 cursor, $6 engine, $7 venue, $8 … $15 rows.
# `fence` locks the lease row: whoever takes the lease over waits for us, or we see that we lost it.
# `head` moves from seq - 1 to seq and nowhere else, so the same batch twice is written once.
COMMIT = f"""
WITH fence AS (
    SELECT epoch FROM {{schema}}.lease WHERE bot = $1 AND epoch = $2 FOR SHARE
), head AS (
    INSERT INTO {{schema}}.heads AS h (bot, seq, epoch, market_ts, cursor, engine, venue)
    SELECT $1, $3, $2, $4, $5::jsonb, $6, $7 FROM fence
    ON CONFLICT (bot) DO UPDATE SET
        seq = excluded.seq, epoch = excluded.epoch, market_ts = excluded.market_ts, cursor = excluded.cursor,
        engine = excluded.engine, venue = excluded.venue, committed_at = clock_timestamp()
    WHERE h.seq = excluded.seq - 1
    RETURNING seq
), w_intents AS ({_insert("intents", _INTENTS, 8)}
), w_orders AS ({_insert("orders", _ORDERS, 9)}
    ON CONFLICT (bot, client_id) DO UPDATE SET {_set(_ORDERS)}, updated_at = clock_timestamp()
), w_trades AS ({_insert("trades", _TRADES, 10)}
), w_positions AS ({_insert("positions", _POSITIONS, 11)}
    ON CONFLICT (bot, symbol) DO UPDATE SET {_set(_POSITIONS)}, updated_at = clock_timestamp()
), w_postings AS ({_insert("postings", _POSTINGS, 12)}
), w_equity AS ({_insert("equity", _EQUITY, 13)}
    ON CONFLICT (bot, market_ts) DO NOTHING
), w_decisions AS ({_insert("decisions", _DECISIONS, 14)}
), w_latches AS ({_insert("latches", _LATCHES, 15)}
    {_UPSERT_LATCH}
)
SELECT (SELECT count(*) FROM fence) AS fenced_in, (SELECT count(*) FROM head) AS moved,
       (SELECT seq FROM {{schema}}.heads WHERE bot = $1) AS before
"""

# The beat that changes nothing but the head: no rows, so no reason to plan eight inserts.
ADVANCE = """
WITH fence AS (
    SELECT epoch FROM {schema}.lease WHERE bot = $1 AND epoch = $2 FOR SHARE
), head AS (
    UPDATE {schema}.heads h SET
        seq = $3, epoch = $2, market_ts = $4, cursor = $5::jsonb, engine = $6, venue = $7,
        committed_at = clock_timestamp()
    FROM fence WHERE h.bot = $1 AND h.seq = $3 - 1
    RETURNING h.seq
)
SELECT (SELECT count(*) FROM fence) AS fenced_in, (SELECT count(*) FROM head) AS moved,
       (SELECT seq FROM {schema}.heads WHERE bot = $1) AS before
"""

_LATCH_ROW = f"{_LATCHES}, number, cleared_at, cleared_by, cleared_reason, cleared_object"

WRITE_LATCH = f"""
INSERT INTO {{schema}}.latches (bot, {_LATCHES})
SELECT $1, {_LATCHES} FROM json_populate_recordset(NULL::{{schema}}.latches, $2::json)
{_UPSERT_LATCH}
RETURNING {_LATCH_ROW}
"""

# What is known to be written is never inserted again: an outcome that comes late must not revive what was lifted.
UPDATE_LATCH = f"""
UPDATE {{schema}}.latches SET close_positions = latches.close_positions OR $3, outcome = coalesce($4::jsonb, outcome)
WHERE bot = $1 AND number = $2 AND cleared_at IS NULL
RETURNING {_LATCH_ROW}
"""

# $1 bot, $2 epoch, $3 id, $4 who, $5 why, $6 object. The fence is that of a commit.
CLEAR_LATCH = f"""
WITH fence AS (
    SELECT epoch FROM {{schema}}.lease WHERE bot = $1 AND epoch = $2 FOR SHARE
), cleared AS (
    UPDATE {{schema}}.latches l SET
        cleared_at = clock_timestamp(), cleared_by = $4, cleared_reason = $5, cleared_object = $6
    FROM fence
    WHERE l.bot = $1 AND l.cleared_at IS NULL
      AND CASE WHEN l.stop_id <> '' THEN l.stop_id ELSE l.source || '-' || l.number END = $3
    RETURNING {", ".join("l." + name.strip() for name in _LATCH_ROW.split(","))}
)
SELECT (SELECT count(*) FROM fence) AS fenced_in, cleared.* FROM (SELECT 1) AS one LEFT JOIN cleared ON true
"""

LATCHES = f"""
SELECT {_LATCH_ROW} FROM {{schema}}.latches
WHERE bot = $1 AND (cleared_at IS NULL OR number = ANY($2::bigint[]) OR number = (
    SELECT number FROM {{schema}}.latches
    WHERE bot = $1 AND cleared_at IS NOT NULL AND source = 'emergency_stop' ORDER BY cleared_at DESC LIMIT 1
))
ORDER BY source, number
"""

HEAD = "SELECT seq, market_ts, cursor::text, engine, venue FROM {schema}.heads WHERE bot = $1"
BALANCES = "SELECT account, asset, sum(amount) AS amount FROM {schema}.postings WHERE bot = $1 GROUP BY account, asset"
LIVE_ORDERS = """SELECT client_id, state FROM {schema}.orders
WHERE bot = $1 AND state IN ('INTENT', 'SENT', 'OPEN', 'PARTIAL', 'UNKNOWN')"""
HOLDINGS = "SELECT symbol, quantity FROM {schema}.positions WHERE bot = $1"

NEWEST = {
    "trades": f"SELECT {_TRADES}, recorded_at FROM {{schema}}.trades",
    "orders": f"SELECT {_ORDERS}, updated_at FROM {{schema}}.orders",
    "decisions": f"SELECT {_DECISIONS} FROM {{schema}}.decisions",
    "equity": f"SELECT {_EQUITY} FROM {{schema}}.equity",
}


def newest(table: str, *, tie: bool, where: Sequence[str]) -> str:
    """Return the query for a page of rows: $1 bot, $2 market time, $3 limit, then the tie, then the filters."""
    column, parameters = TIES[table], iter(range(4, 20))
    conditions = ["bot = $1"]
    if tie:
        kind = "::bigint" if table in ("decisions", "equity") else ""
        conditions.append(f"(market_ts, {column}) < ($2, ${next(parameters)}{kind})")
    else:
        conditions.append("market_ts < $2")
    for name in where:
        if name not in FILTERS[table]:
            raise ValueError(f"{table} cannot be chosen by {name}")
        conditions.append(f"{name}::text = ${next(parameters)}")
    tail = f" WHERE {' AND '.join(conditions)} ORDER BY market_ts DESC, {column} DESC LIMIT $3"
    return NEWEST[table] + tail
