//! What the walls between mandates rely on in the database, spoiled piece by piece: it is refused,
//! with what to do about it.

use crate::harness::elsewhere::Elsewhere;

/// What was done, what undoes it, and what is said meanwhile.
const SPOILED: [(&str, &str, &str); 10] = [
    (
        "alter role bailiwick_tenant bypassrls",
        "alter role bailiwick_tenant nobypassrls",
        "bailiwick_tenant must not be BYPASSRLS (alter role bailiwick_tenant nobypassrls)",
    ),
    (
        "alter role bailiwick_system login",
        "alter role bailiwick_system nologin",
        "bailiwick_system must not be LOGIN",
    ),
    (
        "create role reports; grant reports to bailiwick_tenant",
        "drop role reports",
        "bailiwick_tenant must not be a member of reports (revoke reports from bailiwick_tenant)",
    ),
    (
        "create role analyst login; grant bailiwick_system to analyst",
        "drop role analyst",
        "analyst must not be able to become a bailiwick_* role \
         (revoke bailiwick_system from analyst)",
    ),
    (
        "create role analyst login; grant bailiwick_login to analyst",
        "drop role analyst",
        "analyst must not be able to become a bailiwick_* role \
         (revoke bailiwick_login from analyst)",
    ),
    // Who may make roles is no login of an installation by that alone.
    (
        "create role maker login createrole; grant bailiwick_owner to maker",
        "drop role maker",
        "maker must not be able to become a bailiwick_* role (revoke bailiwick_owner from maker)",
    ),
    (
        "alter table bailiwick.playbooks disable row level security",
        "alter table bailiwick.playbooks enable row level security",
        "row-level security is off for the table playbooks (alter table bailiwick.playbooks enable \
            row level security)",
    ),
    (
        "alter table bailiwick.sessions disable row level security",
        "alter table bailiwick.sessions enable row level security",
        "row-level security is off for the table sessions",
    ),
    (
        "alter table bailiwick.bookings owner to bailiwick_login",
        "alter table bailiwick.bookings owner to bailiwick_owner",
        "the table bookings belongs to bailiwick_login (alter table bailiwick.bookings owner to \
            bailiwick_owner)",
    ),
    (
        "alter table bailiwick.nodes enable row level security; alter policy platform on \
         bailiwick.nodes rename to p; drop policy p on bailiwick.nodes",
        "create policy platform on bailiwick.nodes to bailiwick_system using (true) with check \
            (true)",
        "the table nodes has lost its policies",
    ),
];

#[tokio::test]
async fn what_lets_somebody_around_the_walls_is_refused() {
    let server = Elsewhere::with_login().await;
    let bailiwick = async |arguments: &[&str]| server.bailiwick("bailiwick_login", arguments).await;
    let migrated = bailiwick(&["migrate"]).await;
    assert!(migrated.well, "{}", migrated.text);
    for (spoiled, mended, complaint) in SPOILED {
        server.sql("bailiwick", spoiled).await;
        let doctor = bailiwick(&["doctor"]).await;
        assert!(!doctor.well && doctor.text.contains(complaint), "{spoiled}: {}", doctor.text);
        // Whatever works on the database refuses it, before it does anything.
        let started = bailiwick(&["migrate"]).await;
        assert!(!started.well && started.text.contains(complaint), "{spoiled}: {}", started.text);
        server.sql("bailiwick", mended).await;
    }
    let doctor = bailiwick(&["doctor"]).await;
    assert!(doctor.well, "{}", doctor.text);
}

/// The version that made the schema can go on with it.
#[tokio::test]
async fn what_is_refused_is_not_migrated() {
    let server = Elsewhere::with_login().await;
    assert!(server.bailiwick("bailiwick_login", &["migrate"]).await.well);
    let last = "delete from bailiwick._sqlx_migrations where version = (select max(version)
                    from bailiwick._sqlx_migrations)";
    server.sql("bailiwick", last).await;
    server.sql("bailiwick", "create role analyst login; grant bailiwick_system to analyst").await;
    let started = server.bailiwick("bailiwick_login", &["migrate"]).await;
    assert!(
        !started.well && started.text.contains("analyst must not be able to become"),
        "{}",
        started.text
    );
    let check = server.bailiwick("bailiwick_login", &["migrate", "--check"]).await;
    assert!(!check.well, "the migration was applied: {}", check.text);
}

/// Roles are the cluster's: another installation's login holds them too, and is to be kept out of
/// this database. A superuser needs no membership.
#[tokio::test]
async fn logins_of_other_installations_are_kept_out_and_superusers_are_expected() {
    let server = Elsewhere::with_login().await;
    let doctor = async || server.bailiwick("bailiwick_login", &["doctor"]).await;
    assert!(server.bailiwick("bailiwick_login", &["migrate"]).await.well);
    let roles = "create role staging login createrole; create role root superuser login; \
                 grant bailiwick_owner, bailiwick_system to staging, root";
    server.sql("postgres", roles).await;
    server.sql("postgres", "create database staging owner staging").await;
    let closing = "revoke connect on database bailiwick from public, staging; \
                   grant connect on database bailiwick to bailiwick_login";
    let complaint = format!(
        "staging must not be able to connect to this database and become a bailiwick_* role (the \
         login of another installation: {closing}; anything else: revoke bailiwick_owner, \
         bailiwick_system from staging)"
    );
    let open = doctor().await;
    assert!(!open.well && open.text.contains(&complaint), "{}", open.text);
    server.sql("postgres", closing).await;
    let closed = doctor().await;
    assert!(
        closed.well && closed.text.contains("nobody else can become one of them"),
        "{}",
        closed.text
    );
    // The database's owner is the service's login, whoever asks.
    let as_superuser = server.bailiwick("root", &["doctor"]).await;
    assert!(as_superuser.well, "{}", as_superuser.text);
    // Whatever way it is let in by.
    server
        .sql(
            "postgres",
            "create role visitors; grant connect on database bailiwick to visitors;
                              grant visitors to staging",
        )
        .await;
    let open = doctor().await;
    assert!(
        !open.well && open.text.contains("staging must not be able to connect"),
        "{}",
        open.text
    );
}
