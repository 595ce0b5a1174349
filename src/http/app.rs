//! What every request needs, put together once. A slice that keeps something of its own keeps it in
//! the slice, as a layer on its routes.

use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use chrono::Duration;
use sqlx::postgres::PgConnectOptions;
use utoipa::openapi::OpenApi;
use uuid::Uuid;

use crate::context::Services;
use crate::http::client::Unheeded;
use crate::http::rate_limit::Limits;
use crate::kernel::clock::{Clock, SystemClock};
use crate::kernel::config::Settings;
use crate::kernel::credentials::password::Passwords;
use crate::kernel::credentials::token::Tokens;
use crate::kernel::crypto::Keys;
use crate::kernel::db::Database;
use crate::kernel::error::{Error, Result};
use crate::kernel::mail::Mailer;
use crate::openapi::Declared;

/// The running service's parts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct App(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    settings: Settings,
    services: Services,
    keys: Keys,
    declared: OnceLock<Declared>,
    passwords: Passwords,
    tokens: Tokens,
    mailer: Mailer,
    limits: Limits,
    unheeded: Unheeded,
    node: Uuid,
    document: OnceLock<Bytes>,
}

impl App {
    /// Puts the parts together. `issuer` is what tokens name as theirs.
    pub fn new(
        settings: Settings,
        secret: &[u8; 32],
        issuer: String,
        db: Database,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        Self::with_services(settings, secret, issuer, Services::new(db, clock))
    }

    /// The same over services that were made elsewhere: tests switch caches off this way.
    pub fn with_services(
        settings: Settings,
        secret: &[u8; 32],
        issuer: String,
        services: Services,
    ) -> Result<Self> {
        let keys = Keys::derive(secret);
        let lifetime = Duration::minutes(i64::from(settings.access_token_minutes));
        Ok(Self(Arc::new(Parts {
            declared: OnceLock::new(),
            tokens: Tokens::new(&keys, issuer, lifetime)?,
            passwords: Passwords::of(&settings)?,
            mailer: settings.mailer()?,
            limits: Limits::new(&settings),
            unheeded: Unheeded::default(),
            node: Uuid::now_v7(),
            document: OnceLock::new(),
            keys,
            services,
            settings,
        })))
    }

    /// An app without a database, for printing the OpenAPI document. Needs a tokio runtime, as
    /// pools do.
    pub fn detached() -> Result<Self> {
        let loaded = Settings::load_from(std::iter::empty(), std::path::Path::new("/nonexistent"))
            .map_err(|error| Error::internal(error.to_string()))?;
        let db = Database::lazy(&PgConnectOptions::new(), 2);
        let services = Services::new(db, Arc::new(SystemClock));
        Self::with_services(loaded.settings, &[0; 32], "http://localhost".to_owned(), services)
    }

    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }
    pub fn services(&self) -> &Services {
        &self.0.services
    }
    pub(crate) fn keys(&self) -> &Keys {
        &self.0.keys
    }
    pub(crate) fn passwords(&self) -> &Passwords {
        &self.0.passwords
    }
    pub(crate) fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }
    pub(crate) fn mailer(&self) -> &Mailer {
        &self.0.mailer
    }
    /// The rate limits of this node.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }
    /// Whether addresses were forwarded that nobody is trusted to forward.
    pub(crate) fn unheeded(&self) -> &Unheeded {
        &self.0.unheeded
    }
    /// This node among those that share the database.
    pub(crate) fn node(&self) -> Uuid {
        self.0.node
    }
    pub(crate) fn set_document(&self, document: &OpenApi) {
        // A second assembly over the same app has the same document.
        let _ = self.0.declared.set(Declared::new(document.clone()));
    }
    /// Made when it is first asked for: it takes as long as some hundred requests.
    pub(crate) fn document(&self) -> Bytes {
        self.0
            .document
            .get_or_init(|| self.0.declared.get().map(Declared::served).unwrap_or_default())
            .clone()
    }
}
