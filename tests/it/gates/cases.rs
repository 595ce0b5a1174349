//! How each operation is called so that it succeeds. One table for all gates that call operations: an operation that is not in
//! it fails [`every_operation_has_a_case`], so that none can slip past them.
//!
//! `$names` stand for what [`super::stage`] puts there before the call: ids of the mandate's own things, things of the
//! platform, and `$unique`, a word that nobody used before.

use std::collections::{BTreeMap, BTreeSet};

use super::operations::{Operation, document, operations};
use crate::features;

/// What the names stand for.
pub type Names = BTreeMap<&'static str, String>;

/// In whose trail a success leaves its event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trail {
    Nowhere,
    Mandate,
    Platform,
    Both,
}

/// Reads that leave an event, each with its reason. The list may only get shorter.
const TOLD_READS: [(&str, &str); 1] =
    [("lookup_user", "whoever tries out whether somebody has an account is to be seen doing it")];

/// Whether an operation's success leaves events: every effect's does, and that of the few reads that say so.
fn is_told(operation: &Operation) -> bool {
    operation.has_effect() || TOLD_READS.iter().any(|(read, _)| *read == operation.id)
}

/// One way to call an operation.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The operationId.
    pub id: &'static str,
    /// Which of several things of its kind is aimed at.
    pub variant: &'static str,
    pub uri: &'static str,
    pub body: Option<&'static str>,
    /// What `X-Instance-Id` is to be, where the operation looks at it.
    pub instance: Option<&'static str>,
    pub status: u16,
    pub trail: Trail,
    /// The same where a SysAdmin is the caller.
    pub trail_of_sys: Trail,
    /// Succeeds only for a SysAdmin, though the policy lets others in too.
    pub sys_only: bool,
}

pub const fn case(id: &'static str, uri: &'static str, status: u16) -> Case {
    let trail = Trail::Nowhere;
    Case {
        id,
        variant: "",
        uri,
        body: None,
        instance: None,
        status,
        trail,
        trail_of_sys: trail,
        sys_only: false,
    }
}

impl Case {
    pub const fn of(mut self, variant: &'static str) -> Self {
        self.variant = variant;
        self
    }
    pub const fn body(mut self, body: &'static str) -> Self {
        self.body = Some(body);
        self
    }
    pub const fn instance(mut self, instance: &'static str) -> Self {
        self.instance = Some(instance);
        self
    }
    pub const fn told(mut self, trail: Trail) -> Self {
        self.trail = trail;
        self.trail_of_sys = trail;
        self
    }
    pub const fn told_of_sys(mut self, trail: Trail) -> Self {
        self.trail_of_sys = trail;
        self
    }
    pub const fn sys_only(mut self) -> Self {
        self.sys_only = true;
        self
    }
    pub fn title(&self) -> String {
        if self.variant.is_empty() {
            self.id.to_owned()
        } else {
            format!("{} ({})", self.id, self.variant)
        }
    }
}

use Trail::{Both, Mandate, Platform};

const A_RULE: &str = r#"{"tables": {"roles": {"view": true, "read": "m", "create": "n", "update": "n", "delete": "n"}}, "views": {}}"#;
const AN_INSTANCE_RULE: &str = r#"{"tables": {"instance-roles": {"view": true, "read": "m", "create": "n", "update": "n", "delete": "n"}}, "views": {}}"#;

const MEMBER: &str = "/api/mandates/$mandate/users/$target";
const GROUP: &str = "/api/mandates/$mandate/groups/$group";
const INSTANCE: &str = "/api/features/instances/$instance";

