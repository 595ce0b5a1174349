//! `/api/playbooks`: the playbooks themselves.

use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::json;
use utoipa_axum::routes;

use super::find::{self, PlaybookReference};
use super::playbook::Playbook;
use super::request::{self, CreatePlaybook, UpdatePlaybook};
use super::store::{self, NewPlaybook};
use super::{PlaybookPath, Playbooks};
use crate::access::tables::{Create, Read, Update};
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::policy::Policy;
use crate::context::{InstanceContext, Recorded};
use crate::http::app::App;
use crate::http::etag::{Precondition, Versioned, resource_unless_known};
use crate::http::extract::{Created, FromPath, Json};
use crate::http::guard::{Guard, Routes};
use crate::kernel::error::{Code, Error, Result, keep};
use crate::kernel::ids::PlaybookId;
use crate::kernel::names::{self, Name};

pub(super) fn routes(app: &App) -> Routes {
    Routes::new()
        .routes(
            routes!(create_playbook)
                .refuses(&[Code::NameTaken])
                .guard(app, Policy::feature::<Playbooks, Create>()),
        )
        .routes(
            routes!(get_playbook)
                .refuses(&[Code::Gone])
                .guard(app, Policy::feature::<Playbooks, Read>()),
        )
        .routes(
            routes!(update_playbook)
                .refuses(&[Code::NameTaken, Code::Gone])
                .versioned()
                .guard(app, Policy::feature::<Playbooks, Update>()),
        )
}

/// A conflict does not leak: the other playbook's id is named to those only who may read it.
pub(super) async fn naming_the_other(
    context: &InstanceContext,
    name: Option<&str>,
    refusal: Error,
) -> Error {
    let (Code::NameTaken, Some(name)) = (refusal.code(), name) else { return refusal };
    match readable(context, name).await {
        Ok(Some(other)) => refusal.with("id", other.to_string()),
        _ => refusal,
    }
}

async fn readable(context: &InstanceContext, name: &str) -> Result<Option<PlaybookId>> {
    let grant = context.grant::<Playbooks, Read>()?;
    let mut reading = context.read().await?;
    let found =
        find::find(&mut reading, &grant, &PlaybookReference::of(name), context.now()).await?;
    reading.finish().await?;
    Ok(grant.open(found).ok().map(|playbook| playbook.id))
}

/// Makes a playbook, which is the caller's. It has no version yet.
#[utoipa::path(post, path = "/api/playbooks", tag = "Playbooks", request_body = CreatePlaybook,
    responses((status = 201, description = "The playbook", body = Playbook)))]
async fn create_playbook(
    context: InstanceContext,
    Json(body): Json<CreatePlaybook>,
) -> Result<Created<Versioned<Playbook>>> {
    let mut errors = Vec::new();
    let name = keep(request::checked_name(&body.name), &mut errors);
    let title = keep(Name::checked("/title", &body.title), &mut errors);
    let description = body
        .description
        .as_deref()
        .and_then(|text| keep(names::checked_description("/description", text), &mut errors));
    let (Some(name), Some(title), true) = (name, title, errors.is_empty()) else {
        return Err(Error::invalid(errors));
    };
    let grant = context.grant::<Playbooks, Create>()?;
    let mut writing = context.write().await?;
    let new = NewPlaybook {
        name: &name,
        title: &title,
        description: description.as_deref(),
        now: context.now(),
    };
    let playbook = match store::insert(&mut writing, &grant, &new).await {
        Ok(playbook) => playbook,
        Err(refusal) => {
            drop(writing);
            return Err(naming_the_other(&context, Some(name.as_str()), refusal).await);
        }
    };
    let event =
        event(Action::PlaybookCreated, &playbook).details(json!({ "after": described(&playbook) }));
    let recorded = audit::record(&mut writing, &context, event).await?;
    writing.commit(recorded).await?;
    Ok(Created { location: format!("/api/playbooks/{}", playbook.id), answer: Versioned(playbook) })
}

/// A playbook.
#[utoipa::path(get, path = "/api/playbooks/{playbook}", tag = "Playbooks", params(PlaybookPath),
    responses((status = 200, description = "The playbook", body = Playbook),
              (status = 304, description = "Not changed")))]
async fn get_playbook(
    context: InstanceContext,
    headers: HeaderMap,
    FromPath(PlaybookPath { playbook: name }): FromPath<PlaybookPath>,
) -> Result<Response> {
    let grant = context.grant::<Playbooks, Read>()?;
    let mut reading = context.read().await?;
    let found =
        find::find(&mut reading, &grant, &PlaybookReference::of(&name), context.now()).await?;
    reading.finish().await?;
    let playbook = find::living(&grant, found)?.into_row();
    Ok(resource_unless_known(&headers, &playbook))
}

/// Changes a playbook's name, title or description.
#[utoipa::path(patch, path = "/api/playbooks/{playbook}", tag = "Playbooks", params(PlaybookPath),
    request_body = UpdatePlaybook,
    responses((status = 200, description = "The playbook", body = Playbook)))]
async fn update_playbook(
    context: InstanceContext,
    precondition: Precondition,
    FromPath(PlaybookPath { playbook: name }): FromPath<PlaybookPath>,
    Json(body): Json<UpdatePlaybook>,
) -> Result<Versioned<Playbook>> {
    let changes = body.checked()?;
    let grant = context.grant::<Playbooks, Update>()?;
    let mut writing = context.write().await?;
    let now = context.now();
    let before =
        find::open_for_change(&mut writing, &grant, &PlaybookReference::of(&name), now).await?;
    precondition.check_with(before.version, body.version)?;
    if !changes.alter(&before) {
        writing.commit(Recorded::nothing_changed()).await?;
        return Ok(Versioned(before.into_row()));
    }
    let after = match store::update(&mut writing, &before, &changes, now).await {
        Ok(after) => after,
        Err(refusal) => {
            drop(writing);
            return Err(naming_the_other(
                &context,
                changes.name.as_ref().map(Name::as_str),
                refusal,
            )
            .await);
        }
    };
    let event = event(Action::PlaybookUpdated, &after)
        .details(json!({ "before": described(&before), "after": described(&after) }));
    let recorded = audit::record(&mut writing, &context, event).await?;
    writing.commit(recorded).await?;
    Ok(Versioned(after))
}

pub(super) fn event(action: Action, playbook: &Playbook) -> Event {
    Event::new(action, ResourceType::Playbook, playbook.id)
}

pub(super) fn described(playbook: &Playbook) -> serde_json::Value {
    json!({ "instanceId": playbook.instance_id, "name": playbook.name, "title": playbook.title })
}
