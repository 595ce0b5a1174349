//! How easily a password is guessed (zxcvbn, Wheeler 2016). Within `auth` only: the estimate may
//! take long, so it is made on a password worker and nowhere else.

use crate::kernel::error::{FieldError, Reason};

/// The longest password, in characters (NIST SP 800-63B-4, 3.1.1.2 asks for 64 at least; a cap
/// bounds the work).
const LONGEST: usize = 128;
/// What may be longer is cut, before anything is computed of it: an own name counts by its
/// beginning.
const OWN_NAME: usize = 128;
/// A person has fewer names; each makes the estimate longer.
const OWN_NAMES: usize = 8;
/// The parts of names, such as `smith` of `jane.smith`: in letters, and how many of them count.
const SHORTEST_PART: usize = 3;
const MOST_PARTS: usize = 12;
/// Shorter ones are in many words.
const SHORTEST_TAKEN_OUT: usize = 4;

/// What is wrong with a length. Cheap, so that it is told before anything is estimated.
pub(super) fn check_length(
    pointer: &str,
    password: &str,
    shortest: usize,
) -> Result<(), FieldError> {
    let length = password.chars().take(LONGEST + 1).count();
    if (shortest..=LONGEST).contains(&length) {
        return check_characters(pointer, password);
    }
    let detail = format!("must have {shortest} to {LONGEST} characters");
    Err(FieldError::new(pointer, "password_length", detail.clone())
        .because(vec![Reason::new("password_length", format!("It {detail}."))]))
}

/// RFC 8265, 4.2.2: no control characters, which some keyboards and forms cannot send.
fn check_characters(pointer: &str, password: &str) -> Result<(), FieldError> {
    if !password.contains(char::is_control) {
        return Ok(());
    }
    let detail = "must not have control characters";
    Err(FieldError::new(pointer, "password_characters", detail)
        .because(vec![Reason::new("password_characters", format!("It {detail}."))]))
}

/// The names to hold against a password, and the words in them; no more and no longer than can
/// matter.
pub(super) fn bounded(own_names: &[&str]) -> Vec<String> {
    let names = own_names.iter().take(OWN_NAMES);
    let names: Vec<String> = names.map(|name| name.chars().take(OWN_NAME).collect()).collect();
    let words = names.iter().flat_map(|name| name.split(|c: char| !c.is_alphanumeric()));
    let words = words.filter(|word| word.chars().count() >= SHORTEST_PART).take(MOST_PARTS);
    let words: Vec<String> = words.map(str::to_owned).collect();
    [names, words].concat()
}

/// Of a longer password the beginning is estimated: what is hard to guess so far stays so, and some
/// patterns of 128 characters take hundreds of times what their first 40 do.
const ESTIMATED: usize = 40;

/// Refuses what is easily guessed, given the user's own names. The length has been checked.
pub(super) fn check_estimate(
    pointer: &str,
    password: &str,
    own_names: &[String],
) -> Result<(), FieldError> {
    let own_names: Vec<&str> = own_names.iter().map(String::as_str).collect();
    let beginning =
        password.char_indices().nth(ESTIMATED).map_or(password, |(end, _)| &password[..end]);
    let rest = without(beginning, &own_names);
    let estimate = zxcvbn::zxcvbn(&rest, &own_names);
    if u8::from(estimate.score()) >= 3 {
        return Ok(());
    }
    let mut reasons = Vec::new();
    if let Some(feedback) = estimate.feedback() {
        reasons.extend(feedback.warning().map(|why| Reason::new(named(&why), why.to_string())));
        let suggestions = feedback.suggestions().iter();
        reasons.extend(suggestions.map(|why| Reason::new(named(why), why.to_string())));
    }
    if reasons.is_empty() {
        reasons.push(Reason::new("password_too_weak", "It is too easy to guess."));
    }
    let told: Vec<&str> = reasons.iter().map(|reason| reason.detail.as_str()).collect();
    let detail = format!("is too easy to guess. {}", told.join(" "));
    Err(FieldError::new(pointer, "password_too_weak", detail).because(reasons))
}

