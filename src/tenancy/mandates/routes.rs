//! `/api/mandates`: the tenants themselves.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::Mandate;
use super::store::{self, Changes, Filter, NewMandate};
use crate::access::tables::{Mandate as MandateTable, Read, Update};
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::change::retrying;
use crate::context::policy::{Class, Policy};
use crate::context::{Actor, Locks, MandateContext, Recorded, SystemContext};
use crate::http::app::App;
use crate::http::etag::{Precondition, Versioned};
use crate::http::extract::{Created, FromPath, Json, Query};
use crate::http::guard::{Guard, Routes};
use crate::http::list::{Lister, Page, PageAnswer, Search};
use crate::http::patch;
use crate::http::paths::MandatePath;
use crate::identity::users;
use crate::kernel::error::{Code, Error, FieldError, Result, keep};
use crate::kernel::ids::{MandateId, UserId};
use crate::kernel::missing::Thing;
use crate::kernel::names::{self, Name};
use crate::list_query;
use crate::tenancy::members;
use crate::tenancy::roles;

/// How long a deleted mandate can be restored.
const RESTORABLE: Duration = Duration::days(30);

pub fn routes(app: &App) -> Routes {
    Routes::new()
        .routes(routes!(list_mandates).guard(app, Policy::sys().class(Class::ListMandates)))
        .routes(
            routes!(create_mandate)
                .refuses(&[Code::CodeTaken, Code::NotFound, Code::SelfEscalation])
                .guard(app, Policy::sys()),
        )
        .routes(
            routes!(get_mandate).guard(
                app,
                Policy::table::<MandateTable, Read>().or_sys().class(Class::ListMandates),
            ),
        )
        .routes(
            routes!(update_mandate)
                .refuses(&[Code::CodeTaken])
                .versioned()
                .guard(app, Policy::table::<MandateTable, Update>().or_sys()),
        )
        .routes(
            routes!(put_mandate)
                .refuses(&[Code::CodeTaken])
                .versioned()
                .guard(app, Policy::table::<MandateTable, Update>().or_sys()),
        )
        .routes(routes!(delete_mandate).versioned().guard(app, Policy::sys()))
        .routes(
            routes!(restore_mandate)
                .refuses(&[Code::NotDeleted, Code::CodeTaken])
                .guard(app, Policy::sys()),
        )
}

list_query! {
    MandatesQuery sorted by "name", "code", "createdAt" {
        /// Only enabled ones, or only disabled ones.
        enabled: bool,
        /// Whether the deleted ones are wanted.
        deleted: bool,
        /// Only those that have an effective admin, or only those that have none.
        has_admin: bool,
        /// Only the one of this code.
        code: String,
        /// Part of a name or code.
        #[param(value_type = Option<String>)]
        q: Search,
    }
}

/// Every mandate.
#[utoipa::path(get, path = "/api/mandates", tag = "Mandates", params(MandatesQuery),
    responses((status = 200, description = "A page of mandates", body = Page<Mandate>)))]
async fn list_mandates(
    system: SystemContext,
    lister: Lister,
    Query(query): Query<MandatesQuery>,
) -> Result<PageAnswer<Mandate>> {
    let paging = query.paging(&lister)?;
    let filter = Filter {
        enabled: query.enabled,
        deleted: query.deleted.unwrap_or(false),
        text: query.q.map(Search::into_key),
        code_key: query.code.map(|code| names::account_key(&code).unwrap_or_default()),
        has_admin: query.has_admin,
    };
    let mut reading = system.read().await?;
    let rows = store::list(&mut reading, system.system(), &filter, &paging).await?;
    reading.finish().await?;
    Ok(lister.answer(&paging, rows))
}

/// A new mandate.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CreateMandate {
    #[schema(example = "Initech")]
    name: String,
    /// A unique slug; made from the name when left out.
    #[schema(example = "initech")]
    code: Option<String>,
    #[schema(example = "en")]
    language: Option<String>,
    /// The first admin. Until one is named, only SysAdmins manage the mandate.
    admin_user_id: Option<UserId>,
}

struct CheckedMandate {
    name: Name,
    code: Option<String>,
    language: String,
    admin: Option<UserId>,
}

