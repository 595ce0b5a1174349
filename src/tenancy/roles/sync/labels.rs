//! Which labels copies can have.

use std::collections::BTreeSet;

use super::present::{Present, copy_of, is_orphan};
use crate::kernel::names;
use crate::tenancy::roles::role::Template;

/// Which labels stay with the roles that have them. Copies may swap theirs, and take those of
/// copies that are removed; but not one that stays: of a role made by hand, of a copy that somebody
/// holds without its template, or of a copy that cannot have its own.
pub(super) struct Labels(BTreeSet<String>);

impl Labels {
    pub fn of(templates: &[Template], present: &[Present], add_only: bool) -> Self {
        let key = |role: &Present| names::key_of_stored(&role.role.label);
        let copies: Vec<(&Template, &Present)> =
            templates.iter().filter_map(|t| Some((t, copy_of(t, present)?))).collect();
        let is_copy = |role: &Present| copies.iter().any(|(_, copy)| copy.role.id == role.role.id);
        let goes = |role: &Present| is_orphan(role, templates) && role.holders.is_empty();
        let stay = present.iter().filter(|role| add_only || !(is_copy(role) || goes(role)));
        let mut labels = Self(stay.map(key).collect());
        // Each copy that has to keep its label may be in the way of another one.
        while let Some((_, copy)) = copies
            .iter()
            .find(|(template, copy)| labels.withholds(template) && !labels.0.contains(&key(copy)))
        {
            labels.0.insert(key(copy));
        }
        labels
    }

    /// Whether a template's label is not to be had.
    pub fn withholds(&self, template: &Template) -> bool {
        self.0.contains(&names::key_of_stored(&template.role.label))
    }
}
