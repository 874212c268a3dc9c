//! The script engine: everything between a playbook's text and the verbs.
//!
//! | file | what |
//! |---|---|
//! | `context` | what one run knows: inventory, options, hosts' states, secrets |
//! | `engine` | the Rhai engine with its limits; compiling and running a playbook |
//! | `resolver` | where `import` looks |
//! | `built_in` | the files of `stdlib/` |
//! | `convert` | our errors and values to Rhai's and back, nowhere else |
//! | `call` | how a native calls a closure, nowhere else |
//! | `fan_out` | `on(hosts, |host| …)` |
//! | `root` | the root file system of an image, as `host` is a host |
//! | `options` | option maps `#{ mode: "0644" }` |
//! | `params` | what a playbook takes from the command line |
//! | `told` | what commands print on nodes, line by line |
//! | `lint` | what can be said about a playbook without running it |
//! | `docs` | the manual, from the doc comments of the bindings |

pub mod built_in;
pub mod call;
pub mod catalog;
pub mod context;
pub mod convert;
pub mod docs;
pub mod engine;
pub mod fan_out;
pub mod handlers;
pub mod host;
pub mod lint;
pub mod options;
pub mod params;
pub mod resolver;
pub mod results;
pub mod root;
pub mod secret;
pub mod template_vars;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod told;
pub mod values;

pub use context::{RunContext, context};
pub use convert::ScriptResult;
pub use host::HostHandle;
