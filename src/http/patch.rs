//! Merge patches (RFC 7396): a member that is absent stays, one that is null is removed. serde
//! takes both for `None`, so the fields of `Update…` bodies say which they mean.

use serde::{Deserialize, Deserializer};

/// `Some(None)` for null: for fields that can be cleared.
pub fn nullable<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// Null is refused: for fields that always have a value.
pub fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
