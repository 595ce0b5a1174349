//! A feature that only tests know, written as one of the service's own would be: its table has all
//! four operations at all levels. It shows that a feature is a folder and a line, and that the
//! gates cover it without knowing it.

mod routes;
mod store;

use bailiwick::access::{Level, Rule};
use bailiwick::tenancy::catalogue::{BuiltIn, TemplateRole};

use super::Staged;
use crate::core::{made, tables::row};
use crate::gates::cases::{Case, Trail::Mandate, Unlike::NotPlayed, case};

bailiwick::feature_tables!("journal" {
    /// Entries; mine when I wrote them.
    Entries = "entries",
});

const FEATURE: BuiltIn = BuiltIn {
    code: "journal",
    label: [("en", "Journal"), ("de", "Tagebuch")],
    purpose: "Entries that people write",
    icon: "mdi-notebook",
    tables: &["entries"],
    views: &["journal"],
    roles: &[TemplateRole {
        label: "journal-writer",
        description: [("en", "Writes"), ("de", "Schreibt")],
        rules: &[("entries", Rule::of(Level::All, Level::My, Level::Group, Level::My))],
        views: &["journal"],
    }],
    routes: routes::routes,
};

/// As a file of `migrations/` would have it.
pub const MIGRATION: &str = "
    create table journal_entries (
      id uuid not null,
      mandate_id uuid not null,
      instance_id uuid not null,
      owner_id uuid not null references users (id),
      text text not null,
      version bigint not null default 1,
      created_at timestamptz not null default now(),
      primary key (mandate_id, instance_id, id),
      foreign key (mandate_id, instance_id) references feature_instances (mandate_id, id)
        on delete cascade
    );
    select close_to_other_instances('journal_entries');";

const ENTRY: &str = "/api/journal/$entry";

const fn write(id: &'static str, uri: &'static str, status: u16) -> Case {
    case(id, uri, status)
        .instance("$journal")
        .unlike(&[(NotPlayed, "it is of a feature that only tests know")])
}

pub const STAGED: Staged = Staged {
    feature: FEATURE,
    cases: &[
        write("list_entries", "/api/journal", 200),
        write("create_entry", "/api/journal", 201).body(r#"{"text": "$unique"}"#).told(Mandate),
        write("get_entry", ENTRY, 200),
        write("replace_entry", ENTRY, 200).body(r#"{"text": "$unique"}"#).told(Mandate),
        write("delete_entry", ENTRY, 204).told(Mandate),
    ],
    plays: &[],
    ids: &["entry"],
    rows: "insert into journal_entries (id, mandate_id, instance_id, owner_id, text)
             values ('$entry', '$mandate', '$place', '$owner', '$word');",
    owners: &[row("entry", "update journal_entries set owner_id = '$owner' where id = '$entry'")],
    made: &[made("entry", &["create_entry"])],
};
