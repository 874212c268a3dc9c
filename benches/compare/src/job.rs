//! The job, written down for each tool in one directory, and the state it shall lead to.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::Result;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, context};

use crate::nodes::{Ground, Node, Nodes, relay_address};
use crate::state::State;

const TEMPLATE: &str = include_str!("../job/k3s.conf.j2");
/// The authorized_keys line that the job adds.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGNvbXBhcmVjb21wYXJlY29tcGFyZWNvbXBhcmVjbw operator@example.org";
const FSTAB: &str = "tmpfs /var/lib/kubelet tmpfs size=64m,nodev 0 0";
const LOG_LEVEL: &str = "info";
/// Bytes of the file that the job brings.
const FILE_SIZE: usize = 12 * 1024;
/// Bytes of the large file.
pub const BIG: usize = 100_000_000;

/// The same for all hosts and tools.
const FIXED: [(&str, &str); 8] = [
    ("job.rhai", include_str!("../job/job.rhai")),
    ("nothing.rhai", "on(hosts(\"all\"), |host| { host.query(\"true\"); });\n"),
    ("transfer.rhai", "on(hosts(\"all\"), |host| { host.upload(\"big\", \"/data/big\"); });\n"),
    ("job.yml", include_str!("../job/job.yml")),
    ("job.py", include_str!("../job/job.py")),
    ("floor.sh", include_str!("../job/floor.sh")),
    ("templates/k3s.conf.j2", TEMPLATE),
    ("known_hosts", ""),
];

/// A directory from which every tool can do the job on certain hosts.
pub struct Site {
    pub dir: PathBuf,
    pub hosts: Vec<String>,
}

/// A host as the tools see it.
struct Host {
    name: String,
    address: Ipv4Addr,
    role: &'static str,
}

impl Site {
    /// Writes everything. With `relayed`, hosts are reached through their relays.
    pub fn write(dir: PathBuf, ground: &Ground, nodes: &Nodes, relayed: bool) -> Result<Self> {
        let hosts: Vec<Host> = nodes
            .iter()
            .enumerate()
            .map(|(number, node)| Host {
                name: node.name.clone(),
                address: if relayed { relay_address(number) } else { node.address },
                role: role(number),
            })
            .collect();
        let site = Self { dir, hosts: hosts.iter().map(|host| host.name.clone()).collect() };
        for (path, content) in FIXED {
            site.put(path, content)?;
        }
        site.put("files/iscsid.conf", &file())?;
        site.access(ground, &hosts)?;
        site.inventories(ground, &hosts)?;
        for host in &hosts {
            site.put(&format!("files/hostname-{}", host.name), &format!("{}\n", host.name))?;
            site.put(
                &format!("floor/job-{}.sh", host.name),
                &script(include_str!("../job/job.sh.j2"), host)?,
            )?;
            site.put(
                &format!("floor/check-{}.sh", host.name),
                &script(include_str!("../job/check.sh.j2"), host)?,
            )?;
            site.put(&format!("floor/nothing-{}.sh", host.name), ":\n")?;
        }
        Ok(site)
    }

    /// Who is who, and with which key: for OpenSSH, and so for pirun and Ansible.
    fn access(&self, ground: &Ground, hosts: &[Host]) -> Result<()> {
        let (key, here) = (ground.key.display(), self.dir.display());
        let login = format!("IdentityFile {key}\nIdentitiesOnly yes\n");
        let mut known = String::new();
        let mut config = String::new();
        for Host { name, address, .. } in hosts {
            known += &format!("{name},{address} {}\n", ground.host_key);
            config += &format!("Host {name}\nHostName {address}\nHostKeyAlias {name}\n");
        }
        config += &format!(
            "Host *\nUser root\n{login}UserKnownHostsFile {here}/known_hosts\nGlobalKnownHostsFile none\nStrictHostKeyChecking yes\n"
        );
        self.put("known_hosts", &known)?;
        self.put("ssh_config", &config)?;
        // pirun reads the user's own file.
        self.put("home/.ssh/config", &format!("Host *\n{login}"))
    }

