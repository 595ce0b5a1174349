//! `/api/features/instances/{instanceId}/sync-roles`: bringing an instance's roles in line with its
//! feature's templates.

use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;

use super::sync_store;
use crate::access::tables::{InstanceRoles, Instances, Update};
use crate::context::audit::{Action, Event, ResourceType};
use crate::context::change::retrying;
use crate::context::judge::require_within_own;
use crate::context::policy::Policy;
use crate::context::{
    Change, Furnished, Grant, InstanceContext, Locks, Recorded, require_opens_nothing,
};
use crate::http::app::App;
use crate::http::dry_run::DryRun;
use crate::http::extract::{Json, Query};
use crate::http::guard::{Guard, Routes};
use crate::http::paths::InstancePath;
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::{RoleId, UserId};
use crate::kernel::names::Name;
use crate::tenancy::roles::{self, Plan, Reset, SyncReport, plan};

pub(super) fn routes(app: &App) -> Routes {
    Routes::new().routes(
        routes!(sync_instance_roles)
            .refuses(&[Code::LabelTaken, Code::SelfEscalation, Code::GrantExceedsOwnAccess])
            .guard(
                app,
                Policy::table::<Instances, Update>().or::<InstanceRoles, Update>().or_sys(),
            ),
    )
}

/// How to sync.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
struct SyncQuery {
    /// Only add what is missing (true when left out); else also reset changed copies and remove
    /// copies whose template is gone.
    #[param(example = true)]
    add_only: Option<bool>,
}

/// Brings the instance's copies in line with the feature's templates. Roles made by hand and roles
/// that somebody holds stay.
#[utoipa::path(post, path = "/api/features/instances/{instanceId}/sync-roles", tag = "Instances",
    params(InstancePath, SyncQuery, DryRun),
    responses((status = 200, description = "What changed, or would change", body = SyncReport)))]
async fn sync_instance_roles(
    context: InstanceContext,
    Query(query): Query<SyncQuery>,
) -> Result<Json<SyncReport>> {
    let context = &context;
    retrying(|| sync(context, query)).await.map(Json)
}

async fn sync(context: &InstanceContext, query: SyncQuery) -> Result<SyncReport> {
    let mut change = context.change(Locks::mandate_only()).await?;
    let grant = change.context.grant_through_row::<InstanceRoles, Update>()?;
    let whole = grant.whole_instance()?;
    let feature = Some(context.feature_code());
    let templates = roles::templates(&mut change, whole.into(), feature).await?;
    let present = sync_store::roles_with_holders(&mut change, &grant).await?;
    let caller = change.context.mandate().caller().user();
    let mut plan = plan(
        &templates,
        &present,
        change.context.catalogue(),
        query.add_only.unwrap_or(true),
        caller,
    );
    may_apply(&change.context, &plan)?;
    let context = change.context.clone();
    for Reset { copy, to, .. } in
        plan.reset.iter().filter(|reset| reset.gives_more(context.catalogue()))
    {
        let holders: Vec<UserId> = copy.holders.iter().map(|holder| holder.user_id).collect();
        require_opens_nothing(&mut change, &context, &holders, &[to]).await?;
    }
    let nameable = context.nameable(&mut change, &plan.report.holders()).await?;
    change.as_tenant().await?;
    apply(&mut change, &grant, whole, &plan).await?;
    let details = serde_json::to_value(&plan.report).map_err(Error::internal)?;
    let event = Event::new(Action::InstanceRolesSynced, ResourceType::Instance, context.instance())
        .details(without_names(details));
    let recorded = if plan.changes_nothing() {
        Recorded::nothing_changed()
    } else {
        change.record(event).await?
    };
    // In a dry run this undoes it. The report was made before anything was done, so it is the same
    // either way.
    change.commit(recorded).await?;
    plan.report.name_only(&nameable);
    Ok(plan.report)
}

/// Admins may raise their own instance roles (it is audited); a SysAdmin, who writes the templates,
/// may not that way. What a delegate changes by a sync they may also change by hand.
fn may_apply(context: &InstanceContext, plan: &Plan) -> Result<()> {
    let mandate = context.mandate();
    if plan.raises_caller && (mandate.is_delegate() || mandate.caller().is_sys_admin()) {
        return Err(Error::new(
            Code::SelfEscalation,
            "The sync would raise a role that you hold; an admin of the mandate can do it.",
        ));
    }
    let changed = plan.reset.iter().flat_map(|reset| [&reset.copy.permissions, &reset.to]);
    let mut concerned = changed.chain(plan.remove.iter().map(|gone| &gone.permissions));
    concerned.try_for_each(|permissions| require_within_own(context, permissions))
}

async fn apply(
    change: &mut Change<InstanceContext>,
    grant: &Grant<InstanceRoles, Update>,
    whole: Furnished,
    plan: &Plan,
) -> Result<()> {
    let now = change.context.now();
    for gone in &plan.remove {
        sync_store::remove_copy(change, grant, gone.role.id).await?;
    }
    // Copies may swap their labels, and no two roles have one at any moment.
    let renamed: Vec<RoleId> = plan
        .reset
        .iter()
        .filter(|reset| reset.label.is_some())
        .map(|reset| reset.copy.role.id)
        .collect();
    sync_store::set_labels_aside(change, grant, &renamed).await?;
    for Reset { copy, to, label, description } in &plan.reset {
        if label.is_some() || description.is_some() {
            let label = label.as_deref().map(Name::of_stored);
            roles::rename_copy(change, whole, &copy.role, label.as_ref(), description.as_ref())
                .await?;
        }
        if copy.permissions != *to {
            roles::repermit_copy(change, whole, &copy.role, to).await?;
        }
    }
    roles::copy_templates(change, whole, &plan.add, now).await?;
    Ok(())
}

/// The trail holds ids only; the answer's usernames are joined when read.
fn without_names(mut details: serde_json::Value) -> serde_json::Value {
    let changes = details.get_mut("changes").and_then(|changes| changes.as_array_mut());
    for holder in changes
        .into_iter()
        .flatten()
        .filter_map(|change| change.get_mut("holders")?.as_array_mut())
        .flatten()
    {
        if let Some(holder) = holder.as_object_mut() {
            holder.remove("username");
        }
    }
    details
}
