-- Who let this bot trade, with what, and from which mode to which. Written when it changes, never changed itself.

CREATE TABLE audit (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    bot         TEXT NOT NULL,
    mode        TEXT NOT NULL DEFAULT '{mode}' CHECK (mode = '{mode}'),
    event       TEXT NOT NULL,
    from_mode   TEXT NOT NULL,
    to_mode     TEXT NOT NULL,
    digest      TEXT NOT NULL,
    approved_by TEXT NOT NULL,
    expires_at  TEXT,
    account     TEXT NOT NULL,
    config_hash TEXT NOT NULL,
    subject     TEXT NOT NULL,
    holder      TEXT NOT NULL,
    reason      TEXT NOT NULL,
    reached_ts  INTEGER NOT NULL,
    market_ts   INTEGER NOT NULL,
    recorded_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;
CREATE INDEX audit_newest ON audit (bot, market_ts DESC, number DESC);
