//! Who is let in: 401, then the context, then whether the operation is open at all; all before any
//! object is looked up.

use uuid::Uuid;

use super::call::Call;
use super::reply::Refusal;
use super::world::World;
use super::world::access::least;
use super::world::impersonation::is_open_to_impersonation;

/// What a route asks of its caller: the guards of the contract.
#[derive(Debug, Clone, Copy)]
pub enum Guard {
    Public,
    /// Anybody, who may say who they are.
    Guest,
    User,
    /// Any user, in the context that headers may choose.
    Context,
    /// Any member of the mandate in the header, and with this table and operation open where there
    /// is one.
    Asking(Option<(&'static str, usize)>),
    Sys,
    /// A SysAdmin, or who acts as somebody else.
    Impersonator,
    SysOrOneself,
    Oneself,
    /// A table of the mandate.
    Mandate(&'static str, usize),
    MandateOrSys(&'static str, usize),
    /// The same where the path names no mandate: SysAdmins come to all of them, or to that of the
    /// header.
    MandateOrEverywhere(&'static str, usize),
    MandateOrSysOrOneself(&'static str, usize),
    /// The instance in the path, by a table of the mandate or by one of the instance.
    Instance {
        through: (&'static str, usize),
        own: Option<(&'static str, usize)>,
        sys: bool,
    },
    /// A table of a built-in feature, in the instance of the header or the only one.
    Feature(&'static str, &'static str, usize),
    /// The role in the path.
    Role(usize),
}

/// A caller who was let in.
#[derive(Debug, Clone, Copy)]
pub struct Entered {
    pub user: Uuid,
    pub session: usize,
    /// The SysAdmin who acts as this user.
    pub by: Option<Uuid>,
    /// Whether the account has the flag `isSysAdmin`.
    pub flag: bool,
    /// Whether they act as a SysAdmin here: then no roles are looked at.
    pub as_sys: bool,
    mandate: Option<Uuid>,
    instance: Option<Uuid>,
}

impl Entered {
    pub fn mandate(&self) -> Uuid {
        self.mandate.unwrap()
    }
    /// Somebody who acts in a mandate through another's call.
    pub fn in_name_of(user: Uuid, flag: bool, as_sys: bool, mandate: Uuid) -> Self {
        let nobody = Self::nobody();
        Self { user, flag, as_sys, mandate: Some(mandate), ..nobody }
    }
    pub fn nobody() -> Self {
        Self {
            user: Uuid::nil(),
            session: 0,
            by: None,
            flag: false,
            as_sys: false,
            mandate: None,
            instance: None,
        }
    }
    /// Whether the call works in the mandate that the header names, and in no other.
    pub fn works_in_mandate(&self, call: &Call) -> bool {
        let looks = !matches!(
            call.operation.guard,
            Guard::User | Guard::Impersonator | Guard::Sys | Guard::SysOrOneself | Guard::Oneself
        );
        looks && self.mandate.is_some()
    }
    /// The same in an instance.
    pub fn at(self, instance: Uuid) -> Self {
        Self { instance: Some(instance), ..self }
    }
    /// Whether the call is about an instance, or one of its roles.
    pub fn is_in_instance(&self) -> bool {
        self.instance.is_some()
    }
    pub fn instance(&self) -> Uuid {
        self.instance.unwrap()
    }
    pub fn named_mandate(&self) -> Option<Uuid> {
        self.mandate
    }
    pub fn named_instance(&self) -> Option<Uuid> {
        self.instance
    }
}

/// What somebody may do whose password somebody else chose.
const WITH_ANY_PASSWORD: [&str; 4] = ["get_me", "change_password", "step_up", "logout"];

pub fn not_in_their_place() -> Refusal {
    Refusal::of(403, "operation_not_allowed")
}

type Let<T> = Result<T, Refusal>;

fn no_mandate() -> Refusal {
    Refusal::of(403, "mandate_access_denied")
}
fn no_instance() -> Refusal {
    Refusal::of(403, "instance_access_denied")
}

fn header(text: Option<&String>) -> Let<Option<Uuid>> {
    text.map(|text| text.parse().map_err(|_| Refusal::of(400, "invalid_header"))).transpose()
}

/// The sole one of several candidates; 400 where there are none or more.
fn sole(candidates: &[Uuid]) -> Let<Uuid> {
    if let [only] = candidates {
        Ok(*only)
    } else {
        Err(Refusal::of(400, "instance_context_missing"))
    }
}

impl World {
    /// Whether a guard may let somebody in at all, somewhere: for choosing who makes a call.
    pub fn may_pass(&self, guard: Guard, user: Uuid) -> bool {
        let open = |code: &str| {
            self.instances.iter().any(|row| row.feature == code && self.is_admitted(row.id, user))
        };
        let opens = |table: &str, operation: usize| {
            self.mandates_of(user)
                .iter()
                .any(|id| self.in_mandate(*id, user).level(table, operation) > 0)
        };
        match guard {
            Guard::Sys | Guard::Impersonator => self.user(user).sys_admin,
            Guard::Feature(code, ..) => open(code),
            Guard::Mandate(table, operation) => opens(table, operation),
            Guard::MandateOrSys(table, operation)
            | Guard::MandateOrEverywhere(table, operation)
            | Guard::MandateOrSysOrOneself(table, operation) => {
                self.user(user).sys_admin || opens(table, operation)
            }
            _ => true,
        }
    }

    /// Lets a caller in, or refuses; and notes in which mandate they came as a member, also where
    /// they are refused thereafter.
    pub fn enter(&self, call: &Call) -> Let<Entered> {
        self.visited.set(None);
        let nobody = Entered::nobody();
        let public = matches!(call.operation.guard, Guard::Public);
        let unauthenticated = || Refusal::of(401, "unauthenticated");
        let session = call.session.filter(|_| !public);
        let guests = matches!(call.operation.guard, Guard::Guest);
        if session.is_none() && !public && !guests {
            return Err(unauthenticated());
        }
        if call.query.iter().any(|(name, _)| !call.operation.query.has(name)) {
            return Err(Refusal::of(400, "unknown_parameter"));
        }
        let Some(session) = session else { return Ok(nobody) };
        let (mandate, instance) = (header(call.mandate.as_ref())?, header(call.instance.as_ref())?);
        let user = self.user(self.sessions[session].user);
        if self.sessions[session].ended || !user.active() {
            return Err(unauthenticated());
        }
        let by = self.sessions[session].by.map(|(by, _)| by);
        if by.is_some() && !is_open_to_impersonation(call) {
            return Err(not_in_their_place());
        }
        if by.is_none() && user.must_change && !WITH_ANY_PASSWORD.contains(&call.operation.id) {
            return Err(Refusal::of(403, "password_change_required"));
        }
        let flag = user.sys_admin && by.is_none();
        let entered = Entered { user: user.id, session, by, flag, mandate, instance, ..nobody };
        self.decide(call, entered)
    }

    fn decide(&self, call: &Call, entered: Entered) -> Let<Entered> {
        let sys = entered.flag;
        match call.operation.guard {
            Guard::Public | Guard::Guest | Guard::User => Ok(entered),
            Guard::Context => self.in_context(call, entered),
            Guard::Asking(table) => self.asking(call, entered, table),
            Guard::Sys | Guard::SysOrOneself if sys => self.as_sys_admin(call, entered),
            Guard::SysOrOneself | Guard::Oneself if call.id("userId")? == entered.user => {
                Ok(entered)
            }
            Guard::Oneself => Err(Refusal::for_oneself()),
            Guard::Impersonator if sys || entered.by.is_some() => Ok(entered),
            Guard::Sys | Guard::SysOrOneself | Guard::Impersonator => {
                Err(Refusal::for_sys_admins())
            }
            Guard::MandateOrSys(..)
            | Guard::MandateOrEverywhere(..)
            | Guard::MandateOrSysOrOneself(..)
            | Guard::Instance { sys: true, .. }
                if sys =>
            {
                self.as_sys_admin(call, entered)
            }
            Guard::MandateOrSysOrOneself(table, operation) => {
                if self.may_only_leave(call, &entered) {
                    return Ok(entered);
                }
                let entered = self.member_of(call, entered)?;
                let oneself = call.id("userId")? == entered.user;
                if oneself {
                    Ok(entered)
                } else {
                    self.open(&entered, table, operation).map(|()| entered)
                }
            }
            Guard::Mandate(table, operation)
            | Guard::MandateOrSys(table, operation)
            | Guard::MandateOrEverywhere(table, operation) => {
                let entered = self.member_of(call, entered)?;
                self.open(&entered, table, operation).map(|()| entered)
            }
            Guard::Instance { through, own, .. } => self.in_path(call, entered, through, own),
            Guard::Feature(code, table, operation) => {
                self.in_feature(call, entered, code, (table, operation))
            }
            Guard::Role(operation) => self.at_role(call, entered, operation),
        }
    }

    /// As a SysAdmin: the object in the path names the mandate, and a header that is sent must
    /// agree.
    fn as_sys_admin(&self, call: &Call, entered: Entered) -> Let<Entered> {
        let entered = Entered { as_sys: true, ..entered };
        let agrees = |mandate: Uuid| {
            if entered.mandate.is_none_or(|sent| sent == mandate) {
                Ok(())
            } else {
                Err(no_mandate())
            }
        };
        if call.names("mandateId") {
            let mandate = call.id("mandateId")?;
            agrees(mandate)?;
            let governs = !matches!(call.operation.guard, Guard::Sys);
            if governs && self.living_mandate(mandate).is_none() {
                return Err(Refusal::not_found());
            }
            return Ok(Entered { mandate: Some(mandate), ..entered });
        }
        if call.names("instanceId") {
            let found = self
                .find_instance(call.id("instanceId")?)
                .filter(|row| self.living_mandate(row.mandate).is_some());
            let found = found.ok_or_else(Refusal::not_found)?;
            agrees(found.mandate)?;
            return Ok(Entered {
                mandate: Some(found.mandate),
                instance: Some(found.id),
                ..entered
            });
        }
        Ok(entered)
    }

    /// As a member of the mandate in the header, with which the path must agree.
    fn member_of(&self, call: &Call, entered: Entered) -> Let<Entered> {
        let mandate = entered.mandate.ok_or_else(|| Refusal::of(400, "mandate_context_missing"))?;
        if call.names("mandateId") && call.id("mandateId")? != mandate {
            return Err(no_mandate());
        }
        let lets_in = entered.by.is_none() || self.mandate(mandate).is_some_and(|row| row.allows);
        if !self.is_alive(mandate, entered.user) || !lets_in {
            return Err(no_mandate());
        }
        if !call.is_dry_run() && entered.by.is_none() {
            self.visited.set(Some((mandate, entered.user)));
        }
        Ok(entered)
    }

    /// Whether the caller speaks of their own membership, which is disabled.
    fn may_only_leave(&self, call: &Call, entered: &Entered) -> bool {
        let Some(mandate) = entered
            .mandate
            .filter(|mandate| call.id("mandateId").is_ok_and(|named| named == *mandate))
        else {
            return false;
        };
        let is_open = self.living_mandate(mandate).is_some_and(|row| row.enabled);
        let is_disabled = self.member(mandate, entered.user).is_some_and(|row| !row.enabled);
        is_open && is_disabled && call.id("userId").is_ok_and(|user| user == entered.user)
    }

    /// 403 where the caller's level is `n`.
    fn open(&self, entered: &Entered, table: &str, operation: usize) -> Let<()> {
        if self.level(entered, table, operation) > 0 {
            Ok(())
        } else {
            Err(Refusal::denied(table, operation, least(table, operation)))
        }
    }

    fn in_context(&self, call: &Call, entered: Entered) -> Let<Entered> {
        if entered.mandate.is_none() {
            let missing = entered.instance.map(|_| Refusal::of(400, "mandate_context_missing"));
            return missing.map_or(Ok(entered), Err);
        }
        self.member_of(call, entered).and_then(|entered| self.admitted(entered))
    }

    /// An instance in the header must be open to the caller.
    fn admitted(&self, entered: Entered) -> Let<Entered> {
        let Some(instance) = entered.instance else { return Ok(entered) };
        let ours = self.find_instance(instance).is_some_and(|row| row.mandate == entered.mandate());
        if ours && self.is_admitted(instance, entered.user) {
            Ok(entered)
        } else {
            Err(no_instance())
        }
    }

    fn asking(&self, call: &Call, entered: Entered, table: Option<(&str, usize)>) -> Let<Entered> {
        let entered = self.member_of(call, entered)?;
        if let Some((table, operation)) = table {
            self.open(&entered, table, operation)?;
        }
        self.admitted(entered)
    }

    fn in_path(
        &self,
        call: &Call,
        entered: Entered,
        through: (&str, usize),
        own: Option<(&str, usize)>,
    ) -> Let<Entered> {
        let entered = self.member_of(call, entered)?;
        let instance = call.id("instanceId")?;
        let found = self.find_instance(instance).filter(|row| row.mandate == entered.mandate());
        let entered = Entered { instance: found.map(|row| row.id), ..entered };
        let by_own =
            own.is_some_and(|(table, operation)| self.own_level(&entered, table, operation) > 0);
        if self.level(&entered, through.0, through.1) == 0 && !by_own {
            return Err(Refusal::denied(through.0, through.1, least(through.0, through.1)));
        }
        if found.is_some() { Ok(entered) } else { Err(Refusal::not_found()) }
    }

    fn in_feature(
        &self,
        call: &Call,
        entered: Entered,
        code: &str,
        (table, operation): (&str, usize),
    ) -> Let<Entered> {
        let entered = self.member_of(call, entered)?;
        let instance = match entered.instance {
            Some(named) => named,
            None => sole(
                &self.open_instances(entered.mandate(), entered.user, |feature| feature == code),
            )?,
        };
        let entered = self.admitted(Entered { instance: Some(instance), ..entered })?;
        if self.instance(instance).feature != code {
            return Err(no_instance());
        }
        let open = self.own_level(&entered, table, operation) > 0;
        if open {
            Ok(entered)
        } else {
            Err(Refusal::denied(table, operation, least(table, operation)))
        }
    }

    /// The instances of a mandate that are open to somebody, of such features.
    pub fn open_instances(
        &self,
        mandate: Uuid,
        user: Uuid,
        fits: impl Fn(&str) -> bool,
    ) -> Vec<Uuid> {
        let open = self.instances.iter().filter(|row| {
            row.mandate == mandate && fits(&row.feature) && self.is_admitted(row.id, user)
        });
        open.map(|row| row.id).collect()
    }

    /// Templates for SysAdmins; else a role of the header's mandate, or of one of its instances.
    fn at_role(&self, call: &Call, entered: Entered, operation: usize) -> Let<Entered> {
        let role = call.id("roleId")?;
        let found =
            self.role(role).filter(|row| row.is_template() || row.mandate == entered.mandate);
        if entered.flag && found.is_some_and(super::world::Role::is_template) {
            return Ok(Entered { as_sys: true, ..entered });
        }
        if entered.flag && entered.mandate.is_none() {
            return Err(Refusal::not_found());
        }
        let entered = self.member_of(call, entered)?;
        let entered = Entered { instance: found.and_then(|row| row.instance), ..entered };
        if self.level(&entered, "roles", operation) == 0
            && self.own_level(&entered, "instance-roles", operation) == 0
        {
            return Err(Refusal::denied("roles", operation, least("roles", operation)));
        }
        if found.is_some_and(|row| !row.is_template()) {
            Ok(entered)
        } else {
            Err(Refusal::not_found())
        }
    }
}

/// 412 for a stale If-Match, then 409 for a stale version in the body.
pub fn require_version(call: &Call, version: i64) -> Let<()> {
    if call.if_match.as_ref().is_some_and(|tag| *tag != format!("\"{version}\"") && tag != "*") {
        return Err(Refusal::of(412, "precondition_failed"));
    }
    let believed = call.json().and_then(|body| body["version"].as_i64());
    if believed.is_some_and(|believed| believed != version) {
        Err(Refusal::of(409, "version_conflict"))
    } else {
        Ok(())
    }
}