impl CreateMandate {
    fn checked(&self) -> Result<CheckedMandate> {
        let mut errors = Vec::new();
        let name = keep(Name::checked("/name", &self.name), &mut errors);
        let code = self
            .code
            .as_deref()
            .and_then(|code| keep(names::checked_code("/code", code), &mut errors));
        let language = keep(
            names::checked_language("/language", self.language.as_deref().unwrap_or("en")),
            &mut errors,
        );
        match (name, language) {
            (Some(name), Some(language)) if errors.is_empty() => {
                Ok(CheckedMandate { name, code, language, admin: self.admin_user_id })
            }
            _ => Err(Error::invalid(errors)),
        }
    }
}

/// Makes a mandate with copies of the template roles and the group `everyone`, and names its first
/// admin.
#[utoipa::path(post, path = "/api/mandates", tag = "Mandates", request_body = CreateMandate,
    responses((status = 201, description = "The mandate", body = Mandate),
              (status = 404, description = "No such user: `errors` points to it"),
              (status = 403, description = "Not allowed, or the caller is named as the admin")))]
async fn create_mandate(
    system: SystemContext,
    Json(body): Json<CreateMandate>,
) -> Result<Created<Versioned<Mandate>>> {
    let checked = body.checked()?;
    let (system, checked) = (&system, &checked);
    let mandate = retrying(|| create(system, checked)).await?;
    Ok(Created { location: format!("/api/mandates/{}", mandate.id), answer: Versioned(mandate) })
}

async fn create(system: &SystemContext, wanted: &CheckedMandate) -> Result<Mandate> {
    let (now, proof) = (system.now(), system.system());
    let mut change = system.change(Locks::users(wanted.admin)).await?;
    if let Some(admin) = wanted.admin {
        if change.context.actor() == Some(admin) {
            return Err(Error::new(
                Code::SelfEscalation,
                "SysAdmins do not make themselves admin of a mandate.",
            ));
        }
        let account = users::find(&mut change, proof.account(admin))
            .await?
            .ok_or_else(|| Thing::User.missing("/adminUserId"))?;
        if !account.enabled {
            let detail = "names an account that is disabled, which would be no effective admin: \
                enable it first, or name somebody else";
            return Err(FieldError::new("/adminUserId", "account_disabled", detail).into());
        }
    }
    let id = MandateId::new();
    let new = NewMandate {
        id,
        name: &wanted.name,
        code: wanted.code.as_deref(),
        language: &wanted.language,
        now,
    };
    store::insert(&mut change, proof, &new).await?;
    let templates = roles::templates(&mut change, proof.into(), None).await?;
    let mut event = Event::new(Action::MandateCreated, ResourceType::Mandate, id).details(json!({
        "after": { "name": wanted.name.as_str(), "language": wanted.language },
        "roles": templates.iter().map(|template| &template.role.label).collect::<Vec<_>>(),
    }));
    if let Some(admin) = wanted.admin {
        event = event.target(admin);
    }
    let recorded = audit::record_everywhere(&mut change, system, &[id], event).await?;
    change.enter(id).await?;
    let copies = roles::copy_templates(&mut change, proof.new_mandate(id), &templates, now).await?;
    if let Some(admin) = wanted.admin {
        let roles: Vec<_> =
            copies.iter().filter(|copy| copy.protected).map(|copy| copy.id).collect();
        members::insert_first(&mut change, proof, (id, admin), &roles, now).await?;
    }
    let mandate = store::find_new(&mut change, proof, id).await?;
    change.commit(recorded).await?;
    Ok(mandate)
}

/// A mandate.
#[utoipa::path(get, path = "/api/mandates/{mandateId}", tag = "Mandates", params(MandatePath),
    responses((status = 200, description = "The mandate", body = Mandate)))]
async fn get_mandate(context: MandateContext) -> Result<Versioned<Mandate>> {
    let grant = context.grant::<MandateTable, Read>()?;
    let mut reading = context.read().await?;
    let mandate = store::find(&mut reading, &grant).await?.ok_or_else(Error::not_found)?;
    reading.finish().await?;
    Ok(Versioned(mandate))
}

