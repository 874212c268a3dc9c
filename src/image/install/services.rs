//! Which OpenRC services start in which runlevel: symbolic links in `etc/runlevels`, which is all that `rc-update` does.

use crate::error::{Error, ErrorKind, Result};
use crate::image::tree::{Entry, Tree};
use crate::suggest::did_you_mean;

const SCRIPTS: &str = "etc/init.d";
const RUNLEVELS: &str = "etc/runlevels";

/// Lets `service` start in `runlevel`.
///
/// # Errors
/// When no package brought an init script of that name, or the name of the runlevel is none.
pub fn enable(tree: &mut Tree, service: &str, runlevel: &str, now: i64) -> Result<()> {
    let scripts = names(tree, SCRIPTS);
    if !scripts.iter().any(|name| name == service) {
        let message = format!("there is no service {service}: /{SCRIPTS} does not have it");
        let hint = did_you_mean(service, scripts.iter().map(String::as_str)).unwrap_or_else(|| {
            format!("Is the package missing that brings it, such as {service}-openrc?")
        });
        return Err(Error::new(ErrorKind::Image, message).hint(hint));
    }
    if runlevel.is_empty() || runlevel.contains('/') || runlevel.starts_with('.') {
        return Err(Error::new(ErrorKind::Image, format!("{runlevel:?} is no name of a runlevel"))
            .hint("Alpine has sysinit, boot, default, nonetwork and shutdown."));
    }
    let path = format!("{RUNLEVELS}/{runlevel}/{service}");
    tree.insert(&path, Entry::link(format!("/{SCRIPTS}/{service}")).at(now))
}

/// Keeps `service` from starting in `runlevel`. Says whether it would have.
pub fn disable(tree: &mut Tree, service: &str, runlevel: &str) -> bool {
    tree.remove(&format!("{RUNLEVELS}/{runlevel}/{service}")).is_some()
}

/// What is directly in a directory.
fn names(tree: &Tree, dir: &str) -> Vec<String> {
    let inside = tree.below(dir).map(|(path, _)| &path[dir.len() + 1..]);
    inside.filter(|name| !name.contains('/')).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::tree::Kind;

    fn tree() -> Tree {
        let mut tree = Tree::new();
        for name in ["sshd", "k3s"] {
            tree.insert(&format!("{SCRIPTS}/{name}"), Entry::file(*b"#!", 0o755)).unwrap();
        }
        tree
    }

    #[test]
    fn an_enabled_service_is_a_link_to_its_script() {
        let mut tree = tree();
        enable(&mut tree, "k3s", "default", 7).unwrap();
        let link = tree.get("etc/runlevels/default/k3s").unwrap();
        assert_eq!(link.kind, Kind::Link("/etc/init.d/k3s".into()));
        assert!(disable(&mut tree, "k3s", "default"));
        assert!(!disable(&mut tree, "k3s", "default"));
    }

    #[test]
    fn a_service_that_no_package_brought_is_an_error() {
        let error = enable(&mut tree(), "sshdd", "default", 7).unwrap_err();
        assert_eq!(error.message(), "there is no service sshdd: /etc/init.d does not have it");
        assert_eq!(error.hints(), ["Did you mean `sshd`?"]);
        assert!(enable(&mut tree(), "sshd", "../../x", 7).is_err());
    }
}
