-- When the holder of a session last showed who they are, where that was after they signed in.
alter table sessions add column authenticated_at timestamptz;
