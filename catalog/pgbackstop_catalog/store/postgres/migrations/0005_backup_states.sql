-- What lists and states ask for, so that they read no other record.

set local statement_timeout = 0;  -- each row is written anew: some minutes for a million

-- As lists name it: a success is available while it is kept, and expired after that.
alter table pgbackstop.records add column state text collate "C" generated always as (
    case when kind <> 'backup' then null
         when document ->> 'status' <> 'succeeded' then document ->> 'status'
         when document ->> 'expired_at' is null then 'available'
         else 'expired'
    end
) stored;

create index records_of_state on pgbackstop.records (state, name, scope) where kind = 'backup';
create index records_of_database on pgbackstop.records (database, name, scope) where kind = 'backup';
create index records_drills on pgbackstop.records (name, scope)
    where kind = 'proof' and document ->> 'proof' = 'drill';
create index records_damaged_copies on pgbackstop.records (name, scope)
    where kind = 'copy' and document ->> 'damaged_at' is not null;
