#!/bin/bash
# What the official image's entry point does for a user that is not root, as far as the stack relies on it.
set -euo pipefail
[ "$1" = postgres ] || exec "$@"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    mkdir -p "$PGDATA"
    chmod 0700 "$PGDATA"
    password=${POSTGRES_PASSWORD:-$(cat "${POSTGRES_PASSWORD_FILE:-/dev/null}")}
    user=${POSTGRES_USER:-postgres}
    database=${POSTGRES_DB:-$user}
    # shellcheck disable=SC2086  # a list of words, as there
    initdb --username="$user" --pwfile=<(printf '%s\n' "$password") ${POSTGRES_INITDB_ARGS:-} -D "$PGDATA"
    printf '\nhost all all all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"
    pg_ctl -D "$PGDATA" -w start -o "-c listen_addresses='' -c unix_socket_directories=/var/run/postgresql"
    export PGHOST=/var/run/postgresql
    if [ "$database" != postgres ]; then
        createdb --username="$user" "$database"
    fi
    for file in /docker-entrypoint-initdb.d/*; do
        case $file in
        *.sh) if [ -x "$file" ]; then "$file"; else . "$file"; fi ;;
        *.sql) psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$user" --dbname "$database" --file "$file" ;;
        esac
    done
    unset PGHOST
    pg_ctl -D "$PGDATA" -w -m fast stop
fi
exec "$@" -c listen_addresses='*' -c unix_socket_directories=/var/run/postgresql
