-- Acting as somebody else. It is a session of theirs that a SysAdmin works in, which hangs on the session that it was begun in: it ends
-- with that one, and with what its maker was. It has no refresh token, and so no row in `session_refreshes`.
alter table mandates add column allow_impersonation boolean not null default false;
grant update (allow_impersonation) on mandates to bailiwick_tenant;

alter table sessions
  add column impersonated_by uuid,
  add column impersonated_in uuid references sessions (id) on delete cascade,
  add constraint sessions_are_impersonated_in_a_session check ((impersonated_by is null) = (impersonated_in is null));
create index sessions_impersonated_in on sessions (impersonated_in) where impersonated_in is not null;
create index sessions_impersonated_by on sessions (impersonated_by, user_id) where impersonated_by is not null and revoked_at is null;

-- Triggers, so that no way to end a session, or to be a SysAdmin no more, forgets them. Before the epochs are raised (triggers run in the
-- order of their names): rows of sessions are locked before epochs, here as everywhere. Those of all who are concerned are locked first,
-- in the order of their ids, since this raises some of them and the next trigger others.
create function end_impersonations_in_sessions() returns trigger
language plpgsql security definer set search_path = bailiwick, pg_temp as $$
begin
  if not exists (select 1 from sessions s join changed c on c.id = s.impersonated_in
                 where c.revoked_at is not null and s.revoked_at is null) then
    return null;
  end if;
  perform 1 from sessions s join changed c on c.id = s.impersonated_in
  where c.revoked_at is not null and s.revoked_at is null order by s.id for no key update of s;
  perform 1 from user_epochs e
  where e.user_id in (select user_id from changed union
                      select s.user_id from sessions s join changed c on c.id = s.impersonated_in)
  order by e.user_id for no key update;
  update sessions s set revoked_at = c.revoked_at from changed c
  where c.id = s.impersonated_in and c.revoked_at is not null and s.revoked_at is null;
  return null;
end $$;
revoke execute on function end_impersonations_in_sessions() from public;
create trigger end_impersonations after update on sessions referencing new table as changed
  for each statement execute function end_impersonations_in_sessions();

-- Whoever is a SysAdmin no more acts as nobody, and nobody acts as a SysAdmin, whenever they became one.
create function end_impersonations_of_users() returns trigger
language plpgsql security definer set search_path = bailiwick, pg_temp as $$
begin
  perform 1 from sessions
  where impersonated_by is not null and revoked_at is null
    and (impersonated_by = new.id and not (new.is_sys_admin and new.enabled and new.erased_at is null)
      or user_id = new.id and new.is_sys_admin)
  order by id for no key update;
  update sessions set revoked_at = now()
  where impersonated_by is not null and revoked_at is null
    and (impersonated_by = new.id and not (new.is_sys_admin and new.enabled and new.erased_at is null)
      or user_id = new.id and new.is_sys_admin);
  return null;
end $$;
revoke execute on function end_impersonations_of_users() from public;
create trigger end_impersonations after update of is_sys_admin, enabled, erased_at on users
  for each row when ((old.is_sys_admin, old.enabled, old.erased_at) is distinct from (new.is_sys_admin, new.enabled, new.erased_at))
  execute function end_impersonations_of_users();

-- Why somebody acted as somebody else. It may speak of people: it is kept beside the trail as addresses are, and goes with either of them.
create table audit_reasons (
  event_id uuid primary key,
  mandate_id uuid,
  actor_id uuid not null,
  target_user_id uuid not null,
  reason text not null
);
create index audit_reasons_of_actor on audit_reasons (actor_id);
create index audit_reasons_of_target on audit_reasons (target_user_id);
select close_to_other_mandates('audit_reasons');
revoke update, truncate on audit_reasons from bailiwick_system;
grant select on audit_reasons to bailiwick_tenant;

-- What is open to a user, with whether each mandate lets others act as its members. As before, but for that.
create or replace function navigation_of(wanted uuid) returns jsonb language plpgsql stable as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
             'mandate_id', d.id, 'mandate_name', d.name, 'mandate_code', d.code,
             'allows_impersonation', d.allow_impersonation,
             'feature_code', f.code, 'feature_label', f.label, 'icon', f.icon, 'tables', f.tables, 'views', f.views,
             'instance_id', i.id, 'instance_label', i.label,
             'roles', (select coalesce(jsonb_agg(jsonb_build_object('id', r.id, 'label', r.label,
                               'tables', role_tables(r.id), 'views', role_view_flags(r.id)) order by r.label_key), '[]')
                       from access_roles ar
                       join roles r on r.mandate_id = ar.mandate_id and r.instance_id = ar.instance_id and r.id = ar.role_id
                       where ar.mandate_id = a.mandate_id and ar.instance_id = a.instance_id and ar.user_id = a.user_id))
           order by d.name_key, d.id, f.code, i.label_key, i.id), '[]')
    from feature_accesses a
    join memberships m on m.mandate_id = a.mandate_id and m.user_id = a.user_id and m.enabled
    join mandates d on d.id = a.mandate_id and d.enabled and d.deleted_at is null
    join feature_instances i on i.mandate_id = a.mandate_id and i.id = a.instance_id and i.enabled
    join features f on f.code = i.feature_code
    where a.user_id = wanted and a.enabled);
end $$;
