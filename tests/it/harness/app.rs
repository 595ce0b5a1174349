//! The service in process: the real router over a database of its own, called without a socket.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};

use argon2::password_hash::PasswordHasher;
use argon2::{Algorithm, Argon2, Params, Version};
use axum::ServiceExt as AxumServiceExt;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use bailiwick::assembly;
use bailiwick::context::{ContextCache, Services};
use bailiwick::http::Service;
use bailiwick::http::app::App;
use bailiwick::kernel::clock::{Clock, ShiftedClock};
use bailiwick::kernel::config::Settings;
use bailiwick::kernel::db::Database;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Executor, PgPool};
use tokio::net::TcpListener;
use tower::ServiceExt;
use uuid::Uuid;

use super::cluster;
use crate::gates::contract::contract;

/// The password of every account that tests make.
pub const PASSWORD: &str = "plum-Kettle-94-orbit";

/// How many connections a service works with.
pub const CONNECTIONS: u32 = 8;

/// A running service with a database of its own.
#[derive(Clone)]
pub struct TestApp {
    pub app: App,
    pub clock: Arc<ShiftedClock>,
    /// As the superuser, around every wall: to look at what is really there, and to set a stage.
    pub sql: PgPool,
    pub options: PgConnectOptions,
    /// The service's own pools.
    pub db: Database,
    pub service: Service,
}

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    /// The problem's code, or nothing.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
    /// The body, where the status is this one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self.body
    }
    /// Asserts a refusal.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) {
        assert_eq!((self.status.as_u16(), self.code()), (status, code), "{}", self.body);
    }
    /// An id in the body.
    #[track_caller]
    pub fn id(&self) -> Uuid {
        assert!(self.status.is_success(), "{}: {}", self.status, self.body);
        uuid(&self.body["id"])
    }
}

#[track_caller]
pub fn uuid(value: &Value) -> Uuid {
    value.as_str().unwrap_or_else(|| panic!("not an id: {value}")).parse().unwrap()
}

/// The session that an access token is of.
pub fn session_of(token: &str) -> Uuid {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    uuid(&serde_json::from_slice::<Value>(&claims).unwrap()["sid"])
}

/// A request to be made: `app.post("/api/…").bearer(&token).mandate(id).json(body).send().await`.
#[must_use]
pub struct Call<'a> {
    app: &'a TestApp,
    method: Method,
    uri: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    peer: Option<SocketAddr>,
}

impl Call<'_> {
    pub fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }
    pub fn mandate(self, mandate: Uuid) -> Self {
        self.header("x-mandate-id", mandate)
    }
    pub fn instance(self, instance: Uuid) -> Self {
        self.header("x-instance-id", instance)
    }
    /// As if the connection came from there.
    pub fn coming_from(mut self, address: &str) -> Self {
        self.peer = Some((address.parse::<IpAddr>().unwrap(), 1024).into());
        self
    }
    pub fn json(mut self, body: Value) -> Self {
        self.body = Some(serde_json::to_vec(&body).unwrap());
        self.header("content-type", "application/json")
    }
    pub fn raw(mut self, content_type: &str, body: &str) -> Self {
        self.body = Some(body.as_bytes().to_vec());
        self.header("content-type", content_type)
    }
    pub async fn send(self) -> Answer {
        let mut request = Request::builder().method(self.method).uri(self.uri);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(peer) = self.peer {
            request = request.extension(ConnectInfo(peer));
        }
        let request = request.body(self.body.map_or_else(Body::empty, Body::from)).unwrap();
        self.app.send(request).await
    }
}

impl TestApp {
    /// The service as tests usually want it: no rate limits.
    pub async fn start() -> Self {
        Self::start_with(&[("BAILIWICK_RATE_LIMITS", "off")]).await
    }

    /// The service with these settings.
    pub async fn start_with(environment: &[(&str, &str)]) -> Self {
        Self::over(cluster::database().await, environment, ContextCache::default())
    }

    /// Another node that works with one connection, so that whatever one request leaves on it, the
    /// next one finds.
    pub fn another_node_with_one_connection(&self) -> Self {
        self.another_node_with_one_connection_over(self.options.clone())
    }

