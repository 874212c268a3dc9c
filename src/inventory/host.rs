//! One host of the inventory.

use serde_json::Value;

/// A host with its variables resolved through all levels of precedence.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Host {
    /// The inventory name, which is also the node's host name.
    pub name: String,
    /// What to connect to: a name or an IP address. Equals `name` unless the inventory says otherwise.
    pub address: String,
    /// Only when the inventory says so; else the user's SSH configuration decides.
    pub port: Option<u16>,
    /// The login user; `root` unless the inventory says otherwise.
    pub user: String,
    /// All groups that contain it, outermost first, without `all`.
    pub groups: Vec<String>,
    /// All variables, by name, in file order.
    pub vars: serde_json::Map<String, Value>,
}
