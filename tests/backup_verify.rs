//! What keeps a backup from being restored is found when it is made, and whenever it is looked into; and what opens it.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::io::Write as _;
use std::path::Path;

use common::control_plane::{self, datastore, sha256, token};
use common::{Said, said};
use pirun::backup::container::{Container, Sealer};
use pirun::backup::unit::{CERTIFICATE, DATABASE, Info, Kind, Method, TOKEN};
use pirun::backup::verify::verify;
use pirun::vault::{Credential, Kdf, Limits, OpenVault};
use rusqlite::Connection;

const CHEAP: Kdf = Kdf { memory: 12 << 10, passes: 3, lanes: 1 };
const AUTHORITY: &[u8] = b"-----BEGIN CERTIFICATE-----\nlab\n-----END CERTIFICATE-----\n";

/// A server's unit, to be spoiled.
struct Server {
    info: Info,
    files: Vec<(&'static str, Vec<u8>)>,
}

impl Server {
    fn whole() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.db");
        datastore(&path, 100);
        let kind = Kind::Server {
            k3s: "v1.34.2+k3s1".into(),
            method: Method::Vacuum,
            cluster: sha256(AUTHORITY),
            max_id: 100,
        };
        Self {
            info: Info { node: "rpi40".into(), taken: 1, arch: "aarch64".into(), kind },
            files: vec![
                (DATABASE, fs::read(path).unwrap()),
                (TOKEN, token().into_bytes()),
                (CERTIFICATE, AUTHORITY.to_vec()),
                ("server/tls/server-ca.key", b"key".to_vec()),
            ],
        }
    }

    fn file(&mut self, name: &str) -> &mut Vec<u8> {
        &mut self.files.iter_mut().find(|(known, _)| *known == name).unwrap().1
    }

    /// Changes the datastore by SQL.
    fn sql(mut self, sql: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.db");
        fs::write(&path, self.file(DATABASE)).unwrap();
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        *self.file(DATABASE) = fs::read(path).unwrap();
        self
    }

    fn with(mut self, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        change(self.file(name));
        self
    }

    fn tar(&self) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut manifest = String::new();
        let info = ("INFO", self.info.to_string().into_bytes());
        for (name, content) in std::iter::once(&info).chain(&self.files) {
            append(&mut builder, name, content);
            manifest += &format!("{}  {name}\n", sha256(content));
        }
        append(&mut builder, "MANIFEST", manifest.as_bytes());
        builder.into_inner().unwrap()
    }

    fn refusal(self) -> String {
        verify(&self.tar()[..]).unwrap_err().message().to_owned()
    }
}

fn append(builder: &mut tar::Builder<Vec<u8>>, name: &str, content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o600);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    builder.append_data(&mut header, name, content).unwrap();
}

#[test]
fn a_whole_backup_is_found_whole() {
    let verified = verify(&Server::whole().tar()[..]).unwrap();
    assert_eq!((verified.max_id, verified.unit.files), (Some(100), 4));
}

#[test]
fn what_could_not_be_restored_is_refused_with_the_reason() {
    let another = format!("K10{}::server:{}\n", "0".repeat(64), control_plane::PASSWORD);
    let cases = [
        Server::whole().sql("DELETE FROM kine WHERE id > 90"),
        Server::whole().sql("DROP TABLE kine"),
        Server::whole().sql("DELETE FROM kine WHERE name LIKE '/bootstrap/%'"),
        Server::whole().sql("UPDATE kine SET deleted = 1 WHERE name LIKE '/bootstrap/%'"),
        Server::whole().sql("UPDATE kine SET value = 'salt:AAAA' WHERE name LIKE '/bootstrap/%'"),
        // Into the middle of an inner page.
        Server::whole().with(DATABASE, |bytes| {
            let middle = bytes.len() / 2 / 4096 * 4096;
            bytes[middle..middle + 64].fill(0xff);
        }),
        Server::whole().with(DATABASE, |bytes| bytes.truncate(bytes.len() - 4096)),
        Server::whole().with(DATABASE, |bytes| bytes[0] = b'X'),
        Server::whole().with(TOKEN, |token| *token = another.into_bytes()),
        Server::whole().with(TOKEN, |token| {
            *token = String::from_utf8_lossy(token).replace(":server:", ":server:x").into_bytes();
        }),
        Server::whole().with(TOKEN, |token| *token = b"\n".to_vec()),
        Server::whole().with(CERTIFICATE, |certificate| certificate.push(b'\n')),
        Server::whole().with("server/tls/server-ca.key", |key| key.push(b'x')),
    ];
    let said: Vec<String> = cases.into_iter().map(Server::refusal).collect();
    insta::assert_snapshot!(said.join("\n"));
}

fn password(text: &str) -> Credential {
    Credential::password(text.as_bytes()).unwrap()
}

fn seal(vault: &OpenVault, content: &[u8]) -> Vec<u8> {
    let mut sealer = Sealer::new(vault, Vec::new()).unwrap();
    sealer.write_all(content).unwrap();
    sealer.finish().unwrap()
}

