//! `POST /api/mandates/{mandateId}/invitations/import`: inviting everybody in a file.

use std::collections::{BTreeSet, HashMap};

use axum::extract::State;
use serde::Deserialize;
use utoipa_axum::routes;

use super::Invitation;
use super::promise::Promise;
use super::request::{Wanted, checked_ttl};
use super::routes::invite;
use crate::access::tables::{Create, Members};
use crate::context::MandateContext;
use crate::context::change::retrying;
use crate::context::policy::{Class, Policy};
use crate::http::app::App;
use crate::http::dry_run::DryRun;
use crate::http::extract::{Json, Query};
use crate::http::guard::{Guard, Routes};
use crate::http::imports::{Import, Imported, Importing};
use crate::http::lines::{Columns, Line, Lines, MAX_BYTES};
use crate::http::paths::MandatePath;
use crate::identity::mails;
use crate::identity::users::checked_email;
use crate::kernel::error::{Code, FieldError, Result};
use crate::kernel::ids::RoleId;
use crate::kernel::missing::Thing;
use crate::kernel::names;
use crate::tenancy::roles::{self, NamedRoles};

pub(super) fn routes(app: &App) -> Routes {
    let policy = || Policy::table::<Members, Create>().or_sys().class(Class::MemberWrite);
    Routes::new().routes(
        routes!(import_invitations)
            .refuses(&[Code::TooManyLines, Code::MailNotConfigured])
            .guard(app, policy().kept_for_no_repetition().body_up_to(MAX_BYTES)),
    )
}

/// Somebody in a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct InvitedLine {
    email: String,
    /// Labels of roles of the mandate.
    roles: Vec<String>,
    ttl_hours: Option<u16>,
}

impl Columns for InvitedLine {
    const ALL: &'static [&'static str] = &["email", "roles", "ttlHours"];
    const TOLD: &'static [&'static str] = &["email"];
    const LISTS: &'static [&'static str] = &["roles"];
    const NUMBERS: &'static [&'static str] = &["ttlHours"];
}

/// Invites everybody in a file of at most 1,000 lines and 1 MiB: NDJSON, or CSV whose first line
/// names the columns. A line has `email`, `roles` (labels of roles of the mandate; in CSV separated
/// by `;`) and, if it is to be other than 72, `ttlHours`. Each is an invitation of its own, as if
/// it were sent alone: what was refused can be mended, and a file that was cut off sent again,
/// since whoever is invited or a member already is skipped.
#[utoipa::path(post, path = "/api/mandates/{mandateId}/invitations/import", tag = "Members",
    params(MandatePath, DryRun),
    request_body(content(
        (String = "application/x-ndjson",
            example = "{\"email\": \"erin@acme.example\", \"roles\": [\"user\"]}\n"),
        (String = "text/csv", example = "email,roles\nerin@acme.example,user;viewer\n"),
    )),
    responses(
        (status = 200, description = "What came of each line; with `dryRun=true`, what would come \
            of it", body = Import)))]
async fn import_invitations(
    State(app): State<App>,
    context: MandateContext,
    Query(dry_run): Query<DryRun>,
    file: Lines<InvitedLine>,
) -> Result<Json<Import>> {
    mails::require_set_up(&app)?;
    let known = known_roles(&context, &file.lines).await?;
    let (dry_run, mut asked) = (dry_run.is_wanted(), BTreeSet::new());
    let mut importing = Importing::new(&app, file, dry_run);
    while let Some(line) = importing.next_line() {
        let imported = match wanted(&line, &known) {
            Err(fault) => Imported::Unfit(fault),
            Ok(wanted) => match outcome(retrying(|| invite(&app, &context, &wanted)).await) {
                // What is only asked about leaves nothing that a later line would find.
                Imported::Invited(_) if dry_run && !asked.insert(wanted.email_key) => {
                    Imported::Skipped { id: None, code: Code::AlreadyInvited }
                }
                imported => imported,
            },
        };
        importing.note(&line, &imported);
    }
    Ok(Json(importing.finish()))
}

fn outcome(invited: Result<Invitation>) -> Imported {
    match invited {
        Ok(made) => Imported::Invited(made.id.uuid()),
        Err(refusal) if [Code::AlreadyInvited, Code::AlreadyMember].contains(&refusal.code()) => {
            let id = refusal.extra().get("id").and_then(|id| id.as_str()?.parse().ok());
            Imported::Skipped { id, code: refusal.code() }
        }
        Err(refusal) => Imported::refused(refusal),
    }
}

/// The roles that the file names, by what labels are compared by. Whether they may be given is
/// judged with each invitation.
async fn known_roles(context: &MandateContext, lines: &[Line]) -> Result<HashMap<String, RoleId>> {
    let named = lines.iter().filter_map(|line| line.read::<InvitedLine>().ok());
    let keys = named.flat_map(|line| line.roles).filter_map(|label| names::key(&label));
    // None is called so, and PostgreSQL cannot be asked for it.
    let keys: BTreeSet<String> = keys.filter(|key| !key.contains('\0')).collect();
    let grant = context.grant::<Members, Create>()?;
    let mut reading = context.read().await?;
    let keys: Vec<String> = keys.into_iter().collect();
    let known = roles::labelled(&mut reading, &grant, &keys).await?;
    reading.finish().await?;
    Ok(known)
}

fn wanted(line: &Line, known: &HashMap<String, RoleId>) -> Result<Wanted, FieldError> {
    let InvitedLine { email, roles, ttl_hours } = line.read()?;
    let (email, email_key) = checked_email(&email)?;
    let named = roles.iter().enumerate().map(|(index, label)| {
        let id = names::key(label).and_then(|key| known.get(&key).copied());
        id.ok_or_else(|| Thing::Role.unknown(format!("/roles/{index}")))
    });
    let roles = NamedRoles::checked_at("/roles", named.collect::<Result<_, _>>()?)?;
    let promise = Promise { roles, instances: Vec::new() };
    Ok(Wanted { email, email_key, promise, ttl: checked_ttl(ttl_hours)? })
}
