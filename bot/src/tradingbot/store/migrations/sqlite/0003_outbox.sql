-- What a person is told: written in the transaction of what it tells of, sent afterwards, once per channel.
CREATE TABLE outbox (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    bot        TEXT NOT NULL,
    mode       TEXT NOT NULL DEFAULT '{mode}' CHECK (mode = '{mode}'),
    key        TEXT NOT NULL,
    kind       TEXT NOT NULL,
    title      TEXT NOT NULL,
    body       TEXT NOT NULL,
    sent       TEXT NOT NULL DEFAULT '[]',
    attempts   INTEGER NOT NULL DEFAULT 0,
    outcome    TEXT,
    created_at INTEGER NOT NULL,
    next_at    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    done_at    INTEGER,
    UNIQUE (bot, key)
) STRICT;
CREATE INDEX outbox_waiting ON outbox (bot, next_at) WHERE done_at IS NULL;

-- When a row was written: retention goes by the wall, not by the time of a market that may be years ago.
ALTER TABLE decisions ADD COLUMN recorded_at TEXT NOT NULL DEFAULT '1970-01-01T00:00:00.000Z';
ALTER TABLE equity ADD COLUMN recorded_at TEXT NOT NULL DEFAULT '1970-01-01T00:00:00.000Z';
CREATE INDEX decisions_recorded ON decisions (bot, recorded_at);
CREATE INDEX equity_recorded ON equity (bot, recorded_at);
CREATE INDEX decisions_newest ON decisions (bot, market_ts DESC, seq DESC);
