-- A list's order is exactly what its cursor holds: a key of bounded length, and the id.

-- By creation: the time first. Ids are made in the order of time only as long as one node with one clock makes them.
create index mandates_by_creation on mandates (created_at, id);
create index users_by_creation on users (created_at, id);
create index memberships_by_creation on memberships (mandate_id, created_at, id);
create index playbooks_by_creation_new on playbooks (instance_id, living, created_at, id);
create index playbooks_of_owner_by_creation_new on playbooks (instance_id, owner_id, living, created_at, id);

create index audit_events_of_mandate_new on audit_events (mandate_id, at, id);
-- (An index with `mandate_id` first gives no order to what is narrowed by `mandate_id is null`.)
create index audit_events_of_platform on audit_events (at, id) where mandate_id is null;
create index audit_events_by_actor_new on audit_events (mandate_id, actor_id, at, id);
create index audit_events_by_action_new on audit_events (mandate_id, action, at, id);
create index audit_events_by_target_new on audit_events (mandate_id, target_user_id, at, id);
create index audit_events_by_resource_new on audit_events (mandate_id, resource_id, at, id);

-- By name: by as much of the key as fits into a cursor. Keys that are given nowadays fit whole (600 bytes); of one that was stored
-- before, its beginning counts, and among equal beginnings the id. Stored, and no expression: under row-level security PostgreSQL
-- reads no index for what a function makes of a column.
alter table mandates add column name_sort text collate "C" not null
  generated always as (case when octet_length(name_key) <= 600 then name_key else left(name_key, 150) end) stored;
alter table groups add column name_sort text collate "C" not null
  generated always as (case when octet_length(name_key) <= 600 then name_key else left(name_key, 150) end) stored;
alter table roles add column label_sort text collate "C" not null
  generated always as (case when octet_length(label_key) <= 600 then label_key else left(label_key, 150) end) stored;
alter table feature_instances add column label_sort text collate "C" not null
  generated always as (case when octet_length(label_key) <= 600 then label_key else left(label_key, 150) end) stored;
alter table playbooks add column name_sort text collate "C" not null
  generated always as (case when octet_length(name_key) <= 600 then name_key else left(name_key, 150) end) stored;

create index mandates_by_name_new on mandates (name_sort, id);
create index groups_by_name on groups (mandate_id, name_sort, id);
create index roles_by_label on roles (mandate_id, instance_id, label_sort, id);
create index feature_instances_by_label_new on feature_instances (mandate_id, label_sort, id);
-- (`playbooks_by_name` stays as it is: it finds a playbook, deleted ones too, by its name.)
create index playbooks_in_order_of_names on playbooks (instance_id, living, name_sort, id);
create index playbooks_of_owner_by_name_new on playbooks (instance_id, owner_id, living, name_sort, id);

-- The old ones go last: until then whoever reads goes on.
drop index playbooks_by_creation;
alter index playbooks_by_creation_new rename to playbooks_by_creation;
drop index playbooks_of_owner_by_creation;
alter index playbooks_of_owner_by_creation_new rename to playbooks_of_owner_by_creation;
drop index audit_events_of_mandate;
alter index audit_events_of_mandate_new rename to audit_events_of_mandate;
drop index audit_events_by_actor;
alter index audit_events_by_actor_new rename to audit_events_by_actor;
drop index audit_events_by_action;
alter index audit_events_by_action_new rename to audit_events_by_action;
drop index audit_events_by_target;
alter index audit_events_by_target_new rename to audit_events_by_target;
drop index audit_events_by_resource;
alter index audit_events_by_resource_new rename to audit_events_by_resource;
drop index mandates_by_name;
alter index mandates_by_name_new rename to mandates_by_name;
drop index feature_instances_by_label;
alter index feature_instances_by_label_new rename to feature_instances_by_label;
drop index playbooks_of_owner_by_name;
alter index playbooks_of_owner_by_name_new rename to playbooks_of_owner_by_name;
