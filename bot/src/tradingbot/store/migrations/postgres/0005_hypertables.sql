-- Where TimescaleDB is installed in this database, the two tables that grow for ever become hypertables, with chunks of
-- a week of market time. Everywhere else they stay plain tables: every statement works on both.
DO $$
DECLARE
    place text;
BEGIN
    SELECT n.nspname INTO place FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname = 'timescaledb';
    IF place IS NULL THEN
        RETURN;
    END IF;
    -- Every unique key of a hypertable holds the column by which it is cut.
    ALTER TABLE {schema}.decisions DROP CONSTRAINT decisions_pkey, ADD PRIMARY KEY (bot, seq, market_ts);
    EXECUTE format(
        'SELECT %I.create_hypertable(%L::regclass, %L, chunk_time_interval => 604800000000::bigint, migrate_data => true)',
        place, '{schema}.decisions', 'market_ts'
    );
    EXECUTE format(
        'SELECT %I.create_hypertable(%L::regclass, %L, chunk_time_interval => 604800000000::bigint, migrate_data => true)',
        place, '{schema}.equity', 'market_ts'
    );
END
$$;
