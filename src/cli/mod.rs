//! The commands. Whatever goes wrong is told in one line, since whoever reads it is about to fix
//! it, not to debug it.

mod descriptors;
mod doctor;
mod greeting;
mod keys;
mod listen;
mod open;
mod rotate_password;
mod secret;
mod secret_key;
mod seed;
mod serve;
mod set_password;
mod stop;
mod user;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::anyhow;
use clap::{Args, Parser, Subcommand};

use crate::assembly;
use crate::http::app::App;
use crate::kernel::config::{ConfigErrors, Loaded, Settings};
use crate::kernel::db::bootstrap::Applied;
use crate::kernel::error::Error;
use crate::kernel::telemetry;
use open::Opened;

const ABOUT: &str = "The tenancy and access backbone of multi-tenant applications.

Without a command, and with nothing configured, it starts a PostgreSQL of its own in ./.bailiwick, \
loads demo data and serves on 127.0.0.1:8080. With DATABASE_URL it uses that database and starts \
none.";

const EXAMPLES: &str = "Examples:
  bailiwick                                         start, with everything that is needed
  DATABASE_URL=postgres://user:secret@db/bailiwick \\
    BAILIWICK_SECRET_KEY_FILE=/run/secrets/key \\
    BAILIWICK_ISSUER=https://id.example.com \\
    bailiwick serve                                 start in production
  bailiwick config                                  what is set, and where it was set
  bailiwick user create --username ada --sys-admin  make the first SysAdmin
  bailiwick doctor                                  find out what is wrong

Settings come from environment variables and from bailiwick.toml in the working folder (or the \
file that BAILIWICK_CONFIG names); `bailiwick config` lists them all.
Exit codes: 0 done, 1 failed (one line on standard error says why), 2 the command was not \
understood.";

const SERVE: &str = "Serve the API until it is asked to stop.

Brings the database up to date (migrations, built-in features), refuses one whose roles or tables \
are not safe, and then listens: for the API on BAILIWICK_LISTEN (127.0.0.1:8080), for Prometheus \
on BAILIWICK_METRICS_LISTEN (127.0.0.1:9090). It speaks plain HTTP; TLS is a proxy's work.

Without DATABASE_URL it starts a PostgreSQL of its own in BAILIWICK_DATA_DIR (./.bailiwick), with \
demo accounts as long as only this machine can reach them. With it, BAILIWICK_SECRET_KEY and \
BAILIWICK_ISSUER are needed too.

Ctrl-C and SIGTERM let running requests finish, for BAILIWICK_SHUTDOWN_GRACE_SECONDS (10) at most; \
a second one does not wait.";

const SERVE_EXAMPLES: &str = "Examples:
  bailiwick serve                               with everything of its own
  BAILIWICK_LISTEN=127.0.0.1:9000 bailiwick serve
  DATABASE_URL_FILE=/run/secrets/url BAILIWICK_SECRET_KEY_FILE=/run/secrets/key \\
    BAILIWICK_ISSUER=https://id.example.com bailiwick serve

Settings come from environment variables, over bailiwick.toml in the working folder (or the file \
that BAILIWICK_CONFIG names); `bailiwick config` lists them all, with where each was set.
Exit codes: 0 stopped when asked to, 1 could not start or had to end (one line on standard error \
says why; of settings one for each that is wrong), 2 the command was not understood.";

#[derive(Debug, Parser)]
#[command(name = "bailiwick", version,
    about = "The tenancy and access backbone of multi-tenant applications", long_about = ABOUT,
    after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API (the default)
    #[command(long_about = SERVE, after_help = SERVE_EXAMPLES)]
    Serve,
    /// Bring the database's schema and the built-in features up to date
    #[command(after_help = "Examples:
  bailiwick migrate          apply what is pending, and list it
  bailiwick migrate --check  list what is pending; exit code 1 if anything is")]
    Migrate(Migrate),
    /// Load data: the demo, or a load for benchmarks
    Seed {
        #[command(subcommand)]
        what: seed::Seed,
    },
    /// Manage accounts
    User {
        #[command(subcommand)]
        what: user::User,
    },
    /// The keys that access tokens are signed with
    Keys {
        #[command(subcommand)]
        what: keys::Keys,
    },
    /// The secret that they are sealed under
    Secret {
        #[command(subcommand)]
        what: secret::Secret,
    },
    /// Print the OpenAPI document
    #[command(after_help = "Example:\n  bailiwick openapi > openapi/openapi.json")]
    Openapi,
    /// Print the settings in force and where each was set; secrets are masked
    Config,
    /// Check that everything the service relies on is there
    #[command(
        after_help = "One line a check, saying what to do where one failed; exit code 1 if any \
        did. Changes nothing in the database.\n\
        Without DATABASE_URL it starts the embedded database for a moment: stop the service first."
    )]
    Doctor,
}

