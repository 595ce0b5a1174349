-- Whether requests told a node where they come from while it trusts no proxy to tell it: then all clients of a proxy are limited and
-- recorded as one. `bailiwick doctor` asks.
alter table nodes add column forwards_unheeded boolean not null default false;
