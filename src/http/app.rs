//! What the service is made of, put together once and shared by every request.

use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use chrono::Duration;
use sqlx::postgres::PgConnectOptions;
use utoipa::openapi::OpenApi;
use uuid::Uuid;

use crate::assembly::FEATURES;
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
use crate::openapi::completion::Declared;
use crate::platform::ops::{SchemaState, SchemaWatch};
use crate::tenancy::catalogue::BuiltIn;
use crate::tenancy::navigation::NavigationCache;

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
    limits: Limits,
    unheeded: Unheeded,
    node: Uuid,
    navigation: NavigationCache,
    schema: SchemaWatch,
    features: &'static [BuiltIn],
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
        Self::with_services(settings, secret, issuer, Services::new(db, clock), FEATURES)
    }

    /// The same over services that were made elsewhere, and with these built-in features: tests switch caches off this way, and
    /// add a feature of their own.
    pub fn with_services(
        settings: Settings,
        secret: &[u8; 32],
        issuer: String,
        services: Services,
        features: &'static [BuiltIn],
    ) -> Result<Self> {
        let keys = Keys::derive(secret);
        let lifetime = Duration::minutes(i64::from(settings.access_token_minutes));
        Ok(Self(Arc::new(Parts {
            declared: OnceLock::new(),
            tokens: Tokens::new(&keys, issuer, lifetime, services.clock.clone())?,
            passwords: Passwords::new(settings.password_workers, settings.password_queue)?,
            limits: Limits::new(&settings),
            unheeded: Unheeded::default(),
            node: Uuid::now_v7(),
            navigation: if services.cache.is_on() {
                NavigationCache::default()
            } else {
                NavigationCache::off()
            },
            schema: SchemaWatch::default(),
            features,
            document: OnceLock::new(),
            keys,
            services,
            settings,
        })))
    }

    /// An app without a database, for printing the OpenAPI document. Needs a tokio runtime, as pools do.
    pub fn detached() -> Result<Self> {
        Self::detached_with(FEATURES)
    }

    /// The same with these built-in features.
    pub fn detached_with(features: &'static [BuiltIn]) -> Result<Self> {
        let loaded = Settings::load_from(std::iter::empty(), std::path::Path::new("/nonexistent"))
            .map_err(|error| Error::internal(error.to_string()))?;
        let db = Database::lazy(&PgConnectOptions::new(), 2);
        let services = Services::new(db, Arc::new(SystemClock));
        Self::with_services(
            loaded.settings,
            &[0; 32],
            "http://localhost".to_owned(),
            services,
            features,
        )
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
    pub(crate) fn navigation(&self) -> &NavigationCache {
        &self.0.navigation
    }
    /// How the database's schema is, as it was seen just now.
    pub(crate) async fn schema(&self) -> Result<SchemaState> {
        self.0.schema.state(&self.0.services.db).await
    }
    /// The features that come with the service.
    pub fn features(&self) -> &'static [BuiltIn] {
        self.0.features
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
