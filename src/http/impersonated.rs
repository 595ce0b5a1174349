//! Requests of whoever acts as somebody else: each is told in the trail, before its answer leaves.
//! Where that cannot be written, the answer does not leave. (What an effect changed has its own
//! event, in its own transaction.) Told are all that a route was found for, refused ones too, but
//! those with a token that is good no more, whoever sends them, and those for which the caller has
//! no budget left (429), since a trail is no place to be filled by them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::runtime::Handle;
use tracing::Instrument;

use super::parameters;
use super::rate_limit::{Identity, named_mandate};
use crate::context::RequestMeta;
use crate::context::impersonation::{AskedFor, ImpersonatedRequest, Place};
use crate::context::path::{Origins, RequestPath};
use crate::http::app::App;
use crate::kernel::error::{Error, Result};
use crate::kernel::ids::MandateId;

/// The most characters of what a path names.
const LONGEST: usize = 200;

/// The operations of a route.
pub(super) type Operations = BTreeMap<String, String>;

/// Where such a request turned out to work; it travels with it.
#[derive(Debug, Clone, Default)]
pub(super) struct Worked(Arc<OnceLock<Place>>);

impl Worked {
    pub fn note(&self, place: Place) {
        // Who was let in once is let in there.
        let _ = self.0.set(place);
    }
}

/// Such a request. Dropped without an answer, it is told all the same.
pub(super) struct Impersonated(Option<Telling>);

struct Telling {
    app: App,
    request: ImpersonatedRequest,
    asked: AskedFor,
    worked: Worked,
}

impl Impersonated {
    /// The request, if it is one.
    pub async fn of(
        app: &App,
        request: Request,
        route: (&Operations, &Origins),
    ) -> (Self, Request) {
        let identity = request.extensions().get::<Identity>().cloned().unwrap_or_default();
        let meta = request.extensions().get::<RequestMeta>().cloned().unwrap_or_default();
        let services = app.services().clone();
        let acting = identity
            .claims
            .as_ref()
            .and_then(|claims| ImpersonatedRequest::of(claims, meta, services));
        let Some(acting) = acting else { return (Self(None), request) };
        let (mut parts, body) = request.into_parts();
        let path = parameters::of_path(&mut parts).await.unwrap_or_default();
        let template = parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str);
        let (operations, origins) = route;
        let asked = AskedFor {
            operation: operation(operations, &parts.method),
            object: template.and_then(|template| innermost(template, &path)),
            place: place(&parts.headers, RequestPath { origins, values: &path }),
            path: named(&path, &parts.headers),
            status: None,
        };
        let worked = Worked::default();
        parts.extensions.insert(worked.clone());
        let telling = Telling { app: app.clone(), request: acting, asked, worked };
        (Self(Some(telling)), Request::from_parts(parts, body))
    }

    /// Tells of it, with what it is answered.
    pub async fn answered(mut self, response: Response) -> Response {
        let untold = [StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS];
        let Some(telling) = self.0.take().filter(|_| !untold.contains(&response.status())) else {
            return response;
        };
        match telling.tell(Some(response.status())).await {
            Ok(()) => response,
            Err(error) => error.into_response(),
        }
    }
}

impl Telling {
    /// In a task of its own: whoever hangs up at this moment has asked all the same.
    async fn tell(mut self, status: Option<StatusCode>) -> Result<()> {
        self.asked.status = status.map(|status| status.as_u16());
        if let Some(place) = self.worked.0.get() {
            self.asked.place = *place;
        }
        let Self { app, request, asked, .. } = self;
        let services = app.services().clone();
        let work = async move { services.attended(request.note(asked)).await };
        tokio::spawn(work.in_current_span()).await.map_err(Error::internal)?
    }
}

impl Drop for Impersonated {
    fn drop(&mut self) {
        let Some(telling) = self.0.take() else { return };
        let work = async move {
            if let Err(error) = telling.tell(None).await {
                tracing::error!(cause = ?error, "an impersonated request is in no trail");
            }
        };
        // Where the process ends, nobody is told anything.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(work.in_current_span());
        }
    }
}

fn operation(operations: &Operations, method: &Method) -> String {
    let known = operations.get(method.as_str()).or_else(|| operations.get(Method::GET.as_str()));
    known.cloned().unwrap_or_default()
}

/// Where it is refused, if it is.
fn place(headers: &HeaderMap, path: RequestPath<'_>) -> Place {
    let named = path.id::<MandateId>().ok().flatten();
    let agrees = |mandate: &MandateId| named.is_none_or(|named| named == *mandate);
    named_mandate(headers).filter(agrees).map_or(Place::Nowhere, Place::At)
}

/// As much of a text as is kept: a path may hold anything.
fn kept(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(LONGEST).collect()
}

/// What the path names last.
fn innermost(template: &str, path: &HashMap<String, String>) -> Option<String> {
    let mut names =
        template.rsplit('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names.find_map(|name| path.get(name)).map(|text| kept(text))
}

/// All that it names, and the instance that the header does.
fn named(path: &HashMap<String, String>, headers: &HeaderMap) -> serde_json::Value {
    let mut named: BTreeMap<&str, String> =
        path.iter().map(|(name, value)| (name.as_str(), kept(value))).collect();
    let instance = headers.get("x-instance-id").and_then(|value| value.to_str().ok());
    if let Some(instance) = instance.filter(|text| text.parse::<uuid::Uuid>().is_ok()) {
        named.entry("instanceId").or_insert_with(|| instance.to_owned());
    }
    json!(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_path_names_last_is_the_object() {
        let path = HashMap::from([
            ("playbook".to_owned(), "plan".to_owned()),
            ("number".to_owned(), "3".to_owned()),
        ]);
        let of = |template| innermost(template, &path);
        assert_eq!(of("/api/playbooks/{playbook}/versions/{number}").as_deref(), Some("3"));
        assert_eq!(of("/api/playbooks/{playbook}/versions").as_deref(), Some("plan"));
        assert_eq!(of("/api/playbooks"), None);
        let odd = HashMap::from([("playbook".to_owned(), "a\0é".repeat(1_000))]);
        let kept = innermost("/api/playbooks/{playbook}", &odd).unwrap();
        assert_eq!(kept, "aé".repeat(LONGEST / 2));
    }
}
