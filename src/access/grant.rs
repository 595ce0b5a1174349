//! Nobody gives what they do not have. Pure rules; `context` decides who asks, slices decide what is given.

use super::merge::Merged;
use super::permission::Permissions;
use super::tables::Catalogue;

/// Whether a role's permissions are within somebody's access in the context to which the role belongs: table by table and
/// level by level, `*` counting as a table of its own.
#[must_use]
pub fn role_within(role: &Permissions, own: &Merged, catalogue: &Catalogue) -> bool {
    // A named permission for a table that the feature no longer has gives nothing today but would if the table came back:
    // it is given only by somebody whose own `*` reaches it.
    let stale = role.tables.iter().filter(|(table, _)| *table != super::tables::WILDCARD && !catalogue.has_table(table));
    let stale_within = stale.into_iter().all(|(_, rule)| rule.within(&own.wildcard));
    Merged::of([role], catalogue).within(own) && stale_within
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::level::Level;
    use super::super::permission::Rule;
    use super::*;

    fn role(rules: &[(&str, Rule)]) -> Permissions {
        Permissions { tables: rules.iter().map(|(t, r)| ((*t).to_owned(), *r)).collect(), views: BTreeMap::default() }
    }

    #[test]
    fn a_wildcard_is_given_only_by_who_has_one() {
        let catalogue = Catalogue::mandate();
        let every_table: Vec<_> = catalogue.tables().map(|t| (t, Rule::ALL)).collect();
        let named = Merged::of([&role(&every_table)], &catalogue);
        let wildcard = role(&[("*", Rule::ALL)]);
        assert!(!role_within(&wildcard, &named, &catalogue), "naming today's tables is less than `*`");
        assert!(role_within(&wildcard, &Merged::of([&wildcard], &catalogue), &catalogue));
    }

    #[test]
    fn a_wildcard_does_not_give_what_a_name_withholds() {
        let catalogue = Catalogue::mandate();
        let all_but_members = role(&[("*", Rule::ALL), ("members", Rule::default())]);
        let own = Merged::of([&all_but_members], &catalogue);
        assert!(!role_within(&role(&[("*", Rule::ALL)]), &own, &catalogue));
        assert!(role_within(&all_but_members, &own, &catalogue));
        let read = Rule { view: true, read: Level::My, ..Rule::default() };
        assert!(!role_within(&role(&[("members", read)]), &own, &catalogue));
    }
}
