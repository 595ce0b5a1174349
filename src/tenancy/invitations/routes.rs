//! `/api/mandates/{mandateId}/invitations`: inviting somebody, sending it again, withdrawing it.

use axum::extract::State;
use chrono::Duration;
use serde_json::json;
use utoipa_axum::routes;

use super::promise::Promise;
use super::request::{InviteMember, ResendInvitation, Wanted};
use super::store::{self, NewInvitation};
use super::{Invitation, InvitationPath, InvitationStatus, find};
use crate::access::tables::{Create, Members, Read};
use crate::context::audit::{Action, Event, ResourceType};
use crate::context::change::retrying;
use crate::context::judge::Receiver;
use crate::context::policy::{Class, Policy};
use crate::context::{Change, Locks, MandateContext, Opened};
use crate::http::app::App;
use crate::http::etag::{Precondition, Versioned};
use crate::http::extract::{Created, FromPath, Json, NoContent, OptionalJson};
use crate::http::guard::{Guard, Routes};
use crate::http::paths::MandatePath;
use crate::identity::mails;
use crate::identity::users::{self, UserReference};
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::InvitationId;
use crate::tenancy::members;

/// How often one invitation is sent again.
const MOST_RESENT: i32 = 5;

pub(super) fn routes(app: &App) -> Routes {
    let policy = || Policy::table::<Members, Create>().or_sys();
    let write = || policy().class(Class::MemberWrite);
    Routes::new()
        .routes(
            routes!(invite_member)
                .refuses(&[
                    Code::AlreadyInvited,
                    Code::AlreadyMember,
                    Code::SelfEscalation,
                    Code::GrantExceedsOwnAccess,
                    Code::MailNotConfigured,
                ])
                .guard(app, write()),
        )
        .routes(routes!(get_invitation).guard(app, policy()))
        .routes(
            routes!(revoke_invitation)
                .refuses(&[Code::NotPending, Code::TargetExceedsOwnAccess])
                .versioned()
                .guard(app, write()),
        )
        .routes(
            routes!(resend_invitation)
                .refuses(&[
                    Code::NotPending,
                    Code::SelfEscalation,
                    Code::GrantExceedsOwnAccess,
                    Code::MailNotConfigured,
                ])
                .guard(app, write()),
        )
}

/// Invites somebody, who need not have an account, by a mail in the language of the mandate. They
/// get what is promised when they accept, if whoever invited may still give it then. Whether the
/// address has an account is not told; that it is a member's only to whoever sees that member's
/// address. Else the mail says so.
#[utoipa::path(post, path = "/api/mandates/{mandateId}/invitations", tag = "Members",
    params(MandatePath),
    request_body = InviteMember,
    responses(
        (status = 201, description = "The invitation", body = Invitation),
        (status = 404, description = "No such role or instance: `errors` points to it"),
        (status = 409, description = "Invited already: `id` names that invitation; or a member")))]
async fn invite_member(
    State(app): State<App>,
    context: MandateContext,
    Json(body): Json<InviteMember>,
) -> Result<Created<Versioned<Invitation>>> {
    let wanted = body.checked()?;
    mails::require_set_up(&app)?;
    let invitation = retrying(|| invite(&app, &context, &wanted)).await?;
    Ok(Created {
        location: format!("/api/mandates/{}/invitations/{}", context.mandate(), invitation.id),
        answer: Versioned(invitation),
    })
}

