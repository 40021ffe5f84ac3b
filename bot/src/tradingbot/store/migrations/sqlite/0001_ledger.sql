-- One file per mode: the same tables as in PostgreSQL, never rows of the other mode. {mode} is filled in by store.migrate.
-- Amounts are TEXT, exact to the digit (NUMERIC would be a binary float). Times are ISO 8601 in UTC, market_ts and
-- expires_at microseconds since 1970.

CREATE TABLE lease (
    bot         TEXT PRIMARY KEY,
    mode        TEXT NOT NULL DEFAULT '{mode}' CHECK (mode = '{mode}'),
    epoch       INTEGER NOT NULL CHECK (epoch > 0),
    holder      TEXT NOT NULL,
    locked      INTEGER NOT NULL,
    acquired_at TEXT NOT NULL,
    expires_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE heads (
    bot          TEXT PRIMARY KEY,
    mode         TEXT NOT NULL DEFAULT '{mode}' CHECK (mode = '{mode}'),
    seq          INTEGER NOT NULL,
    epoch        INTEGER NOT NULL,
    market_ts    INTEGER NOT NULL,
    cursor       TEXT NOT NULL,
    engine       BLOB NOT NULL,
    venue        BLOB NOT NULL,
    committed_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;

CREATE TABLE intents (
    bot          TEXT NOT NULL,
    client_id    TEXT NOT NULL,
    mode         TEXT NOT NULL DEFAULT '{mode}' CHECK (mode = '{mode}'),
    epoch        INTEGER NOT NULL,
    seq          INTEGER NOT NULL,
    symbol       TEXT NOT NULL,
    side         TEXT NOT NULL CHECK (side IN ('buy', 'sell')),
    type         TEXT NOT NULL CHECK (type IN ('market', 'limit', 'stop')),
    role         TEXT NOT NULL CHECK (role IN ('entry', 'exit', 'stop', 'target', 'flatten')),
    quantity     TEXT NOT NULL CHECK (CAST(quantity AS REAL) > 0),
    limit_price  TEXT CHECK (CAST(limit_price AS REAL) > 0),
    stop_price   TEXT CHECK (CAST(stop_price AS REAL) > 0),
    reduce_only  INTEGER NOT NULL,
    hold         TEXT NOT NULL CHECK (CAST(hold AS REAL) >= 0),
    strategy     TEXT NOT NULL,
    reason       TEXT NOT NULL,
    market_ts    INTEGER NOT NULL,
    decided_at   TEXT NOT NULL,
    committed_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    PRIMARY KEY (bot, client_id),
    UNIQUE (bot, epoch, seq)
) STRICT;

CREATE TABLE orders (
    bot           TEXT NOT NULL,
    client_id     TEXT NOT NULL,
    mode          TEXT NOT NULL DEFAULT '{mode}' CHECK (mode = '{mode}'),
    symbol        TEXT NOT NULL,
    side          TEXT NOT NULL,
    type          TEXT NOT NULL,
    role          TEXT NOT NULL,
    strategy      TEXT NOT NULL,
    state         TEXT NOT NULL,
    ask           TEXT NOT NULL,
    venue_id      TEXT NOT NULL,
    quantity      TEXT NOT NULL,
    filled        TEXT NOT NULL CHECK (CAST(filled AS REAL) >= 0),
    average_price TEXT,
    fees          TEXT NOT NULL,
    note          TEXT NOT NULL,
    market_ts     INTEGER NOT NULL,
    created_at    TEXT NOT NULL,
    updated_at    TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    PRIMARY KEY (bot, client_id),
    FOREIGN KEY (bot, client_id) REFERENCES intents (bot, client_id)
) STRICT;
CREATE INDEX orders_live ON orders (bot) WHERE state IN ('INTENT', 'SENT', 'OPEN', 'PARTIAL', 'UNKNOWN');
CREATE INDEX orders_newest ON orders (bot, market_ts DESC);

CREATE TABLE trades (
    bot         TEXT NOT NULL,
    trade_id    TEXT NOT NULL,
    mode        TEXT NOT NULL DEFAULT '{mode}' CHECK (mode = '{mode}'),
    client_id   TEXT NOT NULL,
    symbol      TEXT NOT NULL,
    strategy    TEXT NOT NULL,
    side        TEXT NOT NULL,
    role        TEXT NOT NULL,
    direction   TEXT NOT NULL CHECK (direction IN ('long', 'short')),
    quantity    TEXT NOT NULL CHECK (CAST(quantity AS REAL) > 0),
    price       TEXT NOT NULL CHECK (CAST(price AS REAL) > 0),
    fee         TEXT NOT NULL,
    realized    TEXT NOT NULL,
    liquidity   TEXT NOT NULL,
    market_ts   INTEGER NOT NULL,
    executed_at TEXT NOT NULL,
    recorded_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    PRIMARY KEY (bot, trade_id),
    FOREIGN KEY (bot, client_id) REFERENCES intents (bot, client_id)
) STRICT;
CREATE INDEX trades_newest ON trades (bot, market_ts DESC);

CREATE TABLE positions (
    bot         TEXT NOT NULL,
    symbol      TEXT NOT NULL,
    mode        TEXT NOT NULL DEFAULT '{mode}' CHECK (mode = '{mode}'),
    strategy    TEXT NOT NULL,
    quantity    TEXT NOT NULL,
    cost        TEXT NOT NULL,
    realized    TEXT NOT NULL,
    fees        TEXT NOT NULL,
    stop_loss   TEXT,
    take_profit TEXT,
    opened_at   TEXT,
    updated_at  TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    PRIMARY KEY (bot, symbol)
) STRICT;

CREATE TABLE postings (
    bot       TEXT NOT NULL,
    tx        INTEGER NOT NULL,
    leg       INTEGER NOT NULL,
    mode      TEXT NOT NULL DEFAULT '{mode}' CHECK (mode = '{mode}'),
    account   TEXT NOT NULL,
    asset     TEXT NOT NULL,
    amount    TEXT NOT NULL,
    cause     TEXT NOT NULL,
    market_ts INTEGER NOT NULL,
    PRIMARY KEY (bot, tx, leg)
) STRICT;

CREATE TABLE equity (
    bot       TEXT NOT NULL,
    market_ts INTEGER NOT NULL,
    mode      TEXT NOT NULL DEFAULT '{mode}' CHECK (mode = '{mode}'),
    at        TEXT NOT NULL,
    equity    TEXT NOT NULL,
    cash      TEXT NOT NULL,
    unrealized TEXT NOT NULL,
    peak      TEXT NOT NULL,
    day_start TEXT NOT NULL,
    PRIMARY KEY (bot, market_ts)
) STRICT;

CREATE TABLE decisions (
    bot        TEXT NOT NULL,
    seq        INTEGER NOT NULL,
    mode       TEXT NOT NULL DEFAULT '{mode}' CHECK (mode = '{mode}'),
    symbol     TEXT NOT NULL,
    strategy   TEXT NOT NULL,
    action     TEXT NOT NULL,
    side       TEXT NOT NULL,
    approved   INTEGER NOT NULL,
    code       TEXT NOT NULL,
    facts      TEXT NOT NULL,
    reason     TEXT NOT NULL,
    client_id  TEXT NOT NULL,
    market_ts  INTEGER NOT NULL,
    decided_at TEXT NOT NULL,
    PRIMARY KEY (bot, seq)
) STRICT;

CREATE TABLE latches (
    bot             TEXT NOT NULL,
    source          TEXT NOT NULL,
    number          INTEGER PRIMARY KEY AUTOINCREMENT,
    mode            TEXT NOT NULL DEFAULT '{mode}' CHECK (mode = '{mode}'),
    state           TEXT NOT NULL CHECK (state IN ('PAUSED', 'REDUCING', 'HALTED', 'KILLED')),
    reason          TEXT NOT NULL,
    since           TEXT NOT NULL,
    stop_id         TEXT NOT NULL DEFAULT '',
    origin          TEXT NOT NULL DEFAULT '',
    close_positions INTEGER NOT NULL DEFAULT 0,
    outcome         TEXT,
    recorded_at     TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    cleared_at      TEXT,
    cleared_by      TEXT,
    cleared_reason  TEXT,
    cleared_object  TEXT
) STRICT;
CREATE UNIQUE INDEX latches_held ON latches (bot, source) WHERE cleared_at IS NULL;
CREATE INDEX latches_cleared ON latches (bot, cleared_at DESC) WHERE cleared_at IS NOT NULL;
