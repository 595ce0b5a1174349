-- What a mandate's people see of each other stands with the membership, copied from the account. So the list of members reads one
-- table, in the order of an index however many there are, and no account: those are read under a policy that looks a membership
-- up for each.

-- Accounts wait until both triggers are there, so that no copy is missed. Memberships first, as whoever changes an account has
-- looked at them before: then nobody has one of the two tables and waits for the other.
lock table memberships in access exclusive mode;
lock table users in share row exclusive mode;
alter table memberships
  add column username text not null default '',
  add column username_key text collate "C" not null default '',
  add column email text,
  add column email_key text collate "C",
  add column first_name text,
  add column last_name text;
alter table memberships disable trigger user; -- nobody's access changes
update memberships m
set username = u.username, username_key = u.username_key, email = u.email, email_key = u.email_key,
    first_name = u.first_name, last_name = u.last_name
from users u where u.id = m.user_id;
alter table memberships enable trigger user;
create index memberships_by_name on memberships (mandate_id, username_key, user_id);

-- Nobody writes the copies but two triggers, whoever changes a membership or an account.
revoke update on memberships from bailiwick_tenant, bailiwick_system;
grant update (enabled, first_used_at, version) on memberships to bailiwick_tenant, bailiwick_system;

-- The account is locked while it is copied: who renames it waits, and then finds the new membership. (A membership of nobody is
-- left to its foreign key.)
create function copy_names_of_account() returns trigger
language plpgsql security definer set search_path = bailiwick, pg_temp as $$
begin
  select u.username, u.username_key, u.email, u.email_key, u.first_name, u.last_name
  into new.username, new.username_key, new.email, new.email_key, new.first_name, new.last_name
  from users u where u.id = new.user_id for share;
  if not found then
    new.username := '';
    new.username_key := '';
  end if;
  return new;
end $$;
revoke execute on function copy_names_of_account() from public;
create trigger copy_names_of_account before insert on memberships
  for each row execute function copy_names_of_account();

create function copy_names_to_memberships() returns trigger
language plpgsql security definer set search_path = bailiwick, pg_temp as $$
begin
  update memberships
  set username = new.username, username_key = new.username_key, email = new.email, email_key = new.email_key,
      first_name = new.first_name, last_name = new.last_name
  where user_id = new.id;
  return null;
end $$;
revoke execute on function copy_names_to_memberships() from public;
create trigger copy_names_to_memberships
  after update of username, username_key, email, email_key, first_name, last_name on users
  for each row when (
    (old.username, old.username_key, old.email, old.email_key, old.first_name, old.last_name)
    is distinct from (new.username, new.username_key, new.email, new.email_key, new.first_name, new.last_name))
  execute function copy_names_to_memberships();
