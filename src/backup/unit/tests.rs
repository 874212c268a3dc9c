use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

use super::*;
use crate::error::Result;

fn server() -> Info {
    let kind = Kind::Server {
        k3s: "v1.34.2+k3s1".into(),
        method: Method::Freeze,
        cluster: "ab".repeat(32),
        max_id: 4711,
    };
    Info { node: "rpi40".into(), taken: 1_795_368_138, arch: "aarch64".into(), kind }
}

fn paths() -> Info {
    Info { kind: Kind::Paths, ..server() }
}

/// An archive that is written entry by entry, right or wrong.
struct Tar {
    builder: Builder<Vec<u8>>,
    manifest: String,
}

impl Tar {
    fn new(info: &Info) -> Self {
        Self { builder: Builder::new(Vec::new()), manifest: String::new() }
            .file(INFO, info.to_string().as_bytes())
    }

    fn raw(mut self, kind: EntryType, name: &str, target: &str, content: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o600);
        header.set_mtime(1_700_000_000);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(content.len() as u64);
        // Not by the crate's own ways, which refuse what is to be refused here.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.as_mut_bytes()[157..157 + target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        self.builder.append(&header, content).unwrap();
        self
    }

    fn listed(mut self, name: &str, content: &[u8]) -> Self {
        let hash: String =
            Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
        self.manifest += &format!("{hash}  {name}\n");
        self
    }

    fn file(self, name: &str, content: &[u8]) -> Self {
        self.listed(name, content).raw(EntryType::Regular, name, "", content)
    }

    fn directory(self, name: &str) -> Self {
        self.raw(EntryType::Directory, name, "", b"")
    }

    fn link(self, name: &str, target: &str) -> Self {
        self.raw(EntryType::Symlink, name, target, b"")
    }

    fn finish(self) -> Vec<u8> {
        let manifest = self.manifest.clone();
        self.finish_with(&manifest)
    }

    fn finish_with(self, manifest: &str) -> Vec<u8> {
        self.raw(EntryType::Regular, MANIFEST, "", manifest.as_bytes())
            .builder
            .into_inner()
            .unwrap()
    }
}

/// A server's unit as a node sends it.
fn whole() -> Tar {
    Tar::new(&server())
        .directory("server/")
        .directory("server/db/")
        .file(DATABASE, b"pages")
        .file(WAL, b"frames")
        .file(TOKEN, b"K10::server:secret")
        .link("server/node-token", "token")
        .directory("server/tls/")
        .file(CERTIFICATE, b"PEM")
        .file("server/tls/temporary-certs/apiserver.crt", b"PEM")
        .file("node/password", b"0123")
        .file("etc/rancher/k3s/config.yaml.d/a.yaml", b"{}")
        .file("etc/conf.d/k3s", b"K3S_OPTS=")
}

/// Names and contents, in the archive's order.
type Contents = Vec<(String, Vec<u8>)>;

fn read_all(tar: &[u8]) -> Result<(Unit, Contents)> {
    let mut all = Vec::new();
    let unit = read(tar, &mut |_, entry, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).unwrap();
        all.push((entry.name.clone(), bytes));
        Ok(())
    })?;
    Ok((unit, all))
}

fn refusal(tar: &[u8]) -> String {
    let error = read_all(tar).unwrap_err();
    error.message().trim_start_matches("what the backup holds is refused: ").to_owned()
}

