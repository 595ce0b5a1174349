-- Features (global definitions), their instances in mandates, and who is admitted to an instance.
create table features (
  code text collate "C" primary key,
  label jsonb not null,
  icon text not null,
  tables text[] not null default '{}',
  views text[] not null default '{}',
  built_in boolean not null default false,
  version bigint not null default 1,
  created_at timestamptz not null,
  constraint features_code_form check (code ~ '^[a-z][a-z0-9-]{1,62}$')
);
grant select on features to bailiwick_tenant;
grant select, insert, update, delete on features to bailiwick_system;

create table feature_instances (
  id uuid not null,
  mandate_id uuid not null references mandates (id) on delete cascade,
  feature_code text collate "C" not null,
  label text not null,
  label_key text collate "C" not null,
  enabled boolean not null default true,
  version bigint not null default 1,
  created_at timestamptz not null,
  primary key (mandate_id, id),
  constraint feature_instances_id_key unique (id),
  constraint feature_instances_feature_code_fkey foreign key (feature_code) references features (code),
  constraint feature_instances_label_key unique (mandate_id, feature_code, label_key)
);
create index feature_instances_by_label on feature_instances (mandate_id, label_key, id);
create index feature_instances_of_feature on feature_instances (feature_code);
select close_to_other_mandates('feature_instances');
grant select, insert, update, delete on feature_instances to bailiwick_tenant;

create table feature_accesses (
  mandate_id uuid not null,
  instance_id uuid not null,
  user_id uuid not null,
  enabled boolean not null default true,
  version bigint not null default 1,
  created_at timestamptz not null,
  primary key (mandate_id, instance_id, user_id),
  foreign key (mandate_id, instance_id) references feature_instances (mandate_id, id) on delete cascade,
  foreign key (mandate_id, user_id) references memberships (mandate_id, user_id) on delete cascade
);
create index feature_accesses_of_user on feature_accesses (user_id, mandate_id, instance_id);
select close_to_other_mandates('feature_accesses');
grant select, insert, update, delete on feature_accesses to bailiwick_tenant;
