//! The names that entries of a unit may have.

use super::Kind;

/// The datastore of a server.
pub const DATABASE: &str = "server/db/state.db";
/// Its write-ahead log: only where SQLite itself did not make the copy. It belongs to this very database.
pub const WAL: &str = "server/db/state.db-wal";
/// The server's token, with which the datastore's bootstrap record is sealed.
pub const TOKEN: &str = "server/token";
/// The cluster's certificate authority.
pub const CERTIFICATE: &str = "server/tls/server-ca.crt";

/// Bytes of a name.
const MAX_NAME: usize = 4096;

/// Files of a server that have no directory of their own.
const SERVER_FILES: [&str; 7] = [
    DATABASE,
    WAL,
    TOKEN,
    "server/agent-token",
    "server/node-token",
    "node/password",
    "etc/conf.d/k3s",
];
/// Directories of which a server's unit has everything.
const SERVER_TREES: [&str; 3] = ["server/tls", "server/cred", "server/manifests"];
/// The directories in between.
const SERVER_DIRECTORIES: [&str; 7] =
    ["server", "server/db", "node", "etc", "etc/conf.d", "etc/rancher", "etc/rancher/k3s"];
/// k3s' configuration, `config.yaml` and `config.yaml.d/*.yaml`.
const CONFIG: &str = "etc/rancher/k3s/";
const CONFIG_DIRECTORY: &str = "etc/rancher/k3s/config.yaml.d";

/// Whether a name is relative and leads nowhere else: no `..`, no empty part, nothing that a manifest cannot say.
pub fn is_plain(name: &str) -> bool {
    name.len() <= MAX_NAME
        && !name.chars().any(char::is_control)
        && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Whether a unit of this kind may have a directory of that name.
pub fn is_directory(kind: &Kind, name: &str) -> bool {
    match kind {
        Kind::Paths => name == "data" || name.starts_with("data/"),
        Kind::Server { .. } => {
            SERVER_DIRECTORIES.contains(&name)
                || name == CONFIG_DIRECTORY
                || SERVER_TREES.contains(&name)
                || is_in_tree(name)
        }
    }
}

/// Whether a unit of this kind may have a file, or a link, of that name.
pub fn is_file(kind: &Kind, name: &str) -> bool {
    match kind {
        Kind::Paths => name.starts_with("data/"),
        Kind::Server { .. } => {
            SERVER_FILES.contains(&name)
                || is_in_tree(name)
                || (name.starts_with(CONFIG) && name.ends_with(".yaml"))
        }
    }
}

fn is_in_tree(name: &str) -> bool {
    let below = |tree: &&str| name.strip_prefix(*tree).is_some_and(|rest| rest.starts_with('/'));
    SERVER_TREES.iter().any(below)
}

/// Whether a link called `name` to `target` stays in the unit: relative, and never above the top-level directory.
pub fn stays_within(name: &str, target: &str) -> bool {
    if target.is_empty() || target.starts_with('/') || target.chars().any(char::is_control) {
        return false;
    }
    // Directories between the top-level one and the link.
    let mut depth = name.split('/').count().saturating_sub(2);
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if depth == 0 => return false,
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    true
}
