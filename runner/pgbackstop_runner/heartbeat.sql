-- The table of pgbackstop's heartbeats, by which drills measure what would be lost. Opt-in: only for servers
-- with heartbeat.enabled. Run it as a superuser, once a server, after create-role.sql, in the database that
-- heartbeat.database names (maintenance_database when left out; any one where there is no database postgres):
--
--     psql -U postgres -d postgres -f heartbeat.sql
--
-- It may be run again at any time and changes nothing that is right already. PostgreSQL 15 to 18.
-- The role may read, add and remove heartbeats, and nothing else; a row has 16 bytes of data.

CREATE SCHEMA IF NOT EXISTS pgbackstop;
REVOKE ALL ON SCHEMA pgbackstop FROM PUBLIC;
GRANT USAGE ON SCHEMA pgbackstop TO pgbackstop;

CREATE TABLE IF NOT EXISTS pgbackstop.heartbeat (
    written_at timestamptz PRIMARY KEY,
    -- The heartbeat before it, so that one that is lost shows in what was recovered.
    previous timestamptz
);
GRANT SELECT, INSERT, DELETE ON pgbackstop.heartbeat TO pgbackstop;
