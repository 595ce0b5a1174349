//! The template roles that the feature comes with.

use crate::access::Level::{All, Group, My, None};
use crate::access::Rule;
use crate::tenancy::catalogue::TemplateRole;

const EDITING: Rule = Rule::of(All, All, Group, My);
const CONTRIBUTING: Rule = Rule::of(Group, My, My, My);
const VIEWING: Rule = Rule::of(All, None, None, None);

pub(super) const ROLES: &[TemplateRole] = &[
    TemplateRole {
        label: "playbooks-admin",
        description: [
            ("en", "Manages the instance and everything in it"),
            ("de", "Verwaltet die Instanz und alles darin"),
        ],
        rules: &[
            ("playbooks", Rule::ALL),
            ("playbook_versions", Rule::ALL),
            ("access", Rule::ALL),
            ("instance-roles", Rule::ALL),
        ],
        views: &["playbooks", "editor"],
    },
    TemplateRole {
        label: "playbooks-editor",
        description: [
            ("en", "Reads all, edits those of the own groups"),
            ("de", "Liest alles, bearbeitet das der eigenen Gruppen"),
        ],
        rules: &[("playbooks", EDITING), ("playbook_versions", EDITING)],
        views: &["playbooks", "editor"],
    },
    TemplateRole {
        label: "playbooks-contributor",
        description: [
            ("en", "Reads those of the own groups, edits own"),
            ("de", "Liest das der eigenen Gruppen, bearbeitet Eigenes"),
        ],
        rules: &[("playbooks", CONTRIBUTING), ("playbook_versions", CONTRIBUTING)],
        views: &["playbooks", "editor"],
    },
    TemplateRole {
        label: "playbooks-viewer",
        description: [("en", "Reads all"), ("de", "Liest alles")],
        rules: &[("playbooks", VIEWING), ("playbook_versions", VIEWING)],
        views: &["playbooks"],
    },
];
