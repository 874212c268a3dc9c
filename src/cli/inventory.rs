//! `pirun inventory`: what the inventory says, and why.

mod json;
mod text;

use std::path::{Path, PathBuf};

use clap::Args;

use crate::error::{Error, Result};
use crate::inventory::{ExtraVars, Inventory};
use crate::ui::Ui;

/// Shows hosts, groups and variables, and where each value comes from.
///
/// Without a pattern it lists all hosts; with the name of a host it shows that host. Nothing is
/// contacted.
#[derive(Debug, Args)]
pub struct InventoryArgs {
    /// Which hosts: a name, a group, `agent:!rpi42`, `rpi4*`, `~rpi4[12]`, `agent[0]`, `@failed`.
    pattern: Option<String>,

    /// Lists the hosts with address, user and groups.
    #[arg(long, group = "form")]
    list: bool,

    /// Draws groups and hosts as a tree, starting at the group PATTERN.
    #[arg(long, group = "form")]
    graph: bool,

    /// Prints what `ansible-inventory --list` prints.
    #[arg(long, group = "form")]
    json: bool,

    /// Says for each variable which file and line won, and which ones lost.
    #[arg(long, group = "form")]
    explain: bool,

    #[command(flatten)]
    source: InventorySource,
}

/// Where hosts and variables come from: the flags that all commands on hosts share.
#[derive(Debug, Clone, Default, Args)]
pub struct InventorySource {
    /// Inventory file or its directory; else the nearest `inventory.yaml` from here upwards.
    #[arg(short, long = "inventory", value_name = "FILE")]
    pub inventory: Option<PathBuf>,

    /// Sets a variable on every host: `name=value`, `@file.yaml` or `{json}`. May be repeated.
    #[arg(short, long = "extra-vars", value_name = "NAME=VALUE")]
    pub extra_vars: Vec<String>,
}

impl InventorySource {
    /// Loads the inventory as seen from `directory`.
    pub fn load(&self, directory: &Path) -> Result<Inventory> {
        let extra = ExtraVars::parse(&self.extra_vars, directory)?;
        Inventory::loader(directory).file(self.inventory.as_deref()).extra_vars(extra).load()
    }
}

/// Runs `pirun inventory` in the current directory.
pub fn run(args: &InventoryArgs, ui: &Ui) -> Result<()> {
    let inventory = args.source.load(Path::new("."))?;
    for warning in inventory.warnings() {
        ui.note(&format!("warning: {warning}"));
    }
    ui.out(&answer(args, &inventory)?);
    Ok(())
}

