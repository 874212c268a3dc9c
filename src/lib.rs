//! pirun.
