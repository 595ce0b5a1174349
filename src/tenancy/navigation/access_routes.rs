//! `GET /api/access/me`: what the caller may do in the context that the headers choose.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::access::Rule;
use crate::context::authorize::ChosenContext;
use crate::context::policy::{Class, Policy};
use crate::context::{InstanceContext, MandateContext};
use crate::http::app::App;
use crate::http::extract::Json;
use crate::http::guard::{Guard, Routes};
use crate::kernel::ids::{InstanceId, MandateId, UserId};

pub(super) fn routes(app: &App) -> Routes {
    Routes::new()
        .routes(routes!(get_my_access).guard(app, Policy::user_with_context().class(Class::Check)))
}

/// The caller's merged access. Without `X-Mandate-Id` it is empty; with `X-Instance-Id` too, the
/// instance's tables are added.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnAccess {
    user_id: UserId,
    mandate_id: Option<MandateId>,
    instance_id: Option<InstanceId>,
    /// Labels of the roles that count.
    #[schema(example = json!(["trustee-accountant"]))]
    roles: Vec<String>,
    #[schema(example = json!({"contracts":
        {"view": true, "read": "a", "create": "m", "update": "m", "delete": "n"}}))]
    tables: BTreeMap<String, Rule>,
    #[schema(example = json!({"dashboard": true}))]
    views: BTreeMap<String, bool>,
}

/// What the caller may do in the context that the headers choose.
#[utoipa::path(get, path = "/api/access/me", tag = "Access",
    responses((status = 200, description = "The caller's access", body = OwnAccess)))]
async fn get_my_access(context: ChosenContext) -> Json<OwnAccess> {
    let ChosenContext { caller, mandate, instance } = context;
    let mut own = OwnAccess {
        user_id: caller.user(),
        mandate_id: None,
        instance_id: None,
        roles: Vec::new(),
        tables: BTreeMap::new(),
        views: BTreeMap::new(),
    };
    if let Some(context) = &mandate {
        own.add_mandate(context);
    }
    if let Some(context) = &instance {
        own.add_instance(context);
    }
    Json(own)
}

impl OwnAccess {
    fn add_mandate(&mut self, context: &MandateContext) {
        self.mandate_id = Some(context.mandate());
        if let Some(access) = context.access() {
            self.roles.extend(access.roles.iter().map(|role| role.label.clone()));
            self.tables.extend(access.merged.tables.clone());
            self.views.extend(access.merged.views.clone());
        }
    }

    fn add_instance(&mut self, context: &InstanceContext) {
        self.instance_id = Some(context.instance());
        if let Some(access) = context.access() {
            self.roles.extend(access.roles.iter().map(|role| role.label.clone()));
            self.tables.extend(access.merged.tables.clone());
            self.views.extend(access.merged.views.clone());
        }
    }
}
