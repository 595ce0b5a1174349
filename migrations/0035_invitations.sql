-- Invitations. What is promised stands here and in nothing that is mailed: a token names the row, and says nothing. Roles and instances
-- are kept without references: they may go meanwhile, and whoever accepts finds that out.
create table invitations (
  id uuid not null,
  mandate_id uuid not null references mandates (id) on delete cascade,
  email text not null,
  email_key text collate "C" not null,
  role_ids uuid[] not null,
  instances jsonb not null,                 -- [{"instanceId": …, "roleIds": […]}]
  invited_by uuid not null,                 -- who promises it: judged when they send it, and when it is accepted
  resent integer not null default 0,
  refusal jsonb,                            -- why it could not be accepted when somebody last would have
  version bigint not null default 1,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  revoked_at timestamptz,
  accepted_at timestamptz,
  accepted_by uuid,
  primary key (mandate_id, id),
  constraint invitations_id_key unique (id),
  constraint invitations_promise_a_role check (cardinality(role_ids) > 0),
  constraint invitations_are_accepted_by_somebody check ((accepted_at is null) = (accepted_by is null))
);
create index invitations_by_creation on invitations (mandate_id, created_at, id);
create index invitations_of_address on invitations (email_key, mandate_id);
create index invitations_by_end on invitations (expires_at);
create index invitations_accepted_by on invitations (accepted_by) where accepted_by is not null;
select close_to_other_mandates('invitations');
grant select, insert, update on invitations to bailiwick_tenant;

-- How it stands at that time.
create function invitation_status(invitation invitations, at timestamptz) returns text language sql immutable as $$
  select case when (invitation).accepted_at is not null then 'accepted'
              when (invitation).revoked_at is not null then 'revoked'
              when (invitation).expires_at <= at then 'expired'
              else 'pending' end
$$;
revoke execute on function invitation_status(invitations, timestamptz) from public;
grant execute on function invitation_status(invitations, timestamptz) to bailiwick_tenant, bailiwick_system;

-- Who leaves, or is removed, does not come back by what they were sent before: while they belonged to the mandate it gave them nothing,
-- and whoever wants them back says so anew.
create function end_invitations() returns trigger
language plpgsql security definer set search_path = bailiwick, pg_temp as $$
begin
  with ended as (
    update invitations i set revoked_at = now(), version = version + 1
    where mandate_id = old.mandate_id and invitation_status(i, now()) = 'pending'
      and email_key = any (array(
        select old.email_key union all
        select e.email_key from earlier_addresses e where e.user_id = old.user_id))
    returning id)
  delete from mailed_tokens where subject in (select id from ended);
  return null;
end $$;
revoke execute on function end_invitations() from public;
create trigger end_invitations after delete on memberships
  for each row execute function end_invitations();

alter table mails add column invitation_id uuid;
create index mails_of_invitation on mails (invitation_id) where invitation_id is not null;

-- Whether an address is a member's already.
create index memberships_by_address on memberships (mandate_id, email_key) where email_key is not null;
