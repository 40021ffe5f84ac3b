#!/bin/sh
# Starts PostgreSQL, whatever happened before: a first start, a kill in the middle of one, a crash, a new password.
# No password is ever an argument, and none is logged.
set -eu
umask 077

volume=/var/lib/postgresql/data
data=$volume/pgdata
secrets=/run/secrets/postgresql
# The same two lines in ready.sh and stop.sh: images differ in where the binaries are.
for folder in $POSTGRESQL_BINARIES; do [ ! -d "$folder" ] || PATH=$folder:$PATH; done
export PATH

say() { echo "tradingbot-stack: $*"; }
fail() { echo "tradingbot-stack: $*" >&2; exit 1; }
trap 'exit 143' TERM INT

# One server for one volume. The lock is inherited by the server and gone with its last process, so that the pid
# files of a server that was killed mean nothing.
exec 9>"$volume/lock"
flock -w 60 9 || fail "another PostgreSQL still uses this volume; it is left alone"
rm -f "$data/postmaster.pid" /var/run/postgresql/.s.PGSQL.*

if [ ! -e "$data" ]; then
    # A half-made cluster never gets the name that counts.
    rm -rf "$volume/pgdata.new"
    say "making a new database cluster"
    initdb --pgdata="$volume/pgdata.new" --username=postgres --encoding=UTF8 --locale=C.UTF-8 --data-checksums \
        --auth-local=peer --auth-host=scram-sha-256 --pwfile="$secrets/superuser-password" >/dev/null
    mv "$volume/pgdata.new" "$data"
    sync
    say "the database cluster is made"
fi
[ -s "$data/PG_VERSION" ] || fail "$data holds no database cluster, and it is not empty: look at it before anything else"
have=$(cat "$data/PG_VERSION")
server=$(postgres --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
[ "$have" = "$server" ] || fail "the data is of PostgreSQL $have, the image of $server: take the image of $have, or upgrade"

# Commands for the server before anybody can connect, one by one, from standard input. An error in one is an error here,
# and its statement, which may hold a password, is not logged.
settings="-c config_file=/etc/postgresql/postgresql.conf"
single() {
    out=$(postgres --single -j $settings -c log_min_error_statement=panic -c log_min_messages=error "$1" 2>&1) \
        || fail "PostgreSQL did not start: $out"
    case "$out" in
        *ERROR:* | *FATAL:* | *PANIC:*) fail "PostgreSQL refused a setting: $(printf '%s' "$out" | grep -E 'ERROR|FATAL|PANIC')" ;;
    esac
}
quoted() { sed "s/'/''/g" "$1"; }

# A change of a password in its Secret takes effect at the next start.
single postgres <<SQL
ALTER ROLE postgres PASSWORD '$(quoted $secrets/superuser-password)';

DO \$\$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'trading_simulation') THEN
    CREATE ROLE trading_simulation;
  END IF;
END \$\$;

ALTER ROLE trading_simulation LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
  PASSWORD '$(quoted $secrets/simulation-password)';

SELECT 'database=' || datname FROM pg_database WHERE datname = 'trading';

SQL
case "$out" in
    *database=trading*) ;;
    *)
        single postgres <<'SQL'
CREATE DATABASE trading OWNER trading_simulation;

SQL
        say "database trading is made"
        ;;
esac
single postgres <<'SQL'
REVOKE ALL ON DATABASE trading FROM PUBLIC;

REVOKE ALL ON DATABASE postgres FROM PUBLIC;

SQL
unset out

exec postgres $settings
