//! A database beside the service, whose login is no superuser: as compose makes it, and after a
//! restore.

use std::ffi::OsStr;
use std::path::Path;

use crate::harness::elsewhere::{Elsewhere, path_of_programs};
use crate::harness::process::{Said, said, without_settings};

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The commands below a marker of docs/operations.md.
fn commands(marker: &str) -> String {
    let document = file("docs/operations.md");
    let (_, below) = document.split_once(&format!("<!-- {marker} by a test -->")).unwrap();
    let (_, fence) = below.split_once("```").unwrap();
    let (_language, block) = fence.split_once('\n').unwrap();
    block.split_once("```").unwrap().0.to_owned()
}

/// Runs shell commands in this folder as that login, with the programs of PostgreSQL.
async fn shell(server: &Elsewhere, login: &str, folder: &Path, path: &OsStr, commands: &str) {
    let mut shell = without_settings("sh");
    for (name, value) in server.command("sh", login).get_envs() {
        value.map(|value| shell.env(name, value));
    }
    shell.env("PATH", path).current_dir(folder).args(["-euc", commands]);
    let outcome = said(shell).await;
    assert!(outcome.well, "{commands}: {}", outcome.text);
}

async fn green(server: &Elsewhere, login: &str) {
    let doctor = server.bailiwick(login, &["doctor"]).await;
    assert!(doctor.well && doctor.text.lines().count() >= 6, "{}", doctor.text);
    assert!(doctor.text.lines().all(|line| line.starts_with("ok ")), "{}", doctor.text);
}

/// Runs a script as compose does for a new volume.
async fn compose_makes_the_database(server: &Elsewhere, path: &OsStr, password: &str) -> Said {
    let file = server.folder.join("password");
    std::fs::write(&file, password).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/postgres.sql");
    let mut psql = server.command("psql", "bailiwick");
    psql.env("PATH", path).env("DATABASE_PASSWORD_FILE", file).args([
        "--no-psqlrc",
        "--dbname=postgres",
        "--file",
        script,
    ]);
    said(psql).await
}

/// As a managed PostgreSQL has it: who makes the login is no superuser, and no stranger to the
/// service afterwards for having made it.
#[tokio::test]
async fn the_database_can_be_made_by_somebody_who_is_no_superuser() {
    let Some(path) = path_of_programs() else { return };
    let server = Elsewhere::start().await;
    server.sql("postgres", "create role manager login createrole createdb").await;
    std::fs::write(server.folder.join("database.sql"), commands("database: run")).unwrap();
    let psql = "PGUSER=manager psql --no-psqlrc --set=ON_ERROR_STOP=on --dbname=postgres \
        --file=database.sql";
    shell(&server, "manager", &server.folder, &path, psql).await;
    let migrated = server.bailiwick("bailiwick", &["migrate"]).await;
    assert!(migrated.well, "{}", migrated.text);
    green(&server, "bailiwick").await;
}

#[tokio::test]
async fn the_login_of_compose_is_no_superuser_and_enough() {
    // Where only the server was fetched there is no psql to run the script with.
    let Some(path) = path_of_programs() else { return };
    let server = Elsewhere::start().await;
    for (password, well) in [("", false), ("hunter2\n", true)] {
        let outcome = compose_makes_the_database(&server, &path, password).await;
        assert_eq!(outcome.well, well, "{}", outcome.text);
    }
    let migrated = server.bailiwick("bailiwick", &["migrate"]).await;
    assert!(migrated.well, "{}", migrated.text);
    green(&server, "bailiwick").await;
    server
        .sql(
            "postgres",
            "do $$ begin assert not (select rolsuper from pg_roles
                                where rolname = 'bailiwick'); end $$",
        )
        .await;
}

#[test]
fn compose_uses_the_script_and_its_login() {
    let compose = file("docker-compose.yml");
    assert!(
        compose.contains("./deploy/postgres.sql:/docker-entrypoint-initdb.d/"),
        "the script is run"
    );
    assert!(
        !compose.contains("POSTGRES_USER"),
        "the superuser is another than the service's login"
    );
    assert!(
        commands("secrets: read").contains("postgres://bailiwick:"),
        "the URL names the script's login"
    );
}

#[tokio::test]
async fn a_restore_as_documented_is_whole_and_safe() {
    let Some(path) = path_of_programs() else { return };
    let (before, after) = (Elsewhere::with_login().await, Elsewhere::start().await);
    let seeded = before
        .bailiwick("bailiwick_login", &["seed", "demo", "--i-know-these-passwords-are-public"])
        .await;
    assert!(seeded.well, "{}", seeded.text);
    for (server, script, login) in
        [(&before, "backup", "bailiwick_login"), (&after, "restore", "bailiwick")]
    {
        shell(server, login, &before.folder, &path, &commands(&format!("{script}: run"))).await;
    }
    green(&after, "bailiwick").await;
    let again = after
        .bailiwick("bailiwick", &["seed", "demo", "--i-know-these-passwords-are-public"])
        .await;
    assert!(again.well && again.text.contains("was there already"), "{}", again.text);
}

/// What runs in a container runs here: `exec` beside PostgreSQL, `run` as the service.
const DOCKER: &str =
    "docker() { case $2 in exec) shift 4; \"$@\" ;; run) shift 3; \"$@\" ;; esac; }\n";

#[tokio::test]
async fn a_restore_with_compose_as_documented_is_whole_and_safe() {
    let Some(path) = path_of_programs() else { return };
    let (before, after) = (Elsewhere::with_login().await, Elsewhere::start().await);
    assert!(before.bailiwick("bailiwick_login", &["migrate"]).await.well);
    shell(&before, "bailiwick_login", &before.folder, &path, &commands("backup: run")).await;
    assert!(compose_makes_the_database(&after, &path, "hunter2\n").await.well);
    let restore = format!("{DOCKER}{}", commands("restore with compose: run"));
    shell(&after, "bailiwick", &before.folder, &path, &restore).await;
    green(&after, "bailiwick").await;
}
