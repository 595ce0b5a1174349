//! Contexts kept between requests. An entry is used only while its epochs equal those that the request has just read, so the
//! cache may be lost, shared with nobody and as old as it likes.

use std::sync::Arc;

use moka::sync::Cache;

use super::load::{Epochs, FoundInstance, OpenInstance};
use super::{InstanceAccess, MandateAccess};
use crate::ids::{InstanceId, MandateId, UserId};

/// Whose access, where. Every input of the decision is in the key or in the epochs.
type MandateKey = (UserId, MandateId);
type InstanceKey = (UserId, MandateId, InstanceId);

/// What was found at these epochs; `None` is an answer too.
type At<T> = (Epochs, Option<T>);

/// The instances that were open at these epochs.
type OpenAt = (Epochs, Arc<Vec<OpenInstance>>);

/// The caches of one node.
#[derive(Debug, Clone)]
pub struct ContextCache {
    mandates: Option<Cache<MandateKey, At<Arc<MandateAccess>>>>,
    instances: Option<Cache<InstanceKey, At<CachedInstance>>>,
    open_instances: Option<Cache<MandateKey, OpenAt>>,
}

/// The part of an instance context that the caller's epochs cover. (How near the caller is to the instance by way of groups
/// also depends on others, so it is never kept.)
#[derive(Debug, Clone)]
pub(super) struct CachedInstance {
    pub found: FoundInstance,
    pub access: Option<Arc<InstanceAccess>>,
}

impl Default for ContextCache {
    fn default() -> Self {
        Self { mandates: Some(Cache::new(50_000)), instances: Some(Cache::new(50_000)), open_instances: Some(Cache::new(10_000)) }
    }
}

impl ContextCache {
    /// Keeps nothing: what a cached answer is compared with.
    #[must_use]
    pub fn off() -> Self {
        Self { mandates: None, instances: None, open_instances: None }
    }

    /// Whether anything is kept; a node that keeps no contexts keeps nothing else that depends on them.
    pub(crate) fn is_on(&self) -> bool {
        self.mandates.is_some()
    }

    pub(super) fn mandate(&self, key: MandateKey, epochs: Epochs) -> Option<Option<Arc<MandateAccess>>> {
        let (at, access) = self.mandates.as_ref()?.get(&key)?;
        (at == epochs).then_some(access)
    }
    /// Whether the user was let into the mandate lately, at whatever epochs.
    pub(super) fn knows(&self, key: MandateKey) -> bool {
        self.mandates.as_ref().and_then(|cache| cache.get(&key)).is_some_and(|(_, access)| access.is_some())
    }
    pub(super) fn keep_mandate(&self, key: MandateKey, epochs: Epochs, access: Option<Arc<MandateAccess>>) {
        if let Some(cache) = &self.mandates {
            cache.insert(key, (epochs, access));
        }
    }
    pub(super) fn instance(&self, key: InstanceKey, epochs: Epochs) -> Option<Option<CachedInstance>> {
        let (at, found) = self.instances.as_ref()?.get(&key)?;
        (at == epochs).then_some(found)
    }
    pub(super) fn open_instances(&self, key: MandateKey, epochs: Epochs) -> Option<Arc<Vec<OpenInstance>>> {
        let (at, open) = self.open_instances.as_ref()?.get(&key)?;
        (at == epochs).then_some(open)
    }
    pub(super) fn keep_open_instances(&self, key: MandateKey, epochs: Epochs, open: Arc<Vec<OpenInstance>>) {
        if let Some(cache) = &self.open_instances {
            cache.insert(key, (epochs, open));
        }
    }
    pub(super) fn keep_instance(&self, key: InstanceKey, epochs: Epochs, found: Option<CachedInstance>) {
        if let Some(cache) = &self.instances {
            cache.insert(key, (epochs, found));
        }
    }
}
