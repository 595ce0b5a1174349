//! What every request needs, put together once. A slice that keeps something of its own keeps it in
//! the slice, as a layer on its routes.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use axum::body::Bytes;
use chrono::{DateTime, Duration, Utc};
use sqlx::postgres::PgConnectOptions;
use utoipa::openapi::OpenApi;
use uuid::Uuid;

use crate::context::Services;
use crate::http::client::Unheeded;
use crate::http::rate_limit::Limits;
use crate::kernel::clock::{Clock, SystemClock};
use crate::kernel::config::Settings;
use crate::kernel::credentials::password::Passwords;
use crate::kernel::credentials::ring::{KeyRing, Mark};
use crate::kernel::credentials::token::{HowTokensAre, Tokens};
use crate::kernel::crypto::{Keys, Secrets};
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
    secrets: Secrets,
    how: HowTokensAre,
    own: ArcSwap<Own>,
    declared: OnceLock<Declared>,
    passwords: Passwords,
    mailer: Mailer,
    limits: Limits,
    unheeded: Unheeded,
    node: Uuid,
    document: OnceLock<Bytes>,
}

/// The service's own keys, as this node knows them.
#[derive(Debug)]
struct Own {
    ring: KeyRing,
    /// Whether all that are in use could be opened.
    is_whole: bool,
    keys: Arc<Keys>,
    tokens: Arc<Tokens>,
    mark: Mark,
}

impl Own {
    fn of(
        (ring, is_whole): (KeyRing, bool),
        how: &HowTokensAre,
        (now, longest_session): (DateTime<Utc>, Duration),
    ) -> Result<Self> {
        let keys = ring.keys(now, longest_session)?.into();
        let tokens = Tokens::new(&ring, how.clone())?.into();
        Ok(Self { keys, tokens, mark: ring.mark(now, longest_session), ring, is_whole })
    }
}

impl App {
    /// Puts the parts together. `issuer` is what tokens name as theirs.
    pub fn new(
        settings: Settings,
        secrets: impl Into<Secrets>,
        issuer: String,
        db: Database,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        Self::with_services(settings, secrets, issuer, Services::new(db, clock))
    }

    /// The same over services that were made elsewhere: tests switch caches off this way.
    pub fn with_services(
        settings: Settings,
        secrets: impl Into<Secrets>,
        issuer: String,
        services: Services,
    ) -> Result<Self> {
        let secrets = secrets.into();
        let how = HowTokensAre {
            issuer,
            lifetime: Duration::minutes(i64::from(settings.access_token_minutes)),
            algorithm: settings.token_alg,
        };
        // Those that follow from the secret, until others are heard of.
        let ring = KeyRing::first(secrets.known_to_all())?;
        let at = (DateTime::UNIX_EPOCH, settings.longest_session());
        let own = Own::of((ring, true), &how, at)?;
        Ok(Self(Arc::new(Parts {
            own: ArcSwap::from_pointee(own),
            how,
            secrets,
            declared: OnceLock::new(),
            passwords: Passwords::of(&settings)?,
            mailer: settings.mailer()?,
            limits: Limits::new(&settings),
            unheeded: Unheeded::default(),
            node: Uuid::now_v7(),
            document: OnceLock::new(),
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
    pub fn secrets(&self) -> &Secrets {
        &self.0.secrets
    }
    /// The keys of HMACs.
    pub(crate) fn keys(&self) -> Arc<Keys> {
        self.0.own.load().keys.clone()
    }
    /// The URL under which the service is known.
    pub(crate) fn issuer(&self) -> &str {
        &self.0.how.issuer
    }
    pub(crate) fn passwords(&self) -> &Passwords {
        &self.0.passwords
    }
    pub(crate) fn tokens(&self) -> Arc<Tokens> {
        self.0.own.load().tokens.clone()
    }
    /// The service's own keys.
    pub(crate) fn key_ring(&self) -> KeyRing {
        self.0.own.load().ring.clone()
    }
    /// Whether this node has all of the service's own keys that are in use.
    pub(crate) fn has_all_keys(&self) -> bool {
        self.0.own.load().is_whole
    }
    /// Takes these keys for the present ones from now on, which may not be all that there are.
    /// Tells whether they are others.
    pub(crate) fn take_keys(
        &self,
        (ring, is_whole): (KeyRing, bool),
        now: DateTime<Utc>,
    ) -> Result<bool> {
        let (longest_session, own) = (self.settings().longest_session(), self.0.own.load());
        let are_others = ring.mark(now, longest_session) != own.mark;
        if are_others || is_whole != own.is_whole {
            // What was verified by those before is looked at again.
            let own = Own::of((ring, is_whole), &self.0.how, (now, longest_session))?;
            self.0.own.store(Arc::new(own));
        }
        Ok(are_others)
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
