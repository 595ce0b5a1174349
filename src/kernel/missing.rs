//! What a body names and is not there: 404 that says what kind of thing, and where the body names
//! it. What belongs to another mandate, or is out of the caller's reach, is not there either: the
//! same answer.

use std::collections::BTreeSet;

use crate::kernel::error::{Error, FieldError};

/// The kinds of things that bodies name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    User,
    Role,
    Feature,
    Instance,
}

impl Thing {
    /// One that is not there, among others.
    pub fn unknown(self, pointer: impl Into<String>) -> FieldError {
        let (code, detail) = match self {
            Thing::User => ("unknown_user", "names nobody who is known here"),
            Thing::Role => ("unknown_role", "names no role that there is here"),
            Thing::Instance => ("unknown_instance", "names no instance that there is here"),
            Thing::Feature => ("unknown_feature", "names no feature that there is"),
        };
        FieldError::new(pointer, code, detail)
    }

    /// The refusal of a body that names one that is not there.
    pub fn missing(self, pointer: &str) -> Error {
        Error::unknown(vec![self.unknown(pointer)])
    }

    /// Those of a list in a body that are not there, each where it is named first.
    pub fn unknown_among<T: Copy + Ord>(
        self,
        pointer: &str,
        named: &[T],
        is_there: impl Fn(T) -> bool,
    ) -> Vec<FieldError> {
        let mut seen = BTreeSet::new();
        let first = named.iter().enumerate().filter(|(_, thing)| seen.insert(**thing));
        first
            .filter(|(_, thing)| !is_there(**thing))
            .map(|(index, _)| self.unknown(format!("{pointer}/{index}")))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::error::Code;

    #[test]
    fn each_thing_that_is_not_there_is_told_once_and_a_refusal_stays_short() {
        let missing = Thing::Role.unknown_among("/roleIds", &[7, 1, 7, 9, 1], |id| id == 1);
        let told: Vec<_> =
            missing.iter().map(|error| (error.pointer.as_str(), error.code.as_ref())).collect();
        assert_eq!(told, [("/roleIds/0", "unknown_role"), ("/roleIds/3", "unknown_role")]);

        let many: Vec<u32> = (0..20_000).collect();
        let refusal = Error::unknown(Thing::User.unknown_among("/userIds", &many, |_| false));
        assert_eq!((refusal.code(), refusal.errors().len()), (Code::NotFound, 100));
        assert_eq!(refusal.detail(), "/userIds/0 names nobody who is known here");
    }
}
