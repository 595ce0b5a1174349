//! The features that come with the service, and bringing the catalogue up to date with them at start. Templates that are
//! missing are added; what SysAdmins changed in a template, and what mandates changed in their copies, stays.

use std::collections::BTreeMap;

use serde_json::json;
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::access::{Level, Permissions, Rule};
use crate::audit::{self, Event};
use crate::context::{RequestMeta, Services, SystemContext};
use crate::error::Result;
use crate::roles::{Texts, copies};

/// A feature as the service brings it.
struct Descriptor {
    code: &'static str,
    label: [(&'static str, &'static str); 2],
    icon: &'static str,
    tables: &'static [&'static str],
    views: &'static [&'static str],
    roles: fn() -> Vec<TemplateRole>,
}

struct TemplateRole {
    label: &'static str,
    description: [(&'static str, &'static str); 2],
    permissions: Permissions,
}

const BUILT_IN: [Descriptor; 2] = [
    Descriptor {
        code: "playbooks",
        label: [("en", "Playbooks"), ("de", "Handbücher")],
        icon: "mdi-book-open-variant",
        tables: &["playbooks", "playbook_versions"],
        views: &["playbooks", "editor"],
        roles: playbook_roles,
    },
    Descriptor {
        code: "bookings",
        label: [("en", "Bookings"), ("de", "Buchungen")],
        icon: "mdi-calendar-check",
        tables: &["bookings"],
        views: &["bookings", "decisions"],
        roles: booking_roles,
    },
];

const fn rule(read: Level, create: Level, update: Level, delete: Level) -> Rule {
    Rule { view: true, read, create, update, delete }
}

fn permissions(rules: &[(&str, Rule)], views: &[&str]) -> Permissions {
    let tables = rules.iter().map(|(table, rule)| ((*table).to_owned(), *rule)).collect::<BTreeMap<_, _>>();
    Permissions { tables, views: views.iter().map(|view| ((*view).to_owned(), true)).collect() }
}

fn playbook_roles() -> Vec<TemplateRole> {
    use Level::{All, Group, My, None};
    let both = |rule: Rule| [("playbooks", rule), ("playbook_versions", rule)];
    let admin = [("playbooks", Rule::ALL), ("playbook_versions", Rule::ALL), ("access", Rule::ALL), ("instance-roles", Rule::ALL)];
    vec![
        TemplateRole {
            label: "playbooks-admin",
            description: [("en", "Manages the instance and everything in it"), ("de", "Verwaltet die Instanz und alles darin")],
            permissions: permissions(&admin, &["playbooks", "editor"]),
        },
        TemplateRole {
            label: "playbooks-editor",
            description: [("en", "Reads all, edits those of the own groups"), ("de", "Liest alles, bearbeitet das der eigenen Gruppen")],
            permissions: permissions(&both(rule(All, All, Group, My)), &["playbooks", "editor"]),
        },
        TemplateRole {
            label: "playbooks-contributor",
            description: [("en", "Reads those of the own groups, edits own"), ("de", "Liest das der eigenen Gruppen, bearbeitet Eigenes")],
            permissions: permissions(&both(rule(Group, My, My, My)), &["playbooks", "editor"]),
        },
        TemplateRole {
            label: "playbooks-viewer",
            description: [("en", "Reads all"), ("de", "Liest alles")],
            permissions: permissions(&both(rule(All, None, None, None)), &["playbooks"]),
        },
    ]
}

fn booking_roles() -> Vec<TemplateRole> {
    use Level::{All, My, None};
    let admin = [("bookings", Rule::ALL), ("access", Rule::ALL), ("instance-roles", Rule::ALL)];
    vec![
        TemplateRole {
            label: "bookings-admin",
            description: [("en", "Manages the instance and everything in it"), ("de", "Verwaltet die Instanz und alles darin")],
            permissions: permissions(&admin, &["bookings", "decisions"]),
        },
        TemplateRole {
            label: "bookings-decider",
            description: [("en", "Accepts and rejects requests"), ("de", "Nimmt Anfragen an und lehnt sie ab")],
            permissions: permissions(&[("bookings", rule(All, None, All, None))], &["bookings", "decisions"]),
        },
        TemplateRole {
            label: "bookings-requester",
            description: [("en", "Requests bookings"), ("de", "Stellt Anfragen")],
            permissions: permissions(&[("bookings", rule(My, My, None, None))], &["bookings"]),
        },
        TemplateRole {
            label: "bookings-viewer",
            description: [("en", "Reads all"), ("de", "Liest alles")],
            permissions: permissions(&[("bookings", rule(All, None, None, None))], &["bookings"]),
        },
    ]
}

fn texts(pairs: [(&str, &str); 2]) -> Texts {
    pairs.into_iter().map(|(language, text)| (language.to_owned(), text.to_owned())).collect()
}

/// Brings the catalogue up to date. Safe on every start and on several nodes at once.
pub async fn bring_up_to_date(services: &Services) -> Result<()> {
    let system = SystemContext::unattended(services.clone(), RequestMeta::default());
    let mut writing = system.write().await?;
    // Nodes that start together take turns.
    sqlx::query!("select pg_advisory_xact_lock(7210002)").fetch_one(&mut *writing).await?;
    let mut changed = Vec::new();
    for descriptor in &BUILT_IN {
        if bring_feature(&mut writing, &system, descriptor).await? {
            changed.push(descriptor.code);
        }
    }
    if changed.is_empty() {
        return writing.commit(crate::context::Recorded::nothing_changed()).await;
    }
    let event = Event::new("catalogue_updated", "feature", changed.join(",")).details(json!({ "features": changed }));
    let recorded = audit::record_platform(&mut writing, &system, event).await?;
    writing.commit(recorded).await
}

async fn bring_feature(connection: &mut PgConnection, system: &SystemContext, descriptor: &Descriptor) -> Result<bool> {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let written = sqlx::query!(
        "insert into features (code, label, icon, tables, views, built_in, created_at) values ($1, $2, $3, $4, $5, true, $6)
         on conflict (code) do update set label = excluded.label, icon = excluded.icon, tables = excluded.tables, views = excluded.views,
           built_in = true, version = features.version + 1
         where (features.label, features.icon, features.tables, features.views, features.built_in)
           is distinct from (excluded.label, excluded.icon, excluded.tables, excluded.views, true)",
        descriptor.code,
        Json(texts(descriptor.label)) as _,
        descriptor.icon,
        &owned(descriptor.tables),
        &owned(descriptor.views),
        system.now(),
    )
    .execute(&mut *connection)
    .await?;
    let mut changed = written.rows_affected() > 0;
    let known = copies::templates(connection, Some(descriptor.code)).await?;
    for role in (descriptor.roles)() {
        if known.iter().any(|template| template.role.label == role.label) {
            continue;
        }
        let made = copies::insert(connection, Some(descriptor.code), role.label, &texts(role.description), system.now()).await?;
        copies::replace_permissions(connection, &made, &role.permissions).await?;
        changed = true;
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Catalogue;

    #[test]
    fn what_is_built_in_keeps_the_rules_that_everybody_keeps() {
        for descriptor in &BUILT_IN {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
            let catalogue = Catalogue::instance(owned(descriptor.tables), owned(descriptor.views));
            for role in (descriptor.roles)() {
                assert!(role.permissions.problems(&catalogue).is_empty(), "{}", role.label);
            }
        }
    }
}
