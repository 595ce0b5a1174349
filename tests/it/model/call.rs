//! A call: an operation, who makes it, and all that is sent. The same value is sent to the service
//! and played by the model.

use std::fmt;

use serde_json::Value;
use uuid::Uuid;

use super::operations::Operation;
use super::reply::Refusal;

/// What is sent as the body.
#[derive(Debug, Clone)]
pub enum Body {
    Nothing,
    Json(Value),
    /// A content type, and what is not JSON (or is not said to be).
    Raw(&'static str, &'static str),
}

#[derive(Clone)]
pub struct Call {
    pub operation: &'static Operation,
    /// The session; none: nobody is signed in.
    pub session: Option<usize>,
    /// What the path's parameters are, in order.
    pub args: Vec<String>,
    pub query: Vec<(&'static str, String)>,
    pub mandate: Option<String>,
    pub instance: Option<String>,
    pub if_match: Option<String>,
    pub body: Body,
}

impl Call {
    pub fn of(operation: &'static Operation, session: Option<usize>) -> Self {
        let (args, query) = (Vec::new(), Vec::new());
        Self {
            operation,
            session,
            args,
            query,
            mandate: None,
            instance: None,
            if_match: None,
            body: Body::Nothing,
        }
    }
    /// The path with its parameters, and the query.
    pub fn uri(&self) -> String {
        let mut args = self.args.iter();
        let parts = self.operation.path.split('/');
        let filled = parts.map(|part| {
            if part.starts_with('{') { escaped(args.next().unwrap()) } else { part.to_owned() }
        });
        let path = filled.collect::<Vec<_>>().join("/");
        let pairs: Vec<String> =
            self.query.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        if pairs.is_empty() { path } else { format!("{path}?{}", pairs.join("&")) }
    }
    fn place(&self, name: &str) -> Option<usize> {
        let mut names = self.operation.path.split('/').filter(|part| part.starts_with('{'));
        names.position(|part| part.trim_matches(['{', '}']) == name)
    }
    /// A parameter of the path.
    pub fn arg(&self, name: &str) -> &str {
        &self.args[self.place(name).unwrap()]
    }
    pub fn names(&self, name: &str) -> bool {
        self.place(name).is_some()
    }
    pub fn id(&self, name: &str) -> Result<Uuid, Refusal> {
        self.arg(name).parse().map_err(|_| Refusal::of(400, "invalid_parameter"))
    }
    pub fn asked(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }
    /// A query parameter of another type than text: 400 where it is not of that type.
    pub fn asked_as<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Refusal> {
        self.asked(name)
            .map(|text| text.parse().map_err(|_| Refusal::of(400, "invalid_parameter")))
            .transpose()
    }
    pub fn is_dry_run(&self) -> bool {
        self.asked("dryRun") == Some("true")
    }
    pub fn json(&self) -> Option<&Value> {
        if let Body::Json(value) = &self.body { Some(value) } else { None }
    }
}

fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// As a history is told.
impl fmt::Display for Call {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{} {} {}", self.operation.id, self.operation.method, self.uri())?;
        for (name, value) in [
            ("X-Mandate-Id", &self.mandate),
            ("X-Instance-Id", &self.instance),
            ("If-Match", &self.if_match),
        ] {
            if let Some(value) = value {
                write!(to, " {name}: {value}")?;
            }
        }
        match &self.body {
            Body::Nothing => Ok(()),
            Body::Json(value) => write!(to, " {}", shortened(&value.to_string())),
            Body::Raw(kind, text) => write!(to, " ({kind}) {text}"),
        }
    }
}

pub fn shortened(text: &str) -> String {
    if text.chars().count() <= 900 {
        text.to_owned()
    } else {
        format!("{}…", text.chars().take(900).collect::<String>())
    }
}
