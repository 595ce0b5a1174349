-- What calls aim at, in the mandate $mandate. Its roles permit nothing, so that whoever may give roles at all may give these,
-- and nobody's access is beyond anybody's.
insert into users (id, username, username_key, email, email_key, first_name, last_name, created_at)
select id::uuid, name || '-$person', name || '-$person', name || '-$person@example.com', name || '-$person@example.com', 'First$person', 'Last$person', now()
from (values ('$target', 'target'), ('$newcomer', 'newcomer'), ('$account', 'account'), ('$admitted', 'admitted'), ('$peer', 'peer')) people (id, name);
insert into memberships (id, mandate_id, user_id, created_at)
select gen_random_uuid(), '$mandate', id::uuid, now() from unnest(array['$target', '$admitted', '$peer']) id;
insert into former_members (mandate_id, user_id) values ('$mandate', '$account');
insert into roles (id, scope, mandate_id, label, label_key, created_at)
select id::uuid, 'mandate', '$mandate', name || '-$word', name || '-$word', now()
from (values ('$role', 'role'), ('$spare', 'spare'), ('$held', 'held'), ('$kept', 'kept')) made (id, name);
insert into member_roles (mandate_id, user_id, role_id) values
  ('$mandate', '$target', '$held'), ('$mandate', '$target', '$kept'), ('$mandate', '$admitted', '$kept'), ('$mandate', '$peer', '$kept');
insert into groups (id, mandate_id, name, name_key, created_at)
select id::uuid, '$mandate', name || '-$word', name || '-$word', now() from (values ('$group', 'group'), ('$circle', 'circle')) made (id, name);
insert into feature_instances (id, mandate_id, feature_code, label, label_key, created_at)
values ('$instance', '$mandate', 'playbooks', 'Instance $word', 'instance $word', now());
insert into roles (id, scope, mandate_id, instance_id, feature_code, label, label_key, created_at)
select id::uuid, 'instance', '$mandate', '$instance', 'playbooks', name || '-$word', name || '-$word', now()
from (values ('$irole', 'irole'), ('$ispare', 'ispare'), ('$iheld', 'iheld')) made (id, name);
insert into feature_accesses (mandate_id, instance_id, user_id, created_at)
select '$mandate', '$instance', id::uuid, now() from unnest(array['$admitted', '$admin']) id;
insert into access_roles (mandate_id, instance_id, user_id, role_id)
select '$mandate', '$instance', id::uuid, '$iheld' from unnest(array['$admitted', '$admin']) id;
insert into mandates (id, name, name_key, code, code_key, created_at, updated_at, deleted_at, purge_at)
values ('$deleted', 'Deleted $word', 'deleted $word', 'deleted-$word', 'deleted-$word', now(), now(), now(), now() + interval '30 days');
insert into features (code, label, icon, created_at) values ('$feature', '{"en": "Feature"}', 'mdi-puzzle', now());
insert into roles (id, scope, feature_code, label, label_key, created_at)
values ('$template', 'feature-template', '$feature', 'template-$word', 'template-$word', now());
