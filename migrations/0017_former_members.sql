-- Who was a member before. What they made in the mandate is still there, so that whoever brings them back also brings its owner
-- near those who share a group with them. By trigger, so that no way of leaving forgets it. (A mandate that is deleted takes
-- nobody in, and is not to grow while it is purged.)
create table former_members (
  mandate_id uuid not null references mandates (id) on delete cascade,
  user_id uuid not null references users (id),
  primary key (mandate_id, user_id)
);
select close_to_other_mandates('former_members');
revoke insert, update on former_members from bailiwick_system;
grant select on former_members to bailiwick_tenant;

create function note_former_members() returns trigger language plpgsql security definer set search_path = bailiwick, pg_temp as $$
begin
  insert into former_members (mandate_id, user_id)
  select distinct g.mandate_id, g.user_id from gone g join mandates d on d.id = g.mandate_id and d.deleted_at is null
  on conflict do nothing;
  return null;
end $$;
create trigger note_former_members after delete on memberships referencing old table as gone
  for each statement execute function note_former_members();

insert into former_members (mandate_id, user_id)
select distinct e.mandate_id, e.target_user_id
from audit_events e join mandates d on d.id = e.mandate_id join users u on u.id = e.target_user_id
where e.action = 'user_removed_from_mandate' and not exists (
  select 1 from memberships m where m.mandate_id = e.mandate_id and m.user_id = e.target_user_id);
