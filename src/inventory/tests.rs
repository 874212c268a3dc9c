//! The inventory as a whole: what a user writes, and what they see.
#![allow(clippy::unwrap_used)]

mod patterns;
mod properties;
mod templates;

use std::fs;
use std::path::Path;

use insta::assert_snapshot;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::testing::{fails, shows};
use super::*;

/// A directory with these files.
fn project(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    directory
}

fn load(files: &[(&str, &str)]) -> Result<Inventory> {
    Inventory::find_and_load(project(files).path(), None)
}

fn read(text: &str) -> Inventory {
    Inventory::from_yaml("inventory.yaml", text).unwrap()
}

fn refused(text: &str) -> String {
    shows(&fails(Inventory::from_yaml("inventory.yaml", text)))
}

fn names(inventory: &Inventory, pattern: &str) -> String {
    match inventory.select(pattern) {
        Ok(hosts) => hosts.iter().map(|host| host.name.as_str()).collect::<Vec<_>>().join(" "),
        Err(error) => shows(&error),
    }
}

fn warnings(inventory: &Inventory) -> String {
    inventory.warnings().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

const CLUSTER: &str = "
all:
  vars:
    k3s_version: v1.30
  children:
    cluster:
      children:
        server:
          hosts:
            rpi40:
              address: 192.168.1.40
        agent:
          hosts:
            rpi[41:43]:
          vars:
            slots: 4
    spare:
      hosts:
        rpi50.lan:2222:
          user: pi
  hosts:
    lonely:
";

#[test]
fn reads_nested_groups_ranges_and_hosts_without_variables() {
    let inventory = read(CLUSTER);
    let hosts: Vec<String> = inventory
        .hosts()
        .iter()
        .map(|host| {
            let port = host.port.map(|port| format!(":{port}")).unwrap_or_default();
            format!("{} {}@{}{port} {:?}", host.name, host.user, host.address, host.groups)
        })
        .collect();
    assert_snapshot!(hosts.join("\n"), @r#"
    rpi40 root@192.168.1.40 ["cluster", "server"]
    rpi41 root@rpi41 ["cluster", "agent"]
    rpi42 root@rpi42 ["cluster", "agent"]
    rpi43 root@rpi43 ["cluster", "agent"]
    rpi50.lan pi@rpi50.lan:2222 ["spare"]
    lonely root@lonely ["ungrouped"]
    "#);
    assert_eq!(inventory.host("rpi50.lan").unwrap().vars["ansible_port"], 2222);
    let cluster = inventory.group("cluster").unwrap();
    assert_eq!(cluster.hosts, ["rpi40", "rpi41", "rpi42", "rpi43"]);
    assert_eq!(cluster.own_hosts, [""; 0]);
    assert_eq!(inventory.group("all").unwrap().children, ["cluster", "spare", "ungrouped"]);
    assert_eq!(inventory.group("all").unwrap().hosts.len(), 6);
}

#[test]
fn reads_an_inventory_of_ansible_without_edits() {
    let inventory = read(
        "---
server:
  hosts:
    rpi40.example.com:
      ansible_host: 10.0.0.40
      ansible_port: '2222'
      ansible_user: admin
      ansible_python_interpreter: /usr/bin/python3
      ansible_become: yes
      mode: 0644
agent:
  hosts: rpi41.example.com
all:
  children:
    k3s:
      children: { server: , agent: }
  vars: { ansible_ssh_common_args: -o ForwardAgent=no }
",
    );
    let host = inventory.host("rpi40.example.com").unwrap();
    assert_eq!((&*host.address, host.port, &*host.user), ("10.0.0.40", Some(2222), "admin"));
    assert_eq!(host.groups, ["k3s", "server"]);
    assert_eq!(
        Value::Object(host.vars.clone()),
        json!({
            "ansible_ssh_common_args": "-o ForwardAgent=no",
            "ansible_host": "10.0.0.40",
            "ansible_port": "2222",
            "ansible_user": "admin",
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_become": "yes",
            "mode": "0644",
        })
    );
    assert_eq!(inventory.host("rpi41.example.com").unwrap().user, "root");
    assert_eq!(warnings(&inventory), "");
}

#[test]
fn the_stronger_level_wins() {
    let directory = project(&[
        (
            "inventory.yaml",
            "
all:
  vars: { a: all, b: all, c: all, d: all, e: all, f: all }
  children:
    parent:
      vars: { b: parent, c: parent, d: parent, e: parent, f: parent }
      children:
        child:
          vars: { c: child, d: child, e: child, f: child }
          hosts:
            rpi40: { d: host, e: host, f: host }
",
        ),
        ("group_vars/all.yaml", "a: all file\n"),
        ("group_vars/child/10-first.yml", "c: first file\n"),
        ("group_vars/child/20-second", "c: second file\n"),
        ("group_vars/child/.hidden.yml", "c: hidden\n"),
        ("group_vars/child/backup.yml~", "c: backup\n"),
        ("host_vars/rpi40.yaml", "e: host file\nf: host file\n"),
    ]);
    let extra = ExtraVars::parse(&["f=flag"], directory.path()).unwrap();
    let inventory = Inventory::loader(directory.path()).extra_vars(extra).load().unwrap();
    let host = inventory.host("rpi40").unwrap();
    assert_eq!(
        Value::Object(host.vars.clone()),
        json!({ "a": "all file", "b": "parent", "c": "second file", "d": "host", "e": "host file", "f": "flag" })
    );
    let origins: Vec<String> = host
        .origins
        .iter()
        .map(|(name, origin)| format!("{name}: {}, {}", origin.site(), origin.level))
        .collect();
    assert_snapshot!(origins.join("\n"), @"
    a: group_vars/all.yaml:1:1, defaults (all)
    b: inventory.yaml:6:15, parent group parent
    c: group_vars/child/20-second:1:1, group child
    d: inventory.yaml:11:22, host
    e: host_vars/rpi40.yaml:1:1, host
    f: -e:1:1, command line
    ");
}

#[test]
fn between_groups_of_one_depth_the_last_name_wins_unless_a_priority_is_set() {
    let text = "
zebra: { hosts: { rpi40: }, vars: { a: zebra } }
ape: { hosts: { rpi40: }, vars: { a: ape } }
";
    assert_eq!(read(text).host("rpi40").unwrap().vars["a"], "zebra");
    let text = text.replace("a: ape", "a: ape, ansible_group_priority: 10");
    assert_eq!(read(&text).host("rpi40").unwrap().vars["a"], "ape");
}

#[test]
fn the_longest_way_from_all_is_a_groups_depth() {
    let inventory = read(
        "
a: { children: { b: }, vars: { x: a } }
b: { children: { c: }, vars: { x: b } }
c: { hosts: { rpi40: }, vars: { x: c } }
all: { children: { c: } }
",
    );
    assert_eq!(inventory.group("c").unwrap().depth, 3);
    assert_eq!(inventory.host("rpi40").unwrap().vars["x"], "c");
    assert_eq!(inventory.host("rpi40").unwrap().groups, ["a", "b", "c"]);
}

#[test]
fn explains_each_variable() {
    let directory = project(&[
        (
            "inventory.yaml",
            "all:\n  vars:\n    disk: sd\n    zone: a\nagent:\n  hosts:\n    rpi41:\n      disk: nvme\n",
        ),
        ("group_vars/agent.yaml", "# fast ones\ndisk: ssd\n"),
    ]);
    let inventory = Inventory::find_and_load(directory.path(), None).unwrap();
    let explained = inventory.explain(&inventory.host("rpi41").unwrap());
    let shown: Vec<String> = explained
        .iter()
        .map(|variable| {
            let lost = variable
                .overridden
                .iter()
                .map(|lost| format!(" > {} {}", lost.value, lost.origin.site()));
            format!(
                "{} = {} {}{}",
                variable.name,
                variable.value,
                variable.origin.site(),
                lost.collect::<String>()
            )
        })
        .collect();
    assert_snapshot!(shown.join("\n"), @r#"
    disk = "nvme" inventory.yaml:8:7 > "ssd" group_vars/agent.yaml:2:1 > "sd" inventory.yaml:3:5
    zone = "a" inventory.yaml:4:5
    "#);
}

#[test]
fn finds_the_inventory_upwards_and_names_files_as_seen_from_here() {
    let directory = project(&[
        ("inventory.yml", "all: { hosts: { rpi40: } }\n"),
        ("group_vars/all.yaml", "a: 1\n"),
        ("playbooks/deep/x", ""),
    ]);
    let start = directory.path().join("playbooks/deep");
    let inventory = Inventory::find_and_load(&start, None).unwrap();
    assert_eq!(inventory.file(), "../../inventory.yml");
    assert_eq!(inventory.root(), directory.path().canonicalize().unwrap());
    assert_eq!(
        inventory.host("rpi40").unwrap().origins["a"].site().to_string(),
        "../../group_vars/all.yaml:1:1"
    );
    let named = Inventory::find_and_load(&start, Some(Path::new("../.."))).unwrap();
    assert_eq!(named.file(), "../../inventory.yml");
}

#[test]
fn says_where_it_looked_for_an_inventory() {
    assert_snapshot!(shows(&fails(load(&[]))), @"
    there is no inventory.yaml here or in a directory above
    hint: Start pirun in a project's directory, or name the file with `-i FILE`.
    ");
    assert_snapshot!(shows(&fails(load(&[("hosts.ini", "")]))), @"
    there is no inventory.yaml here or in a directory above
    hint: There is a file `hosts.ini`: name it with `-i hosts.ini`.
    ");
    let missing = Inventory::find_and_load(Path::new("."), Some(Path::new("nowhere.yaml")));
    assert_snapshot!(shows(&fails(missing)), @"nowhere.yaml: no such file or directory");
}

#[test]
fn refuses_structure_that_ansible_would_skip_with_a_warning() {
    assert_snapshot!(refused("all:\n  childrens:\n    server:\n"), @"
    inventory.yaml:2:3: a group has no `childrens` (in the group `all`)
    hint: Did you mean `children`?
    ");
    assert_snapshot!(refused("all:\n  hosts:\n    - rpi40\n"), @"
    inventory.yaml:3:5: `hosts` of the group `all` must be a map, and this is a list
    hint: Write each name without `-` and with a colon at its end: `rpi40:`.
    ");
    assert_snapshot!(refused("all:\n  hosts:\n    rpi40\n    rpi41\n"), @"
    inventory.yaml:3:5: `hosts` of the group `all` must be a map, and this is text
    hint: End each name with a colon.
    ");
    assert_snapshot!(refused("all:\n  server:\n    hosts:\n"), @"
    inventory.yaml:2:3: a group has no `server` (in the group `all`)
    hint: A group holds `hosts:`, `vars:` and `children:`; groups in it stand below `children:`, variables below `vars:`.
    ");
    assert_snapshot!(refused("all:\n  hosts:\n    rpi40: 10.0.0.1\n"), @"
    inventory.yaml:3:12: the host `rpi40` must be a map of variables, and this is text
    hint: Write each variable as `name: value` on a line of its own.
    ");
    assert_snapshot!(refused("all: rpi40\n"), @"
    inventory.yaml:1:6: the group `all` must be a map, and this is text
    hint: A group holds `hosts:`, `vars:` and `children:`.
    ");
    assert_snapshot!(refused("- rpi40\n"), @"
    inventory.yaml:1:1: an inventory is a map of groups, and this is a list
    hint: The smallest inventory is three lines: `all:`, indented `hosts:`, further indented `rpi40:`.
    ");
    assert_snapshot!(refused(""), @"
    inventory.yaml:1:1: the inventory is empty
    hint: The smallest inventory is three lines: `all:`, indented `hosts:`, further indented `rpi40:`.
    ");
    assert_snapshot!(refused("plugin: aws_ec2\n"), @"
    inventory.yaml:1:1: this is the configuration of an Ansible inventory plugin, not an inventory
    hint: Convert what it finds: `ansible-inventory -i FILE --list --yaml > inventory.yaml`.
    ");
    assert_snapshot!(refused("a/b:\n"), @"inventory.yaml:1:1: `a/b` cannot be a group: it contains `/`");
}

#[test]
fn refuses_groups_that_contain_each_other() {
    assert_snapshot!(refused("a:\n  children:\n    b:\n      children:\n        c:\n          children:\n            a:\n"), @"
    inventory.yaml:7:13: groups contain each other: a → b → c → a
    hint: Remove one of them from the other's `children`.
    ");
    assert_snapshot!(refused("a:\n  children:\n    a:\n"), @"
    inventory.yaml:3:5: groups contain each other: a → a
    hint: Remove one of them from the other's `children`.
    ");
    assert_snapshot!(refused("a:\n  children:\n    all:\n"), @"inventory.yaml:3:5: `all` contains every group and cannot be the child of one");
}

#[test]
fn refuses_a_host_name_that_ssh_would_read_as_an_option() {
    assert_snapshot!(refused("all:\n  hosts:\n    -oProxyCommand=reboot:\n"), @"
    inventory.yaml:3:5: `-oProxyCommand=reboot` cannot be a host name: it starts with `-`, and ssh would read it as an option
    hint: A host name has letters, digits, `-` and dots. Use `address:` for what it is reached by.
    ");
}

#[test]
fn refuses_a_hostile_host_name_wherever_it_stands() {
    assert_snapshot!(refused("all:\n  hosts:\n    \"rpi40\\nreboot\":\n"), @r#"
    inventory.yaml:3:5: `rpi40\nreboot` cannot be a host name: it contains `\n`
    hint: A host name has letters, digits, `-` and dots. Use `address:` for what it is reached by.
    "#);
    assert_snapshot!(refused("all: {hosts: {'$(reboot)': }}\n"), @"
    inventory.yaml:1:15: `$(reboot)` cannot be a host name: it contains `$`
    hint: A host name has letters, digits, `-` and dots. Use `address:` for what it is reached by.
    ");
    assert_snapshot!(refused("all:\n  hosts:\n    ../rpi[40:41]:\n"), @"
    inventory.yaml:3:5: `../rpi40` cannot be a host name: it contains `/`
    hint: A host name has letters, digits, `-` and dots. Use `address:` for what it is reached by.
    ");
    assert_snapshot!(refused("all:\n  hosts:\n    rpi[40:39]:\n"), @"
    inventory.yaml:3:5: `rpi[40:39]` cannot be a host name: `[40:39]` ends before it begins
    hint: A host name has letters, digits, `-` and dots. Use `address:` for what it is reached by.
    ");
    assert_snapshot!(refused("all:\n  hosts:\n    rpi40:\n    RPI40:\n"), @"
    inventory.yaml:4:5: `RPI40` and `rpi40` are the same host name
    hint: Host names do not distinguish upper and lower case.
    ");
}

#[test]
fn refuses_what_cannot_be_connected_to() {
    let host =
        |variables: &str| refused(&format!("all:\n  hosts:\n    rpi40: {{ {variables} }}\n"));
    assert_snapshot!(host("port: 70000"), @"inventory.yaml:3:20: `70000` cannot be a port: a port is a number from 1 to 65535");
    assert_snapshot!(host("ansible_port: ssh"), @"inventory.yaml:3:28: `ssh` cannot be a port: a port is a number from 1 to 65535");
    assert_snapshot!(host("port: [22]"), @"inventory.yaml:3:20: a port must be a number, and this is a list");
    assert_snapshot!(host("address: -oProxyCommand=reboot"), @"inventory.yaml:3:23: `-oProxyCommand=reboot` cannot be an address: it starts with `-`, and ssh would read it as an option");
    assert_snapshot!(host("address: 10.0.0.300"), @"inventory.yaml:3:23: `10.0.0.300` cannot be an address: its end is a number, and it is no IPv4 address");
    assert_snapshot!(host("ansible_user: root;reboot"), @"inventory.yaml:3:28: `root;reboot` cannot be a user: it contains `;`");
    assert_snapshot!(host("user: 1000"), @"inventory.yaml:3:20: `user` must be text, and this is a number");
}

#[test]
fn refuses_labels_and_taints_before_anything_is_contacted() {
    assert_snapshot!(refused("
agent:
  hosts:
    rpi41:
      taints: [storage:NoSchedul]
"), @"
    inventory.yaml:5:16: `storage:NoSchedul` cannot be a taint: `NoSchedul` is no effect
    hint: Did you mean `NoSchedule`?
    ");
    assert_snapshot!(shows(&fails(load(&[
        ("inventory.yaml", "agent: { hosts: { rpi41: } }\n"),
        ("group_vars/agent.yaml", "labels:\n  disk: not a label\n"),
    ]))), @"group_vars/agent.yaml:2:9: `not a label` cannot be a label value: it contains ` `");
}

#[test]
fn remarks_on_what_is_odd_but_no_error() {
    let inventory = load(&[
        ("inventory.yaml", "
server: { vars: { ansible_port: 22 }, hosts: { rpi40: { port: 2222, labels: { node-role.kubernetes.io/server: 'true' } } } }
rpi40: { hosts: { rpi41: } }
"),
        ("group_vars/server/main.yaml", "a: 1\n"),
        ("group_vars/server.yaml", "a: 2\n"),
        ("group_vars/sever.yaml", "a: 3\n"),
        ("host_vars/rpi41.yaml", "$ANSIBLE_VAULT;1.1;AES256\n6162\n"),
    ])
    .unwrap();
    assert_snapshot!(warnings(&inventory), @"
    group_vars/server.yaml is not read, because group_vars/server exists. Put both into one.
    group_vars/sever.yaml: there is no group `sever`. Did you mean `server`?
    host_vars/rpi41.yaml is encrypted with ansible-vault and was not read. `pirun vault import-ansible` moves what ansible-vault encrypted into vault.enc.
    inventory.yaml:2:48: `rpi40` is the name of a host and of a group. Patterns will find the host: rename one of them.
    inventory.yaml:2:79: a node cannot give itself the label `node-role.kubernetes.io/server`: k3s will not start with it. Use a domain of your own, or `node.kubernetes.io/`.
    inventory.yaml:2:57: `port` wins over `ansible_port` (inventory.yaml:2:19). Both say how to connect: keep one of them.
    ");
    assert_eq!(inventory.host("rpi40").unwrap().vars["a"], 1);
}

#[test]
fn a_value_that_ansible_vault_encrypted_is_kept_and_cannot_be_read() {
    let text = "
all:
  vars:
    k3s_token: !vault |
      $ANSIBLE_VAULT;1.1;AES256
      3132
  hosts:
    rpi40:
";
    let host = read(text).host("rpi40").unwrap();
    assert_eq!(host.get("slots").unwrap(), None);
    assert!(host.vars.is_empty());
    assert_eq!(
        host.sealed["k3s_token"],
        json!({ "__ansible_vault": "$ANSIBLE_VAULT;1.1;AES256\n3132\n" })
    );
    assert_snapshot!(shows(&fails(host.get("k3s_token"))), @r#"
    inventory.yaml:4:5: rpi40: the variable `k3s_token` is encrypted with ansible-vault
    hint: `pirun vault import-ansible` moves what ansible-vault encrypted into vault.enc. A playbook then reads it with `vault("k3s_token")`.
    "#);
    assert_snapshot!(refused("all: { hosts: { rpi40: { address: !vault x } } }"), @"
    inventory.yaml:1:35: `address` is encrypted with ansible-vault
    hint: `pirun vault import-ansible` moves what ansible-vault encrypted into vault.enc.
    ");
    assert_snapshot!(refused("$ANSIBLE_VAULT;1.1;AES256\n3132\n"), @"
    inventory.yaml is encrypted with ansible-vault
    hint: Names of hosts are no secret: decrypt it with `ansible-vault decrypt`, and keep secrets in vault.enc.
    ");
}

#[test]
fn a_thousand_hosts_resolve_without_fuss() {
    let mut text = String::from(
        "all:\n  vars: { a: 1, b: [1, 2, 3], c: { d: e } }\n  children:\n    agent:\n      hosts:\n",
    );
    for number in 0..1000 {
        text += &format!(
            "        rpi{number}:\n          address: 10.0.{}.{}\n          labels: {{ disk: ssd }}\n",
            number / 250,
            number % 250 + 1
        );
    }
    let inventory = read(&text);
    assert_eq!(inventory.hosts().len(), 1000);
    assert_eq!(inventory.select("agent:!rpi4*").unwrap().len(), 889);
}
