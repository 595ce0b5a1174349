//! `/api/roles/{roleId}`: a role by its id, wherever it belongs.

use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::open::{OpenRole, open_in_instance, open_in_mandate};
use super::request::checked_label;
use super::role::{FullRole, Role, described};
use super::{RolePath, find, template_find, template_store};
use crate::access::tables::{Delete, InstanceRoles, Read, Roles, Update};
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::change::retrying;
use crate::context::policy::Policy;
use crate::context::{Recorded, RoleContext, SystemContext};
use crate::http::app::App;
use crate::http::etag::{Precondition, Versioned, resource_unless_known};
use crate::http::extract::{Json, NoContent};
use crate::http::guard::{Guard, Routes};
use crate::http::patch;
use crate::kernel::error::{Code, Error, Result, keep};
use crate::kernel::ids::RoleId;
use crate::kernel::names::Name;
use crate::kernel::translations::{Kind, Texts, TextsPatch};

pub(super) fn routes(app: &App) -> Routes {
    Routes::new()
        .routes(routes!(get_role).guard(
            app,
            Policy::table::<Roles, Read>().or::<InstanceRoles, Read>().or_sys_for_templates(),
        ))
        .routes(
            routes!(update_role)
                .refuses(&[Code::GrantExceedsOwnAccess, Code::RoleProtected, Code::LabelTaken])
                .versioned()
                .guard(
                    app,
                    Policy::table::<Roles, Update>()
                        .or::<InstanceRoles, Update>()
                        .or_sys_for_templates(),
                ),
        )
        .routes(
            routes!(delete_role)
                .refuses(&[Code::RoleInUse, Code::RoleProtected, Code::GrantExceedsOwnAccess])
                .versioned()
                .guard(
                    app,
                    Policy::table::<Roles, Delete>()
                        .or::<InstanceRoles, Delete>()
                        .or_sys_for_templates(),
                ),
        )
}

/// The role and its permissions, as far as the caller may read it.
pub(super) async fn read(context: &RoleContext) -> Result<FullRole> {
    match context {
        RoleContext::Template(system, role) => {
            let mut reading = system.read().await?;
            let template = template_find::template(&mut reading, system.system(), *role).await?;
            reading.finish().await?;
            template.ok_or_else(Error::not_found)
        }
        RoleContext::Mandate(context, role) => {
            let grant = context.grant::<Roles, Read>()?;
            let mut reading = context.read().await?;
            let found = find::find(&mut reading, &grant, *role).await?;
            reading.finish().await?;
            Ok(grant.open(found)?.into_row())
        }
        RoleContext::Instance(context, role) => {
            let grant = context.grant_through_level::<InstanceRoles, Read>()?;
            let mut reading = context.read().await?;
            let found = find::find(&mut reading, &grant, *role).await?;
            reading.finish().await?;
            Ok(grant.open(found)?.into_row())
        }
    }
}

/// A role.
#[utoipa::path(get, path = "/api/roles/{roleId}", tag = "Roles", params(RolePath),
    responses((status = 200, description = "The role", body = Role),
              (status = 304, description = "Not changed")))]
async fn get_role(context: RoleContext, headers: HeaderMap) -> Result<Response> {
    let found = read(&context).await?;
    Ok(resource_unless_known(&headers, &found.role))
}

/// What to change of a role.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateRole {
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false, example = "bookkeeper")]
    label: Option<String>,
    /// Some of its languages: those named change, null takes one away; null for all of them empties
    /// the description.
    #[serde(default, deserialize_with = "patch::nullable")]
    #[schema(value_type = Option<BTreeMap<String, Option<String>>>, example = json!({
        "en": "Keeps the books", "de": null,
    }))]
    description: Option<Option<TextsPatch>>,
    /// The version that is to be changed; 409 when it is another by now.
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false)]
    version: Option<i64>,
}

impl UpdateRole {
    fn checked(self) -> Result<Changes> {
        let mut errors = Vec::new();
        let label = self
            .label
            .as_deref()
            .and_then(|label| keep(checked_label("/label", label), &mut errors));
        let checked = |patch: Option<TextsPatch>| {
            patch.map(|patch| patch.checked("/description", Kind::Descriptions)).transpose()
        };
        let description = self.description.and_then(|patch| keep(checked(patch), &mut errors));
        if errors.is_empty() {
            Ok(Changes { label, description })
        } else {
            Err(Error::invalid(errors))
        }
    }
}

/// What is to change of a role; a description of `Some(None)` is emptied.
struct Changes {
    label: Option<Name>,
    description: Option<Option<TextsPatch>>,
}

/// What a role is then called, as far as it is another than before.
#[derive(Default)]
struct Renaming<'a> {
    label: Option<&'a Name>,
    description: Option<Texts>,
}

impl Changes {
    fn applied_to(&self, before: &Role) -> Result<Renaming<'_>> {
        let label = self.label.as_ref().filter(|label| label.as_str() != before.label);
        let description = match &self.description {
            None => None,
            Some(None) => Some(Texts::new()),
            Some(Some(patch)) => {
                Some(patch.applied_to("/description", &before.description, Kind::Descriptions)?)
            }
        };
        Ok(Renaming {
            label,
            description: description.filter(|description| *description != before.description),
        })
    }
}

