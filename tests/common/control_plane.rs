//! A control plane on a lab node, as far as backups can tell: the state of k3s in its place, and a datastore that is
//! written to by SQLite itself as kine does it, from the start of the service `k3s` to its end.
//!
//! The record that k3s starts from is sealed as k3s seals it; keys and certificates are text that only has to be the same in
//! both places.

use std::fs;
use std::path::Path;

use aes_gcm::aead::{Aead as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pirun_lab::{Cache, Node, debian_packages};
use rusqlite::Connection;
use sha2::{Digest as _, Sha256};

/// Where k3s has its state.
pub const SERVER: &str = "/var/lib/rancher/k3s/server";
/// The password in the token: the sample vault's `k3s_token`.
pub const PASSWORD: &str = "tR7nKbnYEHHeyrT711FurTEhgzxPZ567";
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nlab\n-----END CERTIFICATE-----\n";

/// The table as kine makes it.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS kine(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, created INTEGER,
    deleted INTEGER, create_revision INTEGER, prev_revision INTEGER, lease INTEGER, value BLOB, old_value BLOB);
    CREATE INDEX IF NOT EXISTS kine_name_index ON kine(name);
    CREATE UNIQUE INDEX IF NOT EXISTS kine_name_prev_revision_uindex ON kine(name, prev_revision);";

/// Called instead of the lab's k3s, which it calls: a server writes a row every few milliseconds.
const K3S: &str = r#"#!/bin/sh
write() {
	echo 'PRAGMA journal_mode=WAL; PRAGMA busy_timeout=30000; PRAGMA wal_autocheckpoint=200;'
	n=0
	while [ -d "/proc/$1" ]; do
		n=$((n + 1))
		echo "INSERT INTO kine(name,created,deleted,create_revision,prev_revision,lease,value,old_value)
			SELECT '/registry/leases/$((n % 50))',1,0,0,max(id),0,randomblob(700),randomblob(700) FROM kine;"
		sleep 0.01
	done
}
case $1 in
server) { write $$ | /data/lab/bin/sqlite3 -batch /var/lib/rancher/k3s/server/db/state.db; } >/dev/null 2>&1 & ;;
--version) echo "k3s version v1.34.2+k3s1 (lab)"; exit ;;
esac
# Ended before it is up, it leaves nobody on its port.
trap 'kill $(jobs -p) 2>/dev/null; exit 0' TERM INT
. /usr/bin/k3s.lab
"#;

/// How the datastore can be copied.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Copying {
    /// The node has `sqlite3`.
    Vacuum,
    /// It has not.
    Freeze,
}

