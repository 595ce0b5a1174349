//! Mail, and what is handed over in it. Here it is sent as soon as it is asked for: what it says
//! when it waited is not played.

use uuid::Uuid;

use super::{User, World, key};

/// So many of each kind for an address, in an hour; no history takes one.
const MOST: usize = 3;
/// Passwords that are tried with the token of a registration.
pub const TRIES: usize = 5;
/// Registrations of an address that are asked to be confirmed again.
const ASKED_AGAIN: usize = 3;

/// A mail, as far as it is compared: the subject is the English one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    pub to: String,
    pub username: String,
    pub is_german: bool,
    pub subject: String,
    /// What the token in it is good for.
    pub hands: Option<Purpose>,
}

/// What a token is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// Confirms the registration of this username.
    Registration(String),
    /// Confirms this address, as it is compared, for the account.
    Address(Uuid, String),
    /// Chooses another password for the account.
    Reset(Uuid),
    /// Accepts the invitation.
    Invitation(Uuid),
}

impl Purpose {
    /// Of each kind there is one for each account or registration.
    fn replaces(&self, earlier: &Self) -> bool {
        match (self, earlier) {
            (Self::Registration(one), Self::Registration(other)) => one == other,
            (Self::Address(one, _), Self::Address(other, _))
            | (Self::Reset(one), Self::Reset(other))
            | (Self::Invitation(one), Self::Invitation(other)) => one == other,
            _ => false,
        }
    }
}

/// An account that somebody asked for, and has not confirmed.
#[derive(Debug, Clone)]
pub struct Registration {
    pub username: String,
    pub email: String,
    pub password: String,
    pub tries: usize,
}

impl World {
    /// Whether one more mail of this kind goes to the address.
    fn allows(&mut self, kind: &'static str, email: &str) -> bool {
        let asked = self.asked_for_mail.entry((kind, key(email))).or_default();
        let allowed = *asked < MOST;
        *asked += usize::from(allowed);
        allowed
    }

    fn mail(&mut self, user: Uuid, to: &str, subject: &'static str, hands: Option<Purpose>) {
        let User { username, language, .. } = self.user(user).clone();
        let (to, is_german) = (key(to), language == "de");
        let subject = subject.to_owned();
        self.mails.push(Mail { to, username, is_german, subject, hands });
    }

    /// Tells somebody at the address that their account has.
    pub fn tell(&mut self, user: Uuid, subject: &'static str) {
        if let Some(email) = self.user(user).email.clone() {
            self.mail(user, &email, subject, None);
        }
    }

    /// At the address that it had before.
    pub fn tell_at(&mut self, user: Uuid, earlier: &str, subject: &'static str) {
        self.mail(user, earlier, subject, None);
    }

    /// Wherever they can be reached: at the addresses that they confirmed before, too.
    pub fn tell_everywhere(&mut self, user: Uuid, subject: &'static str) {
        let User { email, earlier, .. } = self.user(user).clone();
        let present = email.as_deref().map(key);
        self.tell(user, subject);
        for address in earlier.iter().filter(|address| Some(*address) != present.as_ref()) {
            self.mail(user, address, subject, None);
        }
    }

    /// Asks whoever registered to confirm it, or tells whoever has the address of an account.
    pub fn ask_to_confirm(&mut self, username: &str) {
        let found = self.registrations.iter().find(|row| row.username == username).unwrap();
        let Registration { username, email, .. } = found.clone();
        if !self.allows("confirmation", &email) {
            return;
        }
        let is_known = self.users.iter().any(|row| row.has_address(&email));
        let (subject, hands) = if is_known {
            ("You have an account already", None)
        } else {
            ("Confirm your address", Some(Purpose::Registration(username.clone())))
        };
        let (to, subject) = (key(&email), subject.to_owned());
        self.mails.push(Mail { to, username, is_german: false, subject, hands });
    }

    /// Asks the newest registrations of an address once more.
    pub fn ask_to_confirm_again(&mut self, email: &str) {
        if !self.allows("confirmations", email) {
            return;
        }
        let waiting = |row: &&Registration| key(&row.email) == key(email) && row.tries < TRIES;
        let newest = self.registrations.iter().rev().filter(waiting).take(ASKED_AGAIN);
        for username in newest.map(|row| row.username.clone()).collect::<Vec<_>>() {
            self.ask_to_confirm(&username);
        }
    }

