//! A country as people write it: its ISO 3166-1 code of two or three letters, or its English name.
//! What is kept is the code of two letters.

use std::collections::HashMap;
use std::sync::LazyLock;

use celes::{Country, LookupTable};
use icu_normalizer::DecomposingNormalizer;

/// Names that celes does not have: the standard's own where it writes others, and what many people
/// call a country.
const MORE_NAMES: [(&str, &str); 8] = [
    ("Plurinational State of Bolivia", "BO"),
    ("Bonaire, Sint Eustatius and Saba", "BQ"),
    ("Republic of the Congo", "CG"),
    ("UK", "GB"),
    ("Kingdom of the Netherlands", "NL"),
    ("Pitcairn Islands", "PN"),
    ("Province of China Taiwan", "TW"),
    ("UAE", "AE"),
];

/// Codes by what they are looked up by. Later ones win: a code over a name, a name over what else a
/// country is called ("Samoa" is also one of the things that people call American Samoa).
static CODES: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
    let countries = || Country::get_countries().into_iter().filter(is_in_the_standard);
    let called = countries().flat_map(|country| {
        country.aliases.iter().map(|name| (key(name), country.alpha2)).collect::<Vec<_>>()
    });
    let more = MORE_NAMES.map(|(name, code)| (key(name), code));
    let named = countries().map(|country| (key(country.long_name), country.alpha2));
    let coded = countries().flat_map(|country| {
        [country.alpha2, country.alpha3].map(|code| (key(code), country.alpha2))
    });
    called.chain(more).chain(named).chain(coded).collect()
});

/// Kosovo's code is of those that ISO 3166-1 leaves to its users; it assigned none.
fn is_in_the_standard(country: &Country) -> bool {
    country.alpha2 != "XK"
}

/// Letters and digits only, without accents and case; "The …" as "…", "Saint …" as "St. …".
fn key(text: &str) -> String {
    let plain =
        DecomposingNormalizer::new_nfkd().normalize(text).to_lowercase().replace('&', "and");
    let letters: String = plain.chars().filter(|c| c.is_alphanumeric()).collect();
    let letters = letters.strip_prefix("the").unwrap_or(&letters);
    letters.strip_prefix("saint").map_or_else(|| letters.to_owned(), |rest| format!("st{rest}"))
}

/// The code of two letters. The standard puts "Republic of" and the like behind a name: "Korea
/// (Republic of)", earlier "Korea, Republic of"; these are read in either order.
pub(super) fn code(text: &str) -> Option<&'static str> {
    let known = |text: &str| CODES.get(&key(text)).copied();
    known(text).or_else(|| {
        let (name, before) = text.split_once(['(', ','])?;
        known(&format!("{before} {name}"))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn all_249_countries_are_known_by_their_codes_and_names() {
        let countries: Vec<_> =
            Country::get_countries().into_iter().filter(is_in_the_standard).collect();
        let codes: BTreeSet<_> = countries.iter().map(|country| country.alpha2).collect();
        assert_eq!(codes.len(), 249);
        for country in countries {
            for text in [country.alpha2, country.alpha3, country.long_name] {
                for text in
                    [text.to_owned(), text.to_lowercase(), text.to_uppercase(), format!(" {text} ")]
                {
                    assert_eq!(code(&text), Some(country.alpha2), "{text}");
                }
            }
        }
    }

    #[test]
    fn countries_are_known_by_what_people_and_the_standard_call_them() {
        for (expected, names) in [
            ("AX", "Åland Islands; Aland Islands"),
            ("AE", "United Arab Emirates; UAE"),
            ("AG", "Antigua and Barbuda; Antigua & Barbuda"),
            ("AS", "American Samoa"),
            ("BO", "Bolivia; Bolivia (Plurinational State of); Bolivia, Plurinational State of"),
            ("BQ", "Bonaire; Bonaire, Sint Eustatius and Saba"),
            ("BS", "Bahamas; The Bahamas"),
            (
                "CD",
                "Congo (Democratic Republic of the); Democratic Republic of the Congo; Congo, The \
                    Democratic Republic of the",
            ),
            ("CG", "Congo; Republic of the Congo"),
            ("CI", "Côte d'Ivoire; Cote d’Ivoire; Ivory Coast"),
            ("CV", "Cabo Verde; Cape Verde"),
            ("CW", "Curaçao; Curacao"),
            ("CZ", "Czechia; Czech Republic"),
            ("DE", "Germany; germany; GERMANY; De; deu"),
            ("FK", "Falkland Islands; Falkland Islands (Malvinas)"),
            ("FM", "Micronesia; Micronesia (Federated States of)"),
            (
                "GB",
                "United Kingdom; UK; Great Britain; United Kingdom of Great Britain and Northern \
                    Ireland",
            ),
            ("GW", "Guinea-Bissau; Guinea Bissau"),
            ("IR", "Iran; Iran (Islamic Republic of)"),
            ("KP", "North Korea; Korea (Democratic People's Republic of)"),
            ("KR", "South Korea; Korea (Republic of); Korea, Republic of; Republic of Korea"),
            ("LA", "Laos; Lao People's Democratic Republic"),
            ("MD", "Moldova; Moldova (Republic of)"),
            ("MF", "Saint Martin (French part); St. Martin"),
            ("MK", "North Macedonia"),
            ("MO", "Macao; Macau"),
            ("NL", "Netherlands; The Netherlands; Netherlands (Kingdom of the)"),
            ("PS", "Palestine; Palestine (State of)"),
            ("RU", "Russia; Russian Federation"),
            ("SH", "Saint Helena; Saint Helena, Ascension and Tristan da Cunha"),
            ("ST", "São Tomé and Príncipe; Sao Tome and Principe"),
            ("SX", "Sint Maarten (Dutch part)"),
            ("SY", "Syria; Syrian Arab Republic"),
            ("SZ", "Eswatini; Swaziland"),
            ("TR", "Türkiye; Turkiye; Turkey"),
            ("TW", "Taiwan; Taiwan (Province of China)"),
            ("TZ", "Tanzania; Tanzania (United Republic of); Tanzania, United Republic of"),
            ("US", "United States; United States of America; USA; The United States"),
            ("VA", "Vatican City; Holy See"),
            ("VC", "St. Vincent & the Grenadines; Saint Vincent and the Grenadines"),
            ("VE", "Venezuela; Venezuela (Bolivarian Republic of)"),
            ("VG", "British Virgin Islands; Virgin Islands (British)"),
            ("VI", "U.S. Virgin Islands; Virgin Islands (U.S.)"),
            ("VN", "Vietnam; Viet Nam"),
            ("WS", "Samoa"),
        ] {
            for name in names.split("; ") {
                assert_eq!(code(name), Some(expected), "{name}");
            }
        }
    }

    #[test]
    fn what_is_no_country_is_unknown() {
        for text in [
            "",
            " ",
            "X",
            "XX",
            "XK",
            "ZZZ",
            "EU",
            "276",
            "Atlantis",
            "Korea",
            "Virgin Islands",
            "Deutschland",
            "DE, DE",
            "(",
            ",",
        ] {
            assert_eq!(code(text), None, "{text}");
        }
    }
}
