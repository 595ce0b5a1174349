-- Epochs: numbers that grow, in the same transaction, with any change to what somebody may do or sees in the navigation.
-- A cached decision is used only while its epochs stand. Triggers raise them, so that no code path can forget, and they live
-- in tables of their own, so that a resource's `version` does not move. Statement triggers: one update however many rows.
create table user_epochs (
  user_id uuid primary key references users (id) on delete cascade,
  epoch bigint not null default 1
);
create table mandate_epochs (
  mandate_id uuid primary key references mandates (id) on delete cascade,
  epoch bigint not null default 1
);
create table catalogue_epoch (
  only_row boolean primary key default true check (only_row),
  epoch bigint not null default 1
);
insert into catalogue_epoch default values;
select close_to_other_mandates('mandate_epochs');
revoke insert, update, delete on mandate_epochs from bailiwick_system;
alter table user_epochs enable row level security;
create policy platform on user_epochs to bailiwick_system using (true);
grant select on user_epochs, catalogue_epoch to bailiwick_system;

create function start_user_epoch() returns trigger language plpgsql security definer set search_path = bailiwick, pg_temp as $$
begin
  insert into user_epochs (user_id) select id from changed;
  return null;
end $$;
create function start_mandate_epoch() returns trigger language plpgsql security definer set search_path = bailiwick, pg_temp as $$
begin
  insert into mandate_epochs (mandate_id) select id from changed;
  return null;
end $$;
create trigger start_epoch after insert on users referencing new table as changed
  for each statement execute function start_user_epoch();
create trigger start_epoch after insert on mandates referencing new table as changed
  for each statement execute function start_mandate_epoch();

