-- What a person is told: written in the transaction of what it tells of, sent afterwards, once per channel.
CREATE TABLE {schema}.outbox (
    bot        text NOT NULL,
    number     bigint GENERATED ALWAYS AS IDENTITY,
    mode       text NOT NULL DEFAULT '{mode}' CHECK (mode = '{mode}'),
    key        text NOT NULL,
    kind       text NOT NULL,
    title      text NOT NULL,
    body       text NOT NULL,
    sent       text[] NOT NULL DEFAULT '{}',
    attempts   integer NOT NULL DEFAULT 0,
    outcome    text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    next_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    done_at    timestamptz,
    PRIMARY KEY (bot, number),
    UNIQUE (bot, key)
);
CREATE INDEX outbox_waiting ON {schema}.outbox (bot, next_at) WHERE done_at IS NULL;
COMMENT ON TABLE {schema}.outbox IS 'Notes for people. sent holds the channels that have it, outcome sent or expired once it is done.';

-- When a row was written: retention goes by the wall, not by the time of a market that may be years ago.
ALTER TABLE {schema}.decisions ADD COLUMN recorded_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE {schema}.equity ADD COLUMN recorded_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX decisions_recorded ON {schema}.decisions (bot, recorded_at);
CREATE INDEX equity_recorded ON {schema}.equity (bot, recorded_at);
CREATE INDEX decisions_newest ON {schema}.decisions (bot, market_ts DESC, seq DESC);
