//! Contexts kept between requests. An entry is used only while its epochs equal those that the
//! request has just read, so the cache may be lost, shared with nobody and as old as it likes.

use std::hash::Hash;
use std::sync::Arc;

use moka::sync::Cache;

use super::load::{Epochs, FoundInstance, OpenInstance};
use super::merged_access::{InstanceAccess, MandateAccess};
use crate::access::{Catalogue, HeldRole, Merged};
use crate::kernel::ids::{InstanceId, MandateId, UserId};
use crate::kernel::weight;

/// What all entries of each kind may take on a node: about as many as there are people at work at a
/// time, in bytes since a role may speak of hundreds of tables.
const MANDATES: u64 = 32 * MIB;
const INSTANCES: u64 = 32 * MIB;
const OPEN_INSTANCES: u64 = 16 * MIB;
const ROLES: u64 = 16 * MIB;
const MIB: u64 = 1024 * 1024;

/// Whose access, where. Every input of the decision is in the key or in the epochs.
type MandateKey = (UserId, MandateId);
type InstanceKey = (UserId, MandateId, InstanceId);
/// A mandate, or one of its instances.
type PlaceKey = (MandateId, Option<InstanceId>);

/// What was found at these epochs; `None` is an answer too.
type At<T> = (Epochs, Option<T>);

/// The instances that were open at these epochs.
type OpenAt = (Epochs, Arc<Vec<OpenInstance>>);

/// All roles of a place at these epochs, which are nobody's.
type RolesAt = (Epochs, Arc<Vec<HeldRole>>);

/// The caches of one node.
#[derive(Debug)]
pub struct ContextCache {
    mandates: Option<Cache<MandateKey, At<Arc<MandateAccess>>>>,
    /// How near the caller is to an instance by way of groups also depends on others, whom the
    /// caller's epochs do not cover: nobody takes that from here.
    instances: Option<Cache<InstanceKey, At<FoundInstance>>>,
    open_instances: Option<Cache<MandateKey, OpenAt>>,
    roles: Option<Cache<PlaceKey, RolesAt>>,
}

impl Default for ContextCache {
    fn default() -> Self {
        Self {
            mandates: Some(bounded(MANDATES, |(_, access): &At<Arc<MandateAccess>>| {
                access.as_deref().map_or(0, of_mandate)
            })),
            instances: Some(bounded(INSTANCES, |(_, found): &At<FoundInstance>| {
                found.as_ref().map_or(0, of_instance)
            })),
            open_instances: Some(bounded(OPEN_INSTANCES, |(_, open): &OpenAt| {
                open.iter().map(of_open).sum()
            })),
            roles: Some(bounded(ROLES, |(_, roles): &RolesAt| of_roles(roles))),
        }
    }
}

impl ContextCache {
    /// Keeps nothing: what a cached answer is compared with.
    #[must_use]
    pub fn off() -> Self {
        Self { mandates: None, instances: None, open_instances: None, roles: None }
    }

    /// Whether anything is kept; a node that keeps no contexts keeps nothing else that depends on
    /// them.
    pub(crate) fn is_on(&self) -> bool {
        self.mandates.is_some()
    }

    pub(super) fn mandate(
        &self,
        key: MandateKey,
        epochs: Epochs,
    ) -> Option<Option<Arc<MandateAccess>>> {
        let (at, access) = self.mandates.as_ref()?.get(&key)?;
        (at == epochs).then_some(access)
    }
    /// Whether the user was let into the mandate lately, at whatever epochs.
    pub(super) fn knows(&self, key: MandateKey) -> bool {
        self.mandates
            .as_ref()
            .and_then(|cache| cache.get(&key))
            .is_some_and(|(_, access)| access.is_some())
    }
    pub(super) fn keep_mandate(
        &self,
        key: MandateKey,
        epochs: Epochs,
        access: Option<Arc<MandateAccess>>,
    ) {
        if let Some(cache) = &self.mandates {
            cache.insert(key, (epochs, access));
        }
    }
    pub(super) fn instance(
        &self,
        key: InstanceKey,
        epochs: Epochs,
    ) -> Option<Option<FoundInstance>> {
        let (at, found) = self.instances.as_ref()?.get(&key)?;
        (at == epochs).then_some(found)
    }
    pub(super) fn open_instances(
        &self,
        key: MandateKey,
        epochs: Epochs,
    ) -> Option<Arc<Vec<OpenInstance>>> {
        let (at, open) = self.open_instances.as_ref()?.get(&key)?;
        (at == epochs).then_some(open)
    }
    pub(super) fn keep_open_instances(
        &self,
        key: MandateKey,
        epochs: Epochs,
        open: Arc<Vec<OpenInstance>>,
    ) {
        if let Some(cache) = &self.open_instances {
            cache.insert(key, (epochs, open));
        }
    }
    pub(super) fn roles(&self, key: PlaceKey, epochs: Epochs) -> Option<Arc<Vec<HeldRole>>> {
        let (at, roles) = self.roles.as_ref()?.get(&key)?;
        (at == epochs.of_nobody()).then_some(roles)
    }
    pub(super) fn keep_roles(&self, key: PlaceKey, epochs: Epochs, roles: Arc<Vec<HeldRole>>) {
        if let Some(cache) = &self.roles {
            cache.insert(key, (epochs.of_nobody(), roles));
        }
    }
    pub(super) fn keep_instance(
        &self,
        key: InstanceKey,
        epochs: Epochs,
        found: Option<FoundInstance>,
    ) {
        if let Some(cache) = &self.instances {
            cache.insert(key, (epochs, found));
        }
    }
}

