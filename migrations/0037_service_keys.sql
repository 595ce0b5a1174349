-- The service's own keys (src/kernel/credentials/ring.rs), sealed under the secret of the installation: those that sign tokens, one of
-- each algorithm at a time, and the roots of what is kept as keyed hashes. Nodes look here every second.
create table service_keys (
  id text collate "C" primary key,                 -- the `kid` of those that sign
  purpose text collate "C" not null check (purpose in ('EdDSA', 'ES256', 'hashes')),
  sealed bytea,                                    -- the private key; taken away with the last use of it
  sealed_under text collate "C",                   -- the name of the secret that opens it
  created_at timestamptz not null,
  begins_at timestamptz not null,                  -- from when it is signed with, by every node's clock
  retired_at timestamptz,                          -- since when it is good for nothing that is presented
  constraint service_keys_are_sealed check ((sealed is null) = (sealed_under is null)),
  constraint service_keys_are_there check (sealed is not null or retired_at is not null)
);
alter table service_keys enable row level security;
create policy platform on service_keys to bailiwick_system using (true) with check (true);
grant select, insert, update on service_keys to bailiwick_system;
