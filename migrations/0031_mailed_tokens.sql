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
  expires_at timestamptz not null,
  constraint mailed_tokens_of_subject unique (kind, subject)
);
create index mailed_tokens_by_end on mailed_tokens (expires_at);

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
create policy platform on registrations to bailiwick_system using (true) with check (true);
create policy platform on mailed_tokens to bailiwick_system using (true) with check (true);
create policy platform on mail_budgets to bailiwick_system using (true) with check (true);
grant select, insert, update, delete on registrations, mailed_tokens, mail_budgets to bailiwick_system;

-- What was mailed for an account is good no more once its password, its address or whether it is enabled has changed, whoever
-- changed it: a way in that was begun before never ends in one.
create function end_mailed_tokens() returns trigger language plpgsql set search_path = bailiwick, pg_temp as $$
begin
  delete from mailed_tokens where subject = new.id;
  return null;
end $$;
create trigger end_mailed_tokens after update of password_hash, email_key, email_verified, enabled, erased_at on users
  for each row when (
    (old.password_hash, old.email_key, old.email_verified, old.enabled, old.erased_at)
      is distinct from (new.password_hash, new.email_key, new.email_verified, new.enabled, new.erased_at))
  execute function end_mailed_tokens();