#[derive(Debug, Args)]
struct Migrate {
    /// Only list what is pending, and exit with 1 if anything is
    #[arg(long)]
    check: bool,
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return tell(&anyhow!("cannot start any threads: {error}")),
    };
    let outcome = runtime.block_on(run(cli.command.unwrap_or(Command::Serve)));
    // What is left by now (a hash whose request was abandoned) is not waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome.unwrap_or_else(|error| tell(&error))
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    if let Command::Openapi = command {
        return openapi();
    }
    let loaded = Settings::load()?;
    if let Command::Serve = command {
        telemetry::init(loaded.settings.log_format, &loaded.settings.log);
        return serve::serve(loaded).await.map(|()| ExitCode::SUCCESS);
    }
    // Commands say themselves what they do; of what is logged beneath them only warnings matter,
    // unless somebody asked for more. That a load's statements are slow is no warning.
    let filter = if was_set(&loaded, "log") {
        loaded.settings.log.as_str()
    } else {
        "warn,sqlx::query=error"
    };
    telemetry::init(loaded.settings.log_format, filter);
    let settings = &loaded.settings;
    match command {
        Command::Serve | Command::Openapi => unreachable!("returned above"),
        Command::Config => say(loaded.to_table().trim_end()),
        Command::Migrate(Migrate { check: true }) => return list_pending(settings).await,
        Command::Migrate(Migrate { check: false }) => migrate(settings).await?,
        Command::Seed { what } => seed::seed(settings, what).await?,
        Command::User { what } => user::user(settings, what).await?,
        Command::Keys { what } => keys::keys(settings, what).await?,
        Command::Secret { what } => secret::secret(settings, what).await?,
        Command::Doctor => return doctor::doctor(settings).await,
    }
    Ok(ExitCode::SUCCESS)
}

fn was_set(loaded: &Loaded, name: &str) -> bool {
    loaded.sources.iter().any(|setting| setting.name == name && setting.source != "default")
}

fn openapi() -> anyhow::Result<ExitCode> {
    let app = App::detached().map_err(ours)?;
    say(assembly::document_text(&app).map_err(ours)?.trim_end());
    Ok(ExitCode::SUCCESS)
}

async fn migrate(settings: &Settings) -> anyhow::Result<()> {
    let opened = Opened::open(settings).await?;
    let outcome = bring_up_to_date(settings, &opened).await;
    opened.close().await?;
    let applied = outcome?;
    if applied.is_empty() {
        say("Nothing was pending.");
    }
    for Applied { version, description } in applied {
        say(&format!("applied: {version:04} {description}"));
    }
    say("The schema and the built-in features are up to date.");
    Ok(())
}

async fn bring_up_to_date(settings: &Settings, opened: &Opened) -> anyhow::Result<Vec<Applied>> {
    let applied = opened.prepare().await?;
    let services = opened.services(settings);
    let outcome =
        crate::tenancy::catalogue::bring_up_to_date(&services, crate::assembly::FEATURES).await;
    services.db.close().await;
    outcome.map_err(ours)?;
    Ok(applied)
}

async fn list_pending(settings: &Settings) -> anyhow::Result<ExitCode> {
    let opened = Opened::open(settings).await?;
    let pending = crate::kernel::db::bootstrap::pending(opened.options()).await;
    opened.close().await?;
    let pending = pending?;
    if pending.is_empty() {
        say("Nothing is pending.");
        return Ok(ExitCode::SUCCESS);
    }
    let brought = &crate::kernel::db::bootstrap::MIGRATOR;
    for migration in brought.iter().filter(|migration| pending.contains(&migration.version)) {
        say(&format!("pending: {:04} {}", migration.version, migration.description));
    }
    Ok(ExitCode::FAILURE)
}

/// Writes to standard output. A reader that goes away (`| head`) is no failure.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// The service's own errors, with the cause: here it is the operator who reads.
#[expect(clippy::needless_pass_by_value, reason = "stands in map_err")]
fn ours(error: Error) -> anyhow::Error {
    match error.cause() {
        Some(cause) => anyhow!("{} ({cause})", error.detail().trim_end_matches('.')),
        None => anyhow!("{}", error.detail()),
    }
}

/// One line on standard error; of settings one for each that is wrong, so that all can be mended at
/// once.
fn tell(error: &anyhow::Error) -> ExitCode {
    let mut stderr = std::io::stderr();
    if let Some(problems) = error.downcast_ref::<ConfigErrors>() {
        for line in problems.lines() {
            let _ = writeln!(stderr, "bailiwick: {line}");
        }
    } else {
        let _ = writeln!(stderr, "bailiwick: {}", one_line(&error.to_string()));
    }
    ExitCode::FAILURE
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_commands_are_consistent_and_serve_is_the_default() {
        Cli::command().debug_assert();
        assert!(Cli::try_parse_from(["bailiwick"]).unwrap().command.is_none());
        let unknown = Cli::try_parse_from(["bailiwick", "serv"]).unwrap_err();
        assert_eq!(unknown.exit_code(), 2);
    }

    #[test]
    fn the_help_of_serve_says_what_an_operator_asks() {
        let mut command = Cli::command();
        let help = command.find_subcommand_mut("serve").unwrap().render_long_help().to_string();
        for asked in [
            "127.0.0.1:8080",
            "BAILIWICK_METRICS_LISTEN",
            "DATABASE_URL",
            "bailiwick.toml",
            "SIGTERM",
            "Exit codes: 0",
        ] {
            assert!(help.contains(asked), "{asked}: {help}");
        }
    }

    #[test]
    fn errors_of_several_lines_become_one() {
        assert_eq!(one_line("a\n  b\n\nc\n"), "a; b; c");
        let told = ours(Error::internal("the disk is full")).to_string();
        assert_eq!(told, "The request failed. Nothing of it was kept (the disk is full)");
    }
}
