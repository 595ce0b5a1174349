//! How values are written, and how they are shown.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::HeaderValue;
use figment::value::Value;
use ipnet::IpNet;

use super::fails::Fails;
use super::log_format::LogFormat;
use super::secret::{Secret, SecretKey};
use super::token_algorithm::TokenAlgorithm;

/// How a value may be written in TOML, beside plain text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Text,
    Number,
    Switch,
    List,
    /// Never quoted in a message, and also read from the file that `…_FILE` names.
    Secret,
}

impl Shape {
    /// The TOML value as the text that stands for it in the environment; `None` where the type does
    /// not fit.
    pub(super) fn text(self, value: &Value) -> Option<String> {
        match (self, value) {
            (_, Value::String(_, text)) => Some(text.clone()),
            (Self::Number, value) => (value.to_u128().map(|number| number.to_string()))
                .or_else(|| value.to_i128().map(|number| number.to_string())),
            (Self::Switch, Value::Bool(_, on)) => Some(on.show()),
            (Self::List, Value::Array(_, items)) => {
                let items: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
                items.map(|items| items.join(","))
            }
            _ => None,
        }
    }
}

/// How `bailiwick config` shows a value that is in force.
pub(super) trait Show {
    fn show(&self) -> String;
}

macro_rules! shown_as_written {
    ($($type:ty),*) => {
        $(impl Show for $type {
            fn show(&self) -> String {
                self.to_string()
            }
        })*
    };
}
shown_as_written!(SocketAddr, String, u32, usize, std::num::NonZeroU32, SecretKey, url::Url);

impl Show for bool {
    fn show(&self) -> String {
        if *self { "on" } else { "off" }.to_owned()
    }
}

impl Show for PathBuf {
    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl Show for Duration {
    fn show(&self) -> String {
        self.as_secs().to_string()
    }
}

impl Show for LogFormat {
    fn show(&self) -> String {
        self.name().to_owned()
    }
}

impl Show for Fails {
    fn show(&self) -> String {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
        }
        .to_owned()
    }
}

impl Show for TokenAlgorithm {
    fn show(&self) -> String {
        self.name().to_owned()
    }
}

impl Show for Secret {
    fn show(&self) -> String {
        self.masked_url()
    }
}

impl Show for Vec<IpNet> {
    fn show(&self) -> String {
        let items: Vec<String> = self.iter().map(ToString::to_string).collect();
        items.join(",")
    }
}

impl Show for Vec<HeaderValue> {
    fn show(&self) -> String {
        let items: Vec<&str> = self.iter().filter_map(|value| value.to_str().ok()).collect();
        items.join(",")
    }
}

impl<T: Show> Show for Option<T> {
    fn show(&self) -> String {
        self.as_ref().map_or_else(|| "off".to_owned(), Show::show)
    }
}
