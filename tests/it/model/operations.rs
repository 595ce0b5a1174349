//! Every operation that is played: how it is called, what it asks of its caller, and the two
//! functions that make up a call and say what it is answered.

use uuid::Uuid;

use super::call::Call;
use super::dice::Dice;
use super::enter::{Entered, Guard};
use super::reply::Outcome;
use super::world::World;
use crate::harness::Answer;
use crate::harness::app::session_of;

/// What every list takes.
pub const LIST: &[&str] = &["limit", "cursor", "sort", "count"];

type Draw = fn(&mut Dice<'_>) -> Option<()>;
type Play = fn(&mut World, &Entered, &Call, &Told) -> Outcome;

#[derive(Debug)]
pub struct Operation {
    pub id: &'static str,
    pub method: &'static str,
    /// With parameters in braces.
    pub path: &'static str,
    pub guard: Guard,
    /// The query parameters that it knows.
    pub query: Names,
    pub draw: Draw,
    pub play: Play,
}

/// Names, in several lists.
#[derive(Debug, Clone, Copy)]
pub struct Names(&'static [&'static [&'static str]]);

impl Names {
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|names| names.contains(&name))
    }
}

macro_rules! methods {
    ($($name:ident = $method:literal),+) => {$(
        pub const fn $name(id: &'static str, path: &'static str, guard: Guard, draw: Draw,
            play: Play) -> Self {
            Self { id, method: $method, path, guard, query: Names(&[]), draw, play }
        }
    )+};
}

impl Operation {
    methods!(get = "GET", post = "POST", put = "PUT", patch = "PATCH", delete = "DELETE");

    pub const fn asking(mut self, names: &'static [&'static [&'static str]]) -> Self {
        self.query = Names(names);
        self
    }
    pub fn is_mutation(&self) -> bool {
        self.method != "GET" && !matches!(self.guard, Guard::Asking(_))
    }
}

/// What the service is free to choose, and answered: ids, of the thing itself and of what was made
/// with it.
#[derive(Debug, Clone, Default)]
pub struct Told {
    pub id: Uuid,
    /// That an access token is of.
    pub session: Uuid,
    /// A new mandate's group `everyone`.
    pub everyone: Uuid,
    /// That was handed out, for a new password.
    pub token: String,
    /// Roles that were copied: template and copy.
    pub copies: Vec<(Uuid, Uuid)>,
}

impl Told {
    pub fn by(answer: &Answer) -> Self {
        let id = answer.body["id"].as_str().and_then(|id| id.parse().ok()).unwrap_or_default();
        let session = answer.body["accessToken"].as_str().map(session_of);
        let token = answer.body["token"].as_str().unwrap_or_default().to_owned();
        Self { id, session: session.unwrap_or_default(), token, ..Self::default() }
    }
    pub fn id(&self) -> Uuid {
        self.id
    }
    pub fn copy_of(&self, template: Uuid) -> Uuid {
        self.copies
            .iter()
            .find(|(known, _)| *known == template)
            .map(|(_, copy)| *copy)
            .unwrap_or_default()
    }
}

/// All that are played.
pub fn all() -> impl Iterator<Item = &'static Operation> {
    let (slices, features) = (crate::core::ALL.iter(), crate::features::ALL.iter());
    let plays = slices.map(|slice| slice.plays).chain(features.map(|staged| staged.plays));
    plays.flatten().copied().flatten()
}

pub fn named(id: &str) -> &'static Operation {
    all().find(|operation| operation.id == id).unwrap()
}
