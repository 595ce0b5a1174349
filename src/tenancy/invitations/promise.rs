//! What an invitation promises, and whether whoever promises it may give it.

use serde::Serialize;

use super::{Invitation, InvitedInstance};
use crate::access::tables::{Create, Members};
use crate::context::judge::{Giving, Receiver, require_may_give};
use crate::context::{Change, MandateContext};
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::InstanceId;
use crate::kernel::missing::Thing;
use crate::tenancy::roles::{self, NamedRole, NamedRoles};
use crate::tenancy::{instances, members};

/// An instance, and the roles in it.
pub(super) type InInstance = (InstanceId, NamedRoles);

/// Roles of the mandate, and of instances.
#[derive(Debug, Clone)]
pub(super) struct Promise {
    pub roles: NamedRoles,
    pub instances: Vec<InInstance>,
}

/// The same as the trail keeps it: with labels as they are now.
#[derive(Debug, Default)]
pub(super) struct Labels {
    pub roles: Vec<String>,
    pub instances: Vec<LabelsIn>,
}

#[derive(Debug, Serialize)]
pub(super) struct LabelsIn {
    pub id: InstanceId,
    pub roles: Vec<String>,
}

impl Promise {
    /// As an invitation holds it.
    pub fn of(invitation: &Invitation) -> Result<Self> {
        let roles = NamedRoles::checked(invitation.role_ids.clone())?;
        let each = invitation.instances.iter().enumerate().map(|(index, instance)| {
            let roles = NamedRoles::checked_at(&roles_of(index), instance.role_ids.clone())?;
            Ok((instance.instance_id, roles))
        });
        Ok(Self { roles, instances: each.collect::<Result<_>>()? })
    }

    /// As it is kept.
    pub fn in_instances(&self) -> Vec<InvitedInstance> {
        let kept = |(instance_id, roles): &InInstance| InvitedInstance {
            instance_id: *instance_id,
            role_ids: roles.ids().to_vec(),
        };
        self.instances.iter().map(kept).collect()
    }

    /// Whether the caller may give all of it, under the locks, whoever gets it. 404 that points to
    /// what is not there.
    pub async fn require_may_be_given(
        &self,
        change: &mut Change<MandateContext>,
        receiver: Receiver,
    ) -> Result<Labels> {
        let context = change.context.clone();
        let grant = context.grant::<Members, Create>()?;
        let offering = (&context, &grant);
        let given = members::require_may_offer(change, offering, &self.roles, receiver).await?;
        let mut labels = Labels { roles: labels(given), instances: Vec::new() };
        for (index, (instance, roles)) in self.instances.iter().enumerate() {
            let judged = may_be_given(change, *instance, roles).await;
            let roles = judged.map_err(|refusal| pointing_to_instance(refusal, index))?;
            labels.instances.push(LabelsIn { id: *instance, roles });
        }
        Ok(labels)
    }

    /// Whether the caller could give as much of it as is still there: what is gone gives nobody
    /// anything.
    pub async fn is_within_own(&self, change: &mut Change<MandateContext>) -> Result<bool> {
        let context = change.context.clone();
        if !context.is_delegate() {
            return Ok(true);
        }
        let grant = context.grant::<Members, Create>()?;
        let there = roles::find_named(change, &grant, self.roles.ids()).await?;
        let mut is_within = are_within(&context, &there);
        for (instance, roles) in &self.instances {
            let place = match change.instance(*instance).await {
                Err(refusal) if refusal.code() == Code::NotFound => continue,
                found => found?,
            };
            let Ok(grant) = instances::permission_to_admit(&place) else { return Ok(false) };
            let there = roles::find_named(change, &grant, roles.ids()).await?;
            is_within &= are_within(&place, &there);
        }
        Ok(is_within)
    }
}

fn are_within(context: &impl Giving, there: &[NamedRole]) -> bool {
    let may_give = |role: &NamedRole| {
        require_may_give(context, Receiver::SomebodyElse, &role.permissions, role.protected)
    };
    there.iter().all(|role| may_give(role).is_ok())
}

fn labels(roles: Vec<NamedRole>) -> Vec<String> {
    roles.into_iter().map(|role| role.label).collect()
}

async fn may_be_given(
    change: &mut Change<MandateContext>,
    instance: InstanceId,
    roles: &NamedRoles,
) -> Result<Vec<String>> {
    let place = change.instance(instance).await?;
    let grant = instances::permission_to_offer(&place)?;
    instances::require_may_offer(change, (&place, &grant), roles).await.map(labels)
}

/// Where the roles in an instance are named.
pub(super) fn roles_of(index: usize) -> String {
    format!("/instances/{index}/roleIds")
}

/// An instance that is not there, and one that the caller does not reach, are pointed to alike.
pub(super) fn pointing_to_instance(refusal: Error, index: usize) -> Error {
    if refusal.code() == Code::NotFound && refusal.errors().is_empty() {
        return Thing::Instance.missing(&format!("/instances/{index}/instanceId"));
    }
    refusal
}
