-- Whose password somebody else chose: until they change it, their sessions are good for nothing else.
alter table users add column must_change_password boolean not null default false;
