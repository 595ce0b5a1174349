//! Roles as rows: the columns of a role, and the tables whose rows roles are.

use crate::access::tables::{InstanceRoles, Roles, Table};
use crate::kernel::db::listing::{Key, Order};

/// The tables whose rows are roles: the mandate's own, and an instance's. Which of them a grant
/// reaches, its instance says.
pub trait RoleTable: Table {}
impl RoleTable for Roles {}
impl RoleTable for InstanceRoles {}

/// What lists tell of a role `r`, as [`roles!`] does where there is one.
pub(super) const COLUMNS: &str = "r.id, r.label, r.description, r.scope, r.mandate_id,
    r.feature_code, r.instance_id, r.template_role_id, r.protected, r.version";
pub(super) const ORDER: Order = Order::by(Key::Text("r.label_sort"), "r.id");

/// The role in a row of [`roles!`].
macro_rules! role_of {
    ($row:expr) => {
        $crate::tenancy::roles::Role {
            id: $row.id.into(),
            label: $row.label,
            description: $row.description.0,
            scope: $row.scope,
            mandate_id: $row.mandate_id,
            feature_code: $row.feature_code,
            instance_id: $row.instance_id,
            template_role_id: $row.template_role_id,
            protected: $row.protected,
            version: $row.version,
        }
    };
}
pub(crate) use role_of;

/// A statement whose rows have the columns of a role `r`, and then others.
macro_rules! roles {
    ($before:tt, [$($after:tt)+], $($argument:expr),* $(,)?) => {{
        use $crate::kernel::ids::{InstanceId, MandateId, RoleId};
        use $crate::kernel::translations::Texts;
        use $crate::tenancy::roles::Scope;
        sqlx::query!(
            $before
                + r#" r.id, r.label, r.description as "description: Json<Texts>",
                      r.scope as "scope: Scope", r.mandate_id as "mandate_id: MandateId",
                      r.feature_code, r.instance_id as "instance_id: InstanceId",
                      r.template_role_id as "template_role_id: RoleId", r.protected, r.version"#
                + $($after)+,
            $($argument),*
        )
    }};
}
pub(crate) use roles;
