//! The one file that knows everything that the service is made of: its routes, its features, what
//! runs by itself, and the document of it all. A slice brings its routes, a feature its `FEATURE`,
//! a job its `Job`; each is a line here.

use utoipa::OpenApi;
use utoipa::openapi::OpenApi as OpenApiDocument;
use utoipa_axum::router::OpenApiRouter;

use crate::context::jobs::{Errand, Job};
use crate::features::{bookings, playbooks};
use crate::http::app::App;
use crate::http::guard::Routes;
use crate::http::{self, Service};
use crate::identity::{
    auth, impersonation, lockout, mails, passwords, registration, sessions, step_up, users,
};
use crate::kernel::error::Result;
use crate::openapi::{self, Document};
use crate::platform::{audit, jobs, ops};
use crate::tenancy::catalogue::{self, BuiltIn};
use crate::tenancy::{
    groups, instances, invitations, limits, mandates, members, navigation, questions, roles,
};

/// Every built-in feature.
pub const FEATURES: &[BuiltIn] = &[playbooks::FEATURE, bookings::FEATURE];

/// Every job.
pub const JOBS: &[Job] = &[
    playbooks::PURGE_PLAYBOOKS,
    playbooks::PURGE_VERSIONS,
    mandates::FIND_DELETED,
    mandates::PURGE,
    invitations::FORGET_INVITATIONS,
    sessions::PURGE_SESSIONS,
    lockout::FORGET_GUESSES,
    mails::FORGET_MAILED,
    jobs::FORGET_ANSWERS,
];

/// Every job that speaks to others.
pub const ERRANDS: &[Errand<App>] = &[mails::SEND_MAIL];

/// What operations stand under in the document, those of features apart.
const TAGS: [(&str, &str); 12] = [
    ("Sign-in", "Sessions, tokens and the keys that verify them"),
    ("Mandates", "Tenants, as SysAdmins govern them and admins manage them"),
    ("Members", "Who belongs to a mandate, with which roles"),
    ("Groups", "Named sets of members: what level `g` reaches"),
    ("Roles", "Roles and their permissions"),
    ("Features", "What instances are made of"),
    ("Instances", "Feature instances: their roles and who is admitted"),
    ("Navigation", "What applications draw for a user"),
    ("Access", "What the caller may do"),
    ("Users", "Accounts of the platform"),
    ("Audit", "Who did what"),
    ("Operations", "For operators"),
];

/// Every route, in one list. A slice that is missing here is not served.
fn all_routes(app: &App, features: &[BuiltIn]) -> Routes {
    let mut document = Document::openapi();
    for (name, description) in TAGS {
        openapi::add_tag(&mut document, name, description);
    }
    let routes = OpenApiRouter::with_openapi(document)
        .merge(auth::routes(app))
        .merge(sessions::routes(app))
        .merge(step_up::routes(app))
        .merge(impersonation::routes(app))
        .merge(lockout::routes(app))
        .merge(passwords::routes(app))
        .merge(registration::routes(app))
        .merge(mandates::routes(app))
        .merge(limits::routes(app))
        .merge(members::routes(app))
        .merge(invitations::routes(app))
        .merge(groups::routes(app))
        .merge(roles::routes(app))
        .merge(catalogue::routes(app))
        .merge(instances::routes(app))
        .merge(navigation::routes(app))
        .merge(questions::routes(app))
        .merge(users::routes(app))
        .merge(audit::routes(app))
        .merge(ops::routes(app));
    features.iter().fold(routes, |routes, feature| {
        let mut routes = routes.merge((feature.routes)(app));
        let [(_, name), _] = feature.label;
        openapi::add_tag(routes.get_openapi_mut(), name, feature.purpose);
        routes
    })
}

/// The service with these built-in features: [`FEATURES`], or tests' own.
#[must_use]
pub fn service(app: &App, features: &[BuiltIn]) -> Service {
    let (router, document) = all_routes(app, features).split_for_parts();
    app.set_document(&document);
    http::service(app, router.merge(ops::docs_page()))
}

/// The OpenAPI document of the routes as they are declared, with these built-in features.
#[must_use]
pub fn document(app: &App, features: &[BuiltIn]) -> OpenApiDocument {
    openapi::completed(all_routes(app, features).split_for_parts().1)
}

/// The document as `openapi/openapi.json` keeps it.
pub fn document_text(app: &App) -> Result<String> {
    openapi::text(&document(app, FEATURES))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::access::{Catalogue, Permissions};

    #[test]
    fn what_is_built_in_keeps_the_rules_that_everybody_keeps() {
        for feature in FEATURES {
            let owned =
                |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
            let catalogue = Catalogue::instance(owned(feature.tables), owned(feature.views));
            for role in feature.roles {
                let tables: BTreeMap<_, _> =
                    role.rules.iter().map(|(table, rule)| ((*table).to_owned(), *rule)).collect();
                let views = role.views.iter().map(|view| ((*view).to_owned(), true)).collect();
                assert!(
                    Permissions { tables, views }.problems(&catalogue).is_empty(),
                    "{}",
                    role.label
                );
            }
        }
    }
}
