-- Two versions of a bot's state fill most of a page. Without a reserve the server takes such a page for one with room,
-- does not clear the dead version away, and puts every second commit's state on another page, with an entry in the index.
ALTER TABLE {schema}.heads SET (fillfactor = 50);