/// Invites them, in a transaction of its own.
pub(super) async fn invite(
    app: &App,
    context: &MandateContext,
    wanted: &Wanted,
) -> Result<Invitation> {
    let mut change = context.change(Locks::mandate_only()).await?;
    let grant = change.context.grant::<Members, Create>()?;
    let receiver = receiver(&mut change, &wanted.email_key).await?;
    let given = wanted.promise.require_may_be_given(&mut change, receiver).await?;
    require_nobody_there(&mut change, receiver, &wanted.email_key).await?;
    let (id, now) = (InvitationId::new(), change.context.now());
    if let Some(other) = find::pending(&mut change, &grant, (&wanted.email_key, now)).await? {
        let refusal = Error::new(Code::AlreadyInvited, "An invitation waits for this address.");
        return Err(refusal.with("id", other.to_string()));
    }
    let (connection, inviting) = change.acting();
    mails::invite(connection, app, inviting, &grant, (id, &wanted.email_key)).await?;
    change.as_tenant().await?;
    let new = NewInvitation {
        id,
        email: &wanted.email,
        email_key: &wanted.email_key,
        promise: &wanted.promise,
        now,
        expires_at: now + wanted.ttl,
    };
    let invitation = store::insert(&mut change, &grant, &new).await?;
    let event = Event::new(Action::InvitationCreated, ResourceType::Invitation, id)
        .details(json!({ "after": { "roles": given.roles } }))
        .listing("instances", "instanceCount", &given.instances);
    let recorded = change.record(event).await?;
    change.commit(recorded).await?;
    Ok(invitation)
}

/// Whose the address is, as far as whoever invites may know it: their own, or somebody else's.
async fn receiver(change: &mut Change<MandateContext>, email_key: &str) -> Result<Receiver> {
    let account = change.context.caller().account();
    let named = UserReference::EmailKey(email_key.to_owned());
    let is_own = users::is_named(change, account, &named).await?;
    Ok(if is_own { Receiver::Oneself } else { Receiver::SomebodyElse })
}

/// 409 where the caller sees that the address is a member's.
async fn require_nobody_there(
    change: &mut Change<MandateContext>,
    receiver: Receiver,
    email_key: &str,
) -> Result<()> {
    let mut is_seen = receiver == Receiver::Oneself;
    if let Ok(grant) = change.context.grant::<Members, Read>() {
        let found = members::with_address(change, &grant, email_key).await?;
        is_seen |= grant.open(found).is_ok();
    }
    if is_seen {
        return Err(Error::new(Code::AlreadyMember, "The address is a member's already."));
    }
    Ok(())
}

/// An invitation.
#[utoipa::path(get, path = "/api/mandates/{mandateId}/invitations/{invitationId}", tag = "Members",
    params(InvitationPath),
    responses((status = 200, description = "The invitation", body = Invitation)))]
async fn get_invitation(
    context: MandateContext,
    FromPath(InvitationPath { invitation_id: id, .. }): FromPath<InvitationPath>,
) -> Result<Versioned<Invitation>> {
    let grant = context.grant::<Members, Create>()?;
    let mut reading = context.read().await?;
    let found = find::find(&mut reading, &grant, id, context.now()).await?;
    reading.finish().await?;
    Ok(Versioned(grant.open(found)?.into_row()))
}

/// An invitation under the locks.
async fn opened(
    change: &mut Change<MandateContext>,
    id: InvitationId,
) -> Result<Opened<Members, Create, Invitation>> {
    let grant = change.context.grant::<Members, Create>()?;
    let now = change.context.now();
    grant.open(find::find_for_change(change, &grant, id, now).await?)
}

/// 409 where it waits to be accepted no more.
fn require_pending(invitation: &Opened<Members, Create, Invitation>) -> Result<()> {
    if invitation.status == InvitationStatus::Pending {
        return Ok(());
    }
    let detail = format!("The invitation is {}.", invitation.status.name());
    Err(Error::new(Code::NotPending, detail))
}

/// Withdraws an invitation: nobody accepts it any more.
#[utoipa::path(delete, path = "/api/mandates/{mandateId}/invitations/{invitationId}",
    tag = "Members",
    params(InvitationPath),
    responses((status = 204, description = "Withdrawn")))]
async fn revoke_invitation(
    context: MandateContext,
    precondition: Precondition,
    FromPath(InvitationPath { invitation_id: id, .. }): FromPath<InvitationPath>,
) -> Result<NoContent> {
    retrying(|| revoke(&context, id, &precondition)).await
}

