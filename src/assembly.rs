//! The features that come with the service, in one list. A feature is a folder with a `FEATURE`, its migration, and a line here:
//! its tables, template roles and routes come with it, and every gate covers them. Below, likewise, what runs by itself.

use crate::context::jobs::Job;
use crate::features::bookings;
use crate::features::playbooks;
use crate::identity::auth;
use crate::platform::jobs;
use crate::tenancy::catalogue::BuiltIn;
use crate::tenancy::mandates;

/// Every built-in feature.
pub const FEATURES: &[BuiltIn] = &[playbooks::FEATURE, bookings::FEATURE];

/// Every job.
pub const JOBS: &[Job] = &[
    playbooks::purge::PLAYBOOKS,
    playbooks::purge::VERSIONS,
    mandates::purge::FIND,
    mandates::purge::PURGE,
    auth::purge::SESSIONS,
    jobs::answers::FORGET,
];

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
