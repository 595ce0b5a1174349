-- Accounts of the platform. Global: an account has no access to anything by itself.
create table users (
  id uuid primary key,
  username text not null,
  username_key text collate "C" not null,   -- NFKC and case folded: what names are compared by
  email text,
  email_key text collate "C",
  email_verified boolean not null default false,
  first_name text,
  last_name text,
  language text not null default 'en',
  password_hash text,                       -- Argon2id, PHC string; null after erasure
  enabled boolean not null default true,
  is_sys_admin boolean not null default false,
  erased_at timestamptz,
  last_login_at timestamptz,
  version bigint not null default 1,
  created_at timestamptz not null,
  constraint users_username_key unique (username_key),
  constraint users_email_key unique (email_key)
);
create index users_sys_admins on users (id) where is_sys_admin;
create index users_by_name on users (username_key, id);

alter table users enable row level security;
create policy platform on users to bailiwick_system using (true) with check (true);
grant select, insert, update, delete on users to bailiwick_system;

-- A sign-in. Access tokens name it (`sid`); ending it ends them on the next request, on every node.
create table sessions (
  id uuid primary key,
  user_id uuid not null references users (id) on delete cascade,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  revoked_at timestamptz,
  user_agent text,
  address inet
);
create index sessions_of_user on sessions (user_id, id);

alter table sessions enable row level security;
create policy platform on sessions to bailiwick_system using (true) with check (true);
grant select, insert, update, delete on sessions to bailiwick_system;
