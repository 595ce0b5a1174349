-- What is to be done without anybody's request (src/jobs). A job is taken by locking its row; what it does and what becomes of
-- the row are one transaction, so that a crash undoes both and the lock is all the lease there is.
create table jobs (
  name text collate "C" not null,           -- which code does it
  subject text collate "C" not null,        -- what it is about: an id; '' for a job that comes round by itself
  due_at timestamptz not null,
  failures integer not null default 0,      -- since it last succeeded
  last_error text,
  primary key (name, subject)
);
create index jobs_by_due on jobs (due_at);
alter table jobs enable row level security;
create policy platform on jobs to bailiwick_system using (true) with check (true);
grant select, insert, update, delete on jobs to bailiwick_system;

create index mandates_to_purge on mandates (purge_at) where purge_at is not null;

-- Takes up to `at_most` rows of a mandate away and tells how many; fewer than that: only the mandate's own row, and the little
-- that hangs on it, is left. What hangs on a mandate is read from the foreign keys, so that a new table is covered without
-- being named, and goes leaves first, so that no row takes others with it uncounted. (One delete of the mandate's row would do,
-- but hold its members' epochs, and so their signing in, for as long as all of it takes.) Tables that have no index by mandate
-- hang closely on a table that has one, and go with its rows. Audit events hang on nothing, and stay.
create function purge_part(mandate uuid, at_most integer) returns integer
language plpgsql set search_path = bailiwick, pg_temp as $$
declare
  held regclass;
  taken integer;
  total integer := 0;
begin
  for held in
    with recursive hanging (held, depth) as (
      select 'mandates'::regclass::oid, 0
      union
      select k.conrelid, h.depth + 1
      from hanging h join pg_constraint k on k.confrelid = h.held and k.contype = 'f' and k.conrelid <> k.confrelid
      where h.depth < 16) -- a circle would never end
    select h.held::regclass
    from hanging h join pg_attribute a on a.attrelid = h.held and a.attname = 'mandate_id' and not a.attisdropped
    where has_table_privilege(h.held, 'delete')
      and exists (select from pg_index i where i.indrelid = h.held and i.indkey[0] = a.attnum)
    group by h.held order by max(h.depth) desc, h.held
  loop
    execute format('delete from %s where ctid = any (array(select ctid from %1$s where mandate_id = $1 limit $2))', held)
      using mandate, at_most - total;
    get diagnostics taken = row_count;
    total := total + taken;
    exit when total >= at_most;
  end loop;
  return total;
end $$;
revoke execute on function purge_part(uuid, integer) from public;
grant execute on function purge_part(uuid, integer) to bailiwick_system;
