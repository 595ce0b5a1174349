-- What every table shares: how a table is closed to other mandates.
-- The roles bailiwick_owner, _runtime, _tenant and _system are made before the first migration (src/db/bootstrap.rs),
-- because roles belong to the cluster and migrations to one database.

-- Readiness compares what was applied with what the binary brings.
do $$ begin
  if to_regclass('bailiwick._sqlx_migrations') is not null then
    grant select on bailiwick._sqlx_migrations to bailiwick_system;
  end if;
end $$;

grant usage on schema bailiwick to bailiwick_runtime, bailiwick_tenant, bailiwick_system;

-- Closes a table: bailiwick_tenant sees the rows of the mandate that its transaction named, bailiwick_system sees all.
-- `nullif`: an unset setting means no rows, not an error. The sub-select: computed once a statement, not once a row.
create function close_to_other_mandates(target regclass, mandate_column name default 'mandate_id') returns void
language plpgsql as $$
begin
  execute format('alter table %s enable row level security', target);
  execute format(
    'create policy tenant on %s to bailiwick_tenant
       using (%2$I = (select nullif(current_setting(''app.mandate_id'', true), '''')::uuid))
       with check (%2$I = (select nullif(current_setting(''app.mandate_id'', true), '''')::uuid))',
    target, mandate_column);
  execute format('create policy platform on %s to bailiwick_system using (true) with check (true)', target);
  execute format('grant select, insert, update, delete on %s to bailiwick_system', target);
end $$;

-- The same for a table of a feature: also only the rows of the instance that the transaction named.
create function close_to_other_instances(target regclass) returns void
language plpgsql as $$
begin
  perform close_to_other_mandates(target);
  execute format(
    'create policy instance on %s as restrictive to bailiwick_tenant
       using (instance_id = (select nullif(current_setting(''app.instance_id'', true), '''')::uuid))
       with check (instance_id = (select nullif(current_setting(''app.instance_id'', true), '''')::uuid))',
    target);
  execute format('grant select, insert, update, delete on %s to bailiwick_tenant', target);
end $$;