    /// Asks whoever has the address that somebody wants; the present one is told of it.
    pub fn ask_to_confirm_wanted(&mut self, user: Uuid, email: &str) {
        if !self.allows("new_address", email) {
            return;
        }
        let others = || self.users.iter().filter(|row| row.id != user);
        let is_taken = others().any(|row| row.has_address(email));
        let (subject, hands) = if is_taken {
            ("Another account has this address", None)
        } else {
            ("Confirm your new address", Some(Purpose::Address(user, key(email))))
        };
        self.mail(user, email, subject, hands);
        let present = self.user(user).email.clone();
        if let Some(present) = present.filter(|present| key(present) != key(email))
            && self.allows("address_wanted", &present)
        {
            self.tell(user, "Your account is to get another address");
        }
    }

    /// Mails whoever confirmed the address what chooses another password.
    pub fn ask_who_forgot(&mut self, email: &str) {
        if !self.allows("reset", email) {
            return;
        }
        let has_it = |row: &&User| row.has_address(email) && row.verified && row.active();
        if let Some(user) = self.users.iter().find(has_it).map(|row| row.id) {
            self.send_reset(user, "Choose another password");
        }
    }

    pub fn send_reset(&mut self, user: Uuid, subject: &'static str) {
        let email = self.user(user).email.clone().unwrap();
        self.mail(user, &email, subject, Some(Purpose::Reset(user)));
    }

    /// Somebody was handed a token; an earlier one of its kind is good no more.
    pub fn hand(&mut self, token: String, purpose: Purpose) {
        self.mailed_tokens.retain(|(_, earlier)| !purpose.replaces(earlier));
        self.mailed_tokens.push((token.clone(), purpose));
        self.seen_tokens.push(token);
    }

    /// What a token is good for now.
    pub fn purpose_of(&self, token: &str) -> Option<Purpose> {
        let good = self.mailed_tokens.iter().find(|(known, _)| known == token);
        good.map(|(_, purpose)| purpose.clone())
    }

    /// What was mailed for an account is good no more.
    pub fn end_mailed_tokens(&mut self, user: Uuid) {
        self.mailed_tokens.retain(|(_, purpose)| match purpose {
            Purpose::Registration(_) | Purpose::Invitation(_) => true,
            Purpose::Address(whose, _) | Purpose::Reset(whose) => *whose != user,
        });
    }

    /// What somebody wanted in such a session ends.
    pub fn unwant(&mut self, user: Uuid, ended: impl Fn(Uuid) -> bool) {
        let account = self.user_mut(user);
        if ended(account.wanted_in) {
            account.wanted = None;
        }
    }

    /// It waits for nothing any more.
    pub fn forget_registration(&mut self, username: &str) {
        self.registrations.retain(|row| row.username != username);
        let of_it = Purpose::Registration(username.to_owned());
        self.mailed_tokens.retain(|(_, purpose)| *purpose != of_it);
    }

    /// Gives an account another password: what was begun with the one of before is over.
    pub fn choose_password(&mut self, user: Uuid, password: &str) {
        let account = self.user_mut(user);
        password.clone_into(&mut account.password);
        (account.must_change, account.wanted) = (false, None);
        account.chose_password = true;
        self.end_mailed_tokens(user);
    }

    /// Replaces what is known of an account, which may have another address now.
    pub fn put(&mut self, mut after: User) {
        let before = self.user(after.id).clone();
        let (had, has) = (before.email.as_deref().map(key), after.email.as_deref().map(key));
        if let Some(earlier) = had.clone().filter(|_| before.verified && had != has) {
            after.earlier.insert(earlier);
        }
        let ways_in = |user: &User| (user.verified, user.enabled);
        if had != has || ways_in(&before) != ways_in(&after) {
            self.end_mailed_tokens(after.id);
        }
        if before.enabled != after.enabled {
            after.wanted = None;
        }
        let user = after.id;
        *self.user_mut(user) = after;
        if let Some(earlier) = had.filter(|earlier| has.as_ref() != Some(earlier)) {
            self.tell_at(user, &earlier, "The address of your account was changed");
        }
    }
}

impl User {
    pub fn has_address(&self, email: &str) -> bool {
        !self.erased && self.email.as_deref().map(key) == Some(key(email))
    }
    /// Now, or before.
    pub fn is_known_by(&self, email: &str) -> bool {
        self.has_address(email) || self.earlier.contains(&key(email))
    }
}
