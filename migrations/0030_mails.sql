-- Mail, and jobs that speak to others (src/context/jobs.rs). Such a job is claimed in one transaction, done outside any, and
-- concluded in a second one that names the claim. A claim makes the job due again when it runs out: another node takes up what a
-- node that died was doing, and whoever comes back too late changes nothing.
alter table jobs add column claim uuid;

-- What is to be written to whom. What it says is put together when it is sent.
create table mails (
  id uuid primary key,
  kind text not null,
  user_id uuid not null,                -- without a reference: telling somebody locks nobody's account
  address text,                         -- null: the one that the account has when it is sent
  created_at timestamptz not null
);
create index mails_of_user on mails (user_id);
alter table mails enable row level security;
create policy platform on mails to bailiwick_system using (true) with check (true);
grant select, insert, update, delete on mails to bailiwick_system;
