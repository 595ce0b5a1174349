//! Nobody gives what they do not have: every way by which access grows, comes back or is taken from
//! somebody is judged here, under the locks of a [`Change`]. `docs/security.md` lists the ways.
//!
//! A *delegate* is neither `admin` of the mandate nor a SysAdmin who governs it from outside. Their
//! own side of a comparison is what they have at this moment; the other side is all that somebody
//! holds (see [`super::people`]).

use std::collections::HashMap;

use sqlx::PgConnection;
use sqlx::types::Json;

use super::caller::Caller;
use super::change::Change;
use super::instance::InstanceContext;
use super::mandate::MandateContext;
use super::people::People;
use super::system::SystemContext;
use crate::access::grant::{Bound, role_within};
use crate::access::tables::{Instances, Table};
use crate::access::{Catalogue, HeldRole, Level, Merged, Operation, Permissions, Rules, Views};
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::{InstanceId, UserId};

/// A context in which roles are given: a mandate, or one of its instances.
pub trait Giving: Sync {
    fn mandate(&self) -> &MandateContext;
    /// The caller's own access there, alive.
    fn own(&self) -> Merged;
    /// What roles can speak of there.
    fn known(&self) -> Catalogue;
}

impl Giving for MandateContext {
    fn mandate(&self) -> &MandateContext {
        self
    }
    fn own(&self) -> Merged {
        self.access().map(|access| access.merged.clone()).unwrap_or_default()
    }
    fn known(&self) -> Catalogue {
        Catalogue::mandate()
    }
}

impl Giving for InstanceContext {
    fn mandate(&self) -> &MandateContext {
        InstanceContext::mandate(self)
    }
    fn own(&self) -> Merged {
        self.access().map(|access| access.merged.clone()).unwrap_or_default()
    }
    fn known(&self) -> Catalogue {
        self.catalogue().clone()
    }
}

/// 403 where a delegate would hand out permissions beyond their own access. For what is not
/// somebody's at once: the permissions of a role, before and after a change.
pub fn require_within_own(context: &impl Giving, permissions: &Permissions) -> Result<()> {
    if context.mandate().is_delegate()
        && !role_within(permissions, &context.own(), &context.known())
    {
        return Err(exceeds());
    }
    Ok(())
}

/// Who is given something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receiver {
    Oneself,
    SomebodyElse,
}

impl Receiver {
    pub fn of(context: &impl Giving, user: UserId) -> Self {
        if user == context.mandate().caller.user { Self::Oneself } else { Self::SomebodyElse }
    }
}

/// SysAdmins do not change what they hold in a mandate themselves, not even to hold less.
pub fn require_not_a_sys_admins_own(context: &impl Giving, to: Receiver) -> Result<()> {
    if to == Receiver::Oneself && context.mandate().caller().is_sys_admin() {
        return Err(Error::new(Code::SelfEscalation, "SysAdmins do not change their own access."));
    }
    Ok(())
}

/// Whether the caller may give this role to somebody, or give it back. Admins may give instance
/// roles to themselves (it is audited); SysAdmins never change their own access, and delegates
/// never beyond what they have.
pub fn require_may_give(
    context: &impl Giving,
    to: Receiver,
    permissions: &Permissions,
    protected: bool,
) -> Result<()> {
    require_not_a_sys_admins_own(context, to)?;
    let (mandate, own) = (context.mandate(), to == Receiver::Oneself);
    let refused = if protected && mandate.is_delegate() {
        Err(Error::new(
            Code::GrantExceedsOwnAccess,
            "Only admins and SysAdmins give the role `admin`.",
        ))
    } else {
        require_within_own(context, permissions)
    };
    refused.map_err(|refusal| if own { own_raise() } else { refusal })
}

impl MandateContext {
    /// Whether the caller would come to reach a row of a mandate table in some way that they do not
    /// reach it in now, once it is as near as that: a group is near to whoever shares a group with
    /// one of its members, an instance to whom one of those admitted does.
    pub(super) fn gains_by_nearness(&self, table: &str, before: Level, after: Level) -> bool {
        let reached = |operation| self.levels(table, operation).operation;
        let operations = [Operation::Read, Operation::Update, Operation::Delete];
        self.is_delegate()
            && operations.into_iter().map(reached).any(|level| after <= level && level < before)
    }
}

/// 403 where admitting this member would bring the instance near to a delegate who may do more to
/// near ones than to others. `member`: how near the member is to the caller.
pub fn require_brings_instance_no_nearer(context: &InstanceContext, member: Level) -> Result<()> {
    if context.mandate.gains_by_nearness(Instances::NAME, context.needed, member) {
        return Err(Error::new(
            Code::SelfEscalation,
            "The instance would become yours or your group's, and you would come to reach it so.",
        ));
    }
    Ok(())
}

fn exceeds() -> Error {
    Error::new(Code::GrantExceedsOwnAccess, "The role permits more than your own access here does.")
}

fn own_raise() -> Error {
    Error::new(Code::SelfEscalation, "Nobody raises their own access.")
}

impl Change<MandateContext> {
    /// 403 `target_exceeds_own_access` where the caller is a delegate and somebody's access is not
    /// within theirs.
    pub async fn require_targets_within_own(&mut self, targets: &[UserId]) -> Result<()> {
        let context = self.context.clone();
        targets_within_own(&mut self.transaction, &context, None, targets).await
    }
}