/// Renames or describes a role.
#[utoipa::path(patch, path = "/api/roles/{roleId}", tag = "Roles", params(RolePath),
    request_body = UpdateRole,
    responses((status = 200, description = "The role", body = Role)))]
async fn update_role(
    context: RoleContext,
    precondition: Precondition,
    Json(body): Json<UpdateRole>,
) -> Result<Versioned<Role>> {
    let version = body.version;
    let (changes, precondition) = (&body.checked()?, &precondition);
    let role = match &context {
        RoleContext::Template(system, role) => {
            update_template(system, *role, changes, precondition, version).await?
        }
        RoleContext::Mandate(context, role) => {
            retrying(|| async {
                update_held(open_in_mandate(context, *role, precondition, version).await?, changes)
                    .await
            })
            .await?
        }
        RoleContext::Instance(context, role) => {
            retrying(|| async {
                update_held(open_in_instance(context, *role, precondition, version).await?, changes)
                    .await
            })
            .await?
        }
    };
    Ok(Versioned(role))
}

async fn update_held(mut open: OpenRole<Update>, changes: &Changes) -> Result<Role> {
    let before = open.within.full().role.clone();
    let Renaming { label, description } = changes.applied_to(&before)?;
    if label.is_none() && description.is_none() {
        open.within.commit(Recorded::nothing_changed()).await?;
        return Ok(before);
    }
    let after = open.within.rename(label, description.as_ref()).await?;
    let recorded = open.within.record(renamed(&before, &after)).await?;
    open.within.commit(recorded).await?;
    Ok(after)
}

async fn update_template(
    system: &SystemContext,
    role: RoleId,
    changes: &Changes,
    precondition: &Precondition,
    version: Option<i64>,
) -> Result<Role> {
    let mut writing = system.write().await?;
    let found = template_find::template_for_change(&mut writing, system.system(), role).await?;
    let before = found.ok_or_else(Error::not_found)?.role;
    if before.protected {
        return Err(template_find::protected());
    }
    precondition.check_with(before.version, version)?;
    let Renaming { label, description } = changes.applied_to(&before)?;
    if label.is_none() && description.is_none() {
        writing.commit(Recorded::nothing_changed()).await?;
        return Ok(before);
    }
    let after =
        template_store::update(&mut writing, system.system(), role, label, description.as_ref())
            .await?;
    let recorded = audit::record_platform(&mut writing, system, renamed(&before, &after)).await?;
    writing.commit(recorded).await?;
    Ok(after)
}

fn renamed(before: &Role, after: &Role) -> Event {
    Event::new(Action::RoleUpdated, ResourceType::Role, after.id).details(json!({
        "before": { "label": before.label, "description": before.description },
        "after": { "label": after.label, "description": after.description },
    }))
}

/// Deletes a role that nobody holds. Copies of a template stay.
#[utoipa::path(delete, path = "/api/roles/{roleId}", tag = "Roles", params(RolePath),
    responses((status = 204, description = "Deleted")))]
async fn delete_role(context: RoleContext, precondition: Precondition) -> Result<NoContent> {
    let precondition = &precondition;
    match &context {
        RoleContext::Template(system, role) => delete_template(system, *role, precondition).await?,
        RoleContext::Mandate(context, role) => {
            retrying(|| async {
                delete_held(open_in_mandate(context, *role, precondition, None).await?).await
            })
            .await?;
        }
        RoleContext::Instance(context, role) => {
            retrying(|| async {
                delete_held(open_in_instance(context, *role, precondition, None).await?).await
            })
            .await?;
        }
    }
    Ok(NoContent)
}

async fn delete_held(mut open: OpenRole<Delete>) -> Result<()> {
    open.within.delete().await?;
    let event = deleted(open.within.full());
    let recorded = open.within.record(event).await?;
    open.within.commit(recorded).await
}

async fn delete_template(
    system: &SystemContext,
    role: RoleId,
    precondition: &Precondition,
) -> Result<()> {
    let mut writing = system.write().await?;
    let found = template_find::template_for_change(&mut writing, system.system(), role).await?;
    let before = found.ok_or_else(Error::not_found)?;
    if before.role.protected {
        return Err(template_find::protected());
    }
    precondition.check(before.role.version)?;
    template_store::delete(&mut writing, system.system(), role).await?;
    let recorded = audit::record_platform(&mut writing, system, deleted(&before)).await?;
    writing.commit(recorded).await
}

/// Nobody held it: what it permitted is all that goes.
fn deleted(FullRole { role, permissions }: &FullRole) -> Event {
    let before = json!({
        "label": role.label, "description": role.description, "scope": role.scope,
            "permissions": described(permissions),
    });
    Event::new(Action::RoleDeleted, ResourceType::Role, role.id)
        .details(json!({ "before": before }))
}