#[test]
fn a_sealed_backup_is_refused_wherever_it_is_cut() {
    let key = Credential::key_file([7; 32]);
    let vault = OpenVault::create("ci", &key, CHEAP).unwrap();
    let sealed = seal(&vault, &Server::whole().tar());
    let opens = |bytes: &[u8]| -> bool {
        let reader =
            Container::read(bytes).and_then(|container| container.open(&key, &Limits::default()));
        reader.is_ok_and(|reader| verify(reader).is_ok())
    };
    assert!(opens(&sealed));
    let lengths = (0..sealed.len()).step_by(sealed.len() / 150);
    for length in lengths.chain((sealed.len() - 100..sealed.len()).step_by(3)) {
        assert!(!opens(&sealed[..length]), "{length}");
    }
}

/// A project with a vault and one backup in `backups/`, and pirun in it.
struct Project(tempfile::TempDir);

impl Project {
    fn new(vault: &mut OpenVault) -> Self {
        let project = Self(tempfile::tempdir().unwrap());
        project.write(
            "inventory.yaml",
            b"all:\n  children:\n    server:\n      hosts:\n        rpi40: {}\n",
        );
        project.write("vault.enc", vault.print().unwrap().as_bytes());
        fs::create_dir(project.path("backups")).unwrap();
        fs::create_dir(project.path("playbooks")).unwrap();
        fs::copy("playbooks/backup.rhai", project.path("playbooks/backup.rhai")).unwrap();
        project
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.path(name), content).unwrap();
    }

    fn pirun(&self, password: &str, flags: &[&str]) -> Said {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_pirun"));
        command.arg("backup.rhai").args(flags).current_dir(self.0.path());
        command
            .env("HOME", self.0.path())
            .env("PIRUN_VAULT_PASSWORD", password)
            .env("NO_COLOR", "1");
        said(command.output().unwrap())
    }
}

fn is_restorable(file: &Path, credential: &Credential) -> bool {
    let container = Container::read(fs::File::open(file).unwrap()).unwrap();
    let reader = container.open(credential, &Limits::default());
    reader.is_ok_and(|reader| verify(reader).is_ok())
}

#[test]
fn old_backups_open_after_a_new_password_and_a_new_key() {
    let mut vault = OpenVault::create("main", &password("first"), CHEAP).unwrap();
    let project = Project::new(&mut vault);
    let name = "backups/rpi40_2026-11-27T10-42-26Z.pbk";
    project.write(name, &seal(&vault, &Server::whole().tar()));
    let listed = project.pirun("first", &["--list"]).ok();
    assert!(listed.stdout.contains("not verified"), "{}", listed.stdout);
    project.pirun("first", &["--verify", "all"]).ok();
    let listed = project.pirun("first", &["--list"]).ok();
    assert!(!listed.stdout.contains("not verified"), "{}", listed.stdout);
    vault.replace_slot("main", &password("second"), CHEAP).unwrap();
    project.write("vault.enc", vault.print().unwrap().as_bytes());
    project.pirun("second", &["--verify", "all"]).ok();
    vault.rotate(&[("main".to_owned(), password("third"), CHEAP)]).unwrap();
    project.write("vault.enc", vault.print().unwrap().as_bytes());
    let found = project.pirun("third", &["--verify", "newest"]).ok();
    assert!(found.stdout.contains("v1.34.2+k3s1"), "{}", found.stdout);
    // By itself it opens with the password of its time, and without any vault.
    assert!(is_restorable(&project.path(name), &password("first")));
    assert!(!is_restorable(&project.path(name), &password("third")));
    fs::remove_file(project.path("vault.enc")).unwrap();
    project.pirun("first", &["--verify", "all"]).ok();
    project.pirun("third", &["--verify", "all"]).code(4);
}

#[test]
fn a_damaged_backup_is_told_and_does_not_count() {
    let mut vault = OpenVault::create("main", &password("first"), CHEAP).unwrap();
    let project = Project::new(&mut vault);
    let mut sealed = seal(&vault, &Server::whole().tar());
    let (older, newer) = ("rpi40_2026-11-26T10-42-26Z.pbk", "rpi40_2026-11-27T10-42-26Z.pbk");
    project.write(&format!("backups/{older}"), &sealed);
    let middle = sealed.len() / 2;
    sealed[middle] ^= 1;
    project.write(&format!("backups/{newer}"), &sealed);
    project.write("backups/rpi40_2026-11-25T10-42-26Z.pbk.part", b"cut");
    let said = project.pirun("first", &["--verify", "all"]).code(1);
    assert!(said.all().contains(newer) && said.all().contains("altered"), "{}", said.all());
    project.pirun("first", &["--verify", older]).ok();
    let listed = project.pirun("first", &["--list"]).ok();
    assert!(
        listed.all().contains("rpi40_2026-11-25T10-42-26Z.pbk.part is no backup"),
        "{}",
        listed.all()
    );
    let wrong = project.pirun("first", &["--verify", "newst"]).code(1);
    assert!(wrong.all().contains("there is no backup newst"), "{}", wrong.all());
    let status = project.pirun("first", &["--status", "--max-age", "1d"]).code(1);
    assert!(status.all().contains("its newest verified backup is"), "{}", status.all());
    project.pirun("first", &["--status", "--max-age", "100000d"]).ok();
}
