#!/bin/sh
for folder in $POSTGRESQL_BINARIES; do [ ! -d "$folder" ] || PATH=$folder:$PATH; done
exec pg_isready --quiet --host=/var/run/postgresql --dbname=trading
