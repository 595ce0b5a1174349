//! Built-in features, as gates see them: how their operations are called, and what is staged for
//! that. One line a feature: the gates know none of them by name. One, [`journal`], is known to
//! tests only: a feature is a folder and a line, and the gates cover it without being edited.

mod bookings;
mod journal;
mod playbooks;

use std::sync::LazyLock;

use bailiwick::tenancy::catalogue::BuiltIn;
use sqlx::{Executor, PgConnection};
use uuid::Uuid;

use crate::core::Made;
use crate::core::tables::Row;
use crate::gates::cases::{Case, Names};
use crate::model::operations::Operation;

/// A feature's part in the gates.
#[derive(Debug)]
pub struct Staged {
    pub feature: BuiltIn,
    /// How each operation is called so that it succeeds. `$<code>` stands for an instance of the
    /// feature in which the mandate's admin may do everything; cases name it as their
    /// `X-Instance-Id`.
    pub cases: &'static [Case],
    /// What the reference model says of them. It shares nothing with the cases.
    pub plays: &'static [&'static [Operation]],
    /// Names of fresh ids for the feature's rows.
    pub ids: &'static [&'static str],
    /// Makes the rows that calls aim at, in the mandate `$mandate` and the instance `$place`; they
    /// are `$owner`'s.
    pub rows: &'static str,
    /// For each id that paths name: how its row (and what is in it) comes to be `$owner`'s.
    pub owners: &'static [Row],
    /// How others than the gates make what calls aim at.
    pub made: &'static [Made],
}

/// Every feature that tests serve.
pub const ALL: &[&Staged] = &[&playbooks::STAGED, &bookings::STAGED, &journal::STAGED];

/// The features that the service under test is built with.
pub fn served() -> &'static [BuiltIn] {
    static FEATURES: LazyLock<Vec<BuiltIn>> = LazyLock::new(|| {
        let known: Vec<BuiltIn> = ALL.iter().map(|staged| staged.feature).collect();
        for feature in bailiwick::assembly::FEATURES {
            assert!(
                known.iter().any(|other| other.code == feature.code),
                "stage the feature `{}` in tests/it/features",
                feature.code
            );
        }
        known
    });
    &FEATURES
}

/// Makes what the tests' own feature needs in the database, as a migration would.
pub async fn migrate(connection: &mut PgConnection) {
    connection.execute(sqlx::raw_sql(journal::MIGRATION)).await.unwrap();
}

/// The feature whose instance a case names in its header.
pub fn of(case: &Case) -> Option<&'static Staged> {
    let code = case.instance?.strip_prefix('$')?;
    ALL.iter().copied().find(|staged| staged.feature.code == code)
}

/// The feature that a table is of.
pub fn of_table(table: &str) -> Option<&'static Staged> {
    ALL.iter().copied().find(|staged| staged.feature.tables.contains(&table))
}

/// All ids of features that belong to a mandate.
pub fn ids() -> impl Iterator<Item = &'static str> {
    ALL.iter().flat_map(|staged| staged.ids.iter().copied().chain([staged.feature.code]))
}

impl Staged {
    /// Whether a case mentions an instance of the feature, or what is in it.
    pub fn is_named(&self, case: &Case) -> bool {
        self.ids.iter().chain([&self.feature.code]).any(|name| case.mentions(name))
    }

    /// Fresh ids, the instance's among them.
    pub fn name(&self, names: &mut Names) {
        let fresh = self
            .ids
            .iter()
            .copied()
            .chain([self.feature.code])
            .map(|name| (name, Uuid::now_v7().to_string()));
        names.extend(fresh);
    }

    /// What [`Staged::rows`] calls the instance and the owner.
    pub fn names_for(&self, names: &Names, owner: &str) -> Names {
        let mut names = names.clone();
        let place = names[self.feature.code].clone();
        names.extend([
            ("place", place),
            ("owner", owner.to_owned()),
            ("code", self.feature.code.to_owned()),
        ]);
        names
    }
}

/// An instance in which the mandate's admin may do everything, and to which those are admitted who
/// own rows there.
pub const INSTANCE: &str = "
    insert into feature_instances (id, mandate_id, feature_code, label, label_key, created_at)
    values ('$place', '$mandate', '$code', '$code $word', '$code $word', now());
    insert into roles (id, scope, mandate_id, instance_id, feature_code, label, label_key,
        created_at)
    select id, 'instance', '$mandate', '$place', '$code', label, label, now()
    from (values (md5('$place' || 'all')::uuid, 'all'),
        (md5('$place' || 'none')::uuid, 'none')) made (id, label);
    insert into role_permissions (role_id, scope, mandate_id, table_name, can_view, read_level,
        create_level, update_level, delete_level)
    values (md5('$place' || 'all')::uuid, 'instance', '$mandate', '*', true, 3, 3, 3, 3);
    insert into feature_accesses (mandate_id, instance_id, user_id, created_at)
    select '$mandate', '$place', id::uuid, now() from unnest(array['$admin', '$owner', '$peer']) id;
    insert into access_roles (mandate_id, instance_id, user_id, role_id)
    select '$mandate', '$place', id::uuid, md5('$place' || case id when '$admin' then 'all'
        else 'none' end)::uuid
    from unnest(array['$admin', '$owner', '$peer']) id;
";
