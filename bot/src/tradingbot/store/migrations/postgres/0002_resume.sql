-- A latch is lifted by a person's resume. Its row stays for ever, and says which object (uid and generation) carried it.

ALTER TABLE {schema}.latches ADD COLUMN cleared_object text;
COMMENT ON COLUMN {schema}.latches.cleared_object IS 'First 8 characters of the uid, and generation, of the TradingBot whose spec.resume cleared this latch.';
CREATE INDEX latches_cleared ON {schema}.latches (bot, cleared_at DESC) WHERE cleared_at IS NOT NULL;
