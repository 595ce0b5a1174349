-- Mandates (tenants), their members and groups. Keys of tenant tables carry mandate_id and foreign keys include it,
-- so that a row cannot point across mandates.
create table mandates (
  id uuid primary key,
  name text not null,
  name_key text collate "C" not null,
  code text not null,
  code_key text collate "C" not null,
  language text not null default 'en',
  enabled boolean not null default true,
  version bigint not null default 1,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  deleted_at timestamptz,
  purge_at timestamptz,
  constraint mandates_deletion_has_purge check ((deleted_at is null) = (purge_at is null))
);
-- A deleted mandate frees its code at once.
create unique index mandates_code_key on mandates (code_key) where deleted_at is null;
create index mandates_by_name on mandates (name_key, id);
create index mandates_by_code on mandates (code_key, id);
select close_to_other_mandates('mandates', 'id');
grant select, update (name, name_key, language, version, updated_at) on mandates to bailiwick_tenant;

create table memberships (
  id uuid not null,                         -- userMandateId; UUIDv7, so its order is the order of joining
  mandate_id uuid not null references mandates (id) on delete cascade,
  user_id uuid not null references users (id),
  enabled boolean not null default true,
  first_used_at timestamptz,                -- until then colleagues see only the username
  version bigint not null default 1,
  created_at timestamptz not null,
  primary key (mandate_id, user_id),
  constraint memberships_id_key unique (mandate_id, id)
);
create index memberships_of_user on memberships (user_id, mandate_id);
select close_to_other_mandates('memberships');
grant select, insert, update, delete on memberships to bailiwick_tenant;

create table groups (
  id uuid not null,
  mandate_id uuid not null references mandates (id) on delete cascade,
  name text not null,
  name_key text collate "C" not null,
  description text,
  auto_join boolean not null default false,
  version bigint not null default 1,
  created_at timestamptz not null,
  primary key (mandate_id, id),
  constraint groups_name_key unique (mandate_id, name_key)
);
select close_to_other_mandates('groups');
grant select, insert, update, delete on groups to bailiwick_tenant;

create table group_members (
  mandate_id uuid not null,
  group_id uuid not null,
  user_id uuid not null,
  primary key (mandate_id, group_id, user_id),
  foreign key (mandate_id, group_id) references groups (mandate_id, id) on delete cascade,
  foreign key (mandate_id, user_id) references memberships (mandate_id, user_id) on delete cascade
);
create index group_members_of_user on group_members (mandate_id, user_id, group_id);
select close_to_other_mandates('group_members');
grant select, insert, update, delete on group_members to bailiwick_tenant;

-- Whom level `g` reaches: everybody who shares a group of this mandate with the user. A plain SQL function, so that the
-- planner sees through it.
create function group_peers(mandate uuid, member uuid) returns table (user_id uuid)
language sql stable as $$
  select peers.user_id
  from group_members mine
  join group_members peers on peers.mandate_id = mine.mandate_id and peers.group_id = mine.group_id
  where mine.mandate_id = mandate and mine.user_id = member
$$;
grant execute on function group_peers(uuid, uuid) to bailiwick_tenant, bailiwick_system;

-- Tenants read the accounts of their own members, and of those never the password hash.
create policy tenant on users for select to bailiwick_tenant
  using (exists (select 1 from memberships m
                 where m.user_id = users.id
                   and m.mandate_id = (select nullif(current_setting('app.mandate_id', true), '')::uuid)));
grant select (id, username, username_key, email, email_key, first_name, last_name, enabled, erased_at) on users to bailiwick_tenant;