#[test]
fn gives_every_entry_with_its_content() {
    let (unit, all) = read_all(&whole().finish()).unwrap();
    assert_eq!((unit.info, unit.files, unit.bytes), (server(), 8, 50));
    let names: Vec<_> = all.iter().map(|(name, _)| name.as_str()).collect();
    insta::assert_snapshot!(names.join("\n"), @"
    server
    server/db
    server/db/state.db
    server/db/state.db-wal
    server/token
    server/node-token
    server/tls
    server/tls/server-ca.crt
    server/tls/temporary-certs/apiserver.crt
    node/password
    etc/rancher/k3s/config.yaml.d/a.yaml
    etc/conf.d/k3s
    ");
    assert_eq!(all[2].1, b"pages");
}

#[test]
fn skips_what_nobody_reads() {
    let unit = read(&whole().finish()[..], &mut |_, _, _| Ok(())).unwrap();
    assert_eq!(unit.files, 8);
}

#[test]
fn reads_names_that_are_too_long_for_a_header() {
    let name = format!("data/{}/end", "long".repeat(60));
    let target = format!("{}/x", "far".repeat(60));
    let tar = Tar::new(&paths())
        .raw(EntryType::GNULongName, "././@LongLink", "", format!("{name}\0").as_bytes())
        .raw(EntryType::Regular, &name[..100], "", b"x")
        .listed(&name, b"x")
        .raw(EntryType::GNULongLink, "././@LongLink", "", format!("{target}\0").as_bytes())
        .link("data/link", &target[..100])
        .finish();
    let mut links = Vec::new();
    let (_, all) = read_all(&tar).unwrap();
    assert_eq!(all[0], (name, b"x".to_vec()));
    read(&tar[..], &mut |_, entry, _| {
        links.push(entry.kind.clone());
        Ok(())
    })
    .unwrap();
    assert_eq!(links[1], EntryKind::Link(target));
}

#[test]
fn reads_names_that_coreutils_escapes() {
    let tar = Tar::new(&paths()).file("data/a\\b", b"x");
    let escaped = tar.manifest.lines().last().unwrap().replace("a\\b", "a\\\\b");
    let manifest = format!("{}\n\\{escaped}\n", tar.manifest.lines().next().unwrap());
    assert_eq!(read_all(&tar.finish_with(&manifest)).unwrap().1[0].0, "data/a\\b");
}

#[test]
fn refuses_what_leads_astray() {
    let link_then_below =
        |link: &str| Tar::new(&paths()).link("data/a", link).file("data/a/b", b"x").finish();
    let cases = [
        Tar::new(&paths()).file("data/../x", b"").finish(),
        Tar::new(&paths()).file("/data/x", b"").finish(),
        Tar::new(&paths()).file("data//x", b"").finish(),
        Tar::new(&paths()).file("data/./x", b"").finish(),
        Tar::new(&paths()).file("etc/passwd", b"").finish(),
        Tar::new(&paths()).file("data", b"").finish(),
        Tar::new(&paths()).file("database", b"").finish(),
        Tar::new(&paths()).file("data/a\nb", b"").finish(),
        Tar::new(&paths()).file(TOKEN, b"").finish(),
        Tar::new(&paths()).link("data/a", "/etc/passwd").finish(),
        Tar::new(&paths()).link("data/a", "../x").finish(),
        Tar::new(&paths()).link("data/b/a", "../../x").finish(),
        Tar::new(&paths()).link("data/b/a", "c/../../../x").finish(),
        Tar::new(&paths()).link("data/a", "").finish(),
        link_then_below("c"),
        Tar::new(&paths()).file("data/a", b"").file("data/a/b", b"").finish(),
        Tar::new(&paths()).file("data/a/b", b"").link("data/a", "c").finish(),
        Tar::new(&paths()).file("data/a", b"").file("data/a", b"").finish(),
        Tar::new(&paths()).raw(EntryType::Link, "data/a", "data/b", b"").finish(),
        Tar::new(&paths()).raw(EntryType::Char, "data/null", "", b"").finish(),
        Tar::new(&paths()).raw(EntryType::Fifo, "data/pipe", "", b"").finish(),
        Tar::new(&paths()).raw(EntryType::XHeader, "data/x", "", b"9 path=..").finish(),
        Tar::new(&paths()).raw(EntryType::Directory, "data/d", "", b"x").finish(),
        whole().file("server/db/etcd/member", b"").finish(),
        whole().file("server/kine.sock", b"").finish(),
        whole().file("etc/rancher/k3s/k3s.yml", b"").finish(),
        whole().link("server/cred/passwd", "../../../etc/shadow").finish(),
        whole().file("data/x", b"").finish(),
    ];
    insta::assert_snapshot!(cases.map(|tar| refusal(&tar)).join("\n"));
}

#[test]
fn refuses_what_is_not_as_the_manifest_says() {
    let tar = || Tar::new(&paths()).file("data/a", b"x");
    let manifest = tar().manifest;
    let line = |at: usize| manifest.lines().nth(at).unwrap().to_owned() + "\n";
    let cases = [
        tar().raw(EntryType::Regular, "data/b", "", b"").finish(),
        tar().listed("data/b", b"").finish(),
        tar().finish_with(&line(0)),
        tar().finish_with(&line(1)),
        tar().finish_with(&[line(0), line(1), line(1)].concat()),
        tar().finish_with(&manifest.replace("data/a", "data/b")),
        tar().finish_with(&format!("{}{}  data/a\n", line(0), &line(0)[..64])),
        tar().finish_with("nothing\n"),
        whole().finish_with(&whole().manifest.replace("  server/token", "  server/token.old")),
        Tar::new(&server()).file(DATABASE, b"").file(TOKEN, b"").finish(),
        Tar::new(&server()).file(TOKEN, b"").finish(),
        Tar::new(&paths()).builder.into_inner().unwrap(),
        [tar().finish(), b"more".to_vec()].concat(),
        tar()
            .raw(EntryType::Regular, MANIFEST, "", manifest.as_bytes())
            .file("data/b", b"")
            .finish(),
    ];
    insta::assert_snapshot!(cases.map(|tar| refusal(&tar)).join("\n"));
}

#[test]
fn refuses_an_info_that_is_not_clear() {
    let text = server().to_string();
    let cases = [
        text.replace("format 1", "format 2"),
        text.replace("kind server", "kind cluster"),
        text.replace("node rpi40\n", ""),
        text.replace("taken 1795368138", "taken -1"),
        text.replace("max-id 4711", "max-id many"),
        text.replace("method freeze", "method luck"),
        text.replace("abab", "ABAB"),
        format!("{text}colour red\n"),
        format!("{text}node rpi41\n"),
        String::new(),
    ];
    let said = cases.map(|text| Info::parse(&text).unwrap_err().message().to_owned()).join("\n");
    insta::assert_snapshot!(said, @"
    what the backup holds is refused: it has format 2, which this pirun does not know
    what the backup holds is refused: it is of the unknown kind `cluster`
    what the backup holds is refused: INFO does not say `node`
    what the backup holds is refused: INFO says `taken -1`, which is no number
    what the backup holds is refused: INFO says `max-id many`, which is no number
    what the backup holds is refused: INFO names the unknown method `luck`
    what the backup holds is refused: INFO has no SHA-256 for `cluster`
    what the backup holds is refused: INFO has an unknown line `colour`
    what the backup holds is refused: INFO says `node` twice
    what the backup holds is refused: INFO does not say `format`
    ");
}

fn infos() -> impl Strategy<Value = Info> {
    let method = prop::sample::select(vec![Method::Vacuum, Method::Freeze, Method::Stop]);
    let kind = ("[!-~]{0,20}", method, "[0-9a-f]{64}", 0..i64::MAX)
        .prop_map(|(k3s, method, cluster, max_id)| Kind::Server { k3s, method, cluster, max_id });
    let kind = prop_oneof![Just(Kind::Paths), kind];
    ("[a-z0-9-]{1,30}", 0..i64::MAX, "[a-z0-9_]{1,10}", kind)
        .prop_map(|(node, taken, arch, kind)| Info { node, taken, arch, kind })
}

proptest! {
    #[test]
    fn what_info_says_is_read_again(info in infos()) {
        prop_assert_eq!(Info::parse(&info.to_string()).unwrap(), info);
    }

    #[test]
    fn a_cut_archive_is_refused(at in 0.0..1.0_f64) {
        let tar = whole().finish();
        // The two blocks of zeros at the end are the archive's end, but the manifest says whether all came.
        let end = tar.len() - 1024;
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let at = (at * end as f64) as usize;
        // Padding behind the last entry's content may be missing: nothing of the unit is.
        let manifest = whole().manifest.len();
        prop_assume!(at < end - (512 - manifest % 512) % 512);
        prop_assert!(read_all(&tar[..at]).is_err());
    }

    #[test]
    fn a_changed_byte_gives_no_other_content(at in 0_usize..20_000, bit in 0_u8..8) {
        let mut tar = whole().finish();
        let at = at % tar.len();
        tar[at] ^= 1 << bit;
        let contents = |all: Contents| -> Contents { all.into_iter().filter(|(_, content)| !content.is_empty()).collect() };
        if let Ok((_, all)) = read_all(&tar) {
            // A bit of a header's padding, or of what no hash covers.
            prop_assert_eq!(contents(all), contents(read_all(&whole().finish()).unwrap().1));
        }
    }

    #[test]
    fn no_name_that_is_let_through_leads_out(name in "[a./\\\\]{0,12}", target in "[a./]{0,12}") {
        let tar = Tar::new(&paths()).link(&format!("data/{name}"), &target).finish();
        if read_all(&tar).is_ok() {
            let (mut depth, directory) = (0_i32, format!("data/{name}"));
            for part in directory.split('/').rev().skip(1).collect::<Vec<_>>().into_iter().rev().chain(target.split('/')) {
                depth += match part { "" | "." => 0, ".." => -1, _ => 1 };
                prop_assert!(depth >= 1, "{} -> {}", name, target);
            }
        }
    }
}
