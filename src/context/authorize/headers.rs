//! What the headers say of where a request is for.

use axum::http::HeaderMap;

use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::{InstanceId, MandateId};

/// The context headers, well-formed and at most once each.
#[derive(Debug, Clone, Copy)]
pub(super) struct ContextHeaders {
    pub mandate: Option<MandateId>,
    pub instance: Option<InstanceId>,
}

impl ContextHeaders {
    pub(super) fn parse(headers: &HeaderMap) -> Result<Self> {
        Ok(Self {
            mandate: one_id(headers, "x-mandate-id")?,
            instance: one_id(headers, "x-instance-id")?,
        })
    }
}

fn one_id<T: std::str::FromStr>(headers: &HeaderMap, name: &'static str) -> Result<Option<T>> {
    let refused =
        |what: &str| Error::new(Code::InvalidHeader, format!("The header {name} {what}."));
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(refused("must be sent once"));
    }
    let id = value.to_str().ok().and_then(|text| text.parse().ok());
    id.map(Some).ok_or_else(|| refused("must be a UUID"))
}
