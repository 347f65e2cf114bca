-- Who takes due runs. A worker that stopped has no row; one that is silent for longer than lost_after has died.
create table pgbackstop.worker (
    name text primary key,
    host text not null,
    queues text[] not null,
    started_at timestamptz not null,
    heartbeat_at timestamptz not null,
    lost_after interval not null
);
