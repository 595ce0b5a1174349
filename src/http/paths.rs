//! Paths that several slices hang things on.

use crate::kernel::ids::{InstanceId, MandateId};
use crate::path_params;

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