/// A cache that holds so many bytes; `heap` tells what a value points to.
fn bounded<K, V>(capacity: u64, heap: impl Fn(&V) -> usize + Send + Sync + 'static) -> Cache<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    let weigher = move |_: &K, value: &V| weight::entry(size_of::<(K, V)>() + heap(value));
    Cache::builder().weigher(weigher).max_capacity(capacity).build()
}

fn of_mandate(access: &MandateAccess) -> usize {
    size_of::<MandateAccess>() + of_roles(&access.roles) + of_merged(&access.merged)
}

fn of_instance(cached: &FoundInstance) -> usize {
    let access = cached.access.as_deref().map_or(0, |access| {
        size_of::<InstanceAccess>()
            + weight::text(&access.feature_code)
            + of_roles(&access.roles)
            + of_merged(&access.merged)
    });
    access + weight::text(&cached.feature_code) + of_catalogue(&cached.catalogue)
}

fn of_open(open: &OpenInstance) -> usize {
    size_of::<OpenInstance>()
        + weight::text(&open.label)
        + weight::text(&open.feature_code)
        + weight::texts(&open.tables)
        + weight::texts(&open.views)
}

fn of_roles(roles: &[HeldRole]) -> usize {
    let of = |role: &HeldRole| {
        size_of::<HeldRole>()
            + weight::text(&role.label)
            + weight::map(&role.permissions.tables)
            + weight::map(&role.permissions.views)
    };
    roles.iter().map(of).sum()
}

fn of_merged(merged: &Merged) -> usize {
    weight::map(&merged.tables) + weight::map(&merged.views)
}

fn of_catalogue(catalogue: &Catalogue) -> usize {
    catalogue
        .tables()
        .chain(catalogue.views())
        .map(|name| 2 * size_of::<String>() + weight::text(name))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCHS: Epochs = Epochs { user: 1, mandates: 1, catalogue: 1, era: 1 };

    fn access(tables: usize) -> MandateAccess {
        let tables: serde_json::Map<_, _> = (0..tables)
            .map(|n| {
                (
                    format!("a_table_of_some_name_{n}"),
                    serde_json::json!({
            "view": true, "read": "a", "create": "a", "update": "a", "delete": "a" }),
                )
            })
            .collect();
        let role = serde_json::json!({
            "id": uuid::Uuid::nil(), "label": "some role", "tables": tables, "views": {},
        });
        MandateAccess::of(vec![serde_json::from_value(role).unwrap()])
    }

    #[test]
    fn who_may_much_takes_much() {
        let (least, most) = (of_mandate(&access(1)), of_mandate(&access(200)));
        assert!(most > 10_000 && most > 10 * least, "{least} {most}");
    }

    #[test]
    fn all_that_is_kept_stays_below_the_capacity() {
        let cache = ContextCache::default();
        let mandates = cache.mandates.as_ref().unwrap();
        let access = Arc::new(access(200));
        for _ in 0..3_000 {
            cache.keep_mandate((UserId::new(), MandateId::new()), EPOCHS, Some(access.clone()));
        }
        mandates.run_pending_tasks();
        assert!(mandates.weighted_size() <= MANDATES);
        assert!(mandates.entry_count() < 3_000, "{} entries", mandates.entry_count());
    }
}
