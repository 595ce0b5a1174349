//! What a node knows by heart, as of the last statement on a connection.

use std::collections::{HashMap, HashSet};

use crate::context::load::{Alive, Changes, Epochs, Fresh, LiveSession, Question, Snapshot};
use crate::kernel::ids::{MandateId, SessionId, UserId};

/// About so many sessions, users and mandates are known at most, of about 100 bytes each: where
/// there are more after a batch, all is forgotten. Who is forgotten is asked about again.
const MOST: usize = 100_000;

/// Where more has changed at once, all is forgotten instead.
pub(super) const MOST_CHANGES: usize = 1_000;

/// All of it holds at `at`, or later.
#[derive(Debug)]
pub(super) struct ByHeart {
    era: u64,
    at: Snapshot,
    /// The catalogue's epoch at that moment, and the newest one that was seen.
    catalogue_then: i64,
    catalogue: i64,
    sessions: HashMap<SessionId, LiveSession>,
    users: HashMap<UserId, i64>,
    mandates: HashMap<MandateId, i64>,
}

/// What has to be looked up.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Missing {
    pub sessions: Vec<(SessionId, UserId)>,
    pub mandates: Vec<MandateId>,
}

impl ByHeart {
    /// Nothing but the moment from which on changes are told.
    pub fn from(era: u64, changes: Changes) -> Self {
        Self {
            era,
            at: changes.at,
            catalogue_then: changes.catalogue,
            catalogue: changes.catalogue,
            sessions: HashMap::new(),
            users: HashMap::new(),
            mandates: HashMap::new(),
        }
    }

    /// Since when changes have to be told.
    pub fn at(&self) -> &Snapshot {
        &self.at
    }

    pub fn is_full(&self) -> bool {
        self.sessions.len() + self.users.len() + self.mandates.len() > MOST
    }

    pub fn forget(&mut self) {
        self.sessions.clear();
        self.users.clear();
        self.mandates.clear();
    }

    /// Whether no statement but for changes is needed to answer it.
    pub fn knows(&self, question: &Question) -> bool {
        self.live(question).is_some()
            && question.mandates.iter().all(|mandate| self.mandates.contains_key(mandate))
    }

    /// Goes on to the moment of the changes.
    pub fn learn(&mut self, changes: Changes) {
        let Changes { at, catalogue, users, mandates } = changes;
        // An account that was deleted has no epoch that could rise: it shows here.
        if users.len() + mandates.len() > MOST_CHANGES || catalogue != self.catalogue_then {
            self.forget();
        }
        self.at = at;
        (self.catalogue_then, self.catalogue) = (catalogue, catalogue);
        for (user, epoch) in users {
            self.users.entry(user).and_modify(|known| *known = epoch);
        }
        for (mandate, epoch) in mandates {
            self.mandates.entry(mandate).and_modify(|known| *known = epoch);
        }
    }

    /// All that those questions hang on that cannot be answered: what they hang on and is known was
    /// true before they were asked.
    pub fn missing(&self, questions: &[Question]) -> Missing {
        let (mut sessions, mut mandates) = (HashSet::new(), HashSet::new());
        for question in questions.iter().filter(|question| !self.knows(question)) {
            sessions.insert((question.session, question.user));
            mandates.extend(question.mandates.iter().copied());
        }
        Missing {
            sessions: sessions.into_iter().collect(),
            mandates: mandates.into_iter().collect(),
        }
    }

    /// What was looked up later than `at`: should it change again, it is told again.
    pub fn add(&mut self, asked: &Missing, alive: Alive) {
        for (session, _) in &asked.sessions {
            self.sessions.remove(session);
        }
        for mandate in &asked.mandates {
            self.mandates.remove(mandate);
        }
        self.catalogue = alive.catalogue;
        for (session, live) in alive.sessions {
            self.users.insert(live.user, live.epoch);
            self.sessions.insert(session, live);
        }
        self.mandates.extend(alive.mandates);
    }

    /// Of what is known by now; the others have to wait until it was looked up. (What is looked up
    /// of one session may tell that its user has changed, and nothing of another session.)
    pub fn answers(&self, questions: &[Question]) -> Vec<Option<Option<Fresh>>> {
        let answer = |question| self.knows(question).then(|| self.answer(question));
        questions.iter().map(answer).collect()
    }

    /// `None`: sign in first. Each is judged at the time of its own door.
    pub fn answer(&self, question: &Question) -> Option<Fresh> {
        let live = self.live(question).filter(|live| live.expires_at > question.at)?;
        let known = |mandate| self.mandates.get(mandate).copied();
        let epochs = Epochs {
            user: live.epoch,
            mandates: question.mandates.iter().filter_map(known).sum(),
            catalogue: self.catalogue,
            era: self.era,
        };
        let LiveSession { is_sys_admin, must_change_password, impersonated_by, .. } = *live;
        Some(Fresh { is_sys_admin, must_change_password, impersonated_by, epochs })
    }

