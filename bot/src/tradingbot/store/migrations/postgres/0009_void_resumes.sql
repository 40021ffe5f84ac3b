-- A resume that was written while a stop was still asked for never counts. The operator remembers one in the status; an older
-- operator does not, and a bot that is started anew has nobody else to ask. Rows stay for ever, and so does this.

ALTER TABLE {schema}.latches ADD COLUMN void_resumes text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN {schema}.latches.void_resumes IS 'Keys (of stop id and reason) of the resumes that were seen too early while this stop was the newest: they lift nothing.';
