//! Which hosts there are, in which groups, with which variables.

mod host;

pub use host::Host;
