-- Who did what, in the transaction that did it. Ids only: no foreign keys, names are joined when read, addresses live in a
-- side table that erasure can clear. mandate_id null: an event of the platform.
create table audit_events (
  id uuid primary key,                      -- UUIDv7: its order is the order of time
  at timestamptz not null,
  actor_id uuid,
  impersonated_by uuid,
  mandate_id uuid,
  action text not null,
  resource_type text not null,
  resource_id text,
  target_user_id uuid,
  details jsonb not null default '{}',
  request_id text
);
create index audit_events_of_mandate on audit_events (mandate_id, id);
create index audit_events_by_actor on audit_events (mandate_id, actor_id, id);
create index audit_events_by_action on audit_events (mandate_id, action, id);
create index audit_events_by_target on audit_events (mandate_id, target_user_id, id);
create index audit_events_by_resource on audit_events (mandate_id, resource_id, id);
select close_to_other_mandates('audit_events');
revoke update, delete, truncate on audit_events from bailiwick_owner, bailiwick_system, bailiwick_tenant;
grant select, insert on audit_events to bailiwick_tenant;

create table audit_addresses (
  event_id uuid primary key,
  mandate_id uuid,
  actor_id uuid,
  address inet not null
);
create index audit_addresses_of_actor on audit_addresses (actor_id);
select close_to_other_mandates('audit_addresses');
revoke update, truncate on audit_addresses from bailiwick_system;
grant select, insert on audit_addresses to bailiwick_tenant;

-- Privileges stop roles; the trigger also stops the owner and a superuser's slip.
create function refuse_audit_change() returns trigger language plpgsql as $$
begin
  raise exception 'audit events are append-only' using errcode = 'insufficient_privilege';
end $$;
create trigger append_only before update or delete or truncate on audit_events
  for each statement execute function refuse_audit_change();

-- The name that an id had, for reading audit events: actors may be no members (a SysAdmin), so tenants cannot join users.
create function user_display_name(wanted uuid) returns text
language sql stable security definer set search_path = bailiwick, pg_temp as $$
  select username from users where id = wanted
$$;
revoke execute on function user_display_name(uuid) from public;
grant execute on function user_display_name(uuid) to bailiwick_tenant, bailiwick_system;