-- The argument names the column that holds the id. Rows are taken in id order, as every lock of this system is.
create function raise_user_epochs() returns trigger language plpgsql security definer set search_path = bailiwick, pg_temp as $$
begin
  execute format(
    'with locked as (select e.user_id from user_epochs e where e.user_id in (select %1$I from changed) order by 1 for no key update)
     update user_epochs e set epoch = epoch + 1 from locked where e.user_id = locked.user_id', tg_argv[0]);
  return null;
end $$;
create function raise_mandate_epochs() returns trigger language plpgsql security definer set search_path = bailiwick, pg_temp as $$
begin
  execute format(
    'with locked as (select e.mandate_id from mandate_epochs e where e.mandate_id in (select %1$I from changed) order by 1 for no key update)
     update mandate_epochs e set epoch = epoch + 1 from locked where e.mandate_id = locked.mandate_id', tg_argv[0]);
  return null;
end $$;
create function raise_catalogue_epoch() returns trigger language plpgsql security definer set search_path = bailiwick, pg_temp as $$
begin
  if exists (select 1 from changed) then
    update catalogue_epoch set epoch = epoch + 1;
  end if;
  return null;
end $$;

-- What belongs to a person.
create trigger raise_user_epochs_on_update after update on users referencing new table as changed
  for each statement execute function raise_user_epochs('id');
create trigger raise_user_epochs_on_update after update on sessions referencing new table as changed
  for each statement execute function raise_user_epochs('user_id');
create trigger raise_user_epochs_on_delete after delete on sessions referencing old table as changed
  for each statement execute function raise_user_epochs('user_id');
create trigger raise_user_epochs_on_insert after insert on memberships referencing new table as changed
  for each statement execute function raise_user_epochs('user_id');
create trigger raise_user_epochs_on_update after update on memberships referencing new table as changed
  for each statement execute function raise_user_epochs('user_id');
create trigger raise_user_epochs_on_delete after delete on memberships referencing old table as changed
  for each statement execute function raise_user_epochs('user_id');
create trigger raise_user_epochs_on_insert after insert on member_roles referencing new table as changed
  for each statement execute function raise_user_epochs('user_id');
create trigger raise_user_epochs_on_update after update on member_roles referencing new table as changed
  for each statement execute function raise_user_epochs('user_id');
create trigger raise_user_epochs_on_delete after delete on member_roles referencing old table as changed
  for each statement execute function raise_user_epochs('user_id');
create trigger raise_user_epochs_on_insert after insert on group_members referencing new table as changed
  for each statement execute function raise_user_epochs('user_id');
create trigger raise_user_epochs_on_update after update on group_members referencing new table as changed
  for each statement execute function raise_user_epochs('user_id');
create trigger raise_user_epochs_on_delete after delete on group_members referencing old table as changed
  for each statement execute function raise_user_epochs('user_id');
create trigger raise_user_epochs_on_insert after insert on feature_accesses referencing new table as changed
  for each statement execute function raise_user_epochs('user_id');
create trigger raise_user_epochs_on_update after update on feature_accesses referencing new table as changed
  for each statement execute function raise_user_epochs('user_id');
create trigger raise_user_epochs_on_delete after delete on feature_accesses referencing old table as changed
  for each statement execute function raise_user_epochs('user_id');
create trigger raise_user_epochs_on_insert after insert on access_roles referencing new table as changed
  for each statement execute function raise_user_epochs('user_id');
create trigger raise_user_epochs_on_update after update on access_roles referencing new table as changed
  for each statement execute function raise_user_epochs('user_id');
create trigger raise_user_epochs_on_delete after delete on access_roles referencing old table as changed
  for each statement execute function raise_user_epochs('user_id');
-- What belongs to a mandate.
create trigger raise_mandate_epochs_on_update after update on mandates referencing new table as changed
  for each statement execute function raise_mandate_epochs('id');
create trigger raise_mandate_epochs_on_insert after insert on feature_instances referencing new table as changed
  for each statement execute function raise_mandate_epochs('mandate_id');
create trigger raise_mandate_epochs_on_update after update on feature_instances referencing new table as changed
  for each statement execute function raise_mandate_epochs('mandate_id');
create trigger raise_mandate_epochs_on_delete after delete on feature_instances referencing old table as changed
  for each statement execute function raise_mandate_epochs('mandate_id');
create trigger raise_mandate_epochs_on_insert after insert on roles referencing new table as changed
  for each statement execute function raise_mandate_epochs('mandate_id');
create trigger raise_mandate_epochs_on_update after update on roles referencing new table as changed
  for each statement execute function raise_mandate_epochs('mandate_id');
create trigger raise_mandate_epochs_on_delete after delete on roles referencing old table as changed
  for each statement execute function raise_mandate_epochs('mandate_id');
create trigger raise_mandate_epochs_on_insert after insert on role_permissions referencing new table as changed
  for each statement execute function raise_mandate_epochs('mandate_id');
create trigger raise_mandate_epochs_on_update after update on role_permissions referencing new table as changed
  for each statement execute function raise_mandate_epochs('mandate_id');
create trigger raise_mandate_epochs_on_delete after delete on role_permissions referencing old table as changed
  for each statement execute function raise_mandate_epochs('mandate_id');
create trigger raise_mandate_epochs_on_insert after insert on role_views referencing new table as changed
  for each statement execute function raise_mandate_epochs('mandate_id');
create trigger raise_mandate_epochs_on_update after update on role_views referencing new table as changed
  for each statement execute function raise_mandate_epochs('mandate_id');
create trigger raise_mandate_epochs_on_delete after delete on role_views referencing old table as changed
  for each statement execute function raise_mandate_epochs('mandate_id');
create trigger raise_mandate_epochs_on_insert after insert on groups referencing new table as changed
  for each statement execute function raise_mandate_epochs('mandate_id');
create trigger raise_mandate_epochs_on_update after update on groups referencing new table as changed
  for each statement execute function raise_mandate_epochs('mandate_id');
create trigger raise_mandate_epochs_on_delete after delete on groups referencing old table as changed
  for each statement execute function raise_mandate_epochs('mandate_id');
-- What belongs to everybody.
create trigger raise_catalogue_epoch_on_insert after insert on features referencing new table as changed
  for each statement execute function raise_catalogue_epoch();
create trigger raise_catalogue_epoch_on_update after update on features referencing new table as changed
  for each statement execute function raise_catalogue_epoch();
create trigger raise_catalogue_epoch_on_delete after delete on features referencing old table as changed
  for each statement execute function raise_catalogue_epoch();
