//! A server with a vault, and what its backups hold.

use std::fs;
use std::path::Path;

use pirun::backup::container::Container;
use pirun::backup::unit::{self, DATABASE, WAL};
use pirun::vault::{Credential, Kdf, Limits, OpenVault};
use pirun_lab::{Lab, Node};
use rusqlite::Connection;

use super::control_plane::{self, Copying};
use super::{Cluster, PASSWORD};

/// As cheap as a vault may be: what is tested here is not its password.
const CHEAP: Kdf = Kdf { memory: 12 << 10, passes: 3, lanes: 1 };

/// One server that is written to, and a vault.
pub fn cluster(copying: Copying) -> Cluster {
    let lab = Lab::start().expect("a lab");
    let node = lab.fast_node("rpi40").expect("a node");
    around(lab, node, copying)
}

/// Makes a node a server that is written to, with a project and a vault around it.
pub fn around(lab: Lab, node: Node, copying: Copying) -> Cluster {
    let cluster = Cluster::around(lab, vec![node]);
    let password = Credential::password(PASSWORD.as_bytes()).expect("a password");
    let mut vault = OpenVault::create("main", &password, CHEAP).expect("a vault");
    cluster.write("vault.enc", &vault.print().expect("its text"));
    control_plane::install(cluster.node("rpi40"), copying, 200);
    cluster
}

/// The names of the backups in a directory, sorted.
pub fn backups(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .map(|entry| entry.expect("worked").file_name().into_string().expect("worked"))
        .filter(|name| name.ends_with(".pbk"))
        .collect();
    names.sort();
    names
}

/// Restores a backup's datastore as k3s would find it, and gives its last revision, and whether any before is missing.
pub fn restored(file: &Path) -> (i64, bool) {
    let container = Container::read(fs::File::open(file).expect("worked")).expect("worked");
    let password = Credential::password(PASSWORD.as_bytes()).expect("worked");
    let reader = container.open(&password, &Limits::default()).expect("worked");
    let directory = tempfile::tempdir().expect("worked");
    unit::read(reader, &mut |_, entry, content| {
        if entry.name == DATABASE || entry.name == WAL {
            let path = directory.path().join(entry.name.rsplit('/').next().expect("worked"));
            std::io::copy(content, &mut fs::File::create(path).expect("worked")).expect("worked");
        }
        Ok(())
    })
    .expect("worked");
    let opened = Connection::open(directory.path().join("state.db")).expect("worked");
    let whole: String =
        opened.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("worked");
    assert_eq!(whole, "ok");
    let ask = |sql: &str| opened.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("worked");
    let last = ask("SELECT max(id) FROM kine");
    (last, ask("SELECT count(*) FROM kine") != last)
}

/// A backup's name says in which second it was taken.
pub fn next_second() {
    let second = || std::time::UNIX_EPOCH.elapsed().expect("worked").as_secs();
    let begin = second();
    while second() == begin {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
