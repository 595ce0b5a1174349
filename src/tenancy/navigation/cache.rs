//! Bodies of `/api/features/my`, kept under the epochs that they were made at. The statement that
//! checks the session also compares the epochs, so a body that is used is never stale.
//!
//! A body is kept by the language that was found, not by what was asked for: there are no more
//! bodies of a user than languages in their labels, whatever they ask for.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Bytes;
use moka::ops::compute::Op;
use moka::sync::Cache;

use super::store::Epochs;
use crate::kernel::ids::UserId;
use crate::kernel::languages;
use crate::kernel::weight;

/// What all bodies of a node may take, with what it takes to keep them.
const CAPACITY: u64 = 64 * 1024 * 1024;
/// Of one user: who reads in more languages than this is answered anew.
const BODIES: usize = 8;

/// A body and its tag.
#[derive(Debug, Clone)]
pub(super) struct Body {
    pub epochs: Epochs,
    pub json: Bytes,
    pub tag: String,
}

/// In which language a body is. No two wishes with the same share of it are answered differently.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Within {
    /// All of them: none was asked for.
    All,
    /// The one that was found; `None` where each label falls back.
    Found(Option<Arc<str>>),
}

/// The bodies of one user.
#[derive(Debug)]
struct Kept {
    epochs: Epochs,
    /// Those of all labels that the user sees.
    languages: Vec<Arc<str>>,
    bodies: Vec<(Within, Body)>,
}

impl Kept {
    fn within(&self, wanted: Option<&str>) -> Within {
        let Some(wanted) = wanted else { return Within::All };
        Within::Found(languages::among(&self.languages, wanted).cloned())
    }

    fn body(&self, wanted: Option<&str>) -> Option<&Body> {
        let within = self.within(wanted);
        self.bodies.iter().find(|(of, _)| *of == within).map(|(_, body)| body)
    }

    fn weight(&self) -> u32 {
        let languages: usize = self.languages.iter().map(|language| weight::text(language)).sum();
        let bodies: usize = self
            .bodies
            .iter()
            .map(|(_, body)| {
                size_of::<(Within, Body)>() + weight::text(&body.tag) + weight::bytes(&body.json)
            })
            .sum();
        weight::entry(size_of::<(UserId, Self)>() + languages + bodies)
    }
}

/// The bodies of one node, by user.
#[derive(Debug, Clone)]
pub(super) struct NavigationCache(Option<Cache<UserId, Arc<Kept>>>);

impl Default for NavigationCache {
    fn default() -> Self {
        Self(Some(
            Cache::builder()
                .weigher(|_, kept: &Arc<Kept>| kept.weight())
                .max_capacity(CAPACITY)
                .build(),
        ))
    }
}

impl NavigationCache {
    /// Keeps nothing: what a kept body is compared with.
    #[must_use]
    pub fn off() -> Self {
        Self(None)
    }

    pub(super) fn get(&self, user: UserId, wanted: Option<&str>) -> Option<Body> {
        self.0.as_ref()?.get(&user)?.body(wanted).cloned()
    }

    /// Keeps a body; `languages` are those of all labels that the user sees, at the epochs of the
    /// body.
    pub(super) fn keep(
        &self,
        user: UserId,
        wanted: Option<&str>,
        languages: BTreeSet<String>,
        body: Body,
    ) {
        let Some(cache) = &self.0 else { return };
        let languages: Vec<Arc<str>> = languages.into_iter().map(Arc::from).collect();
        let mut kept = Kept { epochs: body.epochs, languages, bodies: Vec::new() };
        let within = kept.within(wanted);
        cache.entry(user).and_compute_with(|before| {
            // The latest first. Those of other epochs are of no use any more, and only so many are
            // kept.
            let before =
                before.map(moka::Entry::into_value).filter(|before| before.epochs == kept.epochs);
            let others = before
                .iter()
                .flat_map(|before| &before.bodies)
                .filter(|(of, _)| *of != within)
                .take(BODIES - 1);
            let others: Vec<_> = others.cloned().collect();
            kept.bodies.push((within, body));
            kept.bodies.extend(others);
            Op::Put(Arc::new(kept))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCHS: Epochs = Epochs { user: 1, catalogue: 1, mandates: 1 };

    fn body(epochs: Epochs, json: &str) -> Body {
        Body { epochs, json: Bytes::copy_from_slice(json.as_bytes()), tag: "\"t\"".to_owned() }
    }

    fn languages(tags: &[&str]) -> BTreeSet<String> {
        tags.iter().map(|tag| (*tag).to_owned()).collect()
    }

    impl NavigationCache {
        fn kept(&self, user: UserId) -> Arc<Kept> {
            self.0.as_ref().unwrap().get(&user).unwrap()
        }
    }

    #[test]
    fn a_body_is_kept_by_what_was_found() {
        let (cache, user) = (NavigationCache::default(), UserId::new());
        let seen = || languages(&["de", "en", "pt-BR"]);
        cache.keep(user, Some("de-CH"), seen(), body(EPOCHS, "german"));
        cache.keep(user, Some("xx"), seen(), body(EPOCHS, "fallen back"));
        cache.keep(user, None, seen(), body(EPOCHS, "all"));
        for (wanted, found) in [
            (Some("de"), Some("german")),
            (Some("DE-at"), Some("german")),
            (Some("yy-zz"), Some("fallen back")),
            (Some("pt"), Some("fallen back")),
            (Some("pt-br"), None),
            (Some("en"), None),
            (None, Some("all")),
        ] {
            let found_now = cache.get(user, wanted).map(|body| body.json);
            assert_eq!(found_now.as_deref(), found.map(str::as_bytes), "{wanted:?}");
        }
    }

    #[test]
    fn invented_languages_take_no_room() {
        let (cache, user) = (NavigationCache::default(), UserId::new());
        for n in 0..1_000 {
            cache.keep(user, Some(&format!("q{n}")), languages(&["de", "en"]), body(EPOCHS, "{}"));
        }
        assert_eq!(cache.kept(user).bodies.len(), 1);
        let many: Vec<String> = (0..50).map(|n| format!("l{n}")).collect();
        for language in &many {
            cache.keep(user, Some(language), many.iter().cloned().collect(), body(EPOCHS, "{}"));
        }
        assert_eq!(cache.kept(user).bodies.len(), BODIES);
        assert!(cache.get(user, Some("l49")).is_some() && cache.get(user, Some("l0")).is_none());
    }

    #[test]
    fn other_epochs_leave_nothing_of_before() {
        let (cache, user) = (NavigationCache::default(), UserId::new());
        cache.keep(user, Some("de"), languages(&["de", "en"]), body(EPOCHS, "then"));
        let now = Epochs { user: 2, ..EPOCHS };
        cache.keep(user, Some("en"), languages(&["en"]), body(now, "now"));
        assert!(cache.get(user, Some("en")).is_some_and(|body| body.epochs == now));
        assert!(cache.get(user, Some("de")).is_none());
    }

    #[test]
    fn everything_is_weighed() {
        let (cache, user) = (NavigationCache::default(), UserId::new());
        cache.keep(user, None, languages(&[]), body(EPOCHS, r#"{"mandates":[]}"#));
        let least = cache.kept(user).weight();
        assert!(least >= 1_000, "the smallest body is not what it takes to keep it: {least}");
        cache.keep(user, Some("de"), languages(&["de"]), body(EPOCHS, &"x".repeat(10_000)));
        assert!(cache.kept(user).weight() >= least + 10_000);
    }
}
