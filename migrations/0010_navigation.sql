-- What is open to a user, for GET /api/features/my (src/navigation/store.rs). A function, because the statement that calls it
-- seldom needs it: most callers have the newest body already, and a plan that is only stepped over costs its setting up on
-- every request. `stable`: it sees what its caller sees, so that rows and epochs are of one moment.
create function navigation_of(wanted uuid) returns jsonb language plpgsql stable as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
             'mandate_id', d.id, 'mandate_name', d.name, 'mandate_code', d.code,
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
grant execute on function navigation_of(uuid) to bailiwick_system;
