-- Requests a minute that members of a mandate have in its context, by class, where a SysAdmin set them; else the settings hold.
alter table mandates add column limits jsonb not null default '{}'
  constraint mandates_limits_are_by_class check (jsonb_typeof(limits) = 'object');
create index mandates_with_limits on mandates (id) where limits <> '{}';

-- The nodes that are alive: each writes its row every few seconds, and divides the budgets of callers by their number.
create table nodes (
  id uuid primary key,                      -- made when the node starts
  seen_at timestamptz not null              -- by the clock of the database, which is the same for all
);
alter table nodes enable row level security;
create policy platform on nodes to bailiwick_system using (true) with check (true);
grant select, insert, update, delete on nodes to bailiwick_system;
