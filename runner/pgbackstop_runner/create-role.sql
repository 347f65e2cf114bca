-- The role that pgbackstop backs up and watches a server with. Run it as a superuser, once a server, in
-- the database that maintenance_database names (postgres when left out):
--
--     psql -U postgres -d postgres -f create-role.sql
--     psql -U postgres -d postgres -c '\password pgbackstop'
--
-- It may be run again at any time and changes nothing that is right already. PostgreSQL 15 to 18.
-- No password stands here, and none is set: until you do, nobody can log in with one.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'pgbackstop') THEN
        CREATE ROLE pgbackstop;
    END IF;
END
$$;

-- REPLICATION: pg_basebackup, pg_receivewal, and their replication slots.
-- BYPASSRLS: pg_dump stops at a table with row level security rather than dump a part of its rows.
ALTER ROLE pgbackstop WITH LOGIN REPLICATION BYPASSRLS NOSUPERUSER NOCREATEDB NOCREATEROLE INHERIT;

-- pg_dump: every table, view and sequence of every schema, those that are created later too.
GRANT pg_read_all_data TO pgbackstop;

-- Monitoring: sizes, replication, the archiver's state, how far the slots hold WAL back.
GRANT pg_monitor TO pgbackstop;

-- PostgreSQL lets everybody connect to a new database; this is for those where that was taken away.
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT datname FROM pg_catalog.pg_database WHERE datallowconn LOOP
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO pgbackstop', name);
    END LOOP;
END
$$;

-- Messages in English, whatever the server speaks, so that what they mean can be told.
GRANT SET ON PARAMETER lc_messages TO pgbackstop;

-- From 17 on: sessions of backups run no event trigger, which may count logins or forbid commands.
DO $$
BEGIN
    IF current_setting('event_triggers', true) IS NOT NULL THEN
        GRANT SET ON PARAMETER event_triggers TO pgbackstop;
    END IF;
END
$$;
