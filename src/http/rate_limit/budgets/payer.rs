//! Who pays.

use std::net::{IpAddr, Ipv4Addr};

use crate::kernel::ids::{MandateId, SessionId, UserId};

/// Whose budget a request is charged to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Payer {
    pub who: Who,
    pub what_for: WhatFor,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Who {
    User(UserId),
    Address(IpAddr),
}

/// Budgets that one payer has beside each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WhatFor {
    Anything,
    /// As its member, where the mandate has a limit of its own.
    Within(MandateId),
    /// By the digest of the name, which may be somebody's, and as long as it likes.
    SigningInAs([u8; 32]),
    /// Its own, from wherever it is used.
    Refreshing(SessionId),
}

impl Payer {
    /// Somebody who pays as everybody does or, as a member of the mandate, by its own limit where
    /// it has one.
    pub fn within(who: Who, mandate: Option<MandateId>) -> Self {
        Self { who, what_for: mandate.map_or(WhatFor::Anything, WhatFor::Within) }
    }

    /// As whose member.
    pub fn mandate(&self) -> Option<MandateId> {
        match self.what_for {
            WhatFor::Within(mandate) => Some(mandate),
            WhatFor::Anything | WhatFor::SigningInAs(_) | WhatFor::Refreshing(_) => None,
        }
    }
}

impl Who {
    /// Who shares with nobody, wherever they come from.
    pub const ANYWHERE: Self = Self::Address(IpAddr::V4(Ipv4Addr::UNSPECIFIED));

    pub fn at(address: IpAddr) -> Self {
        Self::Address(network_of(address))
    }
}

/// One customer of an IPv6 provider has a whole /64.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6([a, b, c, d, 0, 0, 0, 0].into())
        }
        IpAddr::V4(_) => address,
    }
}
