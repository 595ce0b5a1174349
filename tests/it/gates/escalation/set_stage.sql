-- Takes down what the sequence before built, and sets what the rows say.
create function staged_roles(stage jsonb) returns table (id uuid, mandate_id uuid, instance_id uuid, feature_code text,
  template_role_id uuid, label text, protected bool, tables jsonb, views jsonb, scope text) language sql immutable as $$
  select r.*, case when mandate_id is null then 'feature-template' when instance_id is null then 'mandate' else 'instance' end
  from jsonb_to_recordset(stage -> 'roles') r (id uuid, mandate_id uuid, instance_id uuid, feature_code text, template_role_id uuid, label text,
    protected bool, tables jsonb, views jsonb)
$$;
create function set_stage(people uuid[], sys_admins uuid[], stage jsonb) returns void language plpgsql as $$
declare of_mandate regclass;
begin
  -- Without triggers: cascades, epochs and recounts would cost more than the sequence. The epochs are raised below.
  perform set_config('session_replication_role', 'replica', true);
  for of_mandate in select polrelid from pg_policy where polname = 'tenant' and polrelid::regclass::text
      not in ('users', 'roles', 'role_permissions', 'role_views', 'audit_events', 'audit_addresses') loop
    execute format('delete from %s', of_mandate);
  end loop;
  delete from role_permissions where role_id not in (select id from kept_role);
  delete from role_views where role_id not in (select id from kept_role);
  delete from roles where id not in (select id from kept_role);
  delete from features where not built_in;
  delete from sessions where id not in (select id from kept_session);
  update sessions set revoked_at = null where revoked_at is not null;
  update session_refreshes set number = 1 where number > 1;
  -- An erasure took those of whoever was erased.
  insert into session_refreshes (session_id, refreshed_at, idle_until, last_seen_at)
    select id, now(), now() + interval '7 days', now() from kept_session on conflict do nothing;
  delete from users where id <> all (people);
  delete from user_epochs where user_id <> all (people);
  update users u set username = k.username, username_key = k.username_key, password_hash = k.password_hash, erased_at = null
    from kept_user k
    where k.id = u.id and (u.erased_at is not null or u.password_hash is distinct from k.password_hash);
  -- Addresses are put back, too: who was erased once, or got another one, could accept no invitation any more.
  delete from earlier_addresses;
  delete from address_changes;
  update users u set email = null, email_key = null
    from kept_user k where k.id = u.id and u.email_key is distinct from k.email_key;
  update users u set email = k.email, email_key = k.email_key, email_verified = k.email_verified
    from kept_user k where k.id = u.id and (u.email_key is distinct from k.email_key or u.email_verified <> k.email_verified);
  update user_epochs set epoch = epoch + 1;
  update catalogue_epoch set epoch = epoch + 1;
  update users set enabled = true, is_sys_admin = (id = any (sys_admins)) where not enabled or is_sys_admin <> (id = any (sys_admins));
  insert into features (code, label, icon, tables, views, created_at)
    values ('desk', '{}', 'mdi-desk', array['tickets', 'notes'], array['board', 'stats'], now()), ('spare', '{}', 'mdi-tire', '{}', '{}', now());
  insert into mandates (id, name, name_key, code, code_key, created_at, updated_at, deleted_at, purge_at)
    select id, name, name, name, name, now(), now(), case when deleted then now() end, case when deleted then now() + interval '30 days' end
    from jsonb_to_recordset(stage -> 'mandates') r (id uuid, name text, deleted bool);
  insert into mandate_epochs (mandate_id) select id from mandates;
  insert into feature_instances (id, mandate_id, feature_code, label, label_key, created_at)
    select id, mandate_id, 'desk', label, label, now() from jsonb_to_recordset(stage -> 'instances') r (id uuid, mandate_id uuid, label text);
  insert into roles (id, scope, mandate_id, instance_id, feature_code, template_role_id, label, label_key, protected, created_at)
    select id, scope, mandate_id, instance_id, feature_code, template_role_id, label, label, coalesce(protected, false), now() from staged_roles(stage);
  insert into role_permissions (role_id, scope, mandate_id, table_name, can_view, read_level, create_level, update_level, delete_level)
    select id, scope, mandate_id, t.key, (t.value ->> 'view')::bool, strpos('nmga', t.value ->> 'read') - 1, strpos('nmga', t.value ->> 'create') - 1,
      strpos('nmga', t.value ->> 'update') - 1, strpos('nmga', t.value ->> 'delete') - 1
    from staged_roles(stage) cross join jsonb_each(tables) t;
  insert into role_views (role_id, scope, mandate_id, view_name, allowed)
    select id, scope, mandate_id, v.key, v.value::text::bool from staged_roles(stage) cross join jsonb_each(views) v;
  insert into memberships (id, mandate_id, user_id, enabled, first_used_at, created_at)
    select gen_random_uuid(), mandate_id, user_id, enabled, now(), now()
    from jsonb_to_recordset(stage -> 'memberships') r (mandate_id uuid, user_id uuid, enabled bool);
  insert into member_roles (mandate_id, user_id, role_id)
    select * from jsonb_to_recordset(stage -> 'member_roles') r (mandate_id uuid, user_id uuid, role_id uuid);
  insert into groups (id, mandate_id, name, name_key, auto_join, created_at)
    select id, mandate_id, name, name, auto_join, now() from jsonb_to_recordset(stage -> 'groups') r (id uuid, mandate_id uuid, name text, auto_join bool);
  insert into group_members (mandate_id, group_id, user_id)
    select * from jsonb_to_recordset(stage -> 'group_members') r (mandate_id uuid, group_id uuid, user_id uuid);
  insert into feature_accesses (mandate_id, instance_id, user_id, enabled, created_at)
    select mandate_id, instance_id, user_id, enabled, now()
    from jsonb_to_recordset(stage -> 'accesses') r (mandate_id uuid, instance_id uuid, user_id uuid, enabled bool);
  insert into access_roles (mandate_id, instance_id, user_id, role_id)
    select * from jsonb_to_recordset(stage -> 'access_roles') r (mandate_id uuid, instance_id uuid, user_id uuid, role_id uuid);
end $$;
