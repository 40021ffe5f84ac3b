-- What an order costs is mostly indexes. The id of an intent is a function of bot, epoch and seq, so its primary key keeps
-- these unique already. A second index that begins with the bot did worse than nothing: until a new database has
-- statistics, the server checked the foreign keys of orders and trades with it, reading every intent of the bot each time.
ALTER TABLE {schema}.intents DROP CONSTRAINT intents_bot_epoch_seq_key;
-- Rows are numbered and dated in the order in which they are written, so the oldest are found by the primary key.
DROP INDEX {schema}.decisions_recorded;
DROP INDEX {schema}.equity_recorded;
