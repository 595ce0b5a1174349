//! What mails say, in `templates/mail`: the first line of a text is its subject, empty lines part
//! its paragraphs. The HTML is made of the same paragraphs.

use askama::Template;
use uuid::Uuid;

use super::handing::Handed;
use crate::kernel::error::{Error, Result};
use crate::kernel::mail::Letter;
use crate::kernel::{languages, names};

/// The languages that there are texts in.
const LANGUAGES: [&str; 2] = ["en", "de"];

/// Whom a mail is for.
#[derive(Debug)]
pub(super) struct Reader {
    pub username: String,
    pub language: String,
    pub address: String,
}

/// What a mail hands over.
#[derive(Debug, Clone, Copy)]
pub(super) struct With<'a> {
    pub token: &'a str,
    pub link: &'a str,
    /// What the mandate is called that it is about, if any.
    pub mandate: &'a str,
}

impl<'a> With<'a> {
    pub(super) fn nothing() -> Self {
        With { token: "", link: "", mandate: "" }
    }
    pub(super) fn handed(handed: &'a Handed) -> Self {
        With { token: &handed.token, link: &handed.link, ..With::nothing() }
    }
    pub(super) fn of(self, mandate: &'a str) -> Self {
        With { mandate, ..self }
    }
}

/// The longest name of a mandate that is mailed, in characters.
const MOST_OF_A_NAME: usize = 80;
/// So many digits may be a number that somebody is to call.
const DIGITS_OF_A_NUMBER: usize = 7;

/// A name that people gave a mandate, as it may stand in a mail to strangers; the mandate's code
/// where a mail program would make a link or a number to call of it, or where it is a message.
pub(super) fn without_links<'a>(name: &'a str, code: &'a str) -> &'a str {
    // As it is seen: composed, and without what is not.
    let seen: Vec<char> = names::key(name).unwrap_or_default().chars().collect();
    let is_within = |at: usize| {
        let is_there = |place: usize| seen.get(place).is_some_and(|c| !c.is_whitespace());
        at > 0 && is_there(at - 1) && is_there(at + 1)
    };
    // The end of a domain has two letters at least.
    let is_end =
        |at: usize| [1, 2].iter().all(|on| seen.get(at + on).is_some_and(|c| c.is_alphanumeric()));
    let is_link = seen.iter().enumerate().any(|(at, c)| match c {
        '.' | '\u{3002}' => is_within(at) && is_end(at),
        '@' => is_within(at),
        '/' => seen.get(at + 1) == Some(&'/'),
        _ => false,
    });
    let digits = seen.iter().filter(|c| c.is_numeric()).count();
    let is_plain =
        (1..=MOST_OF_A_NAME).contains(&seen.len()) && !is_link && digits < DIGITS_OF_A_NUMBER;
    if is_plain { name } else { code }
}

/// What a text is filled in with.
#[derive(Debug, Clone, Copy)]
pub(super) struct To<'a> {
    username: &'a str,
    with: With<'a>,
}

/// A kind of mail that has its text in each language.
pub(super) trait Written: Copy + 'static {
    const ALL: &'static [Self];

    fn text(self, language: &str, to: To<'_>) -> askama::Result<String>;
}