async fn revoke(
    context: &MandateContext,
    id: InvitationId,
    precondition: &Precondition,
) -> Result<NoContent> {
    let mut change = context.change(Locks::mandate_only()).await?;
    let invitation = opened(&mut change, id).await?;
    precondition.check(invitation.version)?;
    require_pending(&invitation)?;
    require_may_take_back(&mut change, &invitation).await?;
    store::end_token(&mut change, &invitation).await?;
    change.as_tenant().await?;
    let now = change.context.now();
    store::revoke(&mut change, &invitation, now).await?;
    let event = Event::new(Action::InvitationRevoked, ResourceType::Invitation, id)
        .details(json!({ "before": { "roleIds": invitation.role_ids } }))
        .listing("instances", "instanceCount", &invitation.instances);
    let recorded = change.record(event).await?;
    change.commit(recorded).await?;
    Ok(NoContent)
}

/// A delegate does not take away from others what they could not have given; their own invitations
/// anybody takes back.
async fn require_may_take_back(
    change: &mut Change<MandateContext>,
    invitation: &Opened<Members, Create, Invitation>,
) -> Result<()> {
    let is_own = invitation.invited_by == change.context.caller().user();
    if is_own || Promise::of(invitation)?.is_within_own(change).await? {
        return Ok(());
    }
    let detail = "The invitation promises more than your own access here.";
    Err(Error::new(Code::TargetExceedsOwnAccess, detail))
}

/// Sends an invitation again, now in the name of whoever does: the earlier token is good no more.
/// At most five times.
#[utoipa::path(post, path = "/api/mandates/{mandateId}/invitations/{invitationId}/resend",
    tag = "Members",
    params(InvitationPath),
    request_body = Option<ResendInvitation>,
    responses((status = 200, description = "The invitation", body = Invitation)))]
async fn resend_invitation(
    State(app): State<App>,
    context: MandateContext,
    FromPath(InvitationPath { invitation_id: id, .. }): FromPath<InvitationPath>,
    OptionalJson(body): OptionalJson<ResendInvitation>,
) -> Result<Versioned<Invitation>> {
    let ttl = body.unwrap_or_default().checked()?;
    mails::require_set_up(&app)?;
    retrying(|| resend(&app, &context, (id, ttl))).await.map(Versioned)
}

async fn resend(
    app: &App,
    context: &MandateContext,
    (id, ttl): (InvitationId, Duration),
) -> Result<Invitation> {
    let mut change = context.change(Locks::mandate_only()).await?;
    let invitation = opened(&mut change, id).await?;
    require_pending(&invitation)?;
    let email_key = require_sendable(&mut change, &invitation).await?;
    let receiver = receiver(&mut change, &email_key).await?;
    let promise = Promise::of(&invitation)?;
    if !promise.is_within_own(&mut change).await? {
        let detail = "The invitation promises more than your own access here.";
        return Err(Error::new(Code::GrantExceedsOwnAccess, detail));
    }
    let judged = promise.require_may_be_given(&mut change, receiver).await;
    judged.map_err(|refusal| match refusal.code() {
        Code::NotFound => Error::new(Code::NotPending, "It promises what is not there any more."),
        _ => refusal,
    })?;
    store::end_token(&mut change, &invitation).await?;
    let (connection, inviting) = change.acting();
    mails::invite(connection, app, inviting, invitation.grant(), (id, &email_key)).await?;
    change.as_tenant().await?;
    let now = change.context.now();
    let after = store::note_resent(&mut change, &invitation, (now, now + ttl)).await?;
    let event = Event::new(Action::InvitationResent, ResourceType::Invitation, id);
    let recorded = change.record(event).await?;
    change.commit(recorded).await?;
    Ok(after)
}

/// The address, as addresses are compared; 409 where it was sent often enough.
async fn require_sendable(
    change: &mut Change<MandateContext>,
    invitation: &Opened<Members, Create, Invitation>,
) -> Result<String> {
    let sent = find::sent(change, invitation.grant(), invitation.id).await?;
    if sent.again < MOST_RESENT {
        return Ok(sent.email_key);
    }
    let detail = format!(
        "It was sent again {MOST_RESENT} times: withdraw it, and invite anew if they still wait."
    );
    Err(Error::new(Code::NotPending, detail))
}
