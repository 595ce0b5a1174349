select json_build_object(
  'users', (select json_agg(json_build_array(id, is_sys_admin) order by id) from users),
  'mandates', (select json_agg(json_build_array(id, deleted_at is not null) order by id)
      from mandates),
  'memberships', (select json_agg(json_build_array(mandate_id, user_id, enabled)
      order by mandate_id, user_id) from memberships),
  'member_roles', (select json_agg(json_build_array(mandate_id, user_id, role_id)
      order by mandate_id, user_id, role_id) from member_roles),
  'invitations', (select coalesce(json_agg(json_build_array(mandate_id, id, email, invited_by)
      order by id), '[]') from invitations where accepted_at is null and revoked_at is null),
  'groups', (select coalesce(json_agg(json_build_array(mandate_id, id) order by id), '[]')
      from groups),
  'group_members', (select coalesce(json_agg(json_build_array(mandate_id, group_id, user_id)
      order by group_id, user_id), '[]') from group_members),
  'features', (select json_agg(json_build_array(code, tables, views) order by code) from features),
  'instances', (select coalesce(json_agg(json_build_array(mandate_id, id, feature_code)
      order by id), '[]') from feature_instances),
  'accesses', (select coalesce(json_agg(json_build_array(instance_id, user_id, enabled)
      order by instance_id, user_id), '[]') from feature_accesses),
  'access_roles', (select coalesce(json_agg(json_build_array(instance_id, user_id, role_id)
      order by instance_id, user_id, role_id), '[]') from access_roles),
  'off', (select coalesce(json_agg(id order by id), '[]') from (
     select id from users where not enabled or erased_at is not null
     union all select id from mandates where not enabled or deleted_at is not null
     union all select id from feature_instances where not enabled) off),
  'roles', (select json_agg(json_build_object('id', r.id, 'mandate', mandate_id, 'instance',
      instance_id, 'feature', feature_code, 'protected', protected) order by r.id)
   from roles r where mandate_id is not null or feature_code is null or feature_code not
     in (select code from features where built_in))),
  (select json_agg(json_build_array(role_id, json_build_array(table_name, can_view::int, read_level,
      create_level, update_level, delete_level)) order by role_id, table_name)
            from role_permissions),
  (select coalesce(json_agg(json_build_array(role_id, json_build_array(view_name, allowed))
      order by role_id, view_name), '[]') from role_views)
