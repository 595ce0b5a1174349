-- The template roles that every new mandate gets a copy of. Fixed ids: the same on every installation.
insert into roles (id, scope, label, label_key, description, protected, created_at) values
  ('01900000-0000-7000-8000-000000000001', 'mandate-template', 'admin', 'admin',
   '{"en": "Manages members, roles, groups and instances", "de": "Verwaltet Mitglieder, Rollen, Gruppen und Instanzen"}', true, '2024-06-10 00:00:00+00'),
  ('01900000-0000-7000-8000-000000000002', 'mandate-template', 'user', 'user',
   '{"en": "Works in the instances opened to them", "de": "Arbeitet in den freigegebenen Instanzen"}', false, '2024-06-10 00:00:00+00'),
  ('01900000-0000-7000-8000-000000000003', 'mandate-template', 'viewer', 'viewer',
   '{"en": "Sees the mandate and changes nothing", "de": "Sieht den Mandanten und ändert nichts"}', false, '2024-06-10 00:00:00+00');

insert into role_permissions (role_id, scope, table_name, can_view, read_level, create_level, update_level, delete_level) values
  ('01900000-0000-7000-8000-000000000001', 'mandate-template', '*',         true, 3, 3, 3, 3),
  ('01900000-0000-7000-8000-000000000002', 'mandate-template', 'members',   true, 2, 0, 0, 0),
  ('01900000-0000-7000-8000-000000000002', 'mandate-template', 'groups',    true, 1, 0, 0, 0),
  ('01900000-0000-7000-8000-000000000002', 'mandate-template', 'roles',     true, 1, 0, 0, 0),
  ('01900000-0000-7000-8000-000000000002', 'mandate-template', 'instances', true, 1, 0, 0, 0),
  ('01900000-0000-7000-8000-000000000003', 'mandate-template', 'mandate',   true, 3, 0, 0, 0),
  ('01900000-0000-7000-8000-000000000003', 'mandate-template', 'members',   true, 3, 0, 0, 0),
  ('01900000-0000-7000-8000-000000000003', 'mandate-template', 'groups',    true, 3, 0, 0, 0),
  ('01900000-0000-7000-8000-000000000003', 'mandate-template', 'roles',     true, 3, 0, 0, 0),
  ('01900000-0000-7000-8000-000000000003', 'mandate-template', 'instances', true, 3, 0, 0, 0);
