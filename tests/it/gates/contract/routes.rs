//! Which operation of the document a request is one of: found as the router finds it, by the path
//! first and then by the method.

use axum::http::Method;

use super::super::operations::Operation;

/// What a request comes to.
pub enum Place<'a> {
    Operation(&'a Operation),
    /// The path is known, the method is not.
    OtherMethod,
    /// The pages around the document, which it does not tell of.
    Page,
    Nowhere,
}

/// Every operation, by the parts of its path.
pub struct Routes(Vec<(Vec<Part>, Operation)>);

#[derive(PartialEq, Eq)]
enum Part {
    Fixed(String),
    Parameter,
}

impl Part {
    fn of(part: &str) -> Self {
        if part.starts_with('{') { Self::Parameter } else { Self::Fixed(part.to_owned()) }
    }
    fn fits(&self, part: &str) -> bool {
        match self {
            Self::Fixed(fixed) => fixed == part,
            Self::Parameter => !part.is_empty(),
        }
    }
}

impl Routes {
    pub fn of(operations: Vec<Operation>) -> Self {
        let parts = |path: &str| path.split('/').map(Part::of).collect();
        Self(operations.into_iter().map(|operation| (parts(&operation.path), operation)).collect())
    }

    pub fn find(&self, method: &Method, path: &str) -> Place<'_> {
        // A slash behind the path is the service's own to take off, except from the pages.
        if path == "/docs" || path.starts_with("/docs/") {
            return Place::Page;
        }
        let trimmed = path.trim_end_matches('/');
        let asked: Vec<&str> =
            if trimmed.is_empty() { vec!["", ""] } else { trimmed.split('/').collect() };
        let fits = |parts: &[Part]| {
            parts.len() == asked.len()
                && parts.iter().zip(&asked).all(|(part, asked)| part.fits(asked))
        };
        let fitting: Vec<&(Vec<Part>, Operation)> =
            self.0.iter().filter(|(parts, _)| fits(parts)).collect();
        // `instances` is a code to a pattern: what is written out goes before a parameter, from the
        // left.
        let spelled =
            |parts: &[Part]| parts.iter().map(|part| *part == Part::Parameter).collect::<Vec<_>>();
        let Some(nearest) = fitting.iter().map(|(parts, _)| spelled(parts)).min() else {
            return Place::Nowhere;
        };
        // What a GET route answers, it answers to HEAD without the body.
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let called = fitting
            .iter()
            .find(|(parts, operation)| spelled(parts) == nearest && operation.method == *method);
        called.map_or(Place::OtherMethod, |(_, operation)| Place::Operation(operation))
    }
}
