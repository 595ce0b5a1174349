//! What `seeds/demo.toml` looks like.

use std::collections::BTreeMap;

use figment::Figment;
use figment::providers::{Format, Toml};
use serde::Deserialize;
use uuid::Uuid;

use crate::access::Permissions;
use crate::kernel::error::{Error, Result};
use crate::kernel::ids::{InstanceId, MandateId, UserId};

/// Everybody's password in seeded data. Public, so never for a database that others reach.
pub const PASSWORD: &str = "bailiwick-demo";

pub(super) type Texts = BTreeMap<String, String>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Demo {
    pub(super) users: Vec<User>,
    pub(super) features: Vec<Feature>,
    pub(super) mandates: Vec<Mandate>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct User {
    pub(super) id: UserId,
    pub(super) username: String,
    pub(super) first_name: String,
    pub(super) last_name: String,
    pub(super) email: String,
    #[serde(default = "english")]
    pub(super) language: String,
    #[serde(default)]
    pub(super) sys_admin: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Feature {
    pub(super) code: String,
    pub(super) label: Texts,
    pub(super) icon: String,
    pub(super) tables: Vec<String>,
    pub(super) views: Vec<String>,
    pub(super) templates: Vec<Template>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Template {
    pub(super) label: String,
    pub(super) description: Texts,
    pub(super) permissions: Permissions,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mandate {
    pub(super) id: MandateId,
    pub(super) name: String,
    pub(super) code: String,
    pub(super) language: String,
    pub(super) members: Vec<DemoHolder>,
    pub(super) instances: Vec<Instance>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Instance {
    pub(super) id: InstanceId,
    pub(super) feature: String,
    pub(super) label: String,
    pub(super) accesses: Vec<DemoHolder>,
}

/// Somebody with roles, by their labels.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DemoHolder {
    pub(super) username: String,
    pub(super) roles: Vec<String>,
}

fn english() -> String {
    "en".to_owned()
}

impl Demo {
    pub(super) fn read() -> Result<Self> {
        Figment::from(Toml::string(include_str!("../../seeds/demo.toml")))
            .extract()
            .map_err(|error| Error::internal(error.to_string()))
    }

    pub(super) fn user(&self, username: &str) -> Result<Uuid> {
        let found = self.users.iter().find(|user| user.username == username);
        found
            .map(|user| user.id.uuid())
            .ok_or_else(|| Error::internal(format!("the demo data has no user {username}")))
    }
}

/// An account of the demo and where it belongs, for the greeting: `alice`, `admin of Acme`.
pub fn accounts() -> Result<Vec<(String, String)>> {
    let demo = Demo::read()?;
    let place = |user: &User| {
        let of = |mandate: &Mandate| {
            let holder = mandate.members.iter().find(|member| member.username == user.username)?;
            Some(format!("{} of {}", holder.roles.join(", "), mandate.name))
        };
        let places: Vec<String> = demo.mandates.iter().filter_map(of).collect();
        if user.sys_admin { "SysAdmin of the platform".to_owned() } else { places.join(", ") }
    };
    Ok(demo.users.iter().map(|user| (user.username.clone(), place(user))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Catalogue;

    #[test]
    fn the_demo_names_only_what_it_has_and_its_permissions_are_well_formed() {
        let demo = Demo::read().unwrap();
        for feature in &demo.features {
            let catalogue = Catalogue::instance(feature.tables.clone(), feature.views.clone());
            for template in &feature.templates {
                assert_eq!(template.permissions.problems(&catalogue), [], "{}", template.label);
            }
        }
        for mandate in &demo.mandates {
            let members: Vec<_> =
                mandate.members.iter().map(|member| member.username.as_str()).collect();
            assert!(members.iter().all(|member| demo.user(member).is_ok()));
            let admitted = mandate.instances.iter().flat_map(|instance| &instance.accesses);
            assert!(admitted.into_iter().all(|access| members.contains(&access.username.as_str())));
        }
    }

    #[test]
    fn the_greeting_tells_who_is_who() {
        let accounts = accounts().unwrap();
        assert!(
            accounts.contains(&("alice".to_owned(), "admin of Acme".to_owned())),
            "{accounts:?}"
        );
        assert!(accounts.contains(&("sysadmin".to_owned(), "SysAdmin of the platform".to_owned())));
    }
}