    fn inventories(&self, ground: &Ground, hosts: &[Host]) -> Result<()> {
        let (key, here, server) = (ground.key.display(), self.dir.display(), server());
        let mut yaml = format!(
            "all:\n  vars:\n    ansible_user: root\n    ansible_ssh_private_key_file: {key}\n    key: \"{KEY}\"\n    fstab: \"{FSTAB}\"\n    server_address: {server}\n    log_level: {LOG_LEVEL}\n  hosts:\n"
        );
        let mut python = "all = [\n".to_owned();
        for Host { name, address, role } in hosts {
            yaml += &format!("    {name}: {{ ansible_host: {address}, k3s_role: {role} }}\n");
            python += &format!(
                "    (\"{name}\", {{\"ssh_hostname\": \"{address}\", \"k3s_role\": \"{role}\", **common}}),\n"
            );
        }
        let common = format!(
            "common = {{\n    \"ssh_user\": \"root\", \"ssh_key\": \"{key}\", \"ssh_known_hosts_file\": \"{here}/known_hosts\",\n    \
             \"ssh_strict_host_key_checking\": \"yes\", \"ssh_allow_agent\": False, \"ssh_look_for_keys\": False,\n    \
             \"key\": \"{KEY}\", \"fstab\": \"{FSTAB}\", \"server_address\": \"{server}\", \"log_level\": \"{LOG_LEVEL}\",\n}}\n"
        );
        self.put("inventory.yaml", &yaml)?;
        self.put("inventory.py", &format!("{common}{python}]\n"))?;
        let both = format!(
            "[defaults]\ninventory = inventory.yaml\n[ssh_connection]\nssh_args = -C -o ControlMaster=auto -o ControlPersist=60s -F {here}/ssh_config\n"
        );
        self.put("ansible-defaults.cfg", &both)?;
        let tuned = format!(
            "forks = {}\ngathering = explicit\ninterpreter_python = /usr/bin/python3\n[ssh_connection]\npipelining = True",
            hosts.len().max(5)
        );
        self.put("ansible-tuned.cfg", &both.replacen("[ssh_connection]", &tuned, 1))
    }

    fn put(&self, path: &str, content: &str) -> Result<()> {
        let path = self.dir.join(path);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
        Ok(fs::write(path, content)?)
    }

    /// Makes the large file.
    pub fn add_big(&self) -> Result<()> {
        // Not zeros, which a tool that compresses would send in no time.
        let mut seed: u64 = 1;
        let bytes = std::iter::repeat_with(|| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33).to_le_bytes()[0]
        });
        Ok(fs::write(self.dir.join("big"), bytes.take(BIG).collect::<Vec<_>>())?)
    }
}

/// What a host looks like that nobody has touched.
pub fn fresh(ground: &Ground) -> Result<State> {
    let login = fs::read_to_string(ground.key.with_extension("pub"))?;
    Ok(State::from([("/root/.ssh/authorized_keys".into(), format!("100600 0:0 {login}"))]))
}

/// What a host looks like when the job is done.
pub fn done(ground: &Ground, number: usize, node: &Node) -> Result<State> {
    let host = Host { name: node.name.clone(), address: node.address, role: role(number) };
    let login = fs::read_to_string(ground.key.with_extension("pub"))?;
    let fstab = crate::nodes::FSTAB;
    let wanted = [
        ("/etc/hostname", format!("100644 0:0 {}\n", node.name)),
        ("/root/.ssh/authorized_keys", format!("100600 0:0 {login}{KEY}\n")),
        ("/data/k3s", "40755 0:0 ".into()),
        ("/data/k3s/incomplete-downloads", "40755 0:0 ".into()),
        ("/etc/conf.d/k3s", format!("100600 0:0 {}", render(TEMPLATE, &host)?)),
        ("/etc/iscsi/iscsid.conf", format!("100644 0:0 {}", file())),
        ("/etc/fstab", format!("100644 0:0 {fstab}{FSTAB}\n")),
        ("/etc/runlevels/default/k3s", "link to /etc/init.d/k3s".into()),
        ("/data/k3s/storage", "40711 0:0 ".into()),
    ];
    Ok(wanted.into_iter().map(|(path, what)| (path.to_owned(), what)).collect())
}

fn role(number: usize) -> &'static str {
    if number == 0 { "server" } else { "agent" }
}

fn server() -> Ipv4Addr {
    crate::nodes::address(0)
}

fn render(template: &str, host: &Host) -> Result<String> {
    let values = context! { node_name => &host.name, k3s_role => host.role, server_address => server().to_string(), log_level => LOG_LEVEL };
    Ok(environment()?.render_str(template, values)?)
}

fn script(template: &str, host: &Host) -> Result<String> {
    let values = context! { node_name => &host.name, key => KEY, fstab => FSTAB, file => file(), template => render(TEMPLATE, host)? };
    Ok(environment()?.render_str(template, values)?)
}

fn environment() -> Result<Environment<'static>> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().keep_trailing_newline(true).build()?);
    Ok(environment)
}

/// The 12 KiB file.
fn file() -> String {
    let line = |number| {
        format!(
            "# setting {number} of the initiator, as its package ships it: node.session.timeo = {number}\n"
        )
    };
    let mut text: String = (0..)
        .map(line)
        .scan(0, |size, line| {
            *size += line.len();
            (*size < FILE_SIZE).then_some(line)
        })
        .collect();
    let rest = FILE_SIZE - text.len();
    text += &format!("{}\n", "#".repeat(rest - 1));
    text
}
