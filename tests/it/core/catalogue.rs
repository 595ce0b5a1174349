//! The catalogue of features, and their template roles.

mod plays;
mod template_plays;

use super::{Slice, made};
use crate::gates::cases::{Trail::Platform, case};

const FEATURES: &str = "/api/features";
const FEATURE: &str = "/api/features/$feature";
const TEMPLATES: &str = "/api/features/templates/roles";

pub const SLICE: Slice = Slice {
    cases: &[
        case("list_features", FEATURES, 200),
        case("create_feature", FEATURES, 201).body(r#"{"code": "$unique"}"#).told(Platform),
        case("get_feature", FEATURE, 200),
        case("update_feature", FEATURE, 200).body(r#"{"icon": "mdi-$unique"}"#).told(Platform),
        case("delete_feature", FEATURE, 204).told(Platform),
        case("list_template_roles", TEMPLATES, 200),
        case("create_template_role", TEMPLATES, 201)
            .body(r#"{"roleLabel": "$unique", "featureCode": "$feature"}"#)
            .told(Platform),
    ],
    plays: &[template_plays::OPERATIONS, plays::OPERATIONS],
    tables: &[],
    ids: &[],
    platform_ids: &["template"],
    rows: r#"
        insert into features (code, label, icon, created_at)
        values ('$feature', '{"en": "Feature"}', 'mdi-puzzle', now());
        insert into roles (id, scope, feature_code, label, label_key, created_at)
        values ('$template', 'feature-template', '$feature', 'template-$word', 'template-$word',
                now());"#,
    made: &[made("feature", &["create_feature"]), made("template", &["create_template_role"])],
};
