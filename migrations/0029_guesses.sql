-- How often somebody tried to sign in and failed. Under keyed hashes of what was typed, known or not: names that are nobody's are
-- counted and locked as those of accounts are, and what was typed may be a password at the wrong place.
create table guesses (
  key bytea primary key,                      -- of a name that was typed, or of an account that is asked for its own password
  failed_at timestamptz[] not null default '{}',
  trying_since timestamptz[] not null default '{}',
  locks integer not null default 0,
  locked_until timestamptz,
  forgotten_at timestamptz not null           -- when nothing of it matters any more
);
create index guesses_by_end on guesses (forgotten_at);

-- Failures from one network, and until when it is locked.
create table guesses_from (
  network inet not null,                      -- an address, or an IPv6 /64
  key bytea not null,                         -- of the name that was typed
  at timestamptz not null
);
create index guesses_from_network on guesses_from (network, at);
create index guesses_from_by_time on guesses_from (at);
create table locked_networks (
  network inet primary key,
  locked_until timestamptz not null
);

alter table guesses enable row level security;
alter table guesses_from enable row level security;
alter table locked_networks enable row level security;
create policy platform on guesses to bailiwick_system using (true) with check (true);
create policy platform on guesses_from to bailiwick_system using (true) with check (true);
create policy platform on locked_networks to bailiwick_system using (true) with check (true);
grant select, insert, update, delete on guesses, guesses_from, locked_networks to bailiwick_system;
