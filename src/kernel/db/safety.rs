//! Whether the database is still as the walls between mandates rely on: the attributes of the
//! working roles, who may become one of them, and row-level security on every table that holds rows
//! of mandates or people. Migrations made it so; a restore, or somebody who helped themselves, may
//! have changed it since.

use sqlx::postgres::PgConnectOptions;

use super::bootstrap::{BootstrapError, connect};

/// Tables without row-level security: the catalogue, which is the same for everybody, and the
/// migrator's own.
const OPEN_TABLES: [&str; 3] = ["features", "catalogue_epoch", "_sqlx_migrations"];

/// What transactions work as; none of them can log in.
const WORKING_ROLES: [&str; 4] =
    ["bailiwick_owner", "bailiwick_runtime", "bailiwick_tenant", "bailiwick_system"];

/// Whether there is anything yet that could be unsafe.
const MADE: &str = "
select exists (select 1 from pg_class c join pg_namespace n on n.oid = c.relnamespace
               where n.nspname = 'bailiwick' and c.relname = '_sqlx_migrations')
   and (select count(*) from pg_roles where rolname = any($1)) = cardinality($1)";

const ROLES: &str = "
with working (name) as (select unnest($1::text[]))
select format('%s must not be %s (alter role %I no%s)', r.rolname, a.attribute, r.rolname,
    lower(a.attribute))
from pg_roles r
cross join lateral (values ('SUPERUSER', r.rolsuper), ('BYPASSRLS', r.rolbypassrls),
    ('LOGIN', r.rolcanlogin),
                           ('CREATEROLE', r.rolcreaterole)) a (attribute, held)
where r.rolname in (select name from working) and a.held
union all
select format('%s must not be a member of %s (revoke %2$I from %1$I)', m.rolname, g.rolname)
from pg_auth_members x join pg_roles m on m.oid = x.member join pg_roles g on g.oid = x.roleid
where m.rolname in (select name from working)
union all
select format('%s is missing', name) from working where not exists (select 1 from pg_roles
    where rolname = name)
union all
select format('bailiwick_runtime must not have rights on the table %s', c.relname)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'bailiwick' and c.relkind in ('r', 'p', 'v') and exists (select 1 from pg_roles
    where rolname = 'bailiwick_runtime')
  and has_table_privilege('bailiwick_runtime', c.oid, 'select, insert, update, delete, truncate')
order by 1";

/// Who can connect to this database and become a working role. Superusers need no membership, and
/// the database's owner, where that is a login as docs/operations.md makes it, is the service's,
/// whoever asks. What looks like another installation's login is told from the rest only for the
/// advice: it needs what it holds, but not this database.
///
/// PostgreSQL 16 and later write a row for whoever makes a role, who can administer it then, and
/// neither become nor inherit it. The columns are read by name, since 15 has none of them.
const MEMBERS: &str = "
with recursive edge as (
  select x.member, x.roleid from pg_auth_members x
  where coalesce((to_jsonb(x)->>'set_option')::boolean, true)
    or coalesce((to_jsonb(x)->>'inherit_option')::boolean, true)
), member (oid, through) as (
  select x.member, x.roleid from edge x join pg_roles g on g.oid = x.roleid
    where g.rolname = any($1)
  union
  select x.member, x.roleid from member m join edge x on x.roleid = m.oid
), stranger as (
  select r.rolname as name, string_agg(quote_ident(t.rolname), ', ' order by t.rolname) as held,
         r.rolcanlogin and r.rolcreaterole and bool_and(t.rolname = any($1))
           and exists (select 1 from pg_database d where d.datdba = r.oid) as has_its_own
  from member m join pg_roles r on r.oid = m.oid join pg_roles t on t.oid = m.through
  where r.rolname <> current_user and not r.rolsuper and r.rolname <> all($1)
    and has_database_privilege(r.oid, current_database(), 'connect')
    and not (r.rolcanlogin and r.rolcreaterole
             and r.oid = (select d.datdba from pg_database d where d.datname = current_database()))
  group by r.oid, r.rolname, r.rolcanlogin, r.rolcreaterole
)
select case when has_its_own
  then format('%1$s must not be able to connect to this database and become a bailiwick_* role '
              '(the login of another installation: revoke connect on database %2$I from public, '
              '%1$I; grant connect on database %2$I to %3$I; anything else: revoke %4$s from %1$I)',
              name, current_database(), current_user, held)
  else format('%1$s must not be able to become a bailiwick_* role (revoke %2$s from %1$I)', name,
      held) end
from stranger
order by 1";

/// (`force` would change nothing: it is for owners, and nobody who is let in works as the owner.)
const TABLES: &str = "
select t.problem
from pg_class c join pg_namespace n on n.oid = c.relnamespace
cross join lateral (values
  (not c.relrowsecurity and c.relname <> all($1),
   format('row-level security is off for the table %s '
          '(alter table bailiwick.%I enable row level security)', c.relname, c.relname)),
  (pg_get_userbyid(c.relowner) <> 'bailiwick_owner',
   format('the table %s belongs to %s (alter table bailiwick.%I owner to bailiwick_owner)',
       c.relname, pg_get_userbyid(c.relowner), c.relname)),
  (c.relrowsecurity and not exists (select 1 from pg_policy p where p.polrelid = c.oid),
   format('the table %s has lost its policies (restore the database from its backup)', c.relname))
) t (found, problem)
where n.nspname = 'bailiwick' and c.relkind in ('r', 'p') and t.found
order by 1";

/// Refuses what would let somebody around row-level security.
pub async fn check(options: &PgConnectOptions) -> Result<(), BootstrapError> {
    check_roles(options).await?;
    check_tables(options).await
}

/// The same before anything is migrated, so that a refusal leaves the schema to the version that
/// made it; of a database where nothing was made yet it asks nothing.
pub async fn check_what_is_there(options: &PgConnectOptions) -> Result<(), BootstrapError> {
    let mut connection = connect(options).await?;
    let made: bool =
        sqlx::query_scalar(MADE).bind(WORKING_ROLES).fetch_one(&mut connection).await?;
    if made { check(options).await } else { Ok(()) }
}

/// Attributes of the working roles, and who may become one of them.
pub async fn check_roles(options: &PgConnectOptions) -> Result<(), BootstrapError> {
    let mut connection = connect(options).await?;
    let mut problems: Vec<String> =
        sqlx::query_scalar(ROLES).bind(WORKING_ROLES).fetch_all(&mut connection).await?;
    problems.extend(
        sqlx::query_scalar::<_, String>(MEMBERS)
            .bind(WORKING_ROLES)
            .fetch_all(&mut connection)
            .await?,
    );
    if problems.is_empty() { Ok(()) } else { Err(BootstrapError::UnsafeRoles(problems.join("; "))) }
}

/// Row-level security of the tables, and whose they are.
pub async fn check_tables(options: &PgConnectOptions) -> Result<(), BootstrapError> {
    let mut connection = connect(options).await?;
    let problems: Vec<String> =
        sqlx::query_scalar(TABLES).bind(OPEN_TABLES).fetch_all(&mut connection).await?;
    if problems.is_empty() {
        Ok(())
    } else {
        Err(BootstrapError::UnsafeTables(problems.join("; ")))
    }
}
