//! By what access tokens are signed.

/// By what access tokens are signed (RFC 8725, 3.1: each key is good for one of them).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenAlgorithm {
    /// Ed25519 (RFC 8037).
    EdDsa,
    /// ECDSA with P-256 and SHA-256 (RFC 7518, 3.4), for those who know no Ed25519.
    Es256,
}

impl TokenAlgorithm {
    pub const ALL: [Self; 2] = [Self::EdDsa, Self::Es256];

    /// As `alg` names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
        }
    }

    /// The one that `alg` names so, whatever its case.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }
}
