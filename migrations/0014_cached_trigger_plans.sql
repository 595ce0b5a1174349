-- The statements that triggers run were planned anew at every call: `execute` and `language sql` keep no plan. In plpgsql a
-- statement is planned once a connection. A row at a time, so that the plan is a lookup by key however many rows the first
-- call brought; in id order, as every lock of this system is.
create or replace function raise_user_epochs() returns trigger language plpgsql security definer set search_path = bailiwick, pg_temp as $$
declare
  whose uuid;
begin
  for whose in select distinct user_id from changed order by 1 loop
    update user_epochs set epoch = epoch + 1 where user_id = whose;
  end loop;
  return null;
end $$;
create function raise_epochs_of_accounts() returns trigger language plpgsql security definer set search_path = bailiwick, pg_temp as $$
declare
  whose uuid;
begin
  for whose in select distinct id from changed order by 1 loop
    update user_epochs set epoch = epoch + 1 where user_id = whose;
  end loop;
  return null;
end $$;
create or replace function raise_mandate_epochs() returns trigger language plpgsql security definer set search_path = bailiwick, pg_temp as $$
declare
  whose uuid;
begin
  -- Templates belong to no mandate.
  for whose in select distinct mandate_id from changed where mandate_id is not null order by 1 loop
    update mandate_epochs set epoch = epoch + 1 where mandate_id = whose;
  end loop;
  return null;
end $$;
create function raise_epochs_of_mandates() returns trigger language plpgsql security definer set search_path = bailiwick, pg_temp as $$
declare
  whose uuid;
begin
  for whose in select distinct id from changed order by 1 loop
    update mandate_epochs set epoch = epoch + 1 where mandate_id = whose;
  end loop;
  return null;
end $$;
create or replace trigger raise_user_epochs_on_update after update on users referencing new table as changed
  for each statement execute function raise_epochs_of_accounts();
create or replace trigger raise_mandate_epochs_on_update after update on mandates referencing new table as changed
  for each statement execute function raise_epochs_of_mandates();

create or replace function has_effective_admin(mandate uuid) returns boolean
language plpgsql stable security definer set search_path = bailiwick, pg_temp as $$
begin
  return exists (
    select 1
    from roles r
    join member_roles mr on mr.mandate_id = r.mandate_id and mr.role_id = r.id
    join memberships m on m.mandate_id = mr.mandate_id and m.user_id = mr.user_id
    join users u on u.id = m.user_id
    where r.mandate_id = mandate and r.protected and r.scope = 'mandate'
      and m.enabled and u.enabled and u.erased_at is null);
end $$;
