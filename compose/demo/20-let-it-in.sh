#!/bin/sh
# The demo's server, once, when its data is made: the role's password, replication for physical backups and WAL,
# and the shop's own role and empty database. psql reads passwords from files, so that none is in an argument list.
set -eu
psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\set password `cat /run/demo/pgbackstop.password`
ALTER ROLE pgbackstop PASSWORD :'password';
\set password `cat /run/demo/shop.password`
CREATE ROLE shop LOGIN PASSWORD :'password';
CREATE DATABASE shop OWNER shop;
SQL
echo "host replication pgbackstop all scram-sha-256" >>"$PGDATA/pg_hba.conf"
