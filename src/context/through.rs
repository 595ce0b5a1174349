//! By which of the mandate's tables those of its instances are reached too: whoever governs
//! instances or roles in the mandate does so in each instance, without being let into it. The one
//! place that says which, and how far.

use crate::access::Operation;
use crate::access::tables::{Access, InstanceRoles, Instances, Roles, Table};

/// A table of instances that is reached by the level that somebody has of a table of the mandate.
pub trait ThroughLevel: Table {
    type Of: Table;
}

/// Roles of instances, by level of those of the mandate.
impl ThroughLevel for InstanceRoles {
    type Of = Roles;
}

/// A table of instances that is reached, and then all of it, by whoever may do as much with the
/// instance's row in a table of the mandate.
pub trait ThroughRow: Table {
    type Of: Table;
    /// Reading takes reading the row; any change takes changing it.
    fn operation(wanted: Operation) -> Operation {
        if wanted == Operation::Read { Operation::Read } else { Operation::Update }
    }
}

/// Whom an instance is open to.
impl ThroughRow for Access {
    type Of = Instances;
}

/// Bringing all of an instance's roles in line with their templates.
impl ThroughRow for InstanceRoles {
    type Of = Instances;
}
