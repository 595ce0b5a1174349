-- What somebody wants for their account, they want in a session: it ends with that one, where somebody ends it, and with every
-- session where all are ended. (Who signs out has ended nothing: the mail may be read after that.)
alter table address_changes add column session_id uuid;

-- It also ends where the account is disabled: enabling it again revives nothing, not what waits to be mailed either.
create or replace function end_mailed_tokens() returns trigger language plpgsql set search_path = bailiwick, pg_temp as $$
begin
  delete from mailed_tokens where subject = new.id;
  if new.password_version <> old.password_version or new.enabled <> old.enabled then
    delete from address_changes where user_id = new.id;
  end if;
  return null;
end $$;

-- Whether nobody has used an account yet, so that whoever made it may have its first password chosen at any address that they gave
-- it: no sign-in, no password but the first, no address that was confirmed and is another one now.
create function was_never_used(account users) returns boolean language sql stable set search_path = bailiwick, pg_temp as $$
  select account.last_login_at is null and account.password_version = 1
    and not exists (select 1 from earlier_addresses e where e.user_id = account.id)
$$;
revoke execute on function was_never_used(users) from public;
grant execute on function was_never_used(users) to bailiwick_system;

-- The sessions that are alive, however many were ended: an account has a hundred of them at most.
create index sessions_alive_of_user on sessions (user_id, id) where revoked_at is null;

-- Whoever signed in for the first time has used the account: what was mailed for it before is good no more, but where the address
-- is confirmed, and so its owner's.
drop trigger end_mailed_tokens on users;
create trigger end_mailed_tokens
  after update of password_hash, password_version, email_key, email_verified, enabled, erased_at, last_login_at on users
  for each row when (
    (old.password_version, old.email_key, old.email_verified, old.enabled, old.erased_at)
      is distinct from (new.password_version, new.email_key, new.email_verified, new.enabled, new.erased_at)
    or (old.last_login_at is null) <> (new.last_login_at is null) and not new.email_verified)
  execute function end_mailed_tokens();
