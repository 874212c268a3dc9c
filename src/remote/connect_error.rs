//! Why a login failed, in words that help.

use super::ssh_config::SshConfig;
use super::trust::HostKeys;
use crate::error::{Error, ErrorKind};
use crate::inventory::Host;

/// Turns what `ssh` wrote into one sentence and advice.
pub fn explain(host: &Host, config: &SshConfig, text: &str) -> Error {
    words(host, config, text).on_host(&host.name)
}

fn words(host: &Host, config: &SshConfig, text: &str) -> Error {
    let name = &host.name;
    let connect = |message: String| Error::new(ErrorKind::Connect, message);
    if text.contains("REMOTE HOST IDENTIFICATION HAS CHANGED") {
        return changed_key(host, config);
    }
    if text.contains("Host key verification failed") {
        return connect(format!("the host key of {name} is not known yet"))
            .hint(format!("`pirun trust {name}` shows its fingerprint and remembers it."));
    }
    if text.contains("Permission denied") {
        return connect(format!("{} refuses the login as {}", host.address, user(host)))
            .detail(last_line(text))
            .hint(format!("Does your key reach the node? Try `ssh-add -l`, or `pirun trust {name} --install-key`."));
    }
    if text.contains("Could not resolve hostname") {
        return connect(format!("the name {} cannot be resolved", host.address))
            .hint(format!("Give the host an `address` in the inventory; `pirun inventory {name}` shows what was used."));
    }
    let reason = last_line(text);
    let port = host.port.unwrap_or(22);
    let reason = reason.rsplit(": ").next().unwrap_or(&reason).trim().to_lowercase();
    let reason = if reason.is_empty() { "no answer".to_owned() } else { reason };
    connect(format!("connect to {} port {port}: {reason}", host.address)).hint(match &*reason {
        "connection refused" => {
            "The node is up, but no SSH server listens on that port.".to_owned()
        }
        _ => format!(
            "Is the node powered? `pirun inventory {name}` shows the address that was used."
        ),
    })
}

/// Both fingerprints, so that the user can tell a new card from an attack.
fn changed_key(host: &Host, config: &SshConfig) -> Error {
    let name = &host.name;
    let known = HostKeys::read(config.known_hosts(), name).unwrap_or_default();
    let offered = HostKeys::offered(host, config).unwrap_or_default();
    let lines = |label: &str, keys: &HostKeys| -> Vec<String> {
        keys.fingerprints().iter().map(|print| format!("{label} {print}")).collect()
    };
    let detail = [lines("known:  ", &known), lines("offered:", &offered)].concat().join("\n");
    Error::new(ErrorKind::Connect, format!("the host key of {name} has CHANGED"))
        .detail(detail)
        .hint("If the card was written anew, that is expected; otherwise somebody may stand in between.")
        .hint(format!("`pirun trust {name} --replace` shows the new key and takes it."))
}

fn user(host: &Host) -> &str {
    if host.user.is_empty() { "root" } else { &host.user }
}

fn last_line(text: &str) -> String {
    text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("").to_owned()
}
