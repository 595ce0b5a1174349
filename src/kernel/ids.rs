//! Typed identifiers, so that a user's id cannot be passed where a mandate's is meant. All are
//! `UUIDv7` (RFC 9562): their order is the order of creation, which list paging relies on.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::Ref;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};
use uuid::Uuid;

/// What was sent for an id is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoUuid;

impl fmt::Display for NoUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a UUID with its four hyphens")
    }
}
impl std::error::Error for NoUuid {}

/// RFC 9562's text form, in either case, and no other: with several spellings of one id, whoever
/// compares, logs or caches by text takes one thing for two. (`{…}`, `urn:uuid:…` and 32 digits are
/// what the uuid crate reads besides.)
fn hyphenated(text: &str) -> Result<Uuid, NoUuid> {
    if text.len() == 36 { Uuid::try_parse(text).map_err(|_| NoUuid) } else { Err(NoUuid) }
}

/// A path with its ids in small letters, so that one thing is called by one path: cursors and
/// repeated requests are told apart by it.
#[must_use]
pub fn ids_in_one_case(path: &str) -> String {
    let segments = path.split('/').map(|segment| {
        hyphenated(segment).map_or_else(|_| segment.to_owned(), |id| id.to_string())
    });
    segments.collect::<Vec<_>>().join("/")
}

/// Reads an id, and where it is none says what it is to be.
struct Spelled;

impl Visitor<'_> for Spelled {
    type Value = Uuid;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a UUID")
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Uuid, E> {
        hyphenated(text).map_err(|_| E::custom("must be a UUID"))
    }
}

/// Each kind with an example, which is the demo's (`seeds/demo.toml`) where that has a fixed one.
macro_rules! id_type {
    ($($(#[$doc:meta])* $name:ident like $example:literal),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, sqlx::Type,
            utoipa::ToSchema)]
        #[serde(transparent)]
        #[sqlx(transparent)]
        #[schema(value_type = Uuid, example = $example)]
        pub struct $name(Uuid);

        impl $name {
            /// A new identifier, later in order than every one this process made before. (No
            /// `Default`: whoever has none would get one that is nobody's.)
            #[must_use]
            #[expect(clippy::new_without_default, reason = "nobody is to get an id unasked")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
            /// The identifier as the database and the wire carry it.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }
        impl Id for $name {
            const KIND: IdKind = IdKind::$name;
        }
        impl From<Uuid> for $name {
            fn from(value: Uuid) -> Self {
                Self(value)
            }
        }
        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }
        impl FromStr for $name {
            type Err = NoUuid;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                hyphenated(text).map(Self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Spelled).map(Self)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+
    /// The kinds of ids, for whoever has to tell them apart when they are only types.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum IdKind { $($name),+ }
    };
}

/// An identifier of one kind.
pub trait Id {
    const KIND: IdKind;
}

id_type! {
    /// An account of the platform.
    UserId like "01900000-0000-7000-8000-00000000a003",
    /// A sign-in (`sid` in access tokens).
    SessionId like "01900000-0000-7000-8000-0000be25a35a",
    /// A tenant.
    MandateId like "01900000-0000-7000-8000-00000000b001",
    /// A user's membership in one mandate (`userMandateId`).
    MembershipId like "01900000-0000-7000-8000-0000ee2816c7",
    /// A named set of members of one mandate.
    GroupId like "01900000-0000-7000-8000-0000532211a1",
    /// A role of any of the four scopes.
    RoleId like "01900000-0000-7000-8000-0000164531fc",
    /// One use of a feature by one mandate.
    InstanceId like "01900000-0000-7000-8000-00000000c002",
    /// Somebody who is to become a member.
    InvitationId like "01900000-0000-7000-8000-0000a1d3c2b7",
    /// An entry of the audit trail.
    EventId like "01900000-0000-7000-8000-00008f3712f2",
    /// A playbook.
    PlaybookId like "01900000-0000-7000-8000-0000772fa2c3",
    /// A booking.
    BookingId like "01900000-0000-7000-8000-0000d156cc2d",
    /// Something whose kind is told elsewhere, or needs no telling.
    AnyId like "01900000-0000-7000-8000-00000000a003",
}

/// The schema of a member that may be null, with an example that is not the one of its type.
pub fn or_null_like<T: ToSchema>(example: &str, description: &str) -> Schema {
    let mut id = Ref::from_schema_name(T::name());
    id.description = description.into();
    OneOfBuilder::new()
        .item(id)
        .item(ObjectBuilder::new().schema_type(Type::Null))
        .examples([example])
        .build()
        .into()
}

impl UserId {
    /// Nobody's: where work must not tell whether there is somebody.
    pub const NOBODY: Self = Self(Uuid::nil());
}

impl SessionId {
    /// No session: of whoever acts through somebody else's request.
    pub const NONE: Self = Self(Uuid::nil());
}

/// Ids as the database takes them in arrays.
pub fn uuids<T: Copy>(ids: &[T]) -> Vec<Uuid>
where
    Uuid: From<T>,
{
    ids.iter().map(|id| Uuid::from(*id)).collect()
}
