-- The service's login and its database, made by psql as a superuser of a new cluster. The login is no superuser: whoever gets hold
-- of it has one database, and not the cluster. Its password is in the file that DATABASE_PASSWORD_FILE names.
\set ON_ERROR_STOP on
\set password `cat "$DATABASE_PASSWORD_FILE"`
select :'password' = '' as missing \gset
\if :missing
do $$ begin raise exception 'the file that DATABASE_PASSWORD_FILE names holds no password'; end $$;
\endif
create role bailiwick login createrole password :'password';
create database bailiwick owner bailiwick;
