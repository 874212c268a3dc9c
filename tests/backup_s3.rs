//! Backups in a bucket of real S3 servers: moto, which checks keys and signatures, and s3s-fs, which shares no code with it.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::Cluster;
use common::control_plane::{self, Copying, sha256};
use pirun::backup::store::{Address, Record, S3Options, Store};
use pirun::cancel::Cancel;
use pirun::error::Error;
use pirun::vault::{Credential, Kdf, OpenVault, Secret, SecretValue};
use pirun_lab::{Cache, cargo_program};
use tempfile::TempDir;

struct Server {
    name: &'static str,
    process: Child,
    address: String,
    id: String,
    secret: String,
    /// Where its buckets are, if it does not keep them in memory.
    data: Option<TempDir>,
}

impl Server {
    /// `None` where there is to be no Python environment. `command` starts a program where the server is to be.
    fn moto(command: impl Fn(&Path) -> Command) -> Option<Self> {
        let python = common::python::python_with("tests/backup")?.join("python");
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        let mut process = command(&python)
            .arg(tests.join("backup/s3.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        let [address, id, secret] = words.try_into().expect("the server says where it is");
        Some(Self { name: "moto", process, address, id, secret, data: None })
    }

    /// Built from the crate registry at the first time.
    fn s3s_fs(command: impl Fn(&Path) -> Command) -> Self {
        let program = cargo_program(&Cache::open().unwrap(), "s3s-fs", "0.14.1", "binary").unwrap();
        let data = tempfile::tempdir().unwrap();
        fs::create_dir(data.path().join("pi-backups")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (id, secret) = ("AKIDPIRUN", "not the one of moto");
        let process = command(&program)
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .args(["--access-key", id, "--secret-key", secret])
            .arg(data.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let address = format!("http://127.0.0.1:{port}");
        let (id, secret) = (id.to_owned(), secret.to_owned());
        let server = Self { name: "s3s-fs", process, address, id, secret, data: Some(data) };
        let project = tempfile::tempdir().unwrap();
        common::eventually("s3s-fs answers", || server.store(project.path()).list(None).is_ok());
        server
    }

    /// One of each kind; none where there is to be no network.
    fn all() -> Vec<Self> {
        if is_offline() {
            return Vec::new();
        }
        let command = |program: &Path| Command::new(program);
        Self::moto(command).into_iter().chain([Self::s3s_fs(command)]).collect()
    }

    fn store(&self, project: &Path) -> Store {
        open(&self.address, &self.id, &self.secret, project, &Cancel::default())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // moto ends with its stdin.
        drop(self.process.stdin.take());
        if self.data.is_some() {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

fn is_offline() -> bool {
    std::env::var_os("PIRUN_TESTS_OFFLINE").is_some()
}

fn open(endpoint: &str, id: &str, secret: &str, project: &Path, cancel: &Cancel) -> Store {
    let keys = Some((Secret::text("id", id), Secret::text("secret", secret)));
    let s3 = S3Options { keys, endpoint: Some(endpoint.to_owned()), region: None };
    let address = Address { url: "s3://pi-backups/cluster".to_owned(), s3 };
    Store::open(&address, project, &project.join("spool"), cancel).unwrap()
}

fn name(second: u32) -> String {
    format!("rpi40_2026-11-27T10-42-{second:02}Z.pbk")
}

/// Sends so many bytes as a backup, whatever they are.
fn send(
    store: &Store,
    name: &str,
    size: usize,
    mut progress: impl FnMut(u64),
) -> Result<Vec<u8>, Error> {
    let content: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
    let part = store.begin(name)?;
    let mut file = part.file();
    file.write_all(&content).unwrap();
    let record = Record {
        name: name.to_owned(),
        sha256: sha256(&content),
        size: size as u64,
        node: "rpi40".to_owned(),
        kind: "server".to_owned(),
        k3s: String::new(),
        cluster: String::new(),
        max_id: 1,
        files: 1,
        bytes: 1,
        vault: String::new(),
        verified: String::new(),
    };
    store.keep(part, &record, true, &mut |done, _| progress(done))?;
    Ok(content)
}

fn names(store: &Store) -> Vec<String> {
    store.list(None).unwrap().into_iter().map(|stored| stored.name).collect()
}

fn files_in(directory: &Path) -> usize {
    fs::read_dir(directory).map_or(0, Iterator::count)
}

#[test]
fn a_bucket_takes_small_and_large_backups_once_and_gives_them_back() {
    for server in Server::all() {
        let project = tempfile::tempdir().unwrap();
        let store = server.store(project.path());
        assert!(names(&store).is_empty());
        // One request, and four parts of a larger one.
        for (second, size) in [(1, 1000), (2, 25 << 20)] {
            let content = send(&store, &name(second), size, |_| {}).unwrap();
            let mut read = Vec::new();
            store.read(&name(second)).unwrap().read_to_end(&mut read).unwrap();
            assert!(read == content, "{size} bytes, {}", server.name);
            assert_eq!(store.read_begin(&name(second), 10).unwrap(), content[..10]);
            let again = send(&store, &name(second), size, |_| {}).unwrap_err();
            assert!(again.message().contains("already"), "{again}");
        }
        assert_eq!(names(&store), [name(2), name(1)]);
        let stored = store.list(Some("rpi40")).unwrap();
        assert!(stored.iter().all(|stored| stored.is_verified && !stored.is_pinned));
        assert_eq!(stored[0].size, 25 << 20);
        store.remove(&name(1)).unwrap();
        assert_eq!(names(&store), [name(2)]);
        assert_eq!(files_in(&project.path().join("spool")), 0);
    }
}

#[test]
fn nothing_is_seen_of_an_upload_that_was_given_up() {
    for server in Server::all() {
        let project = tempfile::tempdir().unwrap();
        let cancel = Cancel::default();
        let store = open(&server.address, &server.id, &server.secret, project.path(), &cancel);
        let error = send(&store, &name(1), 25 << 20, |done| {
            if done > 10 << 20 {
                cancel.cancel();
            }
        });
        assert_eq!(error.unwrap_err().message(), "cancelled");
        let store = server.store(project.path());
        assert!(names(&store).is_empty(), "{}", server.name);
        send(&store, &name(1), 25 << 20, |_| {}).unwrap();
        assert_eq!(names(&store), [name(1)]);
    }
}

#[test]
fn wrong_keys_and_missing_buckets_are_told() {
    for server in Server::all() {
        let project = tempfile::tempdir().unwrap();
        for (id, secret) in
            [("AKIAIOSFODNN7EXAMPLE", server.secret.as_str()), (&server.id, "wrong")]
        {
            let store = open(&server.address, id, secret, project.path(), &Cancel::default());
            for error in
                [store.list(None).unwrap_err(), send(&store, &name(1), 10, |_| {}).unwrap_err()]
            {
                assert_eq!(
                    error.message(),
                    "s3://pi-backups refuses the access key",
                    "{}: {error:?}",
                    server.name
                );
                assert!(!format!("{error:?}").contains(&server.secret));
            }
        }
        let keys = Some((Secret::text("id", &server.id), Secret::text("secret", &server.secret)));
        let s3 = S3Options { keys, endpoint: Some(server.address.clone()), region: None };
        let address = Address { url: "s3://elsewhere".to_owned(), s3 };
        let store =
            Store::open(&address, project.path(), project.path(), &Cancel::default()).unwrap();
        let error = store.list(None).unwrap_err();
        assert!(error.hints().iter().any(|hint| hint.contains("bucket")), "{error:?}");
    }
}

#[test]
fn a_dead_endpoint_is_given_up_soon() {
    let project = tempfile::tempdir().unwrap();
    let start = Instant::now();
    // Nobody listens on this port.
    let store = open("http://127.0.0.1:1", "id", "secret", project.path(), &Cancel::default());
    let error = store.list(None).unwrap_err();
    assert_eq!(error.message(), "s3://pi-backups cannot be used");
    assert!(send(&store, &name(1), 10, |_| {}).is_err());
    // S3 libraries of today try for three minutes.
    assert!(start.elapsed() < Duration::from_secs(60));
    assert_eq!(files_in(&project.path().join("spool")), 0);
}

#[test]
fn a_server_is_backed_up_to_a_bucket_with_keys_from_the_vault() {
    let cluster = Cluster::start(&["rpi40"]);
    let Some(server) = Server::moto(|python| cluster.lab.command(python)) else { return };
    let password = Credential::password(common::PASSWORD.as_bytes()).unwrap();
    let kdf = Kdf { memory: 12 << 10, passes: 3, lanes: 1 };
    let mut vault = OpenVault::create("main", &password, kdf).unwrap();
    vault.set("s3_access_key", &SecretValue::text(&server.id)).unwrap();
    vault.set("s3_secret_key", &SecretValue::text(&server.secret)).unwrap();
    cluster.write("vault.enc", &vault.print().unwrap());
    control_plane::install(cluster.node("rpi40"), Copying::Freeze, 100);
    let run = |flags: &[&str]| {
        let to =
            ["backup.rhai", "--to", "s3://pi-backups/cluster", "--s3-endpoint", &server.address];
        cluster.pirun(&[&to[..], flags].concat())
    };
    run(&["--s3-verify"]).ok();
    let list = run(&["--list"]).ok();
    assert!(list.stdout.contains("rpi40_") && list.stdout.contains("verified"), "{}", list.stdout);
    run(&["--verify", "newest"]).ok();
    run(&["--drill"]).ok();
    run(&["--status", "--max-age", "1h"]).ok();
    let late = run(&["--status", "--max-age", "0s"]).code(1);
    assert!(late.stdout.contains("old"), "{}", late.stdout);
    // Only a sealed backup ever lay here, and it is gone.
    assert_eq!(files_in(&cluster.path(".pirun/backup")), 0);
}
