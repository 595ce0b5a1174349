//! A database beside the service, whose login is no superuser: as compose makes it, and after a restore.

use crate::harness::elsewhere::{Elsewhere, path_of_programs};
use crate::harness::process::{said, without_settings};

fn file(path: &str) -> String {
    std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The shell commands below a marker of docs/operations.md.
fn commands(marker: &str) -> String {
    let document = file("docs/operations.md");
    let (_, below) = document.split_once(&format!("<!-- {marker} by a test -->")).unwrap();
    let (_, block) = below.split_once("```sh\n").unwrap();
    block.split_once("```").unwrap().0.to_owned()
}

async fn green(server: &Elsewhere, login: &str) {
    let doctor = server.bailiwick(login, &["doctor"]).await;
    assert!(doctor.well && doctor.text.lines().count() >= 6, "{}", doctor.text);
    assert!(doctor.text.lines().all(|line| line.starts_with("ok ")), "{}", doctor.text);
}

#[tokio::test]
async fn the_login_of_compose_is_no_superuser_and_enough() {
    // Where only the server was fetched there is no psql to run the script with.
    let Some(path) = path_of_programs() else { return };
    let server = Elsewhere::start().await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/postgres.sql");
    let password = server.folder.join("password");
    for (content, well) in [("", false), ("hunter2\n", true)] {
        std::fs::write(&password, content).unwrap();
        let mut psql = server.command("psql", "bailiwick");
        psql.env("PATH", &path).env("DATABASE_PASSWORD_FILE", &password).args(["--no-psqlrc", "--dbname=postgres", "--file", script]);
        let outcome = said(psql).await;
        assert_eq!(outcome.well, well, "{}", outcome.text);
    }
    let migrated = server.bailiwick("bailiwick", &["migrate"]).await;
    assert!(migrated.well, "{}", migrated.text);
    green(&server, "bailiwick").await;
    server.sql("postgres", "do $$ begin assert not (select rolsuper from pg_roles where rolname = 'bailiwick'); end $$").await;
}

#[test]
fn compose_uses_the_script_and_its_login() {
    let compose = file("docker-compose.yml");
    assert!(compose.contains("./deploy/postgres.sql:/docker-entrypoint-initdb.d/"), "the script is run");
    assert!(!compose.contains("POSTGRES_USER"), "the superuser is another than the service's login");
    assert!(commands("secrets: read").contains("postgres://bailiwick:"), "the URL names the script's login");
}

#[tokio::test]
async fn a_restore_as_documented_is_whole_and_safe() {
    let Some(path) = path_of_programs() else { return };
    let (before, after) = (Elsewhere::with_login().await, Elsewhere::start().await);
    let seeded = before.bailiwick("bailiwick_login", &["seed", "demo", "--i-know-these-passwords-are-public"]).await;
    assert!(seeded.well, "{}", seeded.text);
    for (server, script, login) in [(&before, "backup", "bailiwick_login"), (&after, "restore", "bailiwick")] {
        let mut shell = without_settings("sh");
        for (name, value) in server.command("sh", login).get_envs() {
            value.map(|value| shell.env(name, value));
        }
        // Where the backup is.
        shell.env("PATH", &path).current_dir(&before.folder).args(["-euc", &commands(&format!("{script}: run"))]);
        let outcome = said(shell).await;
        assert!(outcome.well, "{script}: {}", outcome.text);
    }
    green(&after, "bailiwick").await;
    let again = after.bailiwick("bailiwick", &["seed", "demo", "--i-know-these-passwords-are-public"]).await;
    assert!(again.well && again.text.contains("was there already"), "{}", again.text);
}