    /// The session, unless its user has changed since it was looked at.
    fn live(&self, question: &Question) -> Option<&LiveSession> {
        self.sessions.get(&question.session).filter(|live| {
            live.user == question.user && self.users.get(&live.user) == Some(&live.epoch)
        })
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::*;
    use crate::context::load::Mandates;

    fn changes(catalogue: i64, users: &[(UserId, i64)], mandates: &[(MandateId, i64)]) -> Changes {
        let (users, mandates) = (users.to_vec(), mandates.to_vec());
        Changes { at: Snapshot::never(), catalogue, users, mandates }
    }

    struct Somebody {
        question: Question,
        live: LiveSession,
        mandate: MandateId,
    }

    fn somebody() -> Somebody {
        let (session, user, mandate) = (SessionId::new(), UserId::new(), MandateId::new());
        let expires_at = DateTime::UNIX_EPOCH + TimeDelta::minutes(1);
        Somebody {
            question: Question {
                session,
                user,
                mandates: Mandates::One(Some(mandate)),
                at: DateTime::UNIX_EPOCH,
            },
            live: LiveSession {
                user,
                is_sys_admin: false,
                must_change_password: false,
                impersonated_by: None,
                expires_at,
                epoch: 1,
            },
            mandate,
        }
    }

    /// Asks, and answers what is missing by what they tell of themselves.
    fn look_up(known: &mut ByHeart, who: &Somebody) {
        let missing = known.missing(std::slice::from_ref(&who.question));
        let alive = Alive {
            sessions: vec![(who.question.session, who.live)],
            mandates: vec![(who.mandate, 1)],
            catalogue: 1,
        };
        known.add(&missing, alive);
    }

    fn told(known: &ByHeart, who: &Somebody) -> Option<(i64, i64)> {
        let fresh = known.answer(&who.question)?;
        Some((fresh.epochs.user, fresh.epochs.mandates))
    }

    #[test]
    fn what_is_known_is_not_looked_up_again_until_it_changes() {
        let (mut known, who) = (ByHeart::from(1, changes(1, &[], &[])), somebody());
        assert!(!known.knows(&who.question));
        look_up(&mut known, &who);
        assert!(known.knows(&who.question));
        assert_eq!(known.missing(std::slice::from_ref(&who.question)), Missing::default());
        known.learn(changes(1, &[], &[(who.mandate, 2)]));
        assert_eq!((known.knows(&who.question), told(&known, &who)), (true, Some((1, 2))));
        known.learn(changes(1, &[(UserId::new(), 5)], &[(MandateId::new(), 5)]));
        assert!(known.knows(&who.question) && known.users.len() == 1);
        // Whether the session is alive hangs on its user.
        known.learn(changes(1, &[(who.question.user, 2)], &[]));
        assert_eq!((known.knows(&who.question), told(&known, &who)), (false, None));
        let who = Somebody { live: LiveSession { epoch: 2, ..who.live }, ..who };
        look_up(&mut known, &who);
        assert_eq!(told(&known, &who), Some((2, 1)));
    }

    /// A user's other session is looked up, and so it shows that the user has changed.
    #[test]
    fn whoever_is_known_is_answered_by_what_was_known() {
        let (mut known, who) = (ByHeart::from(1, changes(1, &[], &[])), somebody());
        look_up(&mut known, &who);
        let question = Question { session: SessionId::new(), ..who.question.clone() };
        let other = Somebody { question, live: LiveSession { epoch: 2, ..who.live }, ..who };
        let both = [who.question.clone(), other.question.clone()];
        let answers = known.answers(&both);
        look_up(&mut known, &other);
        let answered = |answer: &Option<Option<Fresh>>| answer.map(|fresh| fresh.is_some());
        assert_eq!(answers.iter().map(answered).collect::<Vec<_>>(), [Some(true), None]);
        assert!(!known.knows(&both[0]) && known.knows(&both[1]));
    }

    #[test]
    fn a_session_that_is_gone_is_known_no_more() {
        let (mut known, who) = (ByHeart::from(1, changes(1, &[], &[])), somebody());
        look_up(&mut known, &who);
        known.learn(changes(1, &[(who.question.user, 2)], &[]));
        let missing = known.missing(std::slice::from_ref(&who.question));
        known.add(&missing, Alive { catalogue: 1, ..Alive::default() });
        assert_eq!(told(&known, &who), None);
        assert!(known.sessions.is_empty() && known.mandates.is_empty());
    }

    #[test]
    fn an_expired_session_is_over_without_being_asked_about() {
        let (mut known, who) = (ByHeart::from(1, changes(1, &[], &[])), somebody());
        look_up(&mut known, &who);
        let late = Question { at: who.live.expires_at, ..who.question.clone() };
        let answers = known.answers(&[who.question.clone(), late]);
        let answered = |answer: &Option<Option<Fresh>>| answer.map(|fresh| fresh.is_some());
        assert_eq!(answers.iter().map(answered).collect::<Vec<_>>(), [Some(true), Some(false)]);
    }

    #[test]
    fn all_is_forgotten_when_the_catalogue_or_too_much_has_changed() {
        let many: Vec<_> = (0..=MOST_CHANGES).map(|_| (UserId::new(), 2)).collect();
        for change in [changes(2, &[], &[]), changes(1, &many, &[])] {
            let (mut known, who) = (ByHeart::from(1, changes(1, &[], &[])), somebody());
            look_up(&mut known, &who);
            known.learn(change);
            assert!(!known.knows(&who.question));
        }
        // Seen by somebody's look-up first, it is no less a change.
        let (mut known, who) = (ByHeart::from(1, changes(1, &[], &[])), somebody());
        look_up(&mut known, &who);
        known.add(&Missing::default(), Alive { catalogue: 2, ..Alive::default() });
        known.learn(changes(2, &[], &[]));
        assert!(!known.knows(&who.question));
    }
}
