//! Nobody gives what they do not have. Pure rules; `context` decides who asks, slices decide what
//! is given.

use super::level::{Level, Operation};
use super::merge::Merged;
use super::permission::{Permissions, Rule};
use super::tables::Catalogue;

/// All that roles could give in one context: an upper bound, for what is handed out and for the
/// people it is compared with. A permission that the feature no longer knows (stale) gives nothing
/// today, but would if its table or view came back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bound {
    merged: Merged,
    /// The union of the rules of stale tables.
    stale: Rule,
    stale_view: bool,
}

impl Bound {
    /// The union over roles.
    #[must_use]
    pub fn of<'a>(
        roles: impl IntoIterator<Item = &'a Permissions> + Clone,
        catalogue: &Catalogue,
    ) -> Self {
        let mut bound = Self { merged: Merged::of(roles.clone(), catalogue), ..Self::default() };
        for role in roles {
            let stale = role.stale(catalogue);
            bound.stale =
                stale.tables.iter().fold(bound.stale, |sum, table| sum.join(role.tables[table]));
            bound.stale_view |= stale.views.iter().any(|view| role.views[view]);
        }
        bound
    }

    /// Whether it is within what somebody has at this moment: table by table and level by level,
    /// `*` counting as a table of its own. A stale table is within an own `*` that reaches it; a
    /// stale view is within nobody's access, since no `*` gives views.
    #[must_use]
    pub fn within(&self, own: &Merged) -> bool {
        self.merged.within(own) && self.stale.within(&own.wildcard) && !self.stale_view
    }

    /// Whether it reaches anything at level `g`, so that sharing a group counts.
    #[must_use]
    pub fn looks_at_groups(&self) -> bool {
        self.group_levels().next().is_some()
    }

    /// The least level that `own` has wherever this access has `g`: which of the rows that it
    /// reaches by groups `own` reaches too. `a` where it reaches none by groups.
    #[must_use]
    pub fn least_where_group(&self, own: &Merged) -> Level {
        let own_level = |(table, operation): (Option<&str>, Operation)| match table {
            Some(table) => own.level(table, operation),
            None => own.wildcard.level(operation),
        };
        self.group_levels().map(own_level).min().unwrap_or(Level::All)
    }

    /// Table and operation of each `g`; stale tables, and those that are yet to come by `*`, have
    /// no name here.
    fn group_levels(&self) -> impl Iterator<Item = (Option<&str>, Operation)> {
        let known = self.merged.tables.iter().map(|(table, rule)| (Some(table.as_str()), *rule));
        let each = known
            .chain([(None, self.stale), (None, self.merged.wildcard)])
            .flat_map(|(table, rule)| Operation::ALL.map(|operation| (table, operation, rule)));
        each.filter(|(_, operation, rule)| rule.level(*operation).is_group())
            .map(|(table, operation, _)| (table, operation))
    }
}

/// Whether a role's permissions are within somebody's access in the context to which the role
/// belongs.
#[must_use]
pub fn role_within(role: &Permissions, own: &Merged, catalogue: &Catalogue) -> bool {
    Bound::of([role], catalogue).within(own)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn role(rules: &[(&str, Rule)]) -> Permissions {
        Permissions {
            tables: rules.iter().map(|(t, r)| ((*t).to_owned(), *r)).collect(),
            views: BTreeMap::default(),
        }
    }

    #[test]
    fn a_wildcard_is_given_only_by_who_has_one() {
        let catalogue = Catalogue::mandate();
        let every_table: Vec<_> = catalogue.tables().map(|t| (t, Rule::ALL)).collect();
        let named = Merged::of([&role(&every_table)], &catalogue);
        let wildcard = role(&[("*", Rule::ALL)]);
        assert!(
            !role_within(&wildcard, &named, &catalogue),
            "naming today's tables is less than `*`"
        );
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

    #[test]
    fn what_the_feature_no_longer_knows_is_given_only_by_who_would_have_it() {
        let catalogue = Catalogue::instance(["ledgers".to_owned()], ["board".to_owned()]);
        let own = Merged::of([&role(&[("*", Rule::ALL)])], &catalogue);
        assert!(role_within(&role(&[("gone", Rule::ALL)]), &own, &catalogue));
        let by_name: Vec<_> = catalogue.tables().map(|t| (t, Rule::ALL)).collect();
        assert!(!role_within(
            &role(&[("gone", Rule::ALL)]),
            &Merged::of([&role(&by_name)], &catalogue),
            &catalogue
        ));
        let of_view = |view: &str, allowed| Permissions {
            tables: BTreeMap::default(),
            views: [(view.to_owned(), allowed)].into(),
        };
        assert!(!role_within(&of_view("gone", true), &own, &catalogue), "no `*` gives views");
        assert!(role_within(&of_view("gone", false), &own, &catalogue));
    }

    #[test]
    fn groups_are_looked_at_where_any_level_is_g_stale_ones_too() {
        let catalogue = Catalogue::instance(["ledgers".to_owned()], []);
        let group = Rule { view: true, read: Level::Group, ..Rule::default() };
        let near = Bound::of([&role(&[("ledgers", group)])], &catalogue);
        let far = Bound::of([&role(&[("ledgers", Rule::ALL)])], &catalogue);
        let gone = Bound::of([&role(&[("gone", group)])], &catalogue);
        assert_eq!([&near, &far, &gone].map(Bound::looks_at_groups), [true, false, true]);
        let own =
            Merged::of([&role(&[("ledgers", Rule { read: Level::My, ..group })])], &catalogue);
        assert_eq!(
            [&near, &far, &gone].map(|bound| bound.least_where_group(&own)),
            [Level::My, Level::All, Level::None]
        );
    }
}