impl Change<InstanceContext> {
    /// 403 `target_exceeds_own_access` where the caller is a delegate and somebody's access in this
    /// instance is not within theirs.
    pub async fn require_targets_within_own(&mut self, targets: &[UserId]) -> Result<()> {
        let (context, instance) = (self.context.mandate.clone(), self.context.instance);
        targets_within_own(&mut self.transaction, &context, Some(instance), targets).await
    }

    /// Enabling the instance gives all that its admissions hold back to whom it was given, the
    /// caller included.
    pub async fn require_may_enable(&mut self) -> Result<()> {
        let (mandate, instance) = (self.context.mandate.mandate, self.context.instance);
        let caller = self.context.mandate.caller.user;
        let revived = sqlx::query!(
            r#"select role_tables(r.id) as "tables!: Json<Rules>",
                 role_view_flags(r.id) as "views!: Json<Views>",
                      bool_or(a.user_id = $3) as "own!"
               from feature_instances i
               join feature_accesses a on a.mandate_id = i.mandate_id and a.instance_id = i.id
                 and a.enabled
               join access_roles h on h.mandate_id = a.mandate_id and h.instance_id = a.instance_id
                 and h.user_id = a.user_id
               join roles r on r.mandate_id = h.mandate_id and r.instance_id = h.instance_id
                 and r.id = h.role_id
               where i.mandate_id = $1 and i.id = $2 and not i.enabled
               group by r.id order by "own!" desc"#,
            mandate.uuid(),
            instance.uuid(),
            caller.uuid(),
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        for role in revived {
            let permissions = Permissions { tables: role.tables.0, views: role.views.0 };
            let nothing =
                Bound::of([&permissions], self.context.catalogue()).within(&Merged::default());
            if role.own && !nothing {
                require_may_give(&self.context, Receiver::Oneself, &permissions, false)?;
            }
            require_within_own(&self.context, &permissions)?;
        }
        Ok(())
    }
}

/// Admins and SysAdmins reach everybody, and everybody reaches themselves. Compared in the whole
/// mandate, or in one instance where only that is at stake.
async fn targets_within_own(
    connection: &mut PgConnection,
    context: &MandateContext,
    instance: Option<InstanceId>,
    targets: &[UserId],
) -> Result<()> {
    let caller = context.caller.user;
    let others: Vec<UserId> = targets.iter().copied().filter(|target| *target != caller).collect();
    if !context.is_delegate() || others.is_empty() {
        return Ok(());
    }
    let everybody: Vec<UserId> = others.iter().copied().chain([caller]).collect();
    let people = People::load(connection, &everybody, context.mandate).await?;
    require_within(&people, caller, instance, &others)
}

/// 403 where what one of these people holds is not within what the caller has.
pub(super) fn require_within(
    people: &People,
    caller: UserId,
    only: Option<InstanceId>,
    others: &[UserId],
) -> Result<()> {
    let own = people.live(caller);
    // People who were given the same are judged once.
    let different: HashMap<_, UserId> =
        others.iter().map(|other| (people.given(*other), *other)).collect();
    if different.into_values().all(|other| people.held(other).within(&own, only)) {
        return Ok(());
    }
    Err(Error::new(
        Code::TargetExceedsOwnAccess,
        "The access of somebody whom this concerns is not within your own.",
    ))
}

/// A feature that comes to know a table or view again gives whoever holds a role that speaks of it
/// what the role says: a SysAdmin does not give that to themselves. (Who holds `*` was given every
/// table that is yet to come.)
pub async fn require_no_own_gain(
    connection: &mut PgConnection,
    system: &SystemContext,
    feature: &str,
    (before, after): (&Catalogue, &Catalogue),
) -> Result<()> {
    let Some(caller) = system.caller().map(Caller::user) else { return Ok(()) };
    let held = sqlx::query_scalar!(
        r#"select (select coalesce(jsonb_agg(jsonb_build_object('id', r.id, 'label', r.label,
                            'tables', role_tables(r.id), 'views', role_view_flags(r.id))), '[]')
                   from access_roles h
                   join roles r on r.mandate_id = h.mandate_id and r.instance_id = h.instance_id
                     and r.id = h.role_id
                   where h.mandate_id = a.mandate_id and h.instance_id = a.instance_id
                     and h.user_id = a.user_id) as "roles!: Json<Vec<HeldRole>>"
           from feature_accesses a
           join feature_instances i on i.mandate_id = a.mandate_id and i.id = a.instance_id
           where a.user_id = $1 and i.feature_code = $2"#,
        caller.uuid(),
        feature,
    )
    .fetch_all(connection)
    .await?;
    let gains = |roles: &[HeldRole]| {
        let access = |catalogue| Merged::of(roles.iter().map(|role| &role.permissions), catalogue);
        !access(after).within(&access(before).with_wildcard_for(after))
    };
    if held.iter().any(|roles| gains(&roles.0)) {
        return Err(Error::new(
            Code::SelfEscalation,
            "A role that you hold in an instance of this feature speaks of what would be added.",
        ));
    }
    Ok(())
}
