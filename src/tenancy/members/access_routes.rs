//! `/api/mandates/{mandateId}/users/{userId}/access`: what a member may do, and which roles it
//! comes from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::MemberPath;
use crate::access::tables::{InstanceRoles, Members, Read};
use crate::access::{Catalogue, HeldRole, Merged, Operation, Rule};
use crate::context::MandateContext;
use crate::context::policy::Policy;
use crate::http::app::App;
use crate::http::extract::{FromPath, Json, Query};
use crate::http::guard::{Guard, Routes};
use crate::kernel::error::{Error, Result};
use crate::kernel::ids::{InstanceId, UserId};
use crate::tenancy::groups::{Reaching, ReachingGroup};
use crate::tenancy::roles::Readable;

pub(super) fn routes(app: &App) -> Routes {
    Routes::new()
        .routes(routes!(get_member_access).guard(app, Policy::table::<Members, Read>().or_sys()))
}

/// Where the member's access is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
struct AccessQuery {
    /// Also in this instance of the mandate.
    #[param(inline)]
    instance_id: Option<InstanceId>,
}

/// A member's merged access, each level with the roles that it comes from. Roles that the caller
/// may not read are left out, and what they permit is told without its source; one's own roles
/// everybody is told. Groups are named to who may read them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberAccess {
    /// Labels of the roles that count, of those that the caller may read.
    #[schema(example = json!(["trustee-accountant"]))]
    roles: Vec<String>,
    #[schema(example = json!({"contracts":
        {"view": true, "read": "a", "create": "m", "update": "m", "delete": "n",
         "from": {"view": ["trustee-accountant"], "read": ["trustee-accountant"],
                  "create": ["trustee-accountant"], "update": ["trustee-accountant"],
                  "delete": []}}}))]
    tables: BTreeMap<String, SourcedRule>,
    #[schema(example = json!({"dashboard":
        {"allowed": true, "from": ["trustee-accountant"]}}))]
    views: BTreeMap<String, SourcedView>,
    /// Where some level is `g`: the groups through which it reaches, at most 20, by name; else
    /// null.
    groups: Option<Vec<ReachingGroup>>,
    /// How many groups there are.
    #[schema(example = json!(null))]
    group_count: Option<i64>,
    /// The same for people.
    #[schema(example = json!(null))]
    groups_detail: Option<String>,
}

/// A merged rule, and for each part of it the labels of the roles that give it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SourcedRule {
    #[serde(flatten)]
    rule: Rule,
    /// By `view`, `read`, `create`, `update` and `delete`.
    #[schema(example = json!({"read": ["trustee-accountant"]}))]
    from: BTreeMap<&'static str, Vec<String>>,
}

/// Whether a view is allowed, and the labels of the roles that allow it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SourcedView {
    #[schema(example = true)]
    allowed: bool,
    #[schema(example = json!(["trustee-accountant"]))]
    from: Vec<String>,
}

impl MemberAccess {
    fn of(roles: &[HeldRole], catalogue: &Catalogue, readable: &Readable) -> Self {
        let merged = Merged::of(roles.iter().map(|role| &role.permissions), catalogue);
        let told: Vec<&HeldRole> = roles.iter().filter(|role| readable.tells(role)).collect();
        let giving = |gives: &dyn Fn(&HeldRole) -> bool| {
            told.iter()
                .filter(|role| gives(role))
                .map(|role| role.label.clone())
                .collect::<Vec<_>>()
        };
        let tables = merged.tables.iter().map(|(table, rule)| {
            let mut from = BTreeMap::new();
            from.insert("view", giving(&|role| role.permissions.rule_for(table, catalogue).view));
            for operation in Operation::ALL {
                let level = rule.level(operation);
                let gives = |role: &HeldRole| {
                    level > crate::access::Level::None
                        && role.permissions.rule_for(table, catalogue).level(operation) == level
                };
                from.insert(operation.name(), giving(&gives));
            }
            (table.clone(), SourcedRule { rule: *rule, from })
        });
        let views = merged.views.iter().map(|(view, allowed)| {
            let gives =
                |role: &HeldRole| role.permissions.views.get(view).copied().unwrap_or(false);
            (view.clone(), SourcedView { allowed: *allowed, from: giving(&gives) })
        });
        let (tables, views) = (tables.collect(), views.collect());
        Self {
            roles: giving(&|_| true),
            tables,
            views,
            groups: None,
            group_count: None,
            groups_detail: None,
        }
    }

    /// Whether what it comes to hangs on who shares a group.
    fn hangs_on_groups(&self) -> bool {
        self.tables.values().any(|sourced| {
            Operation::ALL.iter().any(|operation| sourced.rule.level(*operation).is_group())
        })
    }

    fn through(self, reaching: Reaching) -> Self {
        let detail = reaching.told();
        Self {
            group_count: Some(reaching.count),
            groups_detail: Some(detail),
            groups: Some(reaching.groups),
            ..self
        }
    }

    fn and(mut self, other: Self) -> Self {
        self.roles.extend(other.roles);
        self.tables.extend(other.tables);
        self.views.extend(other.views);
        self
    }
}

/// What a member may do in the mandate and, if asked, in one of its instances. What is disabled
/// gives nothing. Which roles it comes from is told as `explain` tells it: only of roles that the
/// caller may read.
#[utoipa::path(get, path = "/api/mandates/{mandateId}/users/{userId}/access", tag = "Members",
    params(MemberPath, AccessQuery),
    responses((status = 200, description = "The member's access", body = MemberAccess)))]
async fn get_member_access(
    context: MandateContext,
    FromPath(MemberPath { user_id: user, .. }): FromPath<MemberPath>,
    Query(query): Query<AccessQuery>,
) -> Result<Json<MemberAccess>> {
    let grant = context.grant::<Members, Read>()?;
    let member = context.member(&grant, user).await?;
    let roles = member.access.as_ref().map_or(&[][..], |access| &access.roles);
    let mut answer =
        MemberAccess::of(roles, &Catalogue::mandate(), &readable_in_mandate(&context, user).await?);
    if let Some(instance) = query.instance_id {
        let (catalogue, access) =
            context.instance_access_of(&member, instance).await?.ok_or_else(Error::not_found)?;
        // An admission counts only while the membership is alive.
        let access = access.filter(|_| member.access.is_some());
        let roles = access.as_ref().map_or(&[][..], |access| &access.roles);
        let readable = readable_in_instance(&context, user, instance).await?;
        answer = answer.and(MemberAccess::of(roles, &catalogue, &readable));
    }
    if answer.hangs_on_groups() {
        answer = answer.through(Reaching::of(&context, &grant, user, None).await?);
    }
    Ok(Json(answer))
}

/// Which of a member's roles the caller may be told of: of their own, all.
async fn readable_in_mandate(context: &MandateContext, member: UserId) -> Result<Readable> {
    if member == context.caller().user() {
        return Ok(Readable::All);
    }
    Readable::in_mandate(context).await
}

/// The same in an instance.
async fn readable_in_instance(
    context: &MandateContext,
    member: UserId,
    instance: InstanceId,
) -> Result<Readable> {
    if member == context.caller().user() || context.reaches_all_through::<InstanceRoles, Read>() {
        return Ok(Readable::All);
    }
    Readable::in_instance(&context.in_instance(instance).await?).await
}
