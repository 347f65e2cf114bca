-- The role by which exporters read a catalog in PostgreSQL, and can write nothing. Run it as the owner of the
-- schema pgbackstop, or as a superuser, once, in the catalog's database, after 'pgbackstop storage create':
--
--     psql -U postgres -d pgbackstop -f catalog-reader.sql
--     psql -U postgres -d pgbackstop -c '\password pgbackstop_reader'
--
-- It may be run again at any time and changes nothing that is right already. PostgreSQL 15 to 18.
-- No password stands here, and none is set: until you do, nobody can log in with one.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'pgbackstop_reader') THEN
        CREATE ROLE pgbackstop_reader;
    END IF;
END
$$;
ALTER ROLE pgbackstop_reader WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;

DO $$
DECLARE
    owner text := (SELECT nspowner::regrole FROM pg_catalog.pg_namespace WHERE nspname = 'pgbackstop');
BEGIN
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO pgbackstop_reader', current_database());
    GRANT USAGE ON SCHEMA pgbackstop TO pgbackstop_reader;
    GRANT SELECT ON ALL TABLES IN SCHEMA pgbackstop TO pgbackstop_reader;
    -- Tables of later migrations, too; regrole has quoted the name where it must be.
    EXECUTE 'ALTER DEFAULT PRIVILEGES FOR ROLE ' || owner
        || ' IN SCHEMA pgbackstop GRANT SELECT ON TABLES TO pgbackstop_reader';
END
$$;
