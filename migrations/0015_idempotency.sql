-- Answers of requests that were sent with an Idempotency-Key, kept for their repetitions. A row is written in the transaction of
-- the effect, so that a crash leaves both or neither. `id` is an HMAC over who asked, where, what and the key: nobody finds
-- another caller's row, whatever they send.
create table idempotent_answers (
  id bytea primary key,
  fingerprint bytea not null,               -- of query and body
  status smallint not null,
  headers jsonb not null,                   -- those that a repetition gets too, by name
  body bytea not null,
  expires_at timestamptz not null
);
create index idempotent_answers_by_expiry on idempotent_answers (expires_at);
alter table idempotent_answers enable row level security;
create policy platform on idempotent_answers to bailiwick_system using (true) with check (true);
grant select, insert, delete on idempotent_answers to bailiwick_system;