    /// The same, which reaches the database another way.
    pub fn another_node_with_one_connection_over(&self, options: PgConnectOptions) -> Self {
        let cache = ContextCache::default();
        Self::assemble(options, &[("BAILIWICK_RATE_LIMITS", "off")], cache, self.clock.clone(), 1)
    }

    /// The service over a database that was made elsewhere.
    pub fn start_on(options: PgConnectOptions) -> Self {
        Self::over(options, &[("BAILIWICK_RATE_LIMITS", "off")], ContextCache::default())
    }

    /// Another node of the same service: the same database, clock and secret, its own caches.
    pub fn another_node(&self) -> Self {
        Self::assemble(
            self.options.clone(),
            &[("BAILIWICK_RATE_LIMITS", "off")],
            ContextCache::default(),
            self.clock.clone(),
            CONNECTIONS,
        )
    }

    /// The same, with limits.
    pub fn another_limited_node(&self, environment: &[(&str, &str)]) -> Self {
        Self::assemble(
            self.options.clone(),
            environment,
            ContextCache::default(),
            self.clock.clone(),
            CONNECTIONS,
        )
    }

    /// The same with a setting of its own.
    pub fn another_node_with(&self, name: &str, value: &str) -> Self {
        let environment = [("BAILIWICK_RATE_LIMITS", "off"), (name, value)];
        Self::assemble(
            self.options.clone(),
            &environment,
            ContextCache::default(),
            self.clock.clone(),
            CONNECTIONS,
        )
    }

    /// The same, keeping nothing between requests.
    pub fn another_node_without_cache(&self) -> Self {
        Self::assemble(
            self.options.clone(),
            &[("BAILIWICK_RATE_LIMITS", "off")],
            ContextCache::off(),
            self.clock.clone(),
            CONNECTIONS,
        )
    }

    /// The same, which reads the time from another clock.
    pub fn another_node_by(&self, clock: Arc<dyn Clock>) -> Self {
        let own = (self.clock.clone(), clock);
        let environment = [("BAILIWICK_RATE_LIMITS", "off")];
        let cache = ContextCache::default();
        Self::assemble_by(self.options.clone(), &environment, cache, own, CONNECTIONS)
    }

    fn over(options: PgConnectOptions, environment: &[(&str, &str)], cache: ContextCache) -> Self {
        Self::assemble(options, environment, cache, ShiftedClock::shared(), CONNECTIONS)
    }

    fn assemble(
        options: PgConnectOptions,
        environment: &[(&str, &str)],
        cache: ContextCache,
        clock: Arc<ShiftedClock>,
        connections: u32,
    ) -> Self {
        let clocks = (clock.clone(), clock as _);
        Self::assemble_by(options, environment, cache, clocks, connections)
    }