pub fn token() -> String {
    format!("K10{}::server:{PASSWORD}\n", sha256(CERTIFICATE.as_bytes()))
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The record, sealed with the token's password: `pkg/cluster/encrypt.go` of k3s.
fn bootstrap_record() -> (String, Vec<u8>) {
    let file = |text: &str| serde_json::json!({ "Timestamp": "2026-11-27T00:00:00Z", "Content": STANDARD.encode(text) });
    let record = serde_json::json!({ "ServerCA": file(CERTIFICATE), "ServerCAKey": file("key") });
    let (salt, nonce) = ("0123456789abcdef", [7; 12]);
    let mut key = [0; 32];
    pbkdf2::pbkdf2_hmac::<sha1::Sha1>(PASSWORD.as_bytes(), salt.as_bytes(), 4096, &mut key);
    let cipher = Aes256Gcm::new(&key.into());
    let sealed =
        cipher.encrypt(&Nonce::from(nonce), record.to_string().as_bytes()).expect("sealed");
    let value = format!("{salt}:{}", STANDARD.encode([&nonce[..], &sealed].concat()));
    (format!("/bootstrap/{}", &sha256(PASSWORD.as_bytes())[..12]), value.into_bytes())
}

/// A datastore with so many rows of a kilobyte.
pub fn datastore(path: &Path, rows: i64) {
    let mut connection = Connection::open(path).expect("a database");
    connection.execute_batch(TABLE).expect("a table");
    let (name, value) = bootstrap_record();
    let insert =
        "INSERT INTO kine(name,created,deleted,create_revision,prev_revision,lease,value,old_value)
        VALUES(?1,1,0,0,?2,0,?3,randomblob(?4))";
    let all = connection.transaction().expect("a transaction");
    all.execute(insert, (&name, 0, &value, 0)).expect("the record");
    for row in 1..rows {
        all.execute(insert, (format!("/registry/pods/{row}"), row, &b"value"[..], 1000))
            .expect("a row");
    }
    all.commit().expect("committed");
}

/// Gives a node that is up a k3s that writes as a server does, and nothing to begin with.
pub fn equip(node: &Node, copying: Copying) {
    let lab = node.root().join("data/lab");
    fs::create_dir_all(lab.join("bin")).expect("made");
    fs::create_dir_all(lab.join("lib")).expect("made");
    put_sqlite3(&lab);
    fs::write(lab.join("k3s"), K3S).expect("written");
    let link = match copying {
        Copying::Vacuum => "ln -s /data/lab/bin/sqlite3 /usr/bin/sqlite3;",
        Copying::Freeze => "",
    };
    node.sh(&format!(
        "mount -o remount,rw /; mv /usr/bin/k3s /usr/bin/k3s.lab; cp /data/lab/k3s /usr/bin/k3s; chmod 755 /usr/bin/k3s; {link}
         mount -o remount,ro /"
    ))
    .expect("equipped");
}

/// Puts it on a node that is up, and starts the service `k3s`.
pub fn install(node: &Node, copying: Copying, rows: i64) {
    equip(node, copying);
    node.sh(&format!(
        "mkdir -p {SERVER}/db {SERVER}/tls/temporary-certs {SERVER}/cred {SERVER}/manifests /etc/rancher/node /etc/rancher/k3s
         chmod 700 {SERVER} {SERVER}/tls
         echo 'cred' > {SERVER}/cred/passwd; echo 'kind: List' > {SERVER}/manifests/list.yaml; echo 'write: me' > {SERVER}/manifests/.hidden
         printf 0123456789 > /etc/rancher/node/password; echo 'node-label: []' > /etc/rancher/k3s/config.yaml
         ln -s {SERVER}/token {SERVER}/node-token; ln -s /etc/rancher/k3s/config.yaml {SERVER}/manifests/linked.yaml
         sed -i 's/^K3S_EXEC=.*/K3S_EXEC=server/' /data/etc/conf.d/k3s"
    ))
    .expect("furnished");
    let server = node.root().join("data").join(SERVER.trim_start_matches('/'));
    fs::write(server.join("token"), token()).expect("written");
    fs::write(server.join("tls/server-ca.crt"), CERTIFICATE).expect("written");
    fs::write(server.join("tls/server-ca.key"), "key").expect("written");
    let directory = tempfile::tempdir().expect("a directory");
    datastore(&directory.path().join("state.db"), rows);
    fs::copy(directory.path().join("state.db"), server.join("db/state.db")).expect("copied");
    node.sh("rc-service -q k3s restart").expect("started");
    let begin = max_id(node);
    super::eventually("rows are written", || max_id(node) > begin);
}

/// Debian's, with its libraries: Alpine's would need a mirror.
fn put_sqlite3(lab: &Path) {
    const OTHERS: [&str; 4] = ["sqlite3", "libsqlite3-0", "libc6", "zlib1g"];
    let cache = Cache::open().expect("a cache");
    // Debian 13 has given the libraries other names.
    let packages = [["libreadline8", "libtinfo6"], ["libreadline8t64", "libtinfo6"]]
        .into_iter()
        .find_map(|names| debian_packages(&cache, &[&OTHERS[..], &names].concat()).ok())
        .expect("Debian's sqlite3");
    fs::copy(packages.join("usr/bin/sqlite3"), lab.join("lib/sqlite3")).expect("copied");
    for library in [
        "libsqlite3.so.0",
        "libreadline.so.8",
        "libtinfo.so.6",
        "libm.so.6",
        "libc.so.6",
        "libz.so.1",
    ] {
        let find = |directory: &Path| walk(directory, library);
        let file = find(&packages).expect("a library");
        fs::copy(file, lab.join("lib").join(library)).expect("copied");
    }
    let arch = std::env::consts::ARCH.replace('_', "-");
    let loader = match std::env::consts::ARCH {
        "aarch64" => "/lib/ld-linux-aarch64.so.1".to_owned(),
        _ => format!("/lib64/ld-linux-{arch}.so.2"),
    };
    let script = format!(
        "#!/bin/sh\nexec {loader} --library-path /data/lab/lib /data/lab/lib/sqlite3 \"$@\"\n"
    );
    let program = lab.join("bin/sqlite3");
    fs::write(&program, script).expect("written");
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("changed");
}

/// The file of that name below a directory.
fn walk(directory: &Path, name: &str) -> Option<std::path::PathBuf> {
    for entry in fs::read_dir(directory).ok()?.flatten() {
        let path = entry.path();
        if entry.file_name() == name && path.exists() {
            return Some(path);
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir())
            && let Some(found) = walk(&path, name)
        {
            return Some(found);
        }
    }
    None
}

/// The last revision that is committed by now.
pub fn max_id(node: &Node) -> i64 {
    let script = format!(
        "/data/lab/bin/sqlite3 -readonly -batch -cmd '.timeout 30000' {SERVER}/db/state.db 'SELECT max(id) FROM kine'"
    );
    node.sh(&script).expect("asked").trim().parse().expect("a number")
}

/// Whether k3s runs and goes on writing, and nothing of a backup is left.
pub fn is_well(node: &Node) -> bool {
    let rest = node.sh(
        "rc-service -q k3s status && ls /data/.pirun /run/pirun-backup 2>/dev/null | grep bk; true",
    );
    let before = max_id(node);
    std::thread::sleep(std::time::Duration::from_millis(200));
    rest.is_ok_and(|text| text.trim().is_empty()) && max_id(node) > before
}
