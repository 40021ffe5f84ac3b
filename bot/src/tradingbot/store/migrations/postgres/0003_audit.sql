-- Who let this bot trade, with what, and from which mode to which. Written when it changes, never changed itself.

CREATE TABLE {schema}.audit (
    bot         text NOT NULL,
    number      bigint GENERATED ALWAYS AS IDENTITY,
    mode        text NOT NULL DEFAULT '{mode}' CHECK (mode = '{mode}'),
    event       text NOT NULL,
    from_mode   text NOT NULL,
    to_mode     text NOT NULL,
    digest      text NOT NULL,
    approved_by text NOT NULL,
    expires_at  timestamptz,
    account     text NOT NULL,
    config_hash text NOT NULL,
    subject     text NOT NULL,
    holder      text NOT NULL,
    reason      text NOT NULL,
    reached_ts  bigint NOT NULL,
    market_ts   bigint NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (bot, number)
);
CREATE INDEX audit_newest ON {schema}.audit (bot, market_ts DESC, number DESC);
COMMENT ON TABLE {schema}.audit IS 'Starts and changes of mode, approval and what is traded. market_ts is the wall time of the event, reached_ts the market time that the ledger had reached, subject a hash of strategy and limits.';