/// What to change of a mandate. Code and `enabled` are for SysAdmins.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateMandate {
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false, example = "Acme Holding")]
    name: Option<String>,
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false, example = "acme-holding")]
    code: Option<String>,
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false)]
    language: Option<String>,
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false)]
    enabled: Option<bool>,
    /// The version that is to be changed; 409 when it is another by now.
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false)]
    version: Option<i64>,
}

impl UpdateMandate {
    fn checked(&self) -> Result<Changes> {
        let mut errors = Vec::new();
        let name =
            self.name.as_deref().and_then(|name| keep(Name::checked("/name", name), &mut errors));
        let code = self
            .code
            .as_deref()
            .and_then(|code| keep(names::checked_code("/code", code), &mut errors));
        let language = self
            .language
            .as_deref()
            .and_then(|tag| keep(names::checked_language("/language", tag), &mut errors));
        if errors.is_empty() {
            Ok(Changes { name, code, language, enabled: self.enabled })
        } else {
            Err(Error::invalid(errors))
        }
    }
}

/// Changes a mandate: its name and language by its admins, its code and whether it is enabled by
/// SysAdmins.
#[utoipa::path(patch, path = "/api/mandates/{mandateId}", tag = "Mandates", params(MandatePath),
    request_body = UpdateMandate,
    responses((status = 200, description = "The mandate", body = Mandate)))]
async fn update_mandate(
    context: MandateContext,
    precondition: Precondition,
    Json(body): Json<UpdateMandate>,
) -> Result<Versioned<Mandate>> {
    change(&context, &precondition, &body).await.map(Versioned)
}

/// The same as PATCH: what is left out stays.
#[utoipa::path(put, path = "/api/mandates/{mandateId}", tag = "Mandates", params(MandatePath),
    request_body = UpdateMandate,
    responses((status = 200, description = "The mandate", body = Mandate)))]
async fn put_mandate(
    context: MandateContext,
    precondition: Precondition,
    Json(body): Json<UpdateMandate>,
) -> Result<Versioned<Mandate>> {
    change(&context, &precondition, &body).await.map(Versioned)
}

async fn change(
    context: &MandateContext,
    precondition: &Precondition,
    body: &UpdateMandate,
) -> Result<Mandate> {
    let changes = body.checked()?;
    match context.as_system() {
        Some(system) => {
            let (system, changes) = (&system, &changes);
            retrying(|| {
                change_as_sys_admin(system, context.mandate(), precondition, body.version, changes)
            })
            .await
        }
        None => change_as_member(context, precondition, body.version, &changes).await,
    }
}

async fn change_as_sys_admin(
    system: &SystemContext,
    mandate: MandateId,
    precondition: &Precondition,
    version: Option<i64>,
    changes: &Changes,
) -> Result<Mandate> {
    let mut change = system.change(Locks::default().and_mandate(mandate)).await?;
    let before = living(store::find_as_system(&mut change, system.system(), mandate).await?)?;
    precondition.check_with(before.version, version)?;
    if !changes.alter(&before) {
        change.commit(Recorded::nothing_changed()).await?;
        return Ok(before);
    }
    let after = store::update(&mut change, system.system(), mandate, changes, system.now()).await?;
    let recorded =
        audit::record_everywhere(&mut change, system, &[mandate], updated(&before, &after)).await?;
    change.commit(recorded).await?;
    Ok(after)
}

async fn change_as_member(
    context: &MandateContext,
    precondition: &Precondition,
    version: Option<i64>,
    changes: &Changes,
) -> Result<Mandate> {
    if changes.code.is_some() || changes.enabled.is_some() {
        let refusal = Error::new(
            Code::PermissionDenied,
            "`code` and `enabled` are changed by SysAdmins only.",
        );
        return Err(refusal
            .with("table", "mandate")
            .with("operation", "update")
            .with("needed", "sysAdmin"));
    }
    let grant = context.grant::<MandateTable, Update>()?;
    let mut writing = context.write().await?;
    let before =
        store::find_for_change(&mut writing, &grant).await?.ok_or_else(Error::not_found)?;
    precondition.check_with(before.version, version)?;
    if !changes.alter(&before) {
        writing.commit(Recorded::nothing_changed()).await?;
        return Ok(before);
    }
    let after = store::rename(
        &mut writing,
        &grant,
        changes.name.as_ref(),
        changes.language.as_deref(),
        context.now(),
    )
    .await?;
    let recorded = audit::record(&mut writing, context, updated(&before, &after)).await?;
    writing.commit(recorded).await?;
    Ok(after)
}

