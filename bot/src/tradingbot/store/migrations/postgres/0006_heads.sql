-- The state of a bot is written with every commit and comes compressed: kept in its row, not cut into the chunks of a
-- TOAST table, and not compressed again. A row that does not fit into a page is cut as ever.
ALTER TABLE {schema}.heads
    ALTER COLUMN engine SET STORAGE EXTERNAL,
    ALTER COLUMN venue SET STORAGE EXTERNAL,
    SET (toast_tuple_target = 8160);
COMMENT ON COLUMN {schema}.heads.engine IS 'JSON, compressed with zlib; rows written by earlier versions are plain JSON.';
COMMENT ON COLUMN {schema}.heads.venue IS 'As engine.';
