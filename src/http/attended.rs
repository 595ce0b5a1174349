//! A request in the log: one span, which gives its id to every line that is written for it, and one
//! line when it goes.

use std::net::IpAddr;
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::StatusCode;
use tracing::Span;
use tracing::field::{Empty, display};

use super::rate_limit::Identity;
use crate::kernel::ids::{MandateId, UserId};
use crate::kernel::telemetry::{self, Asked, REQUEST};

/// Whose request it is turns out there: a token that comes with it says nothing of who signs in, or
/// whose session is renewed.
const SIGN_IN: [&str; 2] = ["/api/auth/login", "/api/auth/refresh"];

/// The most characters of a path that are logged.
const LONGEST_PATH: usize = 200;

/// A request that is being attended to. Dropped without an answer, it says so.
#[derive(Debug)]
pub(super) struct Attended {
    method: &'static str,
    route: Option<MatchedPath>,
    client: Option<IpAddr>,
    since: Instant,
    is_answered: bool,
}

impl Attended {
    pub fn begin(request: &Request, identity: &Identity) -> Self {
        Self {
            method: telemetry::known(request.method()),
            route: request.extensions().get::<MatchedPath>().cloned(),
            client: identity.address,
            since: Instant::now(),
            is_answered: false,
        }
    }

    fn asked(&self) -> Asked<'_> {
        let route = self.route.as_ref().map(MatchedPath::as_str);
        Asked { method: self.method, route, client: self.client }
    }

    /// What every line of the request carries. At the highest level, so that a filter which lets a
    /// line through lets its id through. Who asks is known by the token; [`log_mandate`] adds where
    /// they turned out to work.
    pub fn span(&self, request: &Request, request_id: &str, identity: &Identity) -> Span {
        let Asked { method, route, .. } = self.asked();
        // What there is no route for is told as it was asked for, without the query: that may hold
        // anything.
        let path = route.is_none().then(|| shown(request.uri().path()));
        let signs_in = route.is_some_and(|route| SIGN_IN.contains(&route));
        let claims = identity.claims.filter(|_| !signs_in);
        let user = claims.map(|claims| display(claims.user));
        let impersonated_by = claims.and_then(|claims| claims.impersonated_by).map(display);
        tracing::error_span!(target: REQUEST, "request", request_id, method, route, path, user,
            impersonated_by, mandate = Empty)
    }

    pub fn answered(mut self, status: StatusCode) {
        self.is_answered = true;
        telemetry::answered(self.asked(), status.as_u16(), self.since.elapsed());
    }
}

impl Drop for Attended {
    fn drop(&mut self) {
        if !self.is_answered {
            telemetry::abandoned(self.asked(), self.since.elapsed());
        }
    }
}

/// Notes in which mandate the request works, once it was let in there.
pub(super) fn log_mandate(mandate: MandateId) {
    Span::current().record("mandate", display(mandate));
}

/// Notes whose request it turned out to be: who signs in. Once, since a line in text would say
/// both.
pub(crate) fn by_user(user: UserId) {
    Span::current().record("user", display(user));
}

/// A path as log lines may hold it: not endless, and without a character that a terminal or a
/// reader of lines would act on.
fn shown(path: &str) -> String {
    path.chars().take(LONGEST_PATH).flat_map(char::escape_default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_the_log_is_one_short_line() {
        assert_eq!(shown("/api/mandates/42"), "/api/mandates/42");
        assert_eq!(shown("/\u{1b}[31m\n\u{202e}\u{9b}"), r"/\u{1b}[31m\n\u{202e}\u{9b}");
        assert_eq!(shown(&"/".repeat(9_000)).len(), LONGEST_PATH);
    }
}
