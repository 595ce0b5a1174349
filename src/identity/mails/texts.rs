//! What mails say, in `templates/mail`: the first line of a text is its subject, empty lines part
//! its paragraphs. The HTML is made of the same paragraphs.

use askama::Template;
use uuid::Uuid;

use super::queue::Asked;
use crate::kernel::error::{Error, Result};
use crate::kernel::languages;
use crate::kernel::mail::Letter;

/// The languages that there are texts in.
const LANGUAGES: [&str; 2] = ["en", "de"];

/// Each kind of mail, with its texts in each language.
macro_rules! kinds {
    ($($(#[$meta:meta])* $kind:ident = $name:literal: $en:literal, $de:literal;)+) => {
        /// What somebody is told.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Kind { $($(#[$meta])* $kind,)+ }

        impl Kind {
            #[cfg(test)]
            const ALL: &'static [Self] = &[$(Self::$kind,)+];

            /// As it is kept.
            pub(super) const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)+ }
            }

            pub(super) fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$kind),)+ _ => None }
            }

            fn text(self, language: &str, username: &str) -> askama::Result<String> {
                match self {
                    $(Self::$kind => {
                        #[derive(Template)]
                        #[template(path = $en)]
                        struct En<'a> { username: &'a str }
                        #[derive(Template)]
                        #[template(path = $de)]
                        struct De<'a> { username: &'a str }
                        match language {
                            "de" => De { username }.render(),
                            _ => En { username }.render(),
                        }
                    })+
                }
            }
        }
    };
}

kinds! {
    /// By oneself: other sessions ended.
    PasswordChanged = "password_changed":
        "mail/en/password_changed.txt", "mail/de/password_changed.txt";
    /// A refresh token came back that had been used.
    SessionStolen = "session_stolen":
        "mail/en/session_stolen.txt", "mail/de/session_stolen.txt";
    /// By a SysAdmin: told at the earlier address.
    AddressChanged = "address_changed":
        "mail/en/address_changed.txt", "mail/de/address_changed.txt";
}

#[derive(Template)]
#[template(path = "mail/layout.html")]
struct Layout<'a> {
    language: &'a str,
    subject: &'a str,
    paragraphs: Vec<&'a str>,
}

/// The mail, in the language of whom it is for as far as there is one.
pub(super) fn letter(kind: Kind, id: Uuid, asked: &Asked) -> Result<Letter> {
    let language = languages::among(&LANGUAGES, &asked.language).unwrap_or(&LANGUAGES[0]);
    let whole = kind.text(language, &asked.username).map_err(Error::internal)?;
    let (subject, text) = whole.split_once("\n\n").unwrap_or((&whole, ""));
    let paragraphs = text.split("\n\n").map(str::trim).collect();
    let html = Layout { language, subject, paragraphs }.render().map_err(Error::internal)?;
    Ok(Letter {
        id,
        to: asked.address.clone(),
        subject: subject.to_owned(),
        text: format!("{}\n", text.trim_end()),
        html,
    })
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn letter_in(kind: Kind, language: &str) -> Letter {
        let asked = Asked {
            kind: kind.name().to_owned(),
            username: "erin".to_owned(),
            language: language.to_owned(),
            address: "erin@acme.example".to_owned(),
            created_at: DateTime::UNIX_EPOCH,
        };
        letter(kind, Uuid::nil(), &asked).unwrap()
    }

    #[test]
    fn every_kind_is_written_in_every_language() {
        for kind in Kind::ALL {
            assert_eq!(Kind::named(kind.name()), Some(*kind));
            let letters = LANGUAGES.map(|language| letter_in(*kind, language));
            for letter in &letters {
                assert!(!letter.subject.contains('\n') && letter.subject.len() > 10, "{letter:?}");
                assert!(letter.text.contains("erin") && letter.html.contains("erin"));
                assert!(letter.text.ends_with(".\n") && letter.html.matches("<p>").count() == 3);
            }
            assert_ne!(letters[0].subject, letters[1].subject);
            assert_eq!(letter_in(*kind, "de-CH").subject, letters[1].subject);
            assert_eq!(letter_in(*kind, "fr").subject, letters[0].subject);
        }
    }
}
