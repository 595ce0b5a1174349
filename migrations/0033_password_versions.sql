-- How often a password was chosen for an account. Its hash may become a stronger one of the same password, which ends nothing that
-- was begun with it.
alter table users add column password_version bigint not null default 1;

-- With the password goes the address that somebody in the account wanted for it, whose mail may still be waiting.
create or replace function end_mailed_tokens() returns trigger language plpgsql set search_path = bailiwick, pg_temp as $$
begin
  delete from mailed_tokens where subject = new.id;
  if new.password_version <> old.password_version then
    delete from address_changes where user_id = new.id;
  end if;
  return null;
end $$;
drop trigger end_mailed_tokens on users;
create trigger end_mailed_tokens
  after update of password_hash, password_version, email_key, email_verified, enabled, erased_at, last_login_at on users
  for each row when (
    (old.password_version, old.email_key, old.email_verified, old.enabled, old.erased_at, old.last_login_at is null)
      is distinct from
    (new.password_version, new.email_key, new.email_verified, new.enabled, new.erased_at, new.last_login_at is null))
  execute function end_mailed_tokens();

-- Nobody sets another password, or takes it away, and leaves what hangs on the one of before; only who has just shown that they know
-- it has its hash made anew, and says so with the sign-in.
create function count_password() returns trigger language plpgsql set search_path = bailiwick, pg_temp as $$
begin
  new.password_version := old.password_version + 1;
  return new;
end $$;
create trigger count_password before update of password_hash on users
  for each row when (
    old.password_hash is distinct from new.password_hash
      and (new.password_hash is null or new.last_login_at is not distinct from old.last_login_at))
  execute function count_password();
