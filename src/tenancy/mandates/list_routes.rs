//! `/api/mandates`: all of them, and new ones.

use serde_json::json;
use utoipa_axum::routes;

use super::insert::{self, NewMandate};
use super::list::{self, Filter};
use super::request::{CheckedMandate, CreateMandate};
use super::{Mandate, find};
use crate::context::audit::{Action, Event, ResourceType};
use crate::context::change::retrying;
use crate::context::policy::{Class, Policy};
use crate::context::{Actor, Locks, SystemContext};
use crate::http::app::App;
use crate::http::etag::Versioned;
use crate::http::extract::{Created, Json, Query};
use crate::http::guard::{Guard, Routes};
use crate::http::list::{Lister, Page, PageAnswer, Search};
use crate::identity::users;
use crate::kernel::error::{Code, Error, FieldError, Result};
use crate::kernel::ids::MandateId;
use crate::kernel::missing::Thing;
use crate::kernel::names;
use crate::list_query;
use crate::tenancy::{members, roles};

pub(super) fn routes(app: &App) -> Routes {
    Routes::new()
        .routes(routes!(list_mandates).guard(app, Policy::sys().class(Class::ListMandates)))
        .routes(
            routes!(create_mandate)
                .refuses(&[Code::CodeTaken, Code::NotFound, Code::SelfEscalation])
                .guard(app, Policy::sys()),
        )
}

list_query! {
    MandatesQuery sorted by "name", "code", "createdAt" {
        /// Only enabled ones, or only disabled ones.
        #[param(example = true)]
        enabled: bool,
        /// Whether the deleted ones are wanted.
        deleted: bool,
        /// Only those that have an effective admin, or only those that have none.
        #[param(example = true)]
        has_admin: bool,
        /// Only the one of this code.
        #[param(example = "acme")]
        code: String,
        /// Part of a name or code.
        #[param(value_type = Option<String>, example = "ac")]
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
    let rows = list::list(&mut reading, system.system(), &filter, &paging).await?;
    reading.finish().await?;
    Ok(lister.answer(&paging, rows))
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
    let mut change = system.change(Locks::users(wanted.admin)).await?;
    let (now, proof) = (change.context.now(), change.context.system());
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
    insert::insert(&mut change, proof, &new).await?;
    let templates = roles::templates(&mut change, proof.into(), None).await?;
    let mut event = Event::new(Action::MandateCreated, ResourceType::Mandate, id).details(json!({
        "after": { "name": wanted.name.as_str(), "language": wanted.language },
        "roles": templates.iter().map(|template| &template.role.label).collect::<Vec<_>>(),
    }));
    if let Some(admin) = wanted.admin {
        event = event.target(admin);
    }
    let recorded = change.record_everywhere(&[id], event).await?;
    change.enter(id).await?;
    let copies = roles::copy_templates(&mut change, proof.new_mandate(id), &templates, now).await?;
    if let Some(admin) = wanted.admin {
        let roles: Vec<_> =
            copies.iter().filter(|copy| copy.protected).map(|copy| copy.id).collect();
        members::insert_first(&mut change, proof, (id, admin), &roles, now).await?;
    }
    let mandate = find::find_new(&mut change, proof, id).await?;
    change.commit(recorded).await?;
    Ok(mandate)
}
