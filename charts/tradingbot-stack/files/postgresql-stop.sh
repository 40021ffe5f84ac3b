#!/bin/sh
# SIGTERM lets PostgreSQL wait for every client to leave; this ends their sessions, in order, and loses nothing.
for folder in $POSTGRESQL_BINARIES; do [ ! -d "$folder" ] || PATH=$folder:$PATH; done
exec pg_ctl stop --mode=fast --wait --timeout=45 --pgdata=/var/lib/postgresql/data/pgdata
