//! By which of the mandate's tables those of its instances are reached too: whoever governs
//! instances or roles in the mandate does so in each instance, without being let into it. The one
//! place that says which, and how far.

use crate::access::Operation;
use crate::access::tables::{Access, InstanceRoles, Instances, Op, Roles, Table, Update};

/// A table of instances that is reached by the level that somebody has of a table of the mandate.
pub trait ThroughLevel: Table {
    type Of: Table;
}

/// Roles of instances, by level of those of the mandate.
impl ThroughLevel for InstanceRoles {
    type Of = Roles;
}

/// An operation on a table of instances that is open, and then on all of it, to whoever may do as
/// much with the instance's row in a table of the mandate.
pub trait ThroughRow<O: Op>: Table {
    type Of: Table;
    /// Reading takes reading the row; any change takes changing it.
    fn operation() -> Operation {
        if O::OPERATION == Operation::Read { Operation::Read } else { Operation::Update }
    }
}

/// Whom an instance is open to.
impl<O: Op> ThroughRow<O> for Access {
    type Of = Instances;
}

/// Bringing all of an instance's roles in line with their templates. (Any other work on them goes
/// through the level of the mandate's roles.)
impl ThroughRow<Update> for InstanceRoles {
    type Of = Instances;
}
