-- What stands in for a backup: a record that it runs, some time, a record of how it ended.
\set ON_ERROR_STOP on
insert into pgbackstop.records (kind, scope, name, document, bytes)
    values ('backup', :'plan', :'id', :'running'::jsonb || jsonb_build_object('pid', :pid), length(:'running'));
\o /dev/null
select pg_sleep(:seconds);
update pgbackstop.records
   set document = document || :'ended'::jsonb || jsonb_build_object(
           'finished_at', to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
 where (kind, scope, name) = ('backup', :'plan', :'id');
select 1 / :exits_well;
