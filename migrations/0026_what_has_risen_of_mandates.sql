-- The same for mandates, by itself: changes lock a mandate's epoch before a user's, so who locked both tables at once, in
-- either order, could stand in the way of one that stands in theirs.
alter table mandate_epochs add column changed_in xid8 not null default pg_current_xact_id();
create index mandate_epochs_by_change on mandate_epochs (changed_in);
alter table mandate_epochs set (autovacuum_vacuum_scale_factor = 0.02);
-- (Mandates are deleted long after their epoch has risen for the last time, and their memberships, of which epochs of users
-- tell, go with them.)
create trigger note_change before update on mandate_epochs for each row execute function note_change();
