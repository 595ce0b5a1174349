//! `POST /api/users/import`: an account for everybody in a file.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use serde::Deserialize;
use utoipa_axum::routes;
use uuid::Uuid;

use super::request::{CheckedUser, Described};
use super::routes::created;
use super::store;
use crate::context::SystemContext;
use crate::context::audit;
use crate::context::change::retrying;
use crate::context::policy::{Class, Policy};
use crate::http::app::App;
use crate::http::dry_run::DryRun;
use crate::http::extract::{Json, Query};
use crate::http::guard::{Guard, Routes};
use crate::http::imports::{Import, Imported, Importing};
use crate::http::lines::{Columns, Line, Lines, MAX_BYTES};
use crate::identity::mails;
use crate::kernel::error::{Code, FieldError, Result};

pub(super) fn routes(app: &App) -> Routes {
    let policy = Policy::sys().class(Class::MemberWrite);
    Routes::new().routes(
        routes!(import_users)
            .refuses(&[Code::TooManyLines, Code::MailNotConfigured])
            .guard(app, policy.kept_for_no_repetition().body_up_to(MAX_BYTES)),
    )
}

/// Somebody in a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct UserLine {
    username: String,
    email: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    language: Option<String>,
}

impl Columns for UserLine {
    const ALL: &'static [&'static str] =
        &["username", "email", "firstName", "lastName", "language"];
    const TOLD: &'static [&'static str] = &["email", "username"];
}

/// Makes an account for everybody in a file of at most 1,000 lines and 1 MiB: NDJSON, or CSV whose
/// first line names the columns. A line has `username`, and may have `email`, `firstName`,
/// `lastName` and `language`. Nobody gets a password: whoever has an address is mailed a link, good
/// for seven days, to choose one; for others, and later, offer a reset. Each line is a transaction
/// of its own; an account that is there already with the same username and address is skipped, so
/// that a file that was cut off can be sent again.
#[utoipa::path(post, path = "/api/users/import", tag = "Users", params(DryRun),
    request_body(content(
        (String = "application/x-ndjson",
            example = "{\"username\": \"erin\", \"email\": \"erin@acme.example\"}\n"),
        (String = "text/csv",
            example = "username,email,firstName,language\nerin,erin@acme.example,Erin,de\n"),
    )),
    responses(
        (status = 200, description = "What came of each line; with `dryRun=true`, what would come \
            of it", body = Import)))]
async fn import_users(
    State(app): State<App>,
    system: SystemContext,
    Query(dry_run): Query<DryRun>,
    file: Lines<UserLine>,
) -> Result<Json<Import>> {
    mails::require_set_up(&app)?;
    let (dry_run, mut asked) = (dry_run.is_wanted(), Asked::default());
    let mut importing = Importing::new(&app, file, dry_run);
    while let Some(line) = importing.next_line() {
        let imported = match wanted(&line) {
            Err(fault) => Imported::Unfit(fault),
            Ok(wanted) => match retrying(|| make(&system, &wanted)).await {
                Ok(Imported::Invited(id)) if dry_run => asked.note(wanted, id),
                Ok(imported) => imported,
                Err(refusal) => Imported::refused(refusal),
            },
        };
        importing.note(&line, &imported);
    }
    Ok(Json(importing.finish()))
}

/// Whom a file that is only asked about would have made accounts of: later lines find nothing of
/// them, and are told what they would find.
#[derive(Debug, Default)]
struct Asked {
    addresses_by_name: BTreeMap<String, Option<String>>,
    addresses: BTreeSet<String>,
}

impl Asked {
    fn note(&mut self, wanted: CheckedUser, id: Uuid) -> Imported {
        let address = wanted.email.map(|(_, key)| key);
        if let Some(known) = self.addresses_by_name.get(&wanted.username) {
            return if *known == address {
                Imported::Skipped { id: None, code: Code::UsernameTaken }
            } else {
                Imported::Refused(store::username_taken())
            };
        }
        if address.as_ref().is_some_and(|address| !self.addresses.insert(address.clone())) {
            return Imported::Refused(store::email_taken());
        }
        self.addresses_by_name.insert(wanted.username, address);
        Imported::Invited(id)
    }
}

fn wanted(line: &Line) -> Result<CheckedUser, FieldError> {
    let row: UserLine = line.read()?;
    let described = Described {
        username: &row.username,
        email: row.email.as_deref(),
        first_name: row.first_name.as_deref(),
        last_name: row.last_name.as_deref(),
        language: row.language.as_deref(),
    };
    let mut errors = Vec::new();
    let checked = described.checked(&mut errors);
    errors.into_iter().next().map_or(Ok(()), Err)?;
    checked.ok_or_else(|| FieldError::new("", "invalid", "is not in order"))
}

/// Makes the account, in a transaction of its own, and has its owner choose a password.
async fn make(system: &SystemContext, wanted: &CheckedUser) -> Result<Imported> {
    let system = &system.anew();
    let mut writing = system.write().await?;
    let new = wanted.account(system.now());
    let same = (new.username, new.email_key);
    if let Some(id) = store::same_as(&mut writing, system.system(), same).await? {
        return Ok(Imported::Skipped { id: Some(id.uuid()), code: Code::UsernameTaken });
    }
    let user = store::insert(&mut writing, system.system().into(), &new).await?;
    if user.email.is_some() {
        mails::send_reset(&mut writing, system, user.id).await?;
    }
    let recorded = audit::record_platform(&mut writing, system, created(&user)).await?;
    writing.commit(recorded).await?;
    Ok(Imported::Invited(user.id.uuid()))
}
