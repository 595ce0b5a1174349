//! Which of several languages answers a wish: RFC 4647's lookup (section 3.4), one range at a time.
//! Subtags are taken from the end of the wish until a language of that name is there; case does not
//! count. `de-CH-1996` is answered by `de-ch`, else by `de`.

use std::collections::BTreeMap;

/// What is taken where nothing answers.
const FALLBACK: &str = "en";

/// The text that answers the wish, with its language: else the English one, else the first.
pub fn lookup<'a>(texts: &'a BTreeMap<String, String>, wanted: &str) -> Option<(&'a str, &'a str)> {
    let found = Ranges(Some(wanted))
        .find_map(|range| named(texts, range))
        .or_else(|| named(texts, FALLBACK));
    found.or_else(|| texts.iter().next().map(|(language, text)| (language.as_str(), text.as_str())))
}

/// The longest range of the wish that is among these languages, as it stands there. Wishes of which
/// it is the same are answered alike by whatever is written in these languages, since what is left
/// of a range does not depend on what was taken from it.
pub fn among<'a, T: AsRef<str>>(languages: &'a [T], wanted: &str) -> Option<&'a T> {
    Ranges(Some(wanted)).find_map(|range| {
        languages.iter().find(|language| language.as_ref().eq_ignore_ascii_case(range))
    })
}

fn named<'a>(texts: &'a BTreeMap<String, String>, range: &str) -> Option<(&'a str, &'a str)> {
    let found = texts.iter().find(|(language, _)| language.eq_ignore_ascii_case(range));
    found.map(|(language, text)| (language.as_str(), text.as_str()))
}

/// The wish, and what is left of it subtag by subtag. One that says what kind the next is (`x`,
/// `u`) goes with that.
struct Ranges<'a>(Option<&'a str>);

impl<'a> Iterator for Ranges<'a> {
    type Item = &'a str;
    fn next(&mut self) -> Option<&'a str> {
        let range = self.0?;
        let mut rest = range;
        self.0 = loop {
            match rest.rsplit_once('-') {
                None => break None,
                Some((shorter, _)) => rest = shorter,
            }
            if rest.rsplit('-').next().is_none_or(|last| last.len() != 1) {
                break Some(rest);
            }
        };
        Some(range)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(languages: &[&str]) -> BTreeMap<String, String> {
        languages
            .iter()
            .map(|language| ((*language).to_owned(), format!("in {language}")))
            .collect()
    }

    #[test]
    fn subtags_are_taken_from_the_end() {
        let ranges = |wanted| Ranges(Some(wanted)).collect::<Vec<_>>();
        // The example of RFC 4647, section 3.4.
        assert_eq!(
            ranges("zh-Hant-CN-x-private1-private2"),
            [
                "zh-Hant-CN-x-private1-private2",
                "zh-Hant-CN-x-private1",
                "zh-Hant-CN",
                "zh-Hant",
                "zh"
            ]
        );
        assert_eq!(ranges("de"), ["de"]);
        assert_eq!(ranges("x-a"), ["x-a"], "a singleton names no language");
        assert_eq!(ranges(""), [""]);
    }

    #[test]
    fn the_nearest_language_answers_whatever_its_case() {
        let known = texts(&["de", "de-CH", "en", "pt-BR"]);
        for (wanted, found) in [
            ("de", "de"),
            ("DE", "de"),
            ("de-ch", "de-CH"),
            ("de-CH-1996", "de-CH"),
            ("de-AT", "de"),
            ("PT-br", "pt-BR"),
            ("pt", "en"),
            ("pt-PT", "en"),
            ("fr", "en"),
            ("d", "en"),
        ] {
            assert_eq!(
                lookup(&known, wanted),
                Some((found, format!("in {found}").as_str())),
                "{wanted}"
            );
        }
        assert_eq!(
            lookup(&texts(&["it", "de"]), "fr").map(|(language, _)| language),
            Some("de"),
            "the first"
        );
        assert_eq!(lookup(&texts(&[]), "fr"), None);
    }

    proptest! {
        /// What makes it right to keep answers by what was found.
        #[test]
        fn wishes_that_find_the_same_among_all_are_answered_alike(
            known in prop::collection::btree_set("(a|B|cc)(-(a|b|Dd)){0,3}", 0..6),
            in_one in prop::collection::btree_set(0..6_usize, 0..6),
            wanted in "(A|b|cc)(-(a|B|dd)){0,4}",
        ) {
            let known: Vec<String> = known.into_iter().collect();
            let some: Vec<&str> = known.iter().enumerate().filter(|(n,
                _)| in_one.contains(n)).map(|(_, tag)| tag.as_str()).collect();
            let label = texts(&some);
            let found = among(&known, &wanted);
            prop_assert_eq!(lookup(&label, &wanted),
                lookup(&label, found.map_or("", String::as_str)));
        }
    }
}
