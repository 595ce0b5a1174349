//! Roles: named sets of permissions, in four scopes that never mix. Mandate and instance roles are
//! held; templates are copied.
//!
//! - [`find`], [`list`], [`store`], [`permission_store`]: rows and permissions.
//! - [`template_find`], [`template_list`], [`template_store`]: the same of templates.
//! - [`copies`]: copying templates onto new mandates and instances.
//! - [`sync`]: bringing an instance's copies back in line with their templates.

mod columns;
mod copies;
mod find;
mod giving;
mod list;
mod list_routes;
mod named;
mod open;
mod permission_request;
mod permission_routes;
mod permission_store;
mod readable;
mod request;
mod role;
mod routes;
mod store;
mod sync;
mod template_find;
mod template_list;
mod template_store;

use utoipa_axum::router::OpenApiRouter;

use crate::http::app::App;
use crate::kernel::ids::RoleId;
use crate::path_params;

pub(crate) use columns::{role_of, roles};
pub use copies::{Copy, copy as copy_templates, rename as rename_copy, repermit as repermit_copy};
pub use giving::{Giving, NamedRole, labelled, named as find_named, require_known};
pub use named::NamedRoles;
pub use readable::Readable;
pub use request::checked_label;
pub(crate) use role::described;
pub use role::{FullRole, Role, Scope, Template};
pub use sync::{Holder, Plan, Present, Reset, SyncReport, plan};
pub use template_find::templates;
pub use template_list::list as list_templates;
pub use template_store::{
    insert as insert_template, replace_permissions as replace_template_permissions,
};

path_params! {
    /// To a role.
    RolePath {
        /// The role
        #[param(inline)]
        role_id: RoleId,
    }
}

/// The routes under `/api/roles`, and the roles of mandates and instances.
pub fn routes(app: &App) -> OpenApiRouter<App> {
    routes::routes(app).merge(list_routes::routes(app)).merge(permission_routes::routes(app))
}
