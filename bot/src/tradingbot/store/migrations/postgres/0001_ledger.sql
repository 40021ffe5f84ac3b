-- One schema per mode, `simulation` and `live`: the same tables, never the same rows. {schema} and {mode} are filled in
-- by store.migrate. Market times are microseconds since 1970 (market_ts) beside a timestamp to read (executed_at, …).

CREATE TABLE {schema}.lease (
    bot         text PRIMARY KEY,
    mode        text NOT NULL DEFAULT '{mode}' CHECK (mode = '{mode}'),
    epoch       bigint NOT NULL CHECK (epoch > 0),
    holder      text NOT NULL,
    acquired_at timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL
);
COMMENT ON TABLE {schema}.lease IS 'Who may write for a bot. The epoch grows with every new holder and is checked in every commit.';

CREATE TABLE {schema}.heads (
    bot          text PRIMARY KEY,
    mode         text NOT NULL DEFAULT '{mode}' CHECK (mode = '{mode}'),
    seq          bigint NOT NULL,
    epoch        bigint NOT NULL,
    market_ts    bigint NOT NULL,
    cursor       jsonb NOT NULL,
    engine       bytea NOT NULL,
    venue        bytea NOT NULL,
    committed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE {schema}.heads IS 'The last committed state of each bot, and how far into the market it has seen.';

CREATE TABLE {schema}.intents (
    bot          text NOT NULL,
    client_id    text NOT NULL,
    mode         text NOT NULL DEFAULT '{mode}' CHECK (mode = '{mode}'),
    epoch        bigint NOT NULL,
    seq          bigint NOT NULL,
    symbol       text NOT NULL,
    side         text NOT NULL CHECK (side IN ('buy', 'sell')),
    type         text NOT NULL CHECK (type IN ('market', 'limit', 'stop')),
    role         text NOT NULL CHECK (role IN ('entry', 'exit', 'stop', 'target', 'flatten')),
    quantity     numeric NOT NULL CHECK (quantity > 0),
    limit_price  numeric CHECK (limit_price > 0),
    stop_price   numeric CHECK (stop_price > 0),
    reduce_only  boolean NOT NULL,
    hold         numeric NOT NULL CHECK (hold >= 0),
    strategy     text NOT NULL,
    reason       text NOT NULL,
    market_ts    bigint NOT NULL,
    decided_at   timestamptz NOT NULL,
    committed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (bot, client_id),
    UNIQUE (bot, epoch, seq)
);
COMMENT ON TABLE {schema}.intents IS 'Every order, written before it is sent. Rows are never changed.';

CREATE TABLE {schema}.orders (
    bot           text NOT NULL,
    client_id     text NOT NULL,
    mode          text NOT NULL DEFAULT '{mode}' CHECK (mode = '{mode}'),
    symbol        text NOT NULL,
    side          text NOT NULL,
    type          text NOT NULL,
    role          text NOT NULL,
    strategy      text NOT NULL,
    state         text NOT NULL,
    ask           text NOT NULL,
    venue_id      text NOT NULL,
    quantity      numeric NOT NULL,
    filled        numeric NOT NULL CHECK (filled >= 0),
    average_price numeric,
    fees          numeric NOT NULL,
    note          text NOT NULL,
    market_ts     bigint NOT NULL,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (bot, client_id),
    FOREIGN KEY (bot, client_id) REFERENCES {schema}.intents (bot, client_id)
);
CREATE INDEX orders_live ON {schema}.orders (bot) WHERE state IN ('INTENT', 'SENT', 'OPEN', 'PARTIAL', 'UNKNOWN');
CREATE INDEX orders_newest ON {schema}.orders (bot, market_ts DESC);

CREATE TABLE {schema}.trades (
    bot         text NOT NULL,
    trade_id    text NOT NULL,
    mode        text NOT NULL DEFAULT '{mode}' CHECK (mode = '{mode}'),
    client_id   text NOT NULL,
    symbol      text NOT NULL,
    strategy    text NOT NULL,
    side        text NOT NULL,
    role        text NOT NULL,
    direction   text NOT NULL CHECK (direction IN ('long', 'short')),
    quantity    numeric NOT NULL CHECK (quantity > 0),
    price       numeric NOT NULL CHECK (price > 0),
    fee         numeric NOT NULL,
    realized    numeric NOT NULL,
    liquidity   text NOT NULL,
    market_ts   bigint NOT NULL,
    executed_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (bot, trade_id),
    FOREIGN KEY (bot, client_id) REFERENCES {schema}.intents (bot, client_id)
);
CREATE INDEX trades_newest ON {schema}.trades (bot, market_ts DESC);
COMMENT ON TABLE {schema}.trades IS 'Every execution. executed_at is market time, recorded_at the wall time of the commit.';

CREATE TABLE {schema}.positions (
    bot         text NOT NULL,
    symbol      text NOT NULL,
    mode        text NOT NULL DEFAULT '{mode}' CHECK (mode = '{mode}'),
    strategy    text NOT NULL,
    quantity    numeric NOT NULL,
    cost        numeric NOT NULL,
    realized    numeric NOT NULL,
    fees        numeric NOT NULL,
    stop_loss   numeric,
    take_profit numeric,
    opened_at   timestamptz,
    updated_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (bot, symbol)
);

CREATE TABLE {schema}.postings (
    bot       text NOT NULL,
    tx        bigint NOT NULL,
    leg       smallint NOT NULL,
    mode      text NOT NULL DEFAULT '{mode}' CHECK (mode = '{mode}'),
    account   text NOT NULL,
    asset     text NOT NULL,
    amount    numeric NOT NULL,
    cause     text NOT NULL,
    market_ts bigint NOT NULL,
    PRIMARY KEY (bot, tx, leg)
);
COMMENT ON TABLE {schema}.postings IS 'The ledger: the legs of each transaction sum to zero in every asset. Rows are never changed.';

CREATE TABLE {schema}.equity (
    bot       text NOT NULL,
    market_ts bigint NOT NULL,
    mode      text NOT NULL DEFAULT '{mode}' CHECK (mode = '{mode}'),
    at        timestamptz NOT NULL,
    equity    numeric NOT NULL,
    cash      numeric NOT NULL,
    unrealized numeric NOT NULL,
    peak      numeric NOT NULL,
    day_start numeric NOT NULL,
    PRIMARY KEY (bot, market_ts)
);

CREATE TABLE {schema}.decisions (
    bot        text NOT NULL,
    seq        bigint NOT NULL,
    mode       text NOT NULL DEFAULT '{mode}' CHECK (mode = '{mode}'),
    symbol     text NOT NULL,
    strategy   text NOT NULL,
    action     text NOT NULL,
    side       text NOT NULL,
    approved   boolean NOT NULL,
    code       text NOT NULL,
    facts      jsonb NOT NULL,
    reason     text NOT NULL,
    client_id  text NOT NULL,
    market_ts  bigint NOT NULL,
    decided_at timestamptz NOT NULL,
    PRIMARY KEY (bot, seq)
);
COMMENT ON TABLE {schema}.decisions IS 'What the strategy proposed and what the risk gate answered, with its code and figures.';

CREATE TABLE {schema}.latches (
    bot             text NOT NULL,
    source          text NOT NULL,
    number          bigint GENERATED ALWAYS AS IDENTITY,
    mode            text NOT NULL DEFAULT '{mode}' CHECK (mode = '{mode}'),
    state           text NOT NULL CHECK (state IN ('PAUSED', 'REDUCING', 'HALTED', 'KILLED')),
    reason          text NOT NULL,
    since           timestamptz NOT NULL,
    stop_id         text NOT NULL DEFAULT '',
    origin          text NOT NULL DEFAULT '',
    close_positions boolean NOT NULL DEFAULT false,
    outcome         jsonb,
    recorded_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    cleared_at      timestamptz,
    cleared_by      text,
    cleared_reason  text,
    PRIMARY KEY (bot, source, number)
);
CREATE UNIQUE INDEX latches_held ON {schema}.latches (bot, source) WHERE cleared_at IS NULL;
COMMENT ON TABLE {schema}.latches IS 'Restrictions that outlive processes. One that is not cleared holds.';
