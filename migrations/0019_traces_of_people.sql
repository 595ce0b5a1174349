-- What is kept of people beside their accounts: answers that may be asked for again, and sessions.

-- The ids that a kept answer names, read from the very bytes that are kept: no slice, and no older version of the service that
-- still runs beside this one, can forget to say of whom an answer tells. `escape` leaves ASCII as it is, and ids are ASCII.
create function ids_in(headers jsonb, body bytea) returns uuid[]
language sql immutable parallel safe as $$
  select coalesce(array_agg(distinct found[1]::uuid), '{}')
  from regexp_matches(headers::text || encode(body, 'escape'),
                      '[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}', 'g') found
$$;
revoke execute on function ids_in(jsonb, bytea) from public;
grant execute on function ids_in(jsonb, bytea) to bailiwick_system;

alter table idempotent_answers
  add column names uuid[] not null generated always as (ids_in(headers, body)) stored,
  add column asked_by uuid,                             -- whose request it was; null where an older version wrote the row
  add column forgotten boolean not null default false;  -- it told of somebody who was erased; that there was an effect stays
create index idempotent_answers_by_name on idempotent_answers using gin (names);
create index idempotent_answers_by_asker on idempotent_answers (asked_by);
grant update on idempotent_answers to bailiwick_system;

-- Disabling an account ends its sessions. Those of accounts that were disabled before it did must not come back with them.
update sessions s set revoked_at = now() from users u where u.id = s.user_id and not u.enabled and s.revoked_at is null;

-- Since when a session is over: what its purge looks for.
create index sessions_by_end on sessions (least(revoked_at, expires_at));
