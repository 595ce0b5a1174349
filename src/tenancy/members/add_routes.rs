//! Adding a member, whom the request names by id, username or address.

use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::Member;
use super::admit::{admit, require_may_offer};
use crate::access::tables::{Create, Members};
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::change::retrying;
use crate::context::judge::Receiver;
use crate::context::policy::{Class, Policy};
use crate::context::{AccessPreview, Concerned, Locks, MandateContext, Outcome};
use crate::http::app::App;
use crate::http::dry_run::DryRun;
use crate::http::etag::Versioned;
use crate::http::extract::{Created, Json};
use crate::http::guard::{Guard, Routes};
use crate::http::paths::MandatePath;
use crate::http::rate_limit::Purse;
use crate::identity::users::{self, UserReference};
use crate::kernel::error::{Code, Error, FieldError, Result};
use crate::kernel::ids::{RoleId, UserId};
use crate::kernel::missing::Thing;
use crate::kernel::names;
use crate::tenancy::roles::NamedRoles;

pub(super) fn routes(app: &App) -> Routes {
    Routes::new().routes(
        routes!(add_member)
            .refuses(&[Code::AlreadyMember, Code::SelfEscalation, Code::GrantExceedsOwnAccess])
            .guard(app, Policy::table::<Members, Create>().or_sys().class(Class::MemberWrite)),
    )
}

/// Whom to add, by exactly one of id, username and address, and with which roles.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({
    "username": "erin", "roleIds": ["01900000-0000-7000-8000-0000164531fc"],
}))]
pub struct AddMember {
    target_user_id: Option<UserId>,
    #[schema(example = "erin")]
    username: Option<String>,
    #[schema(example = "erin@acme.example")]
    email: Option<String>,
    /// At least one role of the mandate.
    #[schema(min_items = 1)]
    role_ids: Vec<RoleId>,
}

impl AddMember {
    fn named(&self) -> Result<UserReference> {
        match (self.target_user_id, self.username.as_deref(), self.email.as_deref()) {
            (Some(id), None, None) => Ok(UserReference::Id(id)),
            (None, Some(username), None) => {
                Ok(UserReference::UsernameKey(names::account_key(username).unwrap_or_default()))
            }
            (None, None, Some(email)) => {
                Ok(UserReference::EmailKey(names::address_key(email).unwrap_or_default()))
            }
            _ => Err(FieldError::new(
                "/targetUserId",
                "exactly_one",
                "or `username` or `email` must be given, exactly one of them",
            )
            .into()),
        }
    }

    /// Where the body names whom.
    fn place(&self) -> &'static str {
        match (&self.username, &self.email) {
            (Some(_), _) => "/username",
            (_, Some(_)) => "/email",
            _ => "/targetUserId",
        }
    }
}

/// Adds a user to the mandate. A username or address that becomes no member is told in the
/// mandate's audit trail and costs one of the class `auth`; so does a dry run by one, which is told
/// as looking somebody up is.
#[utoipa::path(post, path = "/api/mandates/{mandateId}/users", tag = "Members",
    params(MandatePath, DryRun),
    request_body = AddMember,
    responses(
        (status = 201, description = "The member", body = Member),
        (status = 200, description = "With `dryRun=true`: what would change", body = AccessPreview),
        (status = 404, description = "No such user or role: `errors` points to it")))]
async fn add_member(
    context: MandateContext,
    purse: Purse,
    Json(body): Json<AddMember>,
) -> Result<Outcome<Created<Versioned<Member>>>> {
    let named = body.named()?;
    let (place, roles) = (body.place(), NamedRoles::checked(body.role_ids)?);
    may_give(&context, &roles, &named).await?;
    let named = (place, &named);
    let outcome = if matches!(named.1, UserReference::Id(_)) {
        add_named(&context, named, &roles).await.map_err(|(refusal, _)| refusal)?.0
    } else {
        add_by_name(&context, &purse, named, &roles).await?
    };
    Ok(outcome.map(|member| Created {
        location: format!("/api/mandates/{}/users/{}", context.mandate(), member.user_id),
        answer: Versioned(member),
    }))
}

/// Only a name that becomes a member costs nothing and is not told of; where nothing is left to pay
/// with, none is looked up.
async fn add_by_name(
    context: &MandateContext,
    purse: &Purse,
    named: (&str, &UserReference),
    roles: &NamedRoles,
) -> Result<Outcome<Member>> {
    let deposit = purse.deposit(Class::Auth)?;
    match add_named(context, named, roles).await {
        Ok((Outcome::Done(member), _)) => {
            deposit.give_back();
            Ok(Outcome::Done(member))
        }
        // Nobody became a member, and yet the caller knows now who is called so.
        Ok((preview, target)) => {
            let event = Event::new(Action::UserLookedUp, ResourceType::User, target).target(target);
            audit::record_in_earnest(context, event).await?;
            Ok(preview)
        }
        Err((refusal, found)) => {
            // Whatever comes after somebody was found says that they are there, a time limit or a
            // twin's claim too.
            let tells = found.is_some() || refusal.code().status() < 500;
            if tells {
                let event = Event::of_nothing(Action::LookupFailed, ResourceType::User);
                let event = found.into_iter().fold(event, Event::target);
                audit::record_in_earnest(context, event).await?;
            }
            Err(refusal)
        }
    }
}

/// Whether the caller may give the roles, asked before it is looked up whom the request names: the
/// answer is the same whether there is such an account. (Asked again under the locks.)
async fn may_give(
    context: &MandateContext,
    roles: &NamedRoles,
    named: &UserReference,
) -> Result<()> {
    let grant = context.grant::<Members, Create>()?;
    let mut reading = context.caller().read().await?;
    let oneself = users::is_named(&mut reading, context.caller().account(), named).await?;
    let receiver = if oneself { Receiver::Oneself } else { Receiver::SomebodyElse };
    require_may_offer(&mut reading, (context, &grant), roles, receiver).await?;
    reading.finish().await
}

/// Adds whom the request names; with the answer, and with a refusal, comes who that is, where it is
/// somebody. They are found before the locks, which are taken by id, and looked at again under
/// them.
async fn add_named(
    context: &MandateContext,
    (place, named): (&str, &UserReference),
    roles: &NamedRoles,
) -> Result<(Outcome<Member>, UserId), (Error, Option<UserId>)> {
    let found = async {
        let grant = context.grant::<Members, Create>()?;
        let mut reading = context.caller().read().await?;
        let found = users::resolve(&mut reading, &grant, named).await?;
        reading.finish().await?;
        found.ok_or_else(|| Thing::User.missing(place))
    };
    let target = found.await.map_err(|refusal| (refusal, None))?;
    match retrying(|| add(context, (place, target), roles)).await {
        Ok(outcome) => Ok((outcome, target)),
        Err(refusal) => Err((refusal, Some(target))),
    }
}

async fn add(
    context: &MandateContext,
    (place, target): (&str, UserId),
    roles: &NamedRoles,
) -> Result<Outcome<Member>> {
    let mut change = context.change(Locks::newcomer(target)).await?;
    let grant = change.context.grant::<Members, Create>()?;
    let found = users::resolve(&mut change, &grant, &UserReference::Id(target)).await?;
    found.ok_or_else(|| Thing::User.missing(place))?;
    let (member, labels) = admit(&mut change, target, roles).await?;
    let event = Event::new(Action::UserAddedToMandate, ResourceType::Member, target)
        .target(target)
        .details(json!({ "after": { "roles": labels } }));
    let recorded = change.record(event).await?;
    change.conclude(recorded, Concerned::Membership(target), member).await
}