/// Kinds of mail, with their texts in each language.
macro_rules! kinds {
    (
        $(#[$about:meta])* $visible:vis enum $type:ident;
        $($(#[$meta:meta])* $kind:ident = $en:literal, $de:literal;)+
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $visible enum $type { $($(#[$meta])* $kind,)+ }

        impl Written for $type {
            const ALL: &'static [Self] = &[$(Self::$kind,)+];

            fn text(self, language: &str, to: To<'_>) -> askama::Result<String> {
                match self {
                    $(Self::$kind => {
                        #[derive(Template)]
                        #[template(path = $en)]
                        struct En<'a> { to: To<'a> }
                        #[derive(Template)]
                        #[template(path = $de)]
                        struct De<'a> { to: To<'a> }
                        let (en, de) = (En { to }, De { to });
                        // Some texts are for strangers and name nobody: without this, theirs would
                        // be fields that nothing reads.
                        let _: [To<'_>; 2] = [en.to, de.to];
                        if language == "de" { de.render() } else { en.render() }
                    })+
                }
            }
        }
    };
}

kinds! {
    /// What somebody is told of their account.
    pub enum Kind;
    /// By oneself: other sessions ended.
    PasswordChanged = "mail/en/password_changed.txt", "mail/de/password_changed.txt";
    /// With a token that was mailed: every session ended.
    PasswordReset = "mail/en/password_reset.txt", "mail/de/password_reset.txt";
    /// By whoever runs the service: told wherever they can be reached.
    PasswordSet = "mail/en/password_set.txt", "mail/de/password_set.txt";
    /// A refresh token came back that had been used.
    SessionStolen = "mail/en/session_stolen.txt", "mail/de/session_stolen.txt";
    /// A SysAdmin has what chooses another password: told wherever they can be reached.
    ResetHandedOut = "mail/en/reset_handed_out.txt", "mail/de/reset_handed_out.txt";
    /// By themselves, not confirmed yet: told at the address that they have.
    AddressWanted = "mail/en/address_wanted.txt", "mail/de/address_wanted.txt";
    /// By a SysAdmin or themselves: told at the earlier address.
    AddressChanged = "mail/en/address_changed.txt", "mail/de/address_changed.txt";
}

kinds! {
    /// What somebody is asked who asked for it, or was said to.
    pub(super) enum Asking;
    /// Whether an address is that of who registered.
    ConfirmAddress = "mail/en/confirm_address.txt", "mail/de/confirm_address.txt";
    /// Nothing: somebody registered with an address that has an account.
    AddressKnown = "mail/en/address_known.txt", "mail/de/address_known.txt";
    /// Whether another address of an account is its owner's.
    ConfirmNewAddress = "mail/en/confirm_new_address.txt", "mail/de/confirm_new_address.txt";
    /// Nothing: somebody wants an address that another account has.
    AddressInUse = "mail/en/address_in_use.txt", "mail/de/address_in_use.txt";
    /// For a first password of their own.
    ChoosePassword = "mail/en/choose_password.txt", "mail/de/choose_password.txt";
    /// Whether they will be a member of a mandate.
    Invitation = "mail/en/invitation.txt", "mail/de/invitation.txt";
    /// Nothing: somebody invites them to a mandate of which they are a member.
    MemberAlready = "mail/en/member_already.txt", "mail/de/member_already.txt";
    /// For another password.
    ResetPassword = "mail/en/reset_password.txt", "mail/de/reset_password.txt";
}

impl Kind {
    /// As it is kept.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::PasswordChanged => "password_changed",
            Self::PasswordReset => "password_reset",
            Self::PasswordSet => "password_set",
            Self::ResetHandedOut => "reset_handed_out",
            Self::SessionStolen => "session_stolen",
            Self::AddressWanted => "address_wanted",
            Self::AddressChanged => "address_changed",
        }
    }

    pub(super) fn told(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

#[derive(Template)]
#[template(path = "mail/layout.html")]
struct Layout<'a> {
    language: &'a str,
    subject: &'a str,
    link: &'a str,
    paragraphs: Vec<&'a str>,
}

/// The mail, in the language of whom it is for as far as there is one.
pub(super) fn letter(kind: impl Written, id: Uuid, to: &Reader, with: With<'_>) -> Result<Letter> {
    let language = languages::among(&LANGUAGES, &to.language).unwrap_or(&LANGUAGES[0]);
    let whole =
        kind.text(language, To { username: &to.username, with }).map_err(Error::internal)?;
    let (subject, text) = whole.split_once("\n\n").unwrap_or((&whole, ""));
    let paragraphs = text.split("\n\n").map(str::trim).collect();
    let layout = Layout { language, subject, link: with.link, paragraphs };
    let html = layout.render().map_err(Error::internal)?;
    Ok(Letter {
        id,
        to: to.address.clone(),
        subject: subject.to_owned(),
        text: format!("{}\n", text.trim_end()),
        html,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITH: With<'static> = With {
        token: "bwm_a-token",
        link: "https://app.example/x?a=b&token=bwm_a-token",
        mandate: "Müller & Co. AG",
    };

    fn letter_in(kind: impl Written, language: &str) -> Letter {
        let (username, address) = ("erin".to_owned(), "erin@acme.example".to_owned());
        let to = Reader { username, language: language.to_owned(), address };
        letter(kind, Uuid::nil(), &to, WITH).unwrap()
    }

    /// Whoever typed an address that they have not confirmed has none of their words mailed there:
    /// a username may be a place to go to.
    const TO_STRANGERS: [Asking; 6] = [
        Asking::Invitation,
        Asking::MemberAlready,
        Asking::ConfirmAddress,
        Asking::AddressKnown,
        Asking::ConfirmNewAddress,
        Asking::AddressInUse,
    ];

    fn is_written_in_every_language(kind: impl Written, is_to_a_stranger: bool) -> [Letter; 2] {
        let letters = LANGUAGES.map(|language| letter_in(kind, language));
        for letter in &letters {
            assert!(!letter.subject.contains('\n') && letter.subject.len() > 10, "{letter:?}");
            assert_eq!(letter.text.contains("erin"), !is_to_a_stranger, "{}", letter.text);
            assert_eq!(letter.html.contains("erin"), !is_to_a_stranger);
            assert!(letter.text.ends_with(".\n") && letter.html.matches("<p>").count() >= 3);
            let longest = letter.text.lines().map(|line| line.chars().count()).max();
            assert!(longest <= Some(72), "{}", letter.text);
        }
        assert_ne!(letters[0].subject, letters[1].subject);
        assert_eq!(letter_in(kind, "de-CH").subject, letters[1].subject);
        assert_eq!(letter_in(kind, "fr").subject, letters[0].subject);
        letters
    }

    #[test]
    fn every_kind_is_written_in_every_language() {
        for kind in Kind::ALL {
            assert_eq!(Kind::told(kind.name()), Some(*kind));
            for letter in is_written_in_every_language(*kind, false) {
                assert!(!letter.text.contains("bwm_") && !letter.html.contains("bwm_"));
            }
        }
        for kind in Asking::ALL {
            let is_to_a_stranger = TO_STRANGERS.contains(kind);
            for letter in is_written_in_every_language(*kind, is_to_a_stranger) {
                let only_tells =
                    [Asking::AddressKnown, Asking::AddressInUse, Asking::MemberAlready];
                let hands_over = !only_tells.contains(kind);
                let lines: Vec<_> = letter.text.lines().collect();
                assert_eq!(lines.contains(&WITH.token) && lines.contains(&WITH.link), hands_over);
                let link = r#"<a href="https://app.example/x?a=b&#38;token=bwm_a-token">"#;
                assert_eq!(letter.html.contains(link), hands_over, "{}", letter.html);
            }
        }
    }

    #[test]
    fn what_a_mail_program_would_make_a_link_of_is_not_mailed() {
        for plain in [
            "Acme",
            "Müller & Co. AG",
            "St. Gallen 2.",
            "A.",
            ".",
            "…",
            "no. 1",
            "2026",
            "A/S Novo",
            "Rossi S.p.A.",
            "24/7 @ home: yes",
        ] {
            assert_eq!(without_links(plain, "acme"), plain);
        }
        let message = "You won. ".repeat(10);
        for link in [
            "win at evil.example",
            "www.evil.example",
            "https://evil",
            "x@evil",
            "a。bc",
            "a\u{ff0e}bc",
            "cafe\u{301}.example",
            "evil.\u{ad}com",
            "😀.example",
            "call +1 888 123 45",
            message.trim(),
        ] {
            assert_eq!(without_links(link, "acme"), "acme", "{link}");
        }
    }
}
