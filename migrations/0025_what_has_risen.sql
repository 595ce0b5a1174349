-- Which epochs have risen since a moment, for whoever keeps them: each row remembers the transaction that changed it last. A
-- moment is a snapshot. What it did not see has an id from its `xmax` on, or was running: so a transaction that began early
-- and commits late is found, which neither a clock nor the greatest id that was seen would do. A trigger, so that no code
-- path can forget.
alter table user_epochs add column changed_in xid8 not null default pg_current_xact_id();
create index user_epochs_by_change on user_epochs (changed_in);
-- Every change leaves an entry of that index behind.
alter table user_epochs set (autovacuum_vacuum_scale_factor = 0.02);

create function note_change() returns trigger language plpgsql set search_path = bailiwick, pg_temp as $$
begin
  new.changed_in := pg_current_xact_id();
  return new;
end $$;
create trigger note_change before update on user_epochs for each row execute function note_change();

-- A row that is gone cannot tell. The service deletes no account; should an operator do it, everybody asks anew, as after a
-- change of the catalogue.
create trigger raise_catalogue_epoch_on_delete after delete on user_epochs referencing old table as changed
  for each statement execute function raise_catalogue_epoch();
