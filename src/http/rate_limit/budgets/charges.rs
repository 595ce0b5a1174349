//! All that a request was charged.

use super::charged::Charged;
use crate::context::policy::Class;

/// All of it, the latest last.
#[derive(Debug, Default)]
pub struct Charges {
    pub charges: Vec<Charged>,
    pub free: bool,
}

impl Charges {
    /// One charge for each class: the latest.
    pub fn note(&mut self, charged: Charged) {
        self.strike(charged.class);
        self.charges.push(charged);
    }
    pub fn strike(&mut self, class: Class) {
        self.charges.retain(|other| other.class != class);
    }
    pub fn of(&self, class: Class) -> Option<&Charged> {
        self.charges.iter().find(|charged| charged.class == class)
    }
}
