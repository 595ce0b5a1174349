//! Whose word is taken for it that a server is the one that it says it is: the authorities that
//! browsers trust, and those of the operator.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::error::{Error, Result};

/// The operator's authorities, beside those that browsers trust.
#[derive(Debug, Clone, Default)]
pub struct Authorities(Vec<CertificateDer<'static>>);

impl Authorities {
    /// Those of a file of certificates (PEM), where one is named.
    pub fn of_file(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else { return Ok(Self::default()) };
        let refused = |what: String| {
            Error::internal(format!("the certificates of {}: {what}", path.display()))
        };
        let text = fs::read(path).map_err(|error| refused(error.to_string()))?;
        let found: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        let found = found.map_err(|error| refused(error.to_string()))?;
        let mut roots = RootCertStore::empty();
        for certificate in &found {
            roots.add(certificate.clone()).map_err(|error| refused(error.to_string()))?;
        }
        if found.is_empty() {
            return Err(refused("there is none".to_owned()));
        }
        Ok(Self(found))
    }

    /// In the form of DER (X.690).
    pub fn certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// For a client that proves nothing itself.
    pub fn client(&self) -> Result<ClientConfig> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for certificate in &self.0 {
            roots.add(certificate.clone()).map_err(Error::internal)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(Error::internal)?;
        Ok(client.with_root_certificates(roots).with_no_client_auth())
    }
}
