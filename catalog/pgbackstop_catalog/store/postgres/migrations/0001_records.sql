-- The records of a catalog, as they stand in the files of a folder: one row each.

create table pgbackstop.records (
    -- backup, copy, proof, restore, storage, totals
    kind text collate "C" not null,
    -- The plan, of a restore the server, of a storage nothing: the folder that the record's file would lie in.
    scope text collate "C" not null,
    -- That file's name, without .json. It begins with the time, so that it sorts by it.
    name text collate "C" not null,
    -- NUL, which jsonb refuses, stands there as U+2400.
    document jsonb not null,
    -- About how long the document is, so that readers take no more of them at once than fit into memory.
    bytes integer not null,
    -- The transaction that wrote the row: who reads again asks for what came since.
    changed_by xid8 not null,

    record_version integer generated always as ((document ->> 'record_version')::integer) stored,
    plan text collate "C" generated always as (document ->> 'plan') stored,
    server text collate "C" generated always as (document ->> 'server') stored,
    database text generated always as (document ->> 'database') stored,
    backup_type text collate "C" generated always as (document ->> 'backup_type') stored,
    status text collate "C" generated always as (document ->> 'status') stored,
    -- The backup of a copy or a proof.
    backup text collate "C" generated always as (document ->> 'backup') stored,
    -- As the record has it, in UTC: 2026-11-22T02:00:00Z.
    started_at text collate "C" generated always as (document ->> 'started_at') stored,

    primary key (kind, scope, name)
);

create index records_newest on pgbackstop.records (kind, name, scope);
create index records_of_backup on pgbackstop.records (kind, scope, backup) where backup is not null;
create index records_of_server on pgbackstop.records (server, backup_type, name) where kind = 'backup';
create index records_changed on pgbackstop.records (changed_by);

create function pgbackstop.note_change() returns trigger language plpgsql set search_path = '' as $$
begin
    new.changed_by := pg_catalog.pg_current_xact_id();
    return new;
end $$;

create trigger note_change before insert or update on pgbackstop.records
    for each row execute function pgbackstop.note_change();
