//! Bodies of `/api/features/my`, kept under the epochs that they were made at. Every request asks
//! for the present ones first, so a body that is used is never stale.
//!
//! A body is kept by the language that was found, not by what was asked for: there are no more
//! bodies of a user than languages in their labels, whatever they ask for.

use std::sync::Arc;

use axum::body::Bytes;
use moka::ops::compute::Op;
use moka::sync::Cache;

use crate::context::Epochs;
use crate::kernel::ids::{MandateId, UserId};
use crate::kernel::languages;
use crate::kernel::weight;

/// Whose navigation it is, and whether as it is seen by who acts as them.
pub(super) type Whose = (UserId, bool);

/// What all bodies of a node may take, with what it takes to keep them.
const CAPACITY: u64 = 64 * 1024 * 1024;
/// Of one user: who reads in more languages than this is answered anew.
const BODIES: usize = 8;

/// A body and its tag.
#[derive(Debug, Clone)]
pub(super) struct Body {
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

/// What the navigation of a user hangs on.
#[derive(Debug, Clone)]
pub(super) struct Basis {
    /// Together for all of the mandates.
    pub epochs: Epochs,
    /// The user's, open or not.
    pub mandates: Arc<[MandateId]>,
    /// Those of all labels that the user sees.
    pub languages: Vec<Arc<str>>,
}

/// The bodies of one user.
#[derive(Debug)]
pub(super) struct Kept {
    pub basis: Basis,
    bodies: Vec<(Within, Body)>,
}

impl Kept {
    fn within(&self, wanted: Option<&str>) -> Within {
        let Some(wanted) = wanted else { return Within::All };
        Within::Found(languages::among(&self.basis.languages, wanted).cloned())
    }

    pub(super) fn body(&self, wanted: Option<&str>) -> Option<&Body> {
        let within = self.within(wanted);
        self.bodies.iter().find(|(of, _)| *of == within).map(|(_, body)| body)
    }

    fn weight(&self) -> u32 {
        let Basis { mandates, languages, .. } = &self.basis;
        let languages: usize = languages.iter().map(|language| weight::text(language)).sum();
        let bodies: usize = self
            .bodies
            .iter()
            .map(|(_, body)| {
                size_of::<(Within, Body)>() + weight::text(&body.tag) + weight::bytes(&body.json)
            })
            .sum();
        weight::entry(size_of::<(Whose, Self)>() + size_of_val(&**mandates) + languages + bodies)
    }
}

/// The bodies of one node, by user. Cheap to clone: every request has one.
#[derive(Debug, Clone)]
pub(super) struct NavigationCache(Option<Arc<Cache<Whose, Arc<Kept>>>>);

impl Default for NavigationCache {
    fn default() -> Self {
        let bounded = Cache::builder().weigher(|_, kept: &Arc<Kept>| kept.weight());
        Self(Some(Arc::new(bounded.max_capacity(CAPACITY).build())))
    }
}

impl NavigationCache {
    /// Keeps nothing: what a kept body is compared with.
    #[must_use]
    pub fn off() -> Self {
        Self(None)
    }

    pub(super) fn of(&self, whose: Whose) -> Option<Arc<Kept>> {
        self.0.as_ref()?.get(&whose)
    }

    /// Keeps a body beside those of the same epochs.
    pub(super) fn keep(&self, whose: Whose, wanted: Option<&str>, basis: Basis, body: Body) {
        let Some(cache) = &self.0 else { return };
        let mut kept = Kept { basis, bodies: Vec::new() };
        let within = kept.within(wanted);
        cache.entry(whose).and_compute_with(|before| {
            // The latest first. Those of other epochs are of no use any more, and only so many are
            // kept.
            let before = before
                .map(moka::Entry::into_value)
                .filter(|before| before.basis.epochs == kept.basis.epochs);
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

    const EPOCHS: Epochs = Epochs { user: 1, mandates: 1, catalogue: 1, era: 1 };

    fn body(json: &str) -> Body {
        Body { json: Bytes::copy_from_slice(json.as_bytes()), tag: "\"t\"".to_owned() }
    }

    fn seen(epochs: Epochs, languages: &[&str]) -> Basis {
        let languages = languages.iter().copied().map(Arc::from).collect();
        Basis { epochs, mandates: Arc::default(), languages }
    }

    impl NavigationCache {
        fn kept(&self, whose: Whose) -> Arc<Kept> {
            self.0.as_ref().unwrap().get(&whose).unwrap()
        }
    }

    #[test]
    fn a_body_is_kept_by_what_was_found() {
        let (cache, user) = (NavigationCache::default(), (UserId::new(), false));
        let seen = || seen(EPOCHS, &["de", "en", "pt-BR"]);
        cache.keep(user, Some("de-CH"), seen(), body("german"));
        cache.keep(user, Some("xx"), seen(), body("fallen back"));
        cache.keep(user, None, seen(), body("all"));
        for (wanted, found) in [
            (Some("de"), Some("german")),
            (Some("DE-at"), Some("german")),
            (Some("yy-zz"), Some("fallen back")),
            (Some("pt"), Some("fallen back")),
            (Some("pt-br"), None),
            (Some("en"), None),
            (None, Some("all")),
        ] {
            let found_now = cache.kept(user).body(wanted).map(|body| body.json.clone());
            assert_eq!(found_now.as_deref(), found.map(str::as_bytes), "{wanted:?}");
        }
    }

    #[test]
    fn invented_languages_take_no_room() {
        let (cache, user) = (NavigationCache::default(), (UserId::new(), false));
        for n in 0..1_000 {
            cache.keep(user, Some(&format!("q{n}")), seen(EPOCHS, &["de", "en"]), body("{}"));
        }
        assert_eq!(cache.kept(user).bodies.len(), 1);
        let many: Vec<String> = (0..50).map(|n| format!("l{n}")).collect();
        for language in &many {
            let all: Vec<&str> = many.iter().map(String::as_str).collect();
            cache.keep(user, Some(language), seen(EPOCHS, &all), body("{}"));
        }
        let kept = cache.kept(user);
        assert_eq!(kept.bodies.len(), BODIES);
        assert!(kept.body(Some("l49")).is_some() && kept.body(Some("l0")).is_none());
    }

    #[test]
    fn other_epochs_leave_nothing_of_before() {
        let (cache, user) = (NavigationCache::default(), (UserId::new(), false));
        cache.keep(user, Some("de"), seen(EPOCHS, &["de", "en"]), body("then"));
        let now = Epochs { user: 2, ..EPOCHS };
        cache.keep(user, Some("en"), seen(now, &["en"]), body("now"));
        let kept = cache.kept(user);
        assert!(kept.basis.epochs == now && kept.body(Some("en")).is_some());
        assert_eq!(kept.bodies.len(), 1);
    }

    #[test]
    fn everything_is_weighed() {
        let (cache, user) = (NavigationCache::default(), (UserId::new(), false));
        cache.keep(user, None, seen(EPOCHS, &[]), body(r#"{"mandates":[]}"#));
        let least = cache.kept(user).weight();
        assert!(least >= 1_000, "the smallest body is not what it takes to keep it: {least}");
        cache.keep(user, Some("de"), seen(EPOCHS, &["de"]), body(&"x".repeat(10_000)));
        assert!(cache.kept(user).weight() >= least + 10_000);
        let mandates = (0..1_000).map(|_| MandateId::new()).collect();
        cache.keep(user, None, Basis { mandates, ..seen(EPOCHS, &[]) }, body("{}"));
        assert!(cache.kept(user).weight() >= least + 16_000);
    }
}
