//! Members whom somebody asks about, with what they may do: sealed, like rows, until the grant has
//! told who of them is reached.

use super::grant::Grant;
use super::load;
pub use super::load::{FoundMember, NamedMembers};
use super::mandate::MandateContext;
use super::sealed::Opened;
use crate::access::tables::{Members, Read};
use crate::kernel::error::Result;
use crate::kernel::ids::UserId;

/// A member whom the caller may read.
pub type ReadMember = Opened<Members, Read, FoundMember>;

impl MandateContext {
    /// 404 where there is no such member whom the grant reaches.
    pub async fn member(&self, grant: &Grant<Members, Read>, user: UserId) -> Result<ReadMember> {
        let named = NamedMembers { users: vec![user], ..NamedMembers::default() };
        let mut found = load::members(&*self.reader().await?, grant, &named).await?;
        grant.open(found.pop())
    }

    /// Those whom the grant reaches.
    pub async fn members(
        &self,
        grant: &Grant<Members, Read>,
        named: &NamedMembers,
    ) -> Result<Vec<ReadMember>> {
        let found = load::members(&*self.reader().await?, grant, named).await?;
        Ok(found.into_iter().filter_map(|found| grant.open(Some(found)).ok()).collect())
    }
}
