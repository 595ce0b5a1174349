//! Hashes of passwords (Argon2id, RFC 9106), in PHC string format.

use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};

use crate::kernel::error::{Error, Result};

/// What a hash takes to be made, on one core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    pub memory_kib: u32,
    pub iterations: u32,
}

impl Default for Cost {
    fn default() -> Self {
        Self { memory_kib: Params::DEFAULT_M_COST, iterations: Params::DEFAULT_T_COST }
    }
}

impl Cost {
    fn hasher(self) -> Result<Argon2<'static>> {
        let params = Params::new(self.memory_kib, self.iterations, 1, None).map_err(refused)?;
        Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
    }
}

pub(super) fn hash(password: &str, cost: Cost) -> Result<String> {
    let hash = cost.hasher()?.hash_password(password.as_bytes()).map_err(refused)?;
    Ok(hash.to_string())
}

/// Whether the hash is of this password, whatever it cost.
pub(super) fn is_of(password: &str, hash: &str) -> Result<bool> {
    let parsed = PasswordHash::new(hash).map_err(refused)?;
    Ok(Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok())
}

/// Whether the hash took less of anything than it should.
pub(super) fn is_weaker(hash: &str, cost: Cost) -> Result<bool> {
    let parsed = PasswordHash::new(hash).map_err(refused)?;
    let params = Params::try_from(&parsed).map_err(refused)?;
    let is_newest = parsed.algorithm == Algorithm::Argon2id.ident()
        && parsed.version == Some(Version::V0x13.into());
    Ok(!is_newest || params.m_cost() < cost.memory_kib || params.t_cost() < cost.iterations)
}

/// A hash of nobody's password, one a process for each cost: verifying against it takes what
/// verifying against a real one does.
pub(super) fn nobodys(cost: Cost) -> Result<Arc<str>> {
    static HASHES: Mutex<Vec<(Cost, Arc<str>)>> = Mutex::new(Vec::new());
    let mut hashes = HASHES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, hash)) = hashes.iter().find(|(of, _)| *of == cost) {
        return Ok(hash.clone());
    }
    let hash: Arc<str> = hash(&uuid::Uuid::new_v4().to_string(), cost)?.into();
    hashes.push((cost, hash.clone()));
    Ok(hash)
}

fn refused(error: impl std::fmt::Display) -> Error {
    Error::internal(error.to_string())
}