    /// With the clock that tests push forward, and the one that the service reads.
    fn assemble_by(
        options: PgConnectOptions,
        environment: &[(&str, &str)],
        cache: ContextCache,
        (clock, read): (Arc<ShiftedClock>, Arc<dyn Clock>),
        connections: u32,
    ) -> Self {
        let is_about_hashes = environment.iter().any(|(name, _)| name.contains("_ARGON2_"));
        let environment =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let contact =
            ("BAILIWICK_SECURITY_CONTACT".to_owned(), "mailto:security@example.org".to_owned());
        let environment = environment.chain([contact]);
        let settings = Settings::load_from(environment, std::path::Path::new("/nonexistent"))
            .unwrap()
            .settings;
        let settings = if is_about_hashes { settings } else { Self::hashing_cheaply(settings) };
        let db = Database::lazy(&options, connections);
        let services = Services::with_cache(db.clone(), read, cache);
        let app =
            App::with_services(settings, &SECRET, "http://test".to_owned(), services).unwrap();
        let sql = PgPoolOptions::new()
            .max_connections(4)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    connection.execute("set search_path = bailiwick").await.map(|_| ())
                })
            })
            .connect_lazy_with(options.clone());
        let service = assembly::service(&app, crate::features::served());
        Self { app, clock, sql, options, db, service }
    }

    /// As cheaply as hashes get, which is less than operators may choose.
    fn hashing_cheaply(settings: Settings) -> Settings {
        settings.hashing_with(Params::MIN_M_COST, Params::MIN_T_COST)
    }

    /// Whatever comes of a request has to be as the OpenAPI document tells.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self.service.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        let answer = Answer { status: parts.status, headers: parts.headers, body };
        contract().hold(&method, &path, &answer);
        answer
    }

    /// Serves on a socket too, for callers that only know an address. Answers it, as
    /// `http://127.0.0.1:…`.
    pub async fn listen(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = AxumServiceExt::<Request<Body>>::into_make_service_with_connect_info::<
            SocketAddr,
        >(self.service.clone());
        tokio::spawn(async move { axum::serve(listener, service).await });
        format!("http://{address}")
    }

    pub fn call(&self, method: Method, uri: impl Into<String>) -> Call<'_> {
        Call { app: self, method, uri: uri.into(), headers: Vec::new(), body: None, peer: None }
    }
    pub fn get(&self, uri: impl Into<String>) -> Call<'_> {
        self.call(Method::GET, uri)
    }
    pub fn post(&self, uri: impl Into<String>) -> Call<'_> {
        self.call(Method::POST, uri)
    }
    pub fn put(&self, uri: impl Into<String>) -> Call<'_> {
        self.call(Method::PUT, uri)
    }
    pub fn patch(&self, uri: impl Into<String>) -> Call<'_> {
        self.call(Method::PATCH, uri)
    }
    pub fn delete(&self, uri: impl Into<String>) -> Call<'_> {
        self.call(Method::DELETE, uri)
    }

    /// An account, made without the cost of hashing: all test accounts share one hash, a cheap one.
    pub async fn account(&self, username: &str, sys_admin: bool) -> Uuid {
        let id = Uuid::now_v7();
        let statement = "insert into users (id, username, username_key, email, email_key,
                             email_verified, first_name, password_hash, is_sys_admin, created_at)
                         values ($1, $2, $2, $2 || '@example.com', $2 || '@example.com', true, $2,
                             $3, $4, now())";
        sqlx::query(statement)
            .bind(id)
            .bind(username)
            .bind(shared_hash())
            .bind(sys_admin)
            .execute(&self.sql)
            .await
            .unwrap();
        id
    }

    /// A token of a real sign-in.
    pub async fn sign_in(&self, username: &str) -> String {
        let answer = self
            .post("/api/auth/login")
            .json(json!({ "username": username, "password": PASSWORD }))
            .send()
            .await;
        answer.expect(200)["accessToken"].as_str().unwrap().to_owned()
    }

    /// Every row of every table, in a few letters a table: two looks are equal where nothing
    /// changed between them.
    pub async fn digest(&self) -> String {
        let tables: Vec<String> = sqlx::query_scalar(
            "select format('select %L,
                md5(string_agg(t::text, chr(10) order by t::text)) from %s t', relname,
                oid::regclass)
             from pg_class where relnamespace = 'bailiwick'::regnamespace and relkind = 'r'
               order by relname",
        )
        .fetch_all(&self.sql)
        .await
        .unwrap();
        assert!(tables.len() >= 20, "{tables:?}");
        let each = tables.join(" union all ");
        let statement = format!(
            "select string_agg(name || ' ' || digest, chr(10) order by name)
               from ({each}) all_tables (name, digest)"
        );
        sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(&self.sql).await.unwrap()
    }

    /// How many rows a query counts, as the superuser.
    pub async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.sql).await.unwrap()
    }
}

/// What all keys of tests come from.
pub const SECRET: [u8; 32] = [7; 32];

/// A hash says what it costs to compare with: this one as little as there is, since every test
/// signs people in.
pub fn shared_hash() -> &'static str {
    static HASH: LazyLock<String> = LazyLock::new(|| {
        let least =
            Params::new(Params::MIN_M_COST, Params::MIN_T_COST, Params::MIN_P_COST, None).unwrap();
        let cheap = Argon2::new(Algorithm::Argon2id, Version::V0x13, least);
        cheap.hash_password(PASSWORD.as_bytes()).unwrap().to_string()
    });
    &HASH
}