/// The text that the arguments ask for, without the last line's end.
fn answer(args: &InventoryArgs, inventory: &Inventory) -> Result<String> {
    let pattern = args.pattern.as_deref().unwrap_or("all");
    if args.graph {
        return text::graph(inventory, pattern);
    }
    let hosts = inventory.select(pattern)?;
    Ok(match hosts.as_slice() {
        hosts if args.json => json::list(inventory, hosts)?,
        hosts if args.explain => text::explain(inventory, hosts),
        [host] if host.name == pattern && !args.list => text::host(host),
        [] => return Err(Error::usage(format!("`{pattern}` contains no host"))),
        hosts => text::list(hosts),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::Parser;
    use insta::assert_snapshot;

    use super::*;

    #[derive(Parser)]
    #[command(name = "inventory")]
    struct Command {
        #[command(flatten)]
        args: InventoryArgs,
    }

    /// What the command prints for a small cluster.
    fn shows(arguments: &[&str]) -> String {
        let directory = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
        std::fs::create_dir(directory.path().join("group_vars")).unwrap();
        write("inventory.yaml", INVENTORY);
        write("group_vars/agent.yaml", "# the fast ones\ndisk: ssd\nslots: 4\n");
        let arguments = [&["inventory"], arguments].concat();
        let args =
            Command::try_parse_from(arguments).unwrap_or_else(|error| panic!("{error}")).args;
        match args.source.load(directory.path()).and_then(|inventory| answer(&args, &inventory)) {
            Ok(text) => text,
            Err(error) => format!("error: {error}\nhints: {:?}", error.hints()),
        }
    }

    const INVENTORY: &str = "
all:
  vars:
    disk: sd
    k3s_token: !vault $ANSIBLE_VAULT
  children:
    cluster:
      children:
        server: { hosts: { rpi40: { address: 192.168.1.40 } } }
        agent:
          hosts:
            rpi41: { disk: nvme, labels: { disk: nvme } }
            rpi42: { user: pi, port: 2222 }
";

    #[test]
    fn lists_all_hosts() {
        assert_snapshot!(shows(&[]), @"
        host   address       user  groups
        rpi40  192.168.1.40  root  cluster, server
        rpi41  rpi41         root  cluster, agent
        rpi42  rpi42:2222    pi    cluster, agent
        ");
        assert_eq!(shows(&["--list"]), shows(&["all"]));
    }

    #[test]
    fn lists_the_hosts_of_a_pattern() {
        assert_snapshot!(shows(&["agent:!rpi42"]), @"
        host   address  user  groups
        rpi41  rpi41    root  cluster, agent
        ");
        assert_snapshot!(shows(&["agnet"]), @r#"
        error: no host or group is called `agnet` in inventory.yaml
        hints: ["Did you mean `agent`?"]
        "#);
        assert_snapshot!(shows(&["ungrouped"]), @"
        error: `ungrouped` contains no host
        hints: []
        ");
    }

    #[test]
    fn shows_a_host() {
        assert_snapshot!(shows(&["rpi41"]), @r#"
        rpi41
          address  rpi41
          port     as ssh decides
          user     root
          groups   cluster, agent

          disk       "nvme"
          slots      4
          labels     {"disk":"nvme"}
          k3s_token  (encrypted with ansible-vault)
        "#);
    }

    #[test]
    fn explains_a_host() {
        assert_snapshot!(shows(&["rpi41", "--explain", "-e", "slots=8"]), @r#"
        rpi41
          disk       "nvme"                          inventory.yaml:12        host
                     "ssd"                           group_vars/agent.yaml:2  group agent     overridden
                     "sd"                            inventory.yaml:4         defaults (all)  overridden
          k3s_token  (encrypted with ansible-vault)  inventory.yaml:5         defaults (all)
          slots      "8"                             -e                       command line
                     4                               group_vars/agent.yaml:3  group agent     overridden
          labels     {"disk":"nvme"}                 inventory.yaml:12        host
        "#);
    }

    #[test]
    fn draws_a_tree() {
        assert_snapshot!(shows(&["--graph"]), @"
        @all:
          |--@cluster:
          |  |--@server:
          |  |  |--rpi40
          |  |--@agent:
          |  |  |--rpi41
          |  |  |--rpi42
          |--@ungrouped:
        ");
        assert_snapshot!(shows(&["--graph", "agent"]), @"
        @agent:
          |--rpi41
          |--rpi42
        ");
        assert_snapshot!(shows(&["--graph", "sever"]), @r#"
        error: there is no group `sever` in inventory.yaml
        hints: ["Did you mean `server`?"]
        "#);
    }

    #[test]
    fn prints_what_ansible_inventory_prints() {
        assert_snapshot!(shows(&["--json", "agent"]), @r#"
        {
          "_meta": {
            "hostvars": {
              "rpi41": {
                "disk": "nvme",
                "slots": 4,
                "labels": {
                  "disk": "nvme"
                },
                "k3s_token": {
                  "__ansible_vault": "$ANSIBLE_VAULT"
                }
              },
              "rpi42": {
                "disk": "ssd",
                "slots": 4,
                "user": "pi",
                "port": 2222,
                "k3s_token": {
                  "__ansible_vault": "$ANSIBLE_VAULT"
                }
              }
            }
          },
          "all": {
            "children": [
              "cluster",
              "ungrouped"
            ]
          },
          "cluster": {
            "children": [
              "server",
              "agent"
            ]
          },
          "agent": {
            "hosts": [
              "rpi41",
              "rpi42"
            ]
          }
        }
        "#);
    }

    #[test]
    fn one_form_at_a_time() {
        let error = Command::try_parse_from(["inventory", "--json", "--graph"]).err().unwrap();
        assert_eq!(error.kind(), clap::error::ErrorKind::ArgumentConflict);
    }
}
