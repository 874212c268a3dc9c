//! `pirun trust`: first contact with a node.

use std::path::Path;

use clap::Args;

use super::inventory::InventorySource;
use crate::error::{Error, Result};
use crate::inventory::Host;
use crate::remote::SshConfig;
use crate::remote::trust::{HostKeys, install_key};
use crate::ui::Ui;

/// Shows the host keys of new nodes, and remembers them in the project's `known_hosts`.
///
/// Compare the fingerprints with what the node's console shows. From then on a node that offers another
/// key is refused.
#[derive(Debug, Args)]
pub struct TrustArgs {
    /// Hosts of the inventory: names, groups or patterns.
    #[arg(required = true)]
    hosts: Vec<String>,

    /// Where the node is now, if not at the address of the inventory. Only for a single host.
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,

    /// Also lets your public key in, on a node that still has only a password.
    #[arg(long)]
    install_key: bool,

    /// The public key for `--install-key` [default: the agent's first, else `~/.ssh/id_*.pub`].
    #[arg(long, value_name = "FILE", requires = "install_key")]
    key: Option<std::path::PathBuf>,

    /// Takes a key that differs from the remembered one, after a card was written anew.
    #[arg(long)]
    replace: bool,

    /// Does not ask: you have compared the fingerprints by other means.
    #[arg(short, long)]
    yes: bool,

    #[command(flatten)]
    source: InventorySource,
}

/// Runs `pirun trust` in the current directory.
pub fn run(args: &TrustArgs, ui: &Ui) -> Result<()> {
    let inventory = args.source.load(Path::new("."))?;
    let mut hosts = Vec::new();
    for pattern in &args.hosts {
        hosts.extend(inventory.select(pattern)?.iter().map(|host| Host::clone(host)));
    }
    if let Some(address) = &args.address {
        let [host] = hosts.as_mut_slice() else {
            return Err(Error::usage("--address is for a single host"));
        };
        host.address.clone_from(address);
    }
    let config = SshConfig::write(&hosts, &inventory.root().join("known_hosts"))?;
    let key = if args.install_key { Some(operator_key(args.key.as_deref())?) } else { None };
    for host in &hosts {
        trust(args, host, &config, ui)?;
        if let Some(key) = &key {
            install_key(host, &config, key)?;
            ui.out(&format!("{}: your key may log in", host.name));
        }
    }
    Ok(())
}

fn trust(args: &TrustArgs, host: &Host, config: &SshConfig, ui: &Ui) -> Result<()> {
    let name = &host.name;
    let offered = HostKeys::offered(host, config)?;
    let known = HostKeys::read(config.known_hosts(), name)?;
    if offered.shares_a_key_with(&known) {
        ui.out(&format!("{name}: known already ({})", offered.fingerprints().join(", ")));
        return Ok(());
    }
    if !known.is_empty() && !args.replace {
        return Err(Error::usage(format!("{name} offers another key than the one you trusted"))
            .detail(format!(
                "known:   {}\noffered: {}",
                known.fingerprints().join(", "),
                offered.fingerprints().join(", ")
            ))
            .hint("If its card was written anew, say so with --replace."));
    }
    ui.out(&format!("{name} at {} offers", host.address));
    for print in offered.fingerprints() {
        ui.out(&format!("    {print}"));
    }
    if !args.yes && !ui.confirm("Is that the node's own key?")? {
        return Err(Error::cancelled());
    }
    offered.remember(config.known_hosts(), name)?;
    ui.out(&format!("{name}: remembered in {}", config.known_hosts().display()));
    Ok(())
}

/// The operator's public key: the given file, the agent's first key, or the first of the usual files.
fn operator_key(file: Option<&Path>) -> Result<String> {
    if let Some(file) = file {
        return std::fs::read_to_string(file).map_err(|error| Error::io(file, &error));
    }
    let agent = crate::child::command("ssh-add").arg("-L").output();
    let agent = agent.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    if let Some(key) = agent.lines().find(|line| line.contains(" AAAA")) {
        return Ok(key.to_owned());
    }
    let home = std::env::home_dir().unwrap_or_default().join(".ssh");
    let usual = ["id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub"];
    usual.iter().find_map(|name| std::fs::read_to_string(home.join(name)).ok()).ok_or_else(|| {
        Error::usage("there is no public key: no agent, and none of ~/.ssh/id_ed25519.pub, id_ecdsa.pub, id_rsa.pub")
            .hint("Make one with `ssh-keygen -t ed25519`, or name a file with --key.")
    })
}
