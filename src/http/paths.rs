//! Paths that several slices hang things on; and how paths tell guards by the types of their
//! parameters what contexts come from.

use utoipa::openapi::RefOr;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::{Operation, Parameter};

use crate::context::path::{Origin, Origins};
use crate::kernel::ids::{InstanceId, MandateId};
use crate::path_params;

/// On a parameter until its route's guard takes it off: it is nothing that clients are told.
const ORIGIN: &str = "x-origin";

/// Notes on the parameters, which are in this order, what contexts come from. (For
/// [`path_params!`].)
#[must_use]
pub fn with_origins(mut parameters: Vec<Parameter>, origins: &[Option<Origin>]) -> Vec<Parameter> {
    for (parameter, origin) in parameters.iter_mut().zip(origins) {
        if let Some(origin) = origin {
            let note = Extensions::builder().add(ORIGIN, origin.name()).build();
            parameter.extensions.get_or_insert_default().merge(note);
        }
    }
    parameters
}

/// Takes off what was noted. Of two parameters that a context could come from, one would be looked
/// at and the other believed: no router is put together.
pub(super) fn take_origins(operation: &mut Operation) -> Origins {
    let mut origins = Origins::new();
    for parameter in operation.parameters.iter_mut().flatten() {
        let RefOr::T(parameter) = parameter else { continue };
        let Some(mut extensions) = parameter.extensions.take() else { continue };
        let noted = extensions.remove(ORIGIN);
        parameter.extensions = (!extensions.is_empty()).then_some(extensions);
        let is_noted = |origin: &Origin| noted.as_ref().is_some_and(|name| name == origin.name());
        let origin = Origin::ALL.into_iter().find(is_noted);
        let Some(origin) = origin else { continue };
        let other = origins.insert(origin, parameter.name.clone());
        assert!(
            other.is_none(),
            "`{}` is a second {} in the path: which of them is the context's?",
            parameter.name,
            origin.name()
        );
    }
    origins
}

path_params! {
    /// To a mandate, and to what it holds.
    MandatePath {
        /// The mandate
        #[param(inline)]
        mandate_id: MandateId,
    }
}

path_params! {
    /// To an instance, and to what it holds.
    InstancePath {
        /// The instance
        #[param(inline)]
        instance_id: InstanceId,
    }
}