fn updated(before: &Mandate, after: &Mandate) -> Event {
    let described = |m: &Mandate| {
        json!({
            "name": m.name, "code": m.code, "language": m.language, "enabled": m.enabled,
        })
    };
    Event::new(Action::MandateUpdated, ResourceType::Mandate, after.id)
        .details(json!({ "before": described(before), "after": described(after) }))
}

/// 404 where the mandate is not there, or deleted.
fn living(mandate: Option<Mandate>) -> Result<Mandate> {
    mandate.filter(|mandate| mandate.deleted_at.is_none()).ok_or_else(Error::not_found)
}

/// A soft deletion.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deletion {
    id: MandateId,
    deleted_at: DateTime<Utc>,
    /// Until then it can be restored.
    purge_at: DateTime<Utc>,
}

/// Deletes a mandate: everything in it becomes unreachable at once, and can be restored for 30
/// days.
#[utoipa::path(delete, path = "/api/mandates/{mandateId}", tag = "Mandates", params(MandatePath),
    responses((status = 200, description = "Deleted, until purged restorable", body = Deletion)))]
async fn delete_mandate(
    system: SystemContext,
    precondition: Precondition,
    FromPath(MandatePath { mandate_id: mandate }): FromPath<MandatePath>,
) -> Result<Json<Deletion>> {
    let (system, precondition) = (&system, &precondition);
    retrying(|| delete(system, mandate, precondition)).await.map(Json)
}

async fn delete(
    system: &SystemContext,
    mandate: MandateId,
    precondition: &Precondition,
) -> Result<Deletion> {
    let mut change = system.change(Locks::default().and_mandate(mandate)).await?;
    let before = living(store::find_as_system(&mut change, system.system(), mandate).await?)?;
    precondition.check(before.version)?;
    let now = system.now();
    let deletion = Deletion { id: mandate, deleted_at: now, purge_at: now + RESTORABLE };
    store::delete(&mut change, system.system(), mandate, now, deletion.purge_at).await?;
    let event = Event::new(Action::MandateDeleted, ResourceType::Mandate, mandate).details(json!({
        "before": { "name": before.name, "code": before.code }, "purgeAt": deletion.purge_at,
    }));
    let recorded = audit::record_everywhere(&mut change, system, &[mandate], event).await?;
    change.commit(recorded).await?;
    Ok(deletion)
}

/// Restores a deleted mandate with everything in it.
#[utoipa::path(post, path = "/api/mandates/{mandateId}/restore", tag = "Mandates",
    params(MandatePath),
    responses(
        (status = 200, description = "The mandate", body = Mandate)))]
async fn restore_mandate(
    system: SystemContext,
    FromPath(MandatePath { mandate_id: mandate }): FromPath<MandatePath>,
) -> Result<Versioned<Mandate>> {
    let system = &system;
    retrying(|| restore(system, mandate)).await.map(Versioned)
}

async fn restore(system: &SystemContext, mandate: MandateId) -> Result<Mandate> {
    let mut change = system.change(Locks::default().and_mandate(mandate)).await?;
    let before = store::find_as_system(&mut change, system.system(), mandate)
        .await?
        .ok_or_else(Error::not_found)?;
    match before.purge_at {
        None => return Err(Error::new(Code::NotDeleted, "The mandate is not deleted.")),
        Some(purge_at) if purge_at <= system.now() => return Err(Error::not_found()),
        Some(_) => {}
    }
    let after = store::restore(&mut change, system.system(), mandate, system.now()).await?;
    let event = Event::new(Action::MandateRestored, ResourceType::Mandate, mandate)
        .details(json!({ "after": { "name": after.name, "code": after.code } }));
    let recorded = audit::record_everywhere(&mut change, system, &[mandate], event).await?;
    change.commit(recorded).await?;
    Ok(after)
}
