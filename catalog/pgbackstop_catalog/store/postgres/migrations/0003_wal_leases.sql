-- Which worker receives the WAL of a server: the one whose lease has not expired; nobody where it has.
create table pgbackstop.wal_lease (
    server text primary key,
    worker text not null,
    taken_at timestamptz not null,
    expires_at timestamptz not null,
    -- What its receiver knew when its worker last said so: a record of kind wal, which the next one goes on from.
    state text
);
