-- What changes of a session while it lasts: how often its refresh token was renewed, and from where it was used last. Beside
-- `sessions`, since whoever keeps something of a user asks anew when a row of theirs changes there. Written under a lock of the
-- session's own row, so that a session that was ended is not renewed.
create table session_refreshes (
  session_id uuid primary key references sessions (id) on delete cascade,
  number integer not null default 1,        -- of the refresh token that is good now; what it was made of is no secret
  refreshed_at timestamptz not null,        -- when that one was given
  idle_until timestamptz not null,          -- without another one the session is over then
  last_seen_at timestamptz not null,
  user_agent text,
  address inet
);
create index session_refreshes_by_end on session_refreshes (idle_until);
alter table session_refreshes enable row level security;
create policy platform on session_refreshes to bailiwick_system using (true) with check (true);
grant select, insert, update, delete on session_refreshes to bailiwick_system;

-- When a session is over if nothing happens to it. Those of SysAdmins after a day and an hour without use (NIST SP 800-63B-4,
-- 2.2.3), whatever they were when they signed in.
create function session_ends(created_at timestamptz, expires_at timestamptz, refreshed_at timestamptz, idle_until timestamptz,
  is_sys_admin boolean) returns timestamptz language sql stable set search_path = bailiwick, pg_temp as $$
  select least(expires_at, idle_until,
               case when is_sys_admin then least(created_at + interval '24 hours', refreshed_at + interval '1 hour') end)
$$;
grant execute on function session_ends(timestamptz, timestamptz, timestamptz, timestamptz, boolean) to bailiwick_system;

-- Nobody was given a refresh token before: these sessions last as long as their access tokens.
insert into session_refreshes (session_id, refreshed_at, idle_until, last_seen_at, user_agent, address)
select id, created_at, least(expires_at, created_at + interval '1 hour'), created_at, user_agent, address from sessions;
