-- A request that was under way when its maker was erased may note its event afterwards. The event stays, as all do; the address that it
-- came from does not come back. The row of the account is shared for the moment, so that an erasure which is not committed yet is waited
-- for. (It keeps nobody from signing in.)
create function keep_no_address_of_the_erased() returns trigger language plpgsql security definer set search_path = bailiwick, pg_temp as $$
declare
  since timestamptz;
begin
  select erased_at into since from users where id = new.actor_id for key share;
  return case when since is null then new end;
end $$;
create trigger keep_no_address_of_the_erased before insert on audit_addresses
  for each row when (new.actor_id is not null) execute function keep_no_address_of_the_erased();

-- Answers that were kept for people who were erased before erasures reached them.
update idempotent_answers set headers = '[]', body = '', forgotten = true
where not forgotten and names && array(select id from users where erased_at is not null);
