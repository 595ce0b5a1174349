-- Data for load tests, in the amounts that the row of `load_plan` names (src/seeds/load.rs makes it). A few statements over
-- whole sets, since rows one by one would take minutes. Everything follows from numbers: the same plan gives the same rows,
-- and what is there already is left alone.
set local statement_timeout = 0;
set local client_min_messages = warning; -- the temporary tables that a second load in this session would not find

-- Ids of the form of UUIDv7 whose order is that of the numbers: lists are paged in the order of ids.
create or replace function pg_temp.load_id(kind text, number bigint) returns uuid language sql immutable as $$
  select (lpad(to_hex(1735689600000 + number), 12, '0') || '7' || substr(hash, 1, 3) || '8' || substr(hash, 4, 15))::uuid
  from md5(kind || ' ' || number) hash
$$;
-- A number that looks like chance and is none.
create or replace function pg_temp.load_pick(kind text, number bigint) returns bigint language sql immutable as $$
  select ('x' || substr(md5(kind || ' ' || number), 1, 8))::bit(32)::bigint
$$;

insert into users (id, username, username_key, email, email_key, first_name, last_name, password_hash, created_at)
select pg_temp.load_id('user', n), 'load-' || n, 'load-' || n, 'load-' || n || '@load.example', 'load-' || n || '@load.example',
       'Load', 'Number ' || n, plan.password_hash, plan.now
from load_plan plan cross join generate_series(0, plan.users - 1) n
on conflict do nothing;

create temp table load_mandates on commit drop as
select n as no, pg_temp.load_id('mandate', n) as id from load_plan plan cross join generate_series(0, plan.mandates - 1) n;
insert into mandates (id, name, name_key, code, code_key, created_at, updated_at)
select m.id, 'Load ' || m.no, 'load ' || m.no, 'load-' || plan.seed || '-' || m.no, 'load-' || plan.seed || '-' || m.no, plan.now, plan.now
from load_mandates m cross join load_plan plan
on conflict do nothing;

-- Roles of the mandates, copied from the templates.
create temp table load_mandate_roles on commit drop as
select m.no as mandate_no, m.id as mandate_id, t.id as template_id, pg_temp.load_id('mandate-role-' || t.id, m.no) as id,
       t.protected, t.label_key
from load_mandates m cross join roles t where t.scope = 'mandate-template';
insert into roles (id, scope, mandate_id, template_role_id, label, label_key, description, protected, created_at)
select r.id, 'mandate', r.mandate_id, t.id, t.label, t.label_key, t.description, t.protected, plan.now
from load_mandate_roles r join roles t on t.id = r.template_id cross join load_plan plan
on conflict do nothing;
insert into role_permissions (role_id, scope, mandate_id, table_name, can_view, read_level, create_level, update_level, delete_level)
select r.id, 'mandate', r.mandate_id, p.table_name, p.can_view, p.read_level, p.create_level, p.update_level, p.delete_level
from load_mandate_roles r join role_permissions p on p.role_id = r.template_id
on conflict do nothing;
insert into role_views (role_id, scope, mandate_id, view_name, allowed)
select r.id, 'mandate', r.mandate_id, v.view_name, v.allowed
from load_mandate_roles r join role_views v on v.role_id = r.template_id
on conflict do nothing;

-- Instances: number n belongs to mandate n modulo their count, and the features take turns.
insert into feature_instances (id, mandate_id, feature_code, label, label_key, created_at)
select pg_temp.load_id('instance', n), pg_temp.load_id('mandate', n % plan.mandates), f.code,
       'Load ' || (n / plan.mandates), 'load ' || (n / plan.mandates), plan.now
from load_plan plan
cross join generate_series(0, plan.instances - 1) n
join (select code, row_number() over (order by code) - 1 as place, count(*) over () as total from features
      where code in (select feature_code from roles where scope = 'feature-template')) f
  on f.place = (n / plan.mandates) % f.total
on conflict do nothing;
create temp table load_instances on commit drop as
select n as no, i.id, i.mandate_id, i.feature_code
from load_plan plan cross join generate_series(0, plan.instances - 1) n
join feature_instances i on i.id = pg_temp.load_id('instance', n);
create temp table load_templates on commit drop as
select t.id, t.feature_code, row_number() over turns - 1 as place, count(*) over (partition by t.feature_code) as total
from roles t where t.scope = 'feature-template' window turns as (partition by t.feature_code order by t.label_key);

-- Roles of the instances.
create temp table load_instance_roles on commit drop as
select i.no as instance_no, i.id as instance_id, i.mandate_id, t.id as template_id,
       pg_temp.load_id('instance-role-' || t.id, i.no) as id
from load_instances i join load_templates t on t.feature_code = i.feature_code;
insert into roles (id, scope, mandate_id, instance_id, feature_code, template_role_id, label, label_key, description, created_at)
select r.id, 'instance', r.mandate_id, r.instance_id, t.feature_code, t.id, t.label, t.label_key, t.description, plan.now
from load_instance_roles r join roles t on t.id = r.template_id cross join load_plan plan
on conflict do nothing;
insert into role_permissions (role_id, scope, mandate_id, table_name, can_view, read_level, create_level, update_level, delete_level)
select r.id, 'instance', r.mandate_id, p.table_name, p.can_view, p.read_level, p.create_level, p.update_level, p.delete_level
from load_instance_roles r join role_permissions p on p.role_id = r.template_id
on conflict do nothing;
insert into role_views (role_id, scope, mandate_id, view_name, allowed)
select r.id, 'instance', r.mandate_id, v.view_name, v.allowed
from load_instance_roles r join role_views v on v.role_id = r.template_id
on conflict do nothing;

