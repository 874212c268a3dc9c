//! Wanted and found: what the verbs of a playbook compare, show and put right.

mod change;

pub use change::{Action, Aspect, Change};
