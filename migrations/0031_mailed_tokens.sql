-- Registrations, and tokens that are mailed. A registration is no account until its address is confirmed with the token and the
-- password that was registered; it is kept apart, and keeps its username, whether or not its address has an account already.
create table registrations (
  id uuid primary key,
  username text collate "C" not null,       -- its own key
  email text not null,
  email_key text collate "C" not null,
  language text not null,
  password_hash text not null,
  tries integer not null default 0,         -- passwords that were tried with its token
  created_at timestamptz not null,
  expires_at timestamptz not null,
  constraint registrations_username_key unique (username)
);
create index registrations_of_address on registrations (email_key, created_at);
create index registrations_by_end on registrations (expires_at);

-- A token is kept hashed, from the moment in which it is mailed; of each kind there is one for each subject.
create table mailed_tokens (
  hash bytea primary key,
  kind text not null,
  subject uuid not null,                    -- a registration, or an account
  about text collate "C",                   -- the address that it confirms, as it is compared
  valid_from timestamptz not null,
  expires_at timestamptz not null,
  constraint mailed_tokens_of_subject unique (kind, subject)
);
create index mailed_tokens_by_end on mailed_tokens (expires_at);

-- An address that somebody wants for their account, until they confirm it. The account keeps the one that it has meanwhile.
create table address_changes (
  user_id uuid primary key references users (id) on delete cascade,
  email text not null,
  email_key text collate "C" not null,
  expires_at timestamptz not null
);
create index address_changes_by_end on address_changes (expires_at);

-- The confirmed addresses that an account had before, for a year: whoever takes it over by giving it another one is told of there.
create table earlier_addresses (
  user_id uuid not null references users (id) on delete cascade,
  email_key text collate "C" not null,
  email text not null,
  kept_until timestamptz not null,
  primary key (user_id, email_key)
);
create index earlier_addresses_by_end on earlier_addresses (kept_until);

-- How often mail was asked for by people who are not signed in, lately; under a keyed hash of what for and of the address, known
-- or not.
create table mail_budgets (
  key bytea primary key,
  asked_at timestamptz[] not null,
  forgotten_at timestamptz not null         -- when nothing of it matters any more
);
create index mail_budgets_by_end on mail_budgets (forgotten_at);

-- Mail is for somebody who has an account, for somebody who registered, or, where it was asked for by address, for whoever has
-- that one, if anybody.
alter table mails alter column user_id drop not null;
alter table mails add column registration_id uuid;
create index mails_of_registration on mails (registration_id) where registration_id is not null;
create index mails_asked_for on mails (address) where user_id is null and registration_id is null;

alter table registrations enable row level security;
alter table mailed_tokens enable row level security;
alter table mail_budgets enable row level security;
alter table address_changes enable row level security;
alter table earlier_addresses enable row level security;
create policy platform on registrations to bailiwick_system using (true) with check (true);
create policy platform on mailed_tokens to bailiwick_system using (true) with check (true);
create policy platform on mail_budgets to bailiwick_system using (true) with check (true);
create policy platform on address_changes to bailiwick_system using (true) with check (true);
create policy platform on earlier_addresses to bailiwick_system using (true) with check (true);
grant select, insert, update, delete on registrations, mailed_tokens, mail_budgets, address_changes, earlier_addresses
  to bailiwick_system;

-- What was mailed for an account is good no more once its password, its address or whether it is enabled has changed, whoever
-- changed it: a way in that was begun before never ends in one. Nor once somebody signed in for the first time: until then any
-- address of the account would do.
create function end_mailed_tokens() returns trigger language plpgsql set search_path = bailiwick, pg_temp as $$
begin
  delete from mailed_tokens where subject = new.id;
  return null;
end $$;
create trigger end_mailed_tokens
  after update of password_hash, email_key, email_verified, enabled, erased_at, last_login_at on users
  for each row when (
    (old.password_hash, old.email_key, old.email_verified, old.enabled, old.erased_at, old.last_login_at is null)
      is distinct from
    (new.password_hash, new.email_key, new.email_verified, new.enabled, new.erased_at, new.last_login_at is null))
  execute function end_mailed_tokens();

-- Passwords that were tried for an account since the last right one, in whatever time (NIST SP 800-63B-4, 3.2.2). Beside the
-- account, since whoever keeps something of a user asks anew when their row changes.
create table tries_in_a_row (
  user_id uuid primary key references users (id) on delete cascade,
  tries integer not null
);
alter table tries_in_a_row enable row level security;
create policy platform on tries_in_a_row to bailiwick_system using (true) with check (true);
grant select, insert, update, delete on tries_in_a_row to bailiwick_system;

-- Whoever changes an address that was confirmed, it is kept; not that of somebody who is erased.
create function keep_earlier_address() returns trigger language plpgsql set search_path = bailiwick, pg_temp as $$
begin
  insert into earlier_addresses (user_id, email_key, email, kept_until)
    values (new.id, old.email_key, old.email, now() + interval '1 year')
    on conflict (user_id, email_key) do update set email = excluded.email, kept_until = excluded.kept_until;
  return null;
end $$;
create trigger keep_earlier_address after update of email_key on users
  for each row when (old.email_verified and old.email_key is distinct from new.email_key and new.erased_at is null)
  execute function keep_earlier_address();

-- Questions may name a member by a confirmed address.
grant select (email_verified) on users to bailiwick_tenant;
