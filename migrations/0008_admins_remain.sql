-- The second wall of two rules: a mandate that has an effective admin keeps one, and the platform keeps an active SysAdmin.
-- The first wall is the order of locks (src/context/change.rs): a recount alone loses against a concurrent transaction.
--
-- Before a row is lost, note which mandates had an effective admin; at the end of the transaction, recount those. Noting
-- first keeps the rule exact: a mandate that had none to begin with (restored, or its first admin not named yet) may change freely.
create function has_effective_admin(mandate uuid) returns boolean
language sql stable security definer set search_path = bailiwick, pg_temp as $$
  select exists (
    select 1
    from roles r
    join member_roles mr on mr.mandate_id = r.mandate_id and mr.role_id = r.id
    join memberships m on m.mandate_id = mr.mandate_id and m.user_id = mr.user_id
    join users u on u.id = m.user_id
    where r.mandate_id = mandate and r.protected and r.scope = 'mandate'
      and m.enabled and u.enabled and u.erased_at is null)
$$;
revoke execute on function has_effective_admin(uuid) from public;
grant execute on function has_effective_admin(uuid) to bailiwick_tenant, bailiwick_system;

create function note_admin(mandate uuid) returns void
language plpgsql security definer set search_path = bailiwick, pg_temp as $$
declare
  noted text := coalesce(current_setting('app.had_admin', true), '');
begin
  if position(mandate::text in noted) = 0 and has_effective_admin(mandate) then
    perform set_config('app.had_admin', noted || mandate::text || ' ', true);
  end if;
end $$;

create function recount_admins(mandate uuid) returns void
language plpgsql security definer set search_path = bailiwick, pg_temp as $$
begin
  if position(mandate::text in coalesce(current_setting('app.had_admin', true), '')) > 0
     and not has_effective_admin(mandate)
     and exists (select 1 from mandates where id = mandate and deleted_at is null) then
    raise exception 'mandate % would lose its last effective admin', mandate
      using errcode = 'check_violation', constraint = 'last_mandate_admin';
  end if;
end $$;
revoke execute on function note_admin(uuid), recount_admins(uuid) from public;

create function note_admin_of_row() returns trigger
language plpgsql security definer set search_path = bailiwick, pg_temp as $$
begin
  perform note_admin(old.mandate_id);
  if tg_op = 'DELETE' then return old; end if;
  return new;
end $$;
create function recount_admins_of_row() returns trigger
language plpgsql security definer set search_path = bailiwick, pg_temp as $$
begin
  perform recount_admins(old.mandate_id);
  return null;
end $$;

create trigger note_admin before delete or update on member_roles
  for each row execute function note_admin_of_row();
create constraint trigger recount_admins after delete or update on member_roles
  deferrable initially deferred for each row execute function recount_admins_of_row();
create trigger note_admin before delete on memberships
  for each row execute function note_admin_of_row();
create trigger note_admin_when_disabled before update on memberships
  for each row when (old.enabled and not new.enabled) execute function note_admin_of_row();
create constraint trigger recount_admins after delete on memberships
  deferrable initially deferred for each row execute function recount_admins_of_row();
create constraint trigger recount_admins_when_disabled after update on memberships
  deferrable initially deferred for each row when (old.enabled and not new.enabled) execute function recount_admins_of_row();

create function note_admins_of_account() returns trigger
language plpgsql security definer set search_path = bailiwick, pg_temp as $$
begin
  perform note_admin(m.mandate_id) from memberships m where m.user_id = old.id;
  return new;
end $$;
create function recount_admins_of_account() returns trigger
language plpgsql security definer set search_path = bailiwick, pg_temp as $$
begin
  perform recount_admins(m.mandate_id) from memberships m where m.user_id = old.id;
  return null;
end $$;
create trigger note_admins before update on users
  for each row when ((old.enabled and not new.enabled) or (old.erased_at is null and new.erased_at is not null))
  execute function note_admins_of_account();
create constraint trigger recount_admins after update on users
  deferrable initially deferred for each row
  when ((old.enabled and not new.enabled) or (old.erased_at is null and new.erased_at is not null))
  execute function recount_admins_of_account();

create function recount_sys_admins() returns trigger
language plpgsql security definer set search_path = bailiwick, pg_temp as $$
begin
  if not exists (select 1 from users where is_sys_admin and enabled and erased_at is null) then
    raise exception 'the platform would lose its last active SysAdmin'
      using errcode = 'check_violation', constraint = 'last_sys_admin';
  end if;
  return null;
end $$;
create constraint trigger recount_sys_admins after update on users
  deferrable initially deferred for each row
  when (old.is_sys_admin and old.enabled and old.erased_at is null
        and not (new.is_sys_admin and new.enabled and new.erased_at is null))
  execute function recount_sys_admins();
