//! Bodies of `/api/features/my`, kept under the epochs that they were made at. The statement that checks the session also
//! compares the epochs, so a body that is used is never stale.

use axum::body::Bytes;
use moka::sync::Cache;

use super::store::Epochs;
use crate::ids::UserId;

/// A body and its tag.
#[derive(Debug, Clone)]
pub(super) struct Body {
    pub epochs: Epochs,
    pub json: Bytes,
    pub tag: String,
}

/// The bodies of one node, by user and language.
#[derive(Debug, Clone)]
pub struct NavigationCache(Option<Cache<(UserId, Option<String>), Body>>);

impl Default for NavigationCache {
    fn default() -> Self {
        let bytes = |body: &Body| u32::try_from(body.json.len()).unwrap_or(u32::MAX);
        Self(Some(Cache::builder().weigher(move |_, body| bytes(body)).max_capacity(64 * 1024 * 1024).build()))
    }
}

impl NavigationCache {
    /// Keeps nothing: what a kept body is compared with.
    #[must_use]
    pub fn off() -> Self {
        Self(None)
    }
    pub(super) fn get(&self, user: UserId, language: Option<&str>) -> Option<Body> {
        self.0.as_ref()?.get(&(user, language.map(str::to_owned)))
    }
    pub(super) fn keep(&self, user: UserId, language: Option<&str>, body: Body) {
        if let Some(cache) = &self.0 {
            cache.insert((user, language.map(str::to_owned)), body);
        }
    }
}
