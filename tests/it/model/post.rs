//! The mail that a call brought, beside what the model says that it brings.

use super::world::World;
use super::world::mail::{Mail, Purpose};
use crate::harness::mailbox::Mailbox;
use crate::harness::smtp::Received;

/// What is asked for, and not sent yet.
const WAITING: &str = "select count(*) from mails";
/// What was tried, and why it failed.
const UNSENT: &str = "select format('%s due at %s, now %s, failed %s times: %s', kind, due_at,
                        clock_timestamp(), failures, last_error)
                      from jobs left join mails on id::text = subject where name = 'send_mail'";

/// What differs, if anything does; the world learns the tokens.
pub async fn delivered(mailbox: &Mailbox, world: &mut World) -> Option<String> {
    let expected = std::mem::take(&mut world.mails);
    let waiting = mailbox.app.count(WAITING).await;
    if expected.is_empty() && waiting == 0 {
        return None;
    }
    let mut received = mailbox.mails().await;
    let unsent: Vec<String> = sqlx::query_scalar(UNSENT).fetch_all(&mailbox.app.sql).await.unwrap();
    let report = |received: &[Received]| {
        let received: Vec<_> =
            received.iter().map(|mail| (&mail.to, mail.subject(), mail.token())).collect();
        Some(format!("mail: expected {expected:?}, got {received:?}, not sent: {unsent:?}"))
    };
    if received.len() != expected.len() {
        return report(&received);
    }
    for mail in &expected {
        let mut found = None;
        for (index, received) in received.iter().enumerate().rev() {
            if is(mail, received) && hands_over(mailbox, mail, received).await {
                found = Some(index);
            }
        }
        let Some(index) = found else { return report(&received) };
        let token = received.swap_remove(index).token();
        if let Some((purpose, token)) = mail.hands.clone().zip(token) {
            world.hand(token, purpose);
        }
    }
    None
}

fn is(mail: &Mail, received: &Received) -> bool {
    let (message, username) = (&received.message, &mail.username);
    // As a word: a name may be part of another word, of an address, and of what is random.
    let names_them = || words(message).any(|word| word == username);
    // Who has not confirmed an address is not greeted there by name.
    let begins = |greeting: &str| {
        message.contains(&format!("{greeting} {username},\r\n"))
            || message.contains(&format!("{greeting},\r\n")) && !names_them()
    };
    let says_so = if mail.is_german {
        begins("Guten Tag")
    } else {
        // What is not ASCII is written otherwise in a header.
        let subject = &mail.subject;
        begins("Hello") && (!subject.is_ascii() || received.subject() == subject)
    };
    says_so
        && received.to.to_lowercase() == mail.to
        && received.token().is_some() == mail.hands.is_some()
}

/// Names and addresses are one word each.
fn words(message: &str) -> impl Iterator<Item = &str> {
    let ends = |letter: char| !letter.is_alphanumeric() && !"-_.@".contains(letter);
    message.split(ends).map(|word| word.trim_matches(['.', '-']))
}

/// Of several registrations with one address the mails are alike, but for the token.
async fn hands_over(mailbox: &Mailbox, mail: &Mail, received: &Received) -> bool {
    let (Some(Purpose::Registration(username)), Some(token)) = (&mail.hands, received.token())
    else {
        return true;
    };
    mailbox.app.registered_with(&token).await.as_ref() == Some(username)
}
