//! What values look like by what they are called. They are the demo's (`seeds/demo.toml`), and the
//! same everywhere: whoever pastes an example into a service with the demo finds Acme, its
//! accounting and Bob.

/// The example ids: version 7, of the same instant as the demo's.
const ID: &str = "01900000-0000-7000-8000-";

/// The id that goes by a name (`mandateId`); where the demo has no fixed one, made from the name.
pub(super) fn id(name: &str) -> String {
    let end = match name {
        "userId" | "targetUserId" | "targetId" | "ownerId" | "authorId" => {
            "00000000a003".to_owned()
        }
        "actorId" | "adminUserId" | "impersonatedBy" | "decidedBy" => "00000000a002".to_owned(),
        "mandateId" => "00000000b001".to_owned(),
        "instanceId" => "00000000c002".to_owned(),
        other => format!("0000{:08x}", hash(other)),
    };
    format!("{ID}{end}")
}

/// FNV-1a.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// A time, in UTC; those of one thing in the order in which they come.
pub(super) fn time(name: &str) -> &'static str {
    match name {
        "from" => "2026-01-01T00:00:00Z",
        "to" => "2027-01-01T00:00:00Z",
        "updatedAt" | "lastLoginAt" | "lastSeenAt" | "at" | "decidedAt" | "deletedAt"
        | "erasedAt" => "2026-03-02T08:15:00Z",
        "purgeAt" | "expiresAt" => "2026-04-01T08:15:00Z",
        "eventTime" => "2030-05-06T12:30:00Z",
        _ => "2026-01-15T09:30:00Z",
    }
}

/// A text.
pub(super) fn text(name: &str) -> String {
    let known = match name {
        "username" | "ownerName" => "bob",
        "q" => "ac",
        "action" => "role_assigned",
        "resourceType" => "member",
        "actorName" => "alice",
        "email" => "bob@acme.example",
        "firstName" => "Bob",
        "lastName" => "Brunner",
        "password" | "current" => "harbour-Lantern-27-moss",
        "name" | "mandateName" => "Acme",
        "code" => "acme",
        "label" | "instanceLabel" => "Accounting 2026",
        "featureCode" => "trustee",
        "description" | "reason" => "Keeps the books",
        "title" => "Closing the month",
        "content" => "1. Collect the receipts.",
        "topic" => "Annual accounts",
        "note" | "decisionNote" => "See you then.",
        "street" => "Bahnhofstrasse 1",
        "city" => "Zurich",
        "state" => "ZH",
        "country" => "CH",
        "language" | "lang" => "en",
        "icon" => "mdi-scale-balance",
        "role" | "roles" | "userRole" | "roleLabel" => "trustee-accountant",
        "table" | "tables" => "contracts",
        "view" | "views" => "dashboard",
        "operation" => "read",
        "actorIp" | "address" => "203.0.113.7",
        "cursor" | "nextCursor" => "q0kPZ3mH1vX8nJ5sW2bT7QGQAAAAAHAAgAAAAAAAoANib2I",
        "accessToken" | "refreshToken" | "mfaToken" | "token" => {
            "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiJib2IifQ.c2lnbmF0dXJl"
        }
        "ifMatch" | "ifNoneMatch" => "\"1\"",
        name if name.ends_with("Id") || name == "idempotencyKey" => return id(name),
        _ => "text",
    };
    known.to_owned()
}

/// Whether something is so.
pub(super) fn flag(name: &str) -> bool {
    matches!(
        name,
        "enabled"
            | "hasAdmin"
            | "emailVerified"
            | "view"
            | "views"
            | "allowed"
            | "copyTemplateRoles"
            | "addOnly"
    )
}

/// An amount.
pub(super) fn number(name: &str) -> i64 {
    match name {
        "limit" => 50,
        "total" => 120,
        "memberCount" => 3,
        "durationMinutes" => 45,
        "size" => 24,
        "expiresIn" => 900,
        _ => 1,
    }
}

/// A key of an object whose members have no fixed names.
pub(super) fn key(name: &str) -> &'static str {
    match name {
        "label" | "description" => "en",
        "tables" => "contracts",
        "views" => "dashboard",
        _ => "name",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_the_demo_fixes_are_the_demos() {
        let demo = include_str!("../../seeds/demo.toml");
        for (name, thing) in [
            ("userId", "bob"),
            ("actorId", "alice"),
            ("mandateId", "Acme"),
            ("instanceId", "trustee"),
        ] {
            let after = demo
                .split(&id(name))
                .nth(1)
                .unwrap_or_else(|| panic!("the demo has no {}", id(name)));
            let next = after.lines().nth(1).unwrap();
            assert!(next.contains(&format!("\"{thing}\"")), "{name} is {next}");
        }
    }

    #[test]
    fn other_ids_are_of_version_7_and_differ_by_name() {
        let made = [id("roleId"), id("groupId"), id("templateRoleId")]
            .map(|id| uuid::Uuid::parse_str(&id).unwrap());
        assert!(made.iter().all(|id| id.get_version_num() == 7));
        assert!(made[0] != made[1] && made[1] != made[2]);
    }
}