-- Members. First those that a benchmark counts on: `load-0` in five mandates, and eighty people in the first one. The others
-- get their mandates spread evenly from a place that looks like chance, so that nobody is a member twice.
create temp table load_members on commit drop as
with spread as (
  select 1 + turn % (users - 1) as user_no, turn / (users - 1) as lap, (memberships + 98 + users) / (users - 1) as laps, turn, mandates, seed
  from (select plan.*, turn from load_plan plan cross join generate_series(0, plan.memberships + 99) turn) numbered
), candidates as (
  select n as mandate_no, 0::bigint as user_no, -1::bigint as turn
  from load_plan plan cross join generate_series(0, least(5, plan.mandates) - 1) n
  union all
  select 0, n, -1 from load_plan plan cross join generate_series(1, least(80, plan.users) - 1) n
  union all
  select (pg_temp.load_pick(seed || '-home', user_no) + lap * greatest(1, mandates / laps)) % mandates, user_no, turn from spread
)
select mandate_no, user_no, row_number() over (order by mandate_no, user_no) - 1 as no
from (select mandate_no, user_no from candidates group by mandate_no, user_no
      order by min(turn), mandate_no, user_no limit (select memberships from load_plan)) chosen;
analyze load_members;
insert into memberships (id, mandate_id, user_id, first_used_at, created_at)
select pg_temp.load_id('membership', m.mandate_no * plan.users + m.user_no), pg_temp.load_id('mandate', m.mandate_no),
       pg_temp.load_id('user', m.user_no), plan.now, plan.now
from load_members m cross join load_plan plan
on conflict do nothing;

-- Everybody is in their mandate's group `everyone`.
insert into groups (id, mandate_id, name, name_key, auto_join, created_at)
select pg_temp.load_id('everyone', m.no), m.id, 'everyone', 'everyone', true, plan.now
from load_mandates m cross join load_plan plan
on conflict do nothing;
insert into group_members (mandate_id, group_id, user_id)
select pg_temp.load_id('mandate', m.mandate_no), pg_temp.load_id('everyone', m.mandate_no), pg_temp.load_id('user', m.user_no)
from load_members m
on conflict do nothing;

-- The first mandate's admin is `load-0`; elsewhere the first other member. One of twenty only looks.
insert into member_roles (mandate_id, user_id, role_id)
select r.mandate_id, pg_temp.load_id('user', m.user_no), r.id
from (select m.*, case when m.mandate_no = 0 then 0
                  else coalesce(min(m.user_no) filter (where m.user_no > 0) over (partition by m.mandate_no), 0) end as admin_no
      from load_members m) m
cross join load_plan plan
join load_mandate_roles r on r.mandate_no = m.mandate_no and case
  when m.user_no = m.admin_no then r.protected
  when pg_temp.load_pick(plan.seed || '-role', m.no) % 20 = 0 then r.label_key = 'viewer'
  else r.label_key = 'user' end
on conflict do nothing;

-- Accesses: `load-0` to four instances in each of its mandates, then everybody to one, everybody to a second, and so on.
create temp table load_accesses on commit drop as
with counted as (
  select m.*, greatest(0, (plan.instances - m.mandate_no + plan.mandates - 1) / plan.mandates) as instances,
         plan.mandates, plan.memberships, plan.seed
  from load_members m cross join load_plan plan
), candidates as (
  select mandate_no, user_no, place, -1::bigint as turn, mandates
  from counted cross join generate_series(0, least(4, instances) - 1) place where user_no = 0
  union all
  select mandate_no, user_no, (pg_temp.load_pick(seed || '-access', no) + lap) % instances, lap * memberships + no, mandates
  from counted cross join generate_series(0, instances - 1) lap where user_no > 0
)
select mandate_no, user_no, mandate_no + place * mandates as instance_no, row_number() over (order by turn, mandate_no, place) as no
from candidates order by turn, mandate_no, place limit (select accesses from load_plan);
analyze load_accesses;
insert into feature_accesses (mandate_id, instance_id, user_id, created_at)
select i.mandate_id, i.id, pg_temp.load_id('user', a.user_no), plan.now
from load_accesses a join load_instances i on i.no = a.instance_no cross join load_plan plan
on conflict do nothing;
insert into access_roles (mandate_id, instance_id, user_id, role_id)
select i.mandate_id, i.id, pg_temp.load_id('user', a.user_no), pg_temp.load_id('instance-role-' || t.id, i.no)
from load_accesses a
cross join load_plan plan
join load_instances i on i.no = a.instance_no
join load_templates t on t.feature_code = i.feature_code and t.place = pg_temp.load_pick(plan.seed || '-access-role', a.no) % t.total
on conflict do nothing;

set constraints all immediate;
drop function pg_temp.load_id(text, bigint);
drop function pg_temp.load_pick(text, bigint);
