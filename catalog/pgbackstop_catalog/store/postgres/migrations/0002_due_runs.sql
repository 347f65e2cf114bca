-- Which due times of a plan are handled, by any worker: those after handled_until are to come.
create table pgbackstop.scheduled_plan (
    plan text primary key,
    schedule text not null,
    handled_until timestamptz not null
);

-- One row for each due time that became a run; attempt is the fence, only who has its number may change the row.
create table pgbackstop.due_run (
    plan text not null,
    due_at timestamptz not null,
    server text not null,
    storage text not null,
    queue text not null,
    trigger text not null check (trigger in ('schedule', 'catch-up')),
    state text not null check (state in ('queued', 'running', 'succeeded', 'failed', 'missed', 'withdrawn')),
    asked_at timestamptz not null,
    deferred_at timestamptz not null,
    attempt integer not null default 0,
    deaths integer not null default 0,
    worker text,
    started_at timestamptz,
    heartbeat_at timestamptz,
    finished_at timestamptz,
    reason text not null default '',
    primary key (plan, due_at)
);
create unique index due_run_one_running on pgbackstop.due_run (plan) where state = 'running';
create unique index due_run_one_queued on pgbackstop.due_run (plan) where state = 'queued';
create index due_run_active on pgbackstop.due_run (state) where state in ('queued', 'running');

-- Records that are decided, and not yet in the catalog.
create table pgbackstop.unwritten_record (
    id text primary key,
    record text not null
);
