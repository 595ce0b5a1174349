-- Bookings: requests for a time and a place, which somebody else decides. The requester is the row's owner.
create table bookings (
  id uuid not null,
  mandate_id uuid not null,
  instance_id uuid not null,
  owner_id uuid not null references users (id),
  event_time timestamptz not null,
  duration_minutes integer not null,
  topic text not null,
  street text not null,
  city text not null,
  state text,
  country text not null,                    -- ISO 3166-1 alpha-2
  status text not null default 'pending',
  decided_by uuid references users (id),
  decided_at timestamptz,
  decision_note text,
  version bigint not null default 1,
  created_at timestamptz not null,
  primary key (mandate_id, instance_id, id),
  foreign key (mandate_id, instance_id) references feature_instances (mandate_id, id) on delete cascade,
  constraint bookings_duration_form check (duration_minutes > 0),
  constraint bookings_country_form check (country ~ '^[A-Z]{2}$'),
  constraint bookings_status_known check (status in ('pending', 'accepted', 'rejected')),
  constraint bookings_decided_by_somebody check ((status = 'pending') = (decided_by is null)),
  constraint bookings_decided_at_some_time check ((status = 'pending') = (decided_at is null)),
  constraint bookings_only_decisions_have_notes check (decision_note is null or status <> 'pending')
);
-- Lists are merged from a page of each status (and owner), so each index begins with them and goes on in the list's order.
create index bookings_by_time on bookings (instance_id, status, event_time, id);
create index bookings_by_creation on bookings (instance_id, status, created_at, id);
create index bookings_of_owner_by_time on bookings (instance_id, owner_id, status, event_time, id);
create index bookings_of_owner_by_creation on bookings (instance_id, owner_id, status, created_at, id);
select close_to_other_instances('bookings');

-- A decision is final, whatever code comes by; the lock on the row (src/bookings/store.rs) is what answers 409.
create function refuse_second_decision() returns trigger language plpgsql as $$
begin
  raise exception 'booking % was decided already', old.id using errcode = 'check_violation', constraint = 'bookings_decided_once';
end $$;
create trigger decided_once before update on bookings for each row
  when (old.status <> 'pending'
    and (old.status, old.decided_by, old.decided_at, old.decision_note)
      is distinct from (new.status, new.decided_by, new.decided_at, new.decision_note))
  execute function refuse_second_decision();