const CASES: &[Case] = &[
    case("login", "/api/auth/login", 200).body(r#"{"username": "$username", "password": "$password"}"#).told(Platform),
    case("logout", "/api/auth/logout", 204).told(Platform),
    case("get_me", "/api/auth/me", 200),
    case("get_key_set", "/.well-known/jwks.json", 200),
    //
    case("list_mandates", "/api/mandates", 200),
    case("create_mandate", "/api/mandates", 201).body(r#"{"name": "$unique", "adminUserId": "$newcomer"}"#).told(Both),
    case("get_mandate", "/api/mandates/$mandate", 200),
    case("update_mandate", "/api/mandates/$mandate", 200).body(r#"{"name": "$unique"}"#).told(Mandate).told_of_sys(Both),
    case("update_mandate", "/api/mandates/$mandate", 200).of("code").body(r#"{"code": "$unique"}"#).told(Both).sys_only(),
    case("put_mandate", "/api/mandates/$mandate", 200).body(r#"{"name": "$unique"}"#).told(Mandate).told_of_sys(Both),
    case("delete_mandate", "/api/mandates/$mandate", 200).told(Both),
    case("restore_mandate", "/api/mandates/$deleted/restore", 200).told(Both),
    case("get_mandate_limits", "/api/mandates/$mandate/limits", 200),
    case("replace_mandate_limits", "/api/mandates/$mandate/limits", 200).body(r#"{"classes": {"read": 90}}"#).told(Both),
    //
    case("list_members", "/api/mandates/$mandate/users", 200),
    case("list_members", "/api/mandates/$mandate/users?roleId=$held&groupId=$group", 200).of("filtered"),
    case("add_member", "/api/mandates/$mandate/users", 201).body(r#"{"targetUserId": "$newcomer", "roleIds": ["$spare"]}"#).told(Mandate),
    case("get_member", MEMBER, 200),
    case("update_member", MEMBER, 200).body(r#"{"enabled": false}"#).told(Mandate),
    case("remove_member", MEMBER, 204).told(Mandate),
    case("replace_member_roles", "/api/mandates/$mandate/users/$target/roles", 200).body(r#"{"roleIds": ["$spare"]}"#).told(Mandate),
    case("assign_member_role", "/api/mandates/$mandate/users/$target/roles/$spare", 200).told(Mandate),
    case("revoke_member_role", "/api/mandates/$mandate/users/$target/roles/$held", 200).told(Mandate),
    case("get_member_access", "/api/mandates/$mandate/users/$target/access", 200),
    case("get_member_access", "/api/mandates/$mandate/users/$target/access?instanceId=$instance", 200).of("in an instance"),
    //
    case("list_groups", "/api/mandates/$mandate/groups", 200),
    case("create_group", "/api/mandates/$mandate/groups", 201).body(r#"{"name": "$unique"}"#).told(Mandate),
    case("get_group", GROUP, 200),
    case("update_group", GROUP, 200).body(r#"{"description": "$unique"}"#).told(Mandate),
    case("delete_group", GROUP, 204).told(Mandate),
    case("list_group_members", "/api/mandates/$mandate/groups/$group/members", 200),
    case("replace_group_members", "/api/mandates/$mandate/groups/$group/members", 200).body(r#"{"userIds": ["$target"]}"#).told(Mandate),
    //
    case("list_mandate_roles", "/api/mandates/$mandate/roles", 200),
    case("create_mandate_role", "/api/mandates/$mandate/roles", 201).body(r#"{"label": "$unique"}"#).told(Mandate),
    case("list_instance_roles", "/api/features/instances/$instance/roles", 200),
    case("create_instance_role", "/api/features/instances/$instance/roles", 201).body(r#"{"label": "$unique"}"#).told(Mandate),
    case("get_role", "/api/roles/$role", 200),
    case("get_role", "/api/roles/$irole", 200).of("of an instance"),
    case("get_role", "/api/roles/$template", 200).of("a template").sys_only(),
    case("update_role", "/api/roles/$role", 200).body(r#"{"label": "$unique"}"#).told(Mandate),
    case("update_role", "/api/roles/$irole", 200).of("of an instance").body(r#"{"label": "$unique"}"#).told(Mandate),
    case("update_role", "/api/roles/$template", 200).of("a template").body(r#"{"label": "$unique"}"#).told(Platform).sys_only(),
    case("delete_role", "/api/roles/$role", 204).told(Mandate),
    case("delete_role", "/api/roles/$irole", 204).of("of an instance").told(Mandate),
    case("delete_role", "/api/roles/$template", 204).of("a template").told(Platform).sys_only(),
    case("get_role_permissions", "/api/roles/$role/permissions", 200),
    case("get_role_permissions", "/api/roles/$irole/permissions", 200).of("of an instance"),
    case("get_role_permissions", "/api/roles/$template/permissions", 200).of("a template").sys_only(),
    case("replace_role_permissions", "/api/roles/$role/permissions", 200).body(A_RULE).told(Mandate),
    case("replace_role_permissions", "/api/roles/$irole/permissions", 200).of("of an instance").body(AN_INSTANCE_RULE).told(Mandate),
    case("replace_role_permissions", "/api/roles/$template/permissions", 200)
        .of("a template")
        .body(AN_INSTANCE_RULE)
        .told(Platform)
        .sys_only(),
    case("update_role_permissions", "/api/roles/$role/permissions", 200).body(A_RULE).told(Mandate),
    case("update_role_permissions", "/api/roles/$irole/permissions", 200).of("of an instance").body(AN_INSTANCE_RULE).told(Mandate),
    case("update_role_permissions", "/api/roles/$template/permissions", 200)
        .of("a template")
        .body(AN_INSTANCE_RULE)
        .told(Platform)
        .sys_only(),
    //
    case("list_features", "/api/features", 200),
    case("create_feature", "/api/features", 201).body(r#"{"code": "$unique"}"#).told(Platform),
    case("get_feature", "/api/features/$feature", 200),
    case("update_feature", "/api/features/$feature", 200).body(r#"{"icon": "mdi-$unique"}"#).told(Platform),
    case("delete_feature", "/api/features/$feature", 204).told(Platform),
    case("list_template_roles", "/api/features/templates/roles", 200),
    case("create_template_role", "/api/features/templates/roles", 201)
        .body(r#"{"roleLabel": "$unique", "featureCode": "$feature"}"#)
        .told(Platform),
    //
    case("list_feature_instances", "/api/features/instances", 200),
    case("create_feature_instance", "/api/features/instances", 201)
        .body(r#"{"featureCode": "playbooks", "label": "$unique"}"#)
        .told(Mandate),
    case("get_feature_instance", INSTANCE, 200),
    case("update_feature_instance", INSTANCE, 200).body(r#"{"label": "$unique"}"#).told(Mandate),
    case("delete_feature_instance", INSTANCE, 204).told(Mandate),
    case("sync_instance_roles", "/api/features/instances/$instance/sync-roles", 200).told(Mandate),
    case("list_instance_users", "/api/features/instances/$instance/users", 200),
    case("add_instance_user", "/api/features/instances/$instance/users", 201)
        .body(r#"{"userId": "$target", "roleIds": ["$ispare"]}"#)
        .told(Mandate),
    case("update_instance_user", "/api/features/instances/$instance/users/$admitted", 200).body(r#"{"enabled": false}"#).told(Mandate),
    case("remove_instance_user", "/api/features/instances/$instance/users/$admitted", 204).told(Mandate),
    case("replace_instance_user_roles", "/api/features/instances/$instance/users/$admitted/roles", 200)
        .body(r#"{"roleIds": ["$ispare"]}"#)
        .told(Mandate),
    //
    case("get_my_features", "/api/features/my", 200),
    case("get_my_access", "/api/access/me", 200),
    case("get_my_access", "/api/access/me", 200).of("in an instance").instance("$instance"),
    //
    case("check_access", "/api/access/check", 200).body(r#"{"checks": [{"table": "members", "operation": "read"}]}"#),
    case("check_access", "/api/access/check", 200)
        .of("of a member, in an instance")
        .instance("$instance")
        .body(r#"{"checks": [{"table": "access", "operation": "read"}], "userId": "$target"}"#),
    case("explain_access", "/api/access/explain", 200).body(r#"{"table": "members", "operation": "read", "userId": "$target"}"#),
    case("explain_access", "/api/access/explain", 200)
        .of("in an instance")
        .instance("$instance")
        .body(r#"{"table": "access", "operation": "update"}"#),
    case("evaluate_access", "/access/v1/evaluation", 200).body(
        r#"{"subject": {"type": "user", "id": "$target"}, "action": {"name": "read"}, "resource": {"type": "members", "id": "any"},
            "context": {"mandate": "$mandate", "instance": "$instance"}}"#,
    ),
    case("evaluate_accesses", "/access/v1/evaluations", 200).body(
        r#"{"subject": {"type": "user", "id": "$target"}, "action": {"name": "read"},
            "evaluations": [{"resource": {"type": "members", "id": "any"}}, {"resource": {"type": "roles", "id": "any"}}]}"#,
    ),
    case("get_authzen_configuration", "/.well-known/authzen-configuration", 200),
    //
    case("list_users", "/api/users", 200),
    case("create_user", "/api/users", 201).body(r#"{"username": "$unique", "password": "$password"}"#).told(Platform),
    case("get_user", "/api/users/$account", 200),
    case("update_user", "/api/users/$account", 200).body(r#"{"language": "de"}"#).told(Platform),
    case("update_user", "/api/users/$target", 200).of("disabling a member").body(r#"{"enabled": false}"#).told(Both).sys_only(),
    case("erase_user", "/api/users/$account?mode=erase", 200).body(r#"{"password": "$password"}"#).told(Platform),
    case("erase_user", "/api/users/$target?mode=erase", 200).of("a member").told(Both).sys_only(),
    case("lookup_user", "/api/users/lookup?username=newcomer-$person", 200).told(Mandate),
    case("lookup_user", "/api/users/lookup?email=newcomer-$person@example.com", 200).of("by address").told(Mandate),
    //
    case("list_audit_events", "/api/mandates/$mandate/audit", 200),
    case("list_platform_audit_events", "/api/audit", 200),
    //
    case("get_root", "/", 200),
    case("get_health", "/healthz", 200),
    case("get_readiness", "/readyz", 200),
    case("get_startup", "/startupz", 200),
    case("get_ping", "/ping", 200),
    case("get_openapi", "/openapi.json", 200),
    case("get_security_contact", "/.well-known/security.txt", 200),
    case("get_problem", "/problems/not_found", 200),
];

/// The cases of the core, then those of each feature.
fn cases() -> impl Iterator<Item = &'static Case> {
    CASES.iter().chain(features::ALL.iter().flat_map(|staged| staged.cases))
}

/// Every case with its operation.
pub fn all() -> Vec<(Operation, Case)> {
    let operations = operations(&document());
    let find = |case: &Case| {
        let found = operations.iter().find(|operation| operation.id == case.id);
        found
            .unwrap_or_else(|| {
                panic!("cases.rs knows `{}`, which the document does not have", case.id)
            })
            .clone()
    };
    cases().map(|case| (find(case), *case)).collect()
}

/// Puts what the names stand for into a text.
pub fn fill(text: &str, names: &Names) -> String {
    let mut parts = text.split('$');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(part.len());
        let value = names
            .get(&part[..end])
            .unwrap_or_else(|| panic!("`${}` stands for nothing", &part[..end]));
        filled.push_str(value);
        filled.push_str(&part[end..]);
    }
    filled
}

/// The names that a text mentions.
pub fn mentioned(text: &str) -> BTreeSet<String> {
    text.split('$')
        .skip(1)
        .map(|part| part.chars().take_while(char::is_ascii_lowercase).collect())
        .collect()
}

impl Case {
    /// The names in path, query, body and context header.
    pub fn names(&self) -> BTreeSet<String> {
        let mut names = mentioned(self.uri);
        names.extend(mentioned(self.body.unwrap_or_default()));
        names.extend(mentioned(self.instance.unwrap_or_default()));
        names
    }
    pub fn mentions(&self, name: &str) -> bool {
        self.names().contains(name)
    }
}

#[tokio::test]
async fn every_operation_has_a_case() {
    for operation in operations(&document()) {
        let cases: Vec<&Case> = cases().filter(|case| case.id == operation.id).collect();
        assert!(
            !cases.is_empty(),
            "`{}` ({} {}) is new: add a case to tests/it/gates/cases.rs, or to its feature in tests/it/features, that shows how it succeeds",
            operation.id,
            operation.method,
            operation.path
        );
        for case in cases {
            let path = case.uri.split('?').next().unwrap();
            let same =
                |(said, is): (&str, &str)| said == is || (said.starts_with('{') && !is.is_empty());
            assert_eq!(
                operation.path.split('/').count(),
                path.split('/').count(),
                "{}",
                case.title()
            );
            assert!(
                operation.path.split('/').zip(path.split('/')).all(same),
                "{}: {path} is not {}",
                case.title(),
                operation.path
            );
            let agrees =
                if case.body.is_some() { operation.has_body() } else { !operation.requires_body() };
            assert!(agrees, "{}'s body", case.title());
            assert_eq!(
                case.trail != Trail::Nowhere,
                is_told(&operation),
                "{}'s trail",
                case.title()
            );
        }
    }
}

/// An exception that is none any more goes.
#[tokio::test]
async fn every_read_that_leaves_an_event_is_one() {
    let operations = operations(&document());
    for (read, _) in TOLD_READS {
        let found = operations.iter().find(|operation| operation.id == read);
        assert!(
            found.is_some_and(|operation| !operation.is_mutation()),
            "{read} is no read: take it off the list"
        );
    }
}
