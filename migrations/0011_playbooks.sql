-- Playbooks: named documents with numbered versions, each version with all its revisions. Deleting is soft; a job purges.
-- `living` is there so that one statement, over one index, lists the living or the deleted.
create table playbooks (
  id uuid not null,
  mandate_id uuid not null,
  instance_id uuid not null,
  owner_id uuid not null references users (id),
  name text not null,
  name_key text collate "C" not null,
  title text not null,
  title_key text collate "C" not null,
  description text,
  latest_version integer,                   -- the highest living version's number
  version bigint not null default 1,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  deleted_at timestamptz,
  purge_at timestamptz,
  living boolean not null generated always as (deleted_at is null) stored,
  primary key (mandate_id, instance_id, id),
  foreign key (mandate_id, instance_id) references feature_instances (mandate_id, id) on delete cascade,
  constraint playbooks_deletion_has_purge check ((deleted_at is null) = (purge_at is null))
);
-- A deleted playbook frees its name at once.
create unique index playbooks_name_key on playbooks (mandate_id, instance_id, name_key) where deleted_at is null;
create index playbooks_by_name on playbooks (instance_id, living, name_key, id);
create index playbooks_by_creation on playbooks (instance_id, living, id);
create index playbooks_of_owner_by_name on playbooks (instance_id, owner_id, living, name_key, id);
create index playbooks_of_owner_by_creation on playbooks (instance_id, owner_id, living, id);
create index playbooks_to_purge on playbooks (purge_at) where purge_at is not null;
select close_to_other_instances('playbooks');

create table playbook_versions (
  mandate_id uuid not null,
  instance_id uuid not null,
  playbook_id uuid not null,
  number integer not null,
  owner_id uuid not null references users (id),
  revision integer not null default 1,      -- the current one; the version's own version
  size integer not null,                    -- of the current content, in bytes of UTF-8
  created_at timestamptz not null,
  updated_at timestamptz not null,
  deleted_at timestamptz,
  purge_at timestamptz,
  primary key (mandate_id, instance_id, playbook_id, number),
  foreign key (mandate_id, instance_id, playbook_id) references playbooks (mandate_id, instance_id, id) on delete cascade,
  constraint playbook_versions_number_form check (number > 0),
  constraint playbook_versions_deletion_has_purge check ((deleted_at is null) = (purge_at is null))
);
create index playbook_versions_to_purge on playbook_versions (purge_at) where purge_at is not null;
select close_to_other_instances('playbook_versions');

-- Every content that a version ever had. The current one is found by the version's `revision`, so that lists touch no content.
create table playbook_revisions (
  mandate_id uuid not null,
  instance_id uuid not null,
  playbook_id uuid not null,
  number integer not null,
  revision integer not null,
  author_id uuid not null references users (id),
  created_at timestamptz not null,
  size integer not null,
  rolled_back_from integer,                 -- the revision whose content was brought back
  content text not null,
  primary key (mandate_id, instance_id, playbook_id, number, revision),
  foreign key (mandate_id, instance_id, playbook_id, number)
    references playbook_versions (mandate_id, instance_id, playbook_id, number) on delete cascade
);
select close_to_other_instances('playbook_revisions');