/// What is left of a password without its owner's names: three parts that are each easily guessed
/// are hard to guess for zxcvbn, whatever they are.
fn without(password: &str, own_names: &[&str]) -> String {
    let known = |rest: String, name: &&str| {
        let (name, is_long) = (name.to_lowercase(), name.chars().count() >= SHORTEST_TAKEN_OUT);
        let small = rest.to_lowercase();
        if is_long && small.contains(&name) { small.replace(&name, "") } else { rest }
    };
    own_names.iter().fold(password.to_owned(), known)
}

/// What zxcvbn calls it, as codes are written: `AddAnotherWordOrTwo` is `add_another_word_or_two`.
/// Applications know them: a test holds them, should zxcvbn call one otherwise.
fn named(why: &impl std::fmt::Debug) -> String {
    let mut code = String::new();
    for letter in format!("{why:?}").chars() {
        if letter.is_uppercase() && !code.is_empty() {
            code.push('_');
        }
        code.extend(letter.to_lowercase());
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(password: &str, own_names: &[&str]) -> Result<(), FieldError> {
        check_length("/password", password, 12)?;
        check_estimate("/password", password, &bounded(own_names))
    }

    #[test]
    fn weak_passwords_are_refused_and_good_ones_are_not() {
        assert!(check("short", &[]).is_err());
        assert!(check("password1234", &[]).is_err());
        assert!(check("annemariehuber", &["annemarie", "huber"]).is_err());
        assert!(check("JonathanSmith2026", &["jonathan.smith"]).is_err());
        assert!(check("plum\u{7}Kettle-94-orbit", &[]).is_err());
        assert!(check("plum-Kettle-94-orbit", &[]).is_ok());
        // Of whichever letters: nothing is asked of them but that they are hard to guess.
        assert!(check("vermilion otter ladder quay", &[]).is_ok());
        assert!(check("495827164038571", &[]).is_ok());
        assert!(check(&"plum-Kettle-94-orbit".repeat(7), &[]).is_err(), "140 characters");
    }

    #[test]
    fn of_a_long_password_the_beginning_is_estimated() {
        // Every character of it may stand for several others: whole, it would take minutes here.
        let costly: String = "4@8({[<369!1|7$50+%2".chars().cycle().take(128).collect();
        assert!(check(&costly, &[]).is_ok());
        assert!(check(&format!("{}{}", "a".repeat(40), "plum-Kettle-94-orbit"), &[]).is_err());
    }

    /// A variant that is called otherwise does not compile, and one that shows otherwise fails.
    #[test]
    fn reasons_keep_their_codes() {
        macro_rules! keep {
            ($kind:ident: $($name:ident $code:literal),+ $(,)?) => {
                $(assert_eq!(named(&zxcvbn::feedback::$kind::$name), $code);)+
            };
        }
        keep!(Warning:
            StraightRowsOfKeysAreEasyToGuess "straight_rows_of_keys_are_easy_to_guess",
            ThisIsATop10Password "this_is_a_top10_password",
            ThisIsACommonPassword "this_is_a_common_password",
            RepeatsLikeAaaAreEasyToGuess "repeats_like_aaa_are_easy_to_guess",
            SequencesLikeAbcAreEasyToGuess "sequences_like_abc_are_easy_to_guess",
            AWordByItselfIsEasyToGuess "a_word_by_itself_is_easy_to_guess",
            CommonNamesAndSurnamesAreEasyToGuess "common_names_and_surnames_are_easy_to_guess",
        );
        keep!(Suggestion:
            UseAFewWordsAvoidCommonPhrases "use_a_few_words_avoid_common_phrases",
            AddAnotherWordOrTwo "add_another_word_or_two",
            AvoidRepeatedWordsAndCharacters "avoid_repeated_words_and_characters",
            AvoidSequences "avoid_sequences",
            AvoidRecentYears "avoid_recent_years",
        );
    }

    #[test]
    fn names_are_cut_before_they_are_compared() {
        let endless = "x".repeat(1_000_000);
        let names = bounded(&[endless.as_str(); 20]);
        assert_eq!((names.len(), names[0].len()), (16, 128));
    }
}
