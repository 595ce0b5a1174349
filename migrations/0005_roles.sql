-- Roles and their permissions. Four scopes, never mixed: the scope is part of the key by which a role is held, so an
-- instance role cannot be held as a mandate role and a template cannot be held at all.
create table roles (
  id uuid primary key,
  scope text not null,
  mandate_id uuid references mandates (id) on delete cascade,
  instance_id uuid,
  feature_code text collate "C" references features (code),
  template_role_id uuid,                    -- no foreign key: a copy stays known as a copy after its template is gone
  label text not null,
  label_key text collate "C" not null,
  description jsonb not null default '{}',
  protected boolean not null default false, -- the role `admin`, as template and as copy
  version bigint not null default 1,
  created_at timestamptz not null,
  constraint roles_scope_form check (
    case scope
      when 'mandate-template' then mandate_id is null and instance_id is null and feature_code is null
      when 'feature-template' then mandate_id is null and instance_id is null and feature_code is not null
      when 'mandate' then mandate_id is not null and instance_id is null and feature_code is null
      when 'instance' then mandate_id is not null and instance_id is not null and feature_code is not null
      else false
    end),
  constraint roles_protected_scope check (not protected or scope in ('mandate-template', 'mandate')),
  constraint roles_scope_key unique (id, scope),
  constraint roles_mandate_scope_key unique (mandate_id, id, scope),
  constraint roles_instance_scope_key unique (mandate_id, instance_id, id, scope),
  foreign key (mandate_id, instance_id) references feature_instances (mandate_id, id) on delete cascade
);
create unique index roles_mandate_template_label_key on roles (label_key) where scope = 'mandate-template';
create unique index roles_feature_template_label_key on roles (feature_code, label_key) where scope = 'feature-template';
create unique index roles_mandate_label_key on roles (mandate_id, label_key) where scope = 'mandate';
create unique index roles_instance_label_key on roles (mandate_id, instance_id, label_key) where scope = 'instance';
create unique index roles_one_admin on roles (mandate_id) where protected and scope = 'mandate';
create unique index roles_one_admin_template on roles (scope) where protected and scope = 'mandate-template';
select close_to_other_mandates('roles');
grant select, insert, update, delete on roles to bailiwick_tenant;

-- Levels: 0 none, 1 my, 2 group, 3 all (access::level). Well-formed: update and delete never exceed read; without view, nothing.
create table role_permissions (
  role_id uuid not null,
  scope text not null,
  mandate_id uuid,
  table_name text not null,                 -- a table of the scope, or '*'
  can_view boolean not null,
  read_level smallint not null check (read_level between 0 and 3),
  create_level smallint not null check (create_level between 0 and 3),
  update_level smallint not null check (update_level between 0 and 3),
  delete_level smallint not null check (delete_level between 0 and 3),
  primary key (role_id, table_name),
  constraint role_permissions_templates_have_no_mandate check ((mandate_id is null) = (scope in ('mandate-template', 'feature-template'))),
  constraint role_permissions_within_read check (update_level <= read_level and delete_level <= read_level),
  constraint role_permissions_view_first check (can_view or (read_level = 0 and create_level = 0)),
  foreign key (role_id, scope) references roles (id, scope) on delete cascade,
  foreign key (mandate_id, role_id, scope) references roles (mandate_id, id, scope) on delete cascade
);
select close_to_other_mandates('role_permissions');
grant select, insert, update, delete on role_permissions to bailiwick_tenant;

create table role_views (
  role_id uuid not null,
  scope text not null,
  mandate_id uuid,
  view_name text not null,
  allowed boolean not null,
  primary key (role_id, view_name),
  constraint role_views_templates_have_no_mandate check ((mandate_id is null) = (scope in ('mandate-template', 'feature-template'))),
  foreign key (role_id, scope) references roles (id, scope) on delete cascade,
  foreign key (mandate_id, role_id, scope) references roles (mandate_id, id, scope) on delete cascade
);
select close_to_other_mandates('role_views');
grant select, insert, update, delete on role_views to bailiwick_tenant;

create table member_roles (
  mandate_id uuid not null,
  user_id uuid not null,
  role_id uuid not null,
  role_scope text not null default 'mandate' check (role_scope = 'mandate'),
  primary key (mandate_id, user_id, role_id),
  foreign key (mandate_id, user_id) references memberships (mandate_id, user_id) on delete cascade,
  constraint member_roles_role_fkey foreign key (mandate_id, role_id, role_scope) references roles (mandate_id, id, scope)
);
create index member_roles_of_role on member_roles (mandate_id, role_id, user_id);
create index member_roles_of_user on member_roles (user_id, mandate_id);
select close_to_other_mandates('member_roles');
grant select, insert, update, delete on member_roles to bailiwick_tenant;

create table access_roles (
  mandate_id uuid not null,
  instance_id uuid not null,
  user_id uuid not null,
  role_id uuid not null,
  role_scope text not null default 'instance' check (role_scope = 'instance'),
  primary key (mandate_id, instance_id, user_id, role_id),
  foreign key (mandate_id, instance_id, user_id) references feature_accesses (mandate_id, instance_id, user_id) on delete cascade,
  -- checked at the end: deleting an instance takes its roles and its accesses in either order
  constraint access_roles_role_fkey foreign key (mandate_id, instance_id, role_id, role_scope)
    references roles (mandate_id, instance_id, id, scope) deferrable initially deferred
);
create index access_roles_of_role on access_roles (mandate_id, instance_id, role_id, user_id);
create index access_roles_of_user on access_roles (user_id, mandate_id, instance_id);
select close_to_other_mandates('access_roles');
grant select, insert, update, delete on access_roles to bailiwick_tenant;

-- member_roles.role_fkey likewise, for the purge of a whole mandate.
alter table member_roles alter constraint member_roles_role_fkey deferrable initially deferred;

-- A role's permissions as the access model reads them. Levels as letters: n, m, g, a.
create function role_tables(wanted uuid) returns jsonb language sql stable as $$
  select coalesce(jsonb_object_agg(p.table_name, jsonb_build_object(
           'view', p.can_view,
           'read', substr('nmga', p.read_level + 1, 1), 'create', substr('nmga', p.create_level + 1, 1),
           'update', substr('nmga', p.update_level + 1, 1), 'delete', substr('nmga', p.delete_level + 1, 1))), '{}')
  from role_permissions p where p.role_id = wanted
$$;
create function role_view_flags(wanted uuid) returns jsonb language sql stable as $$
  select coalesce(jsonb_object_agg(v.view_name, v.allowed), '{}') from role_views v where v.role_id = wanted
$$;
grant execute on function role_tables(uuid), role_view_flags(uuid) to bailiwick_tenant, bailiwick_system;
