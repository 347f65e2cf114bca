#!/bin/sh
# The demo's server, once, when its data is made: the role's password, and replication for physical backups and WAL.
# psql reads the password from its file, so that it stands in no argument list.
set -eu
psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\set password `cat /run/demo/pgbackstop.password`
ALTER ROLE pgbackstop PASSWORD :'password';
SQL
echo "host replication pgbackstop all scram-sha-256" >>"$PGDATA/pg_hba.conf"
