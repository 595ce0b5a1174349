//! Requests of whoever acts as somebody else: each is told in the trail, before its answer leaves.
//! Where that cannot be written, the answer does not leave. (What an effect changed has its own
//! event, in its own transaction.) Told are all that a route was found for, refused ones too, but
//! those with a token that is good no more, whoever sends them, and those for which the caller has
//! no budget left (429), since a trail is no place to be filled by them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use tokio::runtime::Handle;
use tracing::Instrument;
use uuid::Uuid;

use super::parameters;
use super::rate_limit::{Identity, named_mandate};
use crate::context::RequestMeta;
use crate::context::impersonation::{AskedFor, ImpersonatedRequest, Place};
use crate::context::path::{Origins, RequestPath};
use crate::http::app::App;
use crate::kernel::error::{Error, Result};
use crate::kernel::ids::MandateId;

/// The operations of a route.
pub(super) type Operations = BTreeMap<String, String>;

/// Where such a request turned out to work; it travels with it.
#[derive(Debug, Clone, Default)]
pub(super) struct Worked(Arc<Mutex<Option<Place>>>);

impl Worked {
    /// Nothing: it was let in nowhere, or its handler is to look whether it is.
    pub fn note(&self, place: Option<Place>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = place;
    }
    fn place(&self) -> Option<Place> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        let claims = request.extensions().get::<Identity>().and_then(|identity| identity.claims);
        let acting = claims.and_then(|claims| {
            let meta = || request.extensions().get::<RequestMeta>().cloned().unwrap_or_default();
            ImpersonatedRequest::of(&claims, meta, app.services())
        });
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
        let Some(mut telling) = self.0.take().filter(|_| !untold.contains(&response.status()))
        else {
            return response;
        };
        let status = response.status();
        let response = telling.note_answer(response).await;
        match telling.tell(Some(status)).await {
            Ok(()) => response,
            Err(error) => error.into_response(),
        }
    }
}

/// What an answer tells of its object.
#[derive(Deserialize)]
struct Identified {
    id: Option<Uuid>,
}

impl Telling {
    /// The object is what the answer is about, by its id: what is new has none in the path, and a
    /// path may have a name.
    async fn note_answer(&mut self, response: Response) -> Response {
        let status = response.status();
        if !status.is_success() && status != StatusCode::NOT_MODIFIED {
            return response;
        }
        if self.worked.place().is_none() {
            // Its handler has looked.
            self.worked.note(Some(Place::Everywhere));
        }
        if response.headers().get(CONTENT_TYPE).is_none_or(|kind| kind != "application/json") {
            return response;
        }
        let (parts, body) = response.into_parts();
        let bytes = match to_bytes(body, usize::MAX).await {
            Ok(bytes) => bytes,
            Err(error) => return Error::internal(error).into_response(),
        };
        let told = serde_json::from_slice::<Identified>(&bytes).ok().and_then(|told| told.id);
        if let Some(id) = told {
            self.asked.object = Some(id.to_string());
        }
        Response::from_parts(parts, Body::from(bytes))
    }

    /// In a task of its own: whoever hangs up at this moment has asked all the same.
    async fn tell(mut self, status: Option<StatusCode>) -> Result<()> {
        self.asked.status = status.map(|status| status.as_u16());
        if let Some(place) = self.worked.place() {
            self.asked.place = place;
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
    match (named_mandate(headers), path.id::<MandateId>().ok().flatten()) {
        (Some(one), Some(other)) if one != other => Place::Nowhere,
        (Some(mandate), _) | (None, Some(mandate)) => Place::At(mandate),
        (None, None) => Place::Nowhere,
    }
}

/// Ids and numbers: another text may be anything, a person's name or address among it, and nothing
/// takes it out of the trail again.
fn is_kept(text: &str) -> bool {
    text.parse::<Uuid>().is_ok() || text.parse::<i32>().is_ok()
}

/// What the path names last.
fn innermost(template: &str, path: &HashMap<String, String>) -> Option<String> {
    let mut names =
        template.rsplit('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names.find_map(|name| path.get(name)).filter(|text| is_kept(text)).cloned()
}

/// All that it names, and the instance that the header does.
fn named(path: &HashMap<String, String>, headers: &HeaderMap) -> serde_json::Value {
    let kept = path.iter().filter(|(_, value)| is_kept(value));
    let mut named: BTreeMap<&str, &str> =
        kept.map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let instance = headers.get("x-instance-id").and_then(|value| value.to_str().ok());
    if let Some(instance) = instance.filter(|text| text.parse::<Uuid>().is_ok()) {
        named.entry("instanceId").or_insert(instance);
    }
    json!(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_path_names_last_is_the_object_where_it_is_an_id_or_a_number() {
        let path = HashMap::from([
            ("playbook".to_owned(), "bob@acme.example".to_owned()),
            ("number".to_owned(), "3".to_owned()),
        ]);
        let of = |template| innermost(template, &path);
        assert_eq!(of("/api/playbooks/{playbook}/versions/{number}").as_deref(), Some("3"));
        assert_eq!(of("/api/playbooks/{playbook}/versions"), None);
        assert_eq!(of("/api/playbooks"), None);
        assert_eq!(named(&path, &HeaderMap::new()), json!({ "number": "3" }));
    }
}
