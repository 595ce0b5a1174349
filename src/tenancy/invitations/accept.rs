//! Accepting an invitation: one transaction, in which whoever invited gives what was promised.

use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::promise::{LabelsIn, Promise, pointing_to_instance};
use super::{Invitation, find, store};
use crate::access::tables::{Create, Members};
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::mailed::Redemption;
use crate::context::{
    Acceptance, Accepting, Caller, Change, Guest, Invited, MandateContext, Opened, Recorded,
};
use crate::identity::users::{self, NewUser};
use crate::kernel::db::failpoint::{Moment, reach};
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::{InstanceId, UserId};
use crate::kernel::names;
use crate::tenancy::roles::NamedRoles;
use crate::tenancy::{instances, members};

/// An account that somebody wants who was invited.
#[derive(Debug)]
pub(super) struct Wanted {
    pub username: String,
    pub language: String,
    pub password_hash: String,
}

/// 403 where the invitation is for another address than that of the caller's account; whether it
/// has yet to be confirmed.
pub(super) async fn is_to_confirm(
    connection: &mut PgConnection,
    caller: &Caller,
    invited: &Invited,
) -> Result<bool> {
    let user = users::find_own(connection, caller).await?;
    let own = user.email.as_deref().and_then(names::address_key);
    if own.as_deref() == Some(invited.email_key()) {
        return Ok(!user.email_verified);
    }
    let detail = "The invitation was sent to another address than that of your account.";
    Err(Error::new(Code::InvitationNotYours, detail))
}

/// Makes a member of the caller. The token was sent to their address: it is confirmed by that. Who
/// is a member already is told so first: their account is not locked here.
pub(super) async fn join(
    guest: &Guest,
    caller: &Caller,
    (invited, token): (&Invited, &[u8]),
) -> Result<UserId> {
    let Acceptance { mut change, .. } = guest.accept(invited, token).await?;
    let (user, account) = (caller.user(), caller.account());
    if members::is_member(&mut change, account, invited.mandate()).await? {
        return Err(members::already_member());
    }
    if is_to_confirm(&mut change, caller, invited).await? {
        let event = users::confirm_present(&mut change, account).await?;
        let accepting = Accepting::of(&change, user);
        audit::record_platform(&mut change, &accepting, event).await?;
    }
    conclude(change, user, invited).await
}

/// Whether an account that accepted at this moment would be given all of it, before anybody takes
/// trouble over a name and a password: made as it will be, and undone. 409 where the address has an
/// account.
pub(super) async fn require_would_be_given(guest: &Guest, of: (&Invited, &[u8])) -> Result<()> {
    let Acceptance { mut change, redemption } = guest.accept(of.0, of.1).await?;
    let name = format!("invited-{}", Uuid::new_v4().simple());
    let nobody = Account { username: &name, language: "en", password_hash: None };
    let user = make(&mut change, redemption, &nobody, of.0).await?;
    give(&mut change, user, of.0).await.map(drop)
}

/// Makes an account for who has none, with the address confirmed, and makes a member of it.
pub(super) async fn register(
    guest: &Guest,
    wanted: &Wanted,
    (invited, token): (&Invited, &[u8]),
) -> Result<UserId> {
    let Acceptance { mut change, redemption } = guest.accept(invited, token).await?;
    let Wanted { username, language, password_hash } = wanted;
    let account = Account { username, language, password_hash: Some(password_hash) };
    let user = make(&mut change, redemption, &account, invited).await?;
    reach(Moment::AfterEffect);
    let event = Event::new(Action::UserRegistered, ResourceType::User, user).target(user);
    let accepting = Accepting::of(&change, user);
    audit::record_platform(&mut change, &accepting, event).await?;
    conclude(change, user, invited).await
}

/// All of it is given, or nothing happened, the token included.
async fn conclude(
    mut change: Change<MandateContext>,
    user: UserId,
    invited: &Invited,
) -> Result<UserId> {
    let recorded = give(&mut change, user, invited).await?;
    reach(Moment::BeforeCommit);
    change.commit(recorded).await?;
    reach(Moment::BeforeAnswer);
    Ok(user)
}

struct Account<'a> {
    username: &'a str,
    language: &'a str,
    password_hash: Option<&'a str>,
}

async fn make(
    change: &mut Change<MandateContext>,
    redemption: Redemption,
    account: &Account<'_>,
    invited: &Invited,
) -> Result<UserId> {
    let new = NewUser {
        id: UserId::new(),
        username: account.username,
        email: Some(invited.email()),
        email_key: Some(invited.email_key()),
        email_verified: true,
        first_name: None,
        last_name: None,
        language: account.language,
        password_hash: account.password_hash,
        is_sys_admin: false,
        must_change_password: false,
        now: change.context.now(),
    };
    let made = users::insert(change, redemption.into(), &new).await;
    Ok(made.map_err(known_address)?.id)
}

fn known_address(refusal: Error) -> Error {
    if refusal.code() == Code::EmailTaken { account_exists() } else { refusal }
}

/// They read its mail, so they may know.
fn account_exists() -> Error {
    Error::new(Code::AccountExists, "The address that the invitation was sent to has an account.")
}

/// The invitation, as whoever invited reaches it.
async fn promised(
    change: &mut Change<MandateContext>,
    invited: &Invited,
) -> Result<Opened<Members, Create, Invitation>> {
    let (grant, now) = (change.context.grant::<Members, Create>()?, change.context.now());
    grant.open(find::find(change, &grant, invited.invitation(), now).await?)
}

/// Gives all of it, in the name of whoever invited.
async fn give(
    change: &mut Change<MandateContext>,
    user: UserId,
    invited: &Invited,
) -> Result<Recorded> {
    let invitation = promised(change, invited).await?;
    let Promise { roles, instances } = Promise::of(&invitation)?;
    let (_, labels) = members::admit(change, user, &roles).await?;
    let mut admitted = Vec::new();
    for (index, (instance, roles)) in instances.iter().enumerate() {
        change.as_system().await?;
        let judged = admit_to(change, *instance, (user, roles)).await;
        let roles = judged.map_err(|refusal| pointing_to_instance(refusal, index))?;
        admitted.push(LabelsIn { id: *instance, roles });
    }
    let now = change.context.now();
    store::note_accepted(change, &invitation, (user, now)).await?;
    let details = json!({
        "after": { "roles": labels },
        "invitationId": invitation.id,
        "invitedBy": invitation.invited_by,
    });
    let event = Event::new(Action::UserAddedToMandate, ResourceType::Member, user)
        .target(user)
        .details(details)
        .listing("instances", "instanceCount", &admitted);
    let accepting = Accepting::of(change, user);
    audit::record(change, &accepting, event).await
}

async fn admit_to(
    change: &mut Change<MandateContext>,
    instance: InstanceId,
    (user, roles): (UserId, &NamedRoles),
) -> Result<Vec<String>> {
    let place = change.instance(instance).await?;
    let grant = instances::permission_to_admit(&place)?;
    let admitting = (&place, &grant);
    let (member, labels) = instances::require_may_admit(change, admitting, user, roles).await?;
    change.as_tenant().await?;
    instances::insert_access(change, &member, roles.ids(), place.now()).await?;
    Ok(labels)
}
