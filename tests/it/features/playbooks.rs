//! Playbooks, for the gates.

pub mod plays;
mod version_plays;

use super::Staged;
use crate::core::{made, made_of, tables::row};
use crate::gates::cases::{Case, Trail::Mandate, Unlike::AnotherEachTime, case};

const PLAYBOOK: &str = "/api/playbooks/$playbook";
const VERSION: &str = "/api/playbooks/$playbook/versions/1";
const DELETED: &str = "/api/playbooks/$shelved";

const fn work(id: &'static str, uri: &'static str, status: u16) -> Case {
    case(id, uri, status).instance("$playbooks")
}

pub const STAGED: Staged = Staged {
    feature: bailiwick::features::playbooks::FEATURE,
    cases: &[
        work("list_playbooks", "/api/playbooks", 200),
        work("create_playbook", "/api/playbooks", 201)
            .body(r#"{"name": "$unique", "title": "A title"}"#)
            .told(Mandate),
        work("get_playbook", PLAYBOOK, 200),
        work("update_playbook", PLAYBOOK, 200).body(r#"{"title": "$unique"}"#).told(Mandate),
        work("delete_playbook", PLAYBOOK, 200).told(Mandate),
        work("restore_playbook", "/api/playbooks/$shelved/restore", 200).told(Mandate),
        work("get_playbook", DELETED, 410).of("a deleted one"),
        work("list_playbook_versions", "/api/playbooks/$playbook/versions", 200),
        work("create_playbook_version", "/api/playbooks/$playbook/versions", 201)
            .body(r#"{"content": "$unique"}"#)
            .told(Mandate),
        work("get_playbook_version", VERSION, 200),
        work("update_playbook_version", VERSION, 200)
            .body(r#"{"content": "$unique"}"#)
            .told(Mandate),
        work("rollback_playbook_version", "/api/playbooks/$playbook/versions/1/rollback", 200)
            .body("{}")
            .told(Mandate)
            .unlike(&[(
                AnotherEachTime,
                "each rollback goes one revision further back, or forth again",
            )]),
        work("list_playbook_revisions", "/api/playbooks/$playbook/versions/1/revisions", 200),
        work("delete_playbook_version", VERSION, 200).told(Mandate),
        work("restore_playbook_version", "/api/playbooks/$playbook/versions/2/restore", 200)
            .told(Mandate),
    ],
    plays: &[plays::OPERATIONS, version_plays::OPERATIONS],
    ids: &["playbook", "shelved"],
    // Version 1 has two revisions, version 2 is deleted.
    rows: "
        insert into playbooks (id, mandate_id, instance_id, owner_id, name, name_key, title,
            title_key, latest_version, created_at, updated_at, deleted_at, purge_at)
        values ('$playbook', '$mandate', '$place', '$owner', 'living $word', 'living $word',
            'Title', 'title', 1, now(), now(), null, null),
               ('$shelved', '$mandate', '$place', '$owner', 'shelved $word', 'shelved $word',
                   'Title', 'title', null, now(), now(), now(), now() + interval '7 days');
        insert into playbook_versions (mandate_id, instance_id, playbook_id, number, owner_id,
            revision, size, created_at, updated_at, deleted_at, purge_at)
        values ('$mandate', '$place', '$playbook', 1, '$owner', 2, 3, now(), now(), null, null),
               ('$mandate', '$place', '$playbook', 2, '$owner', 1, 3, now(), now(), now(),
                   now() + interval '7 days');
        insert into playbook_revisions (mandate_id, instance_id, playbook_id, number, revision,
            author_id, created_at, size, content)
        values ('$mandate', '$place', '$playbook', 1, 1, '$owner', now(), 3, 'one'),
          ('$mandate', '$place', '$playbook', 1, 2, '$owner', now(), 3, 'two'),
               ('$mandate', '$place', '$playbook', 2, 1, '$owner', now(), 3, 'off');",
    owners: &[
        row(
            "playbook",
            "update playbooks set owner_id = '$owner' where id = '$playbook';
             update playbook_versions set owner_id = '$owner' where playbook_id = '$playbook'",
        ),
        row("shelved", "update playbooks set owner_id = '$owner' where id = '$shelved'"),
    ],
    made: &[
        made(
            "playbook",
            &[
                "create_playbook",
                "create_playbook_version",
                "update_playbook_version",
                "create_playbook_version",
                "delete_playbook_version /api/playbooks/$playbook/versions/2",
            ],
        ),
        made_of("playbook", "shelved", &["delete_playbook"]),
    ],
};
