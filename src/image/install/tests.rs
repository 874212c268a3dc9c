use std::collections::BTreeMap;

use sha1::{Digest as _, Sha1};

use super::*;
use crate::image::apk::{Checksum, Dependency, File, PackageInfo, Version};
use crate::image::tree::{Entry, Kind};

const DATE: i64 = 1_700_000_000;

/// A package in the making.
struct Made {
    package: Package,
    archive: Archive,
}

fn made(name: &str, origin: &str) -> Made {
    let package = Package {
        name: name.into(),
        version: Version::parse("1.0-r0").unwrap(),
        arch: "aarch64".into(),
        checksum: Checksum(Sha1::digest(name).into()),
        size: 100,
        installed_size: 10,
        description: "made for a test".into(),
        url: "none".into(),
        license: "MIT".into(),
        origin: origin.into(),
        maintainer: String::new(),
        build_time: 5,
        commit: String::new(),
        provider_priority: 0,
        depends: vec![Dependency::on("so:libc.musl-aarch64.so.1")],
        provides: Vec::new(),
        install_if: Vec::new(),
        unusable: None,
    };
    let info = PackageInfo {
        package: package.clone(),
        replaces: Vec::new(),
        replaces_priority: 0,
        triggers: Vec::new(),
        data_hash: [0; 32],
    };
    Made { package, archive: Archive { info, scripts: BTreeMap::new(), files: Vec::new() } }
}

impl Made {
    fn entry(mut self, path: &str, entry: Entry) -> Self {
        let sha1 = match &entry.kind {
            Kind::File(content) => Some(Sha1::digest(content.bytes().unwrap()).into()),
            Kind::Link(target) => Some(Sha1::digest(target).into()),
            _ => None,
        };
        let (owner, group) = ("root".to_owned(), "daemons".to_owned());
        self.archive.files.push(File { path: path.into(), entry, owner, group, sha1 });
        self
    }

    fn dir(self, path: &str, mode: u16) -> Self {
        self.entry(path, Entry::directory(mode))
    }

    fn file(self, path: &str, text: &str) -> Self {
        self.entry(path, Entry::file(text.as_bytes(), 0o644).at(DATE + 5))
    }

    fn replaces(mut self, name: &str, priority: u16) -> Self {
        self.archive.info.replaces = vec![Dependency::parse(name).unwrap()];
        self.archive.info.replaces_priority = priority;
        self
    }

    fn script(mut self, kind: ScriptKind, text: &str) -> Self {
        self.archive.scripts.insert(kind, text.as_bytes().to_vec());
        self
    }
}

fn install_into(
    tree: &mut Tree,
    packages: &[Made],
    unknown: UnknownScripts,
) -> Result<Vec<String>> {
    let wishes = Wishes {
        arch: "aarch64".into(),
        world: vec![Dependency::on("zsh"), Dependency::parse("bash>=5").unwrap()],
        repositories: vec!["https://mirror.example/v3.23/main".into()],
    };
    let mut installation = Installation::new(tree, &wishes, DATE, unknown)?;
    for made in packages {
        installation.add(&made.package, &made.archive, None)?;
    }
    installation.finish()
}

fn install(packages: &[Made]) -> Result<Tree> {
    let mut tree = Tree::new();
    install_into(&mut tree, packages, UnknownScripts::Refuse)?;
    Ok(tree)
}

fn read(tree: &Tree, path: &str) -> String {
    String::from_utf8(tree.read(path).unwrap().unwrap_or_default()).unwrap()
}

fn refused(packages: &[Made]) -> String {
    install(packages).unwrap_err().message().to_owned()
}

#[test]
fn the_database_is_written_as_apk_writes_it() {
    let again = Entry { kind: Kind::Hard("usr/bin/a".into()), ..Entry::file(*b"", 0o4755) };
    let mut capable = Entry::file(*b"abc", 0o755);
    capable.xattrs.insert("security.capability".into(), vec![1, 2, 3]);
    let package = made("tool", "tool")
        .dir("usr", 0o755)
        .dir("usr/bin", 0o755)
        .dir("var", 0o755)
        .dir("var/tool", 0o2750)
        .entry("usr/bin/a", Entry::file(*b"abc", 0o4755))
        .entry("usr/bin/b", again)
        .entry("usr/bin/cap", capable)
        .entry("usr/bin/link", Entry::link("a"))
        .replaces("old<2", 7);
    let tree = install(&[package]).unwrap();
    insta::assert_snapshot!(read(&tree, "lib/apk/db/installed"), @"
    C:Q1GTfEwo9yYYaJdOkmamSRUpOfZLA=
    P:tool
    V:1.0-r0
    A:aarch64
    S:100
    I:10
    T:made for a test
    U:none
    L:MIT
    o:tool
    t:5
    D:so:libc.musl-aarch64.so.1
    r:old<2
    q:7
    F:usr
    F:usr/bin
    R:a
    a:0:0:4755
    Z:Q1qZk+NkcGgWq6PiVxeFDCbJzQ2J0=
    R:b
    a:0:0:4755
    Z:Q1qZk+NkcGgWq6PiVxeFDCbJzQ2J0=
    R:cap
    a:0:0:755:Q1w6TnMxEVoi0bNAE/ad4zGewGGKE=
    Z:Q1qZk+NkcGgWq6PiVxeFDCbJzQ2J0=
    R:link
    a:0:0:777
    Z:Q1hvfkN/qlp/zhXR3cuerq6jd2Z7g=
    F:var
    F:var/tool
    M:0:0:2750
    ");
    assert_eq!(read(&tree, "etc/apk/world"), "bash>=5\nzsh\n");
    assert_eq!(read(&tree, "etc/apk/arch"), "aarch64\n");
    assert_eq!(read(&tree, "etc/apk/repositories"), "https://mirror.example/v3.23/main\n");
    assert_eq!(tree.get("lib/apk/db/lock").map(|lock| lock.mode), Some(0o600));
    assert_eq!(tree.get("usr/bin/b").unwrap().kind, Kind::Hard("usr/bin/a".into()));
    let error = install_into(&mut tree.clone(), &[], UnknownScripts::Refuse).unwrap_err();
    assert_eq!(error.message(), "the image has its packages already");
}

#[test]
fn the_same_packages_make_the_same_bytes() {
    let packages = || {
        let script = "#!/bin/sh\n: > /made\n";
        let tool = made("tool", "").dir("usr", 0o755).file("usr/x", "1");
        [tool.script(ScriptKind::PostInstall, script)]
    };
    let [one, two] = [install(&packages()).unwrap(), install(&packages()).unwrap()];
    assert!(one.iter().eq(two.iter()));
    // Nothing is younger than the build.
    assert_eq!(one.iter().map(|(_, entry)| entry.mtime).max(), Some(DATE));
}

#[test]
fn a_later_package_takes_a_file_if_it_may() {
    let dir = |name: &str, origin: &str| made(name, origin).dir("usr", 0o755);
    let a = || dir("a", "one").file("usr/x", "a");
    let owner = |packages: &[Made]| {
        let tree = install(packages).unwrap();
        let database = read(&tree, "lib/apk/db/installed");
        let owners = database.split("\n\n").filter(|text| text.contains("\nR:x\n"));
        let names: Vec<&str> = owners.filter_map(|text| text.lines().nth(1)).collect();
        (names.concat(), read(&tree, "usr/x"))
    };
    let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let b = |origin: &str| dir("b", origin).file("usr/x", "b");
    assert_eq!(owner(&[a(), b("one")]), pair("P:b", "b"));
    assert_eq!(owner(&[a(), b("two").replaces("a<2", 0)]), pair("P:b", "b"));
    assert_eq!(owner(&[a().replaces("b", 5), b("two").replaces("a", 3)]), pair("P:a", "a"));
    assert_eq!(owner(&[a().replaces("b", 3), b("two").replaces("a", 5)]), pair("P:b", "b"));
    assert_eq!(owner(&[a(), dir("c", "two").file("usr/x", "a")]), pair("P:a", "a"));
    assert_eq!(
        refused(&[a(), b("two").replaces("a>2", 0)]),
        "b-1.0-r0 cannot put down /usr/x: a-1.0-r0 has it too"
    );
}

#[test]
fn a_directory_is_as_the_package_that_comes_first_has_it() {
    let tree = install(&[
        made("b", "").dir("srv", 0o700),
        made("a", "").dir("srv", 0o750),
        made("c", "").dir("srv", 0o755).replaces("x", 1),
        made("d", "").dir("srv", 0o711),
    ]);
    assert_eq!(tree.unwrap().get("srv").map(|dir| dir.mode), Some(0o755));
    let tree = install(&[made("a", "").dir("srv", 0o700), made("b", "").dir("srv", 0o750)]);
    assert_eq!(tree.unwrap().get("srv").map(|dir| dir.mode), Some(0o700));
}

#[test]
fn paths_follow_links_of_the_tree_and_never_go_through_files() {
    let mut tree = Tree::new();
    tree.insert("usr/lib", Entry::directory(0o755)).unwrap();
    tree.insert("lib", Entry::link("usr/lib")).unwrap();
    let package = || made("a", "").dir("lib", 0o755).file("lib/x", "1");
    install_into(&mut tree, &[package()], UnknownScripts::Refuse).unwrap();
    assert_eq!(read(&tree, "usr/lib/x"), "1");
    assert!(matches!(tree.get("lib").unwrap().kind, Kind::Link(_)));
    assert!(tree.get("usr/lib/apk/db/installed").is_some());

    let error = |tree: &mut Tree, package: Made| {
        install_into(tree, &[package], UnknownScripts::Refuse).unwrap_err().message().to_owned()
    };
    let mut tree = Tree::new();
    tree.insert("lib", Entry::file(*b"", 0o644)).unwrap();
    assert_eq!(
        error(&mut tree, package()),
        "a-1.0-r0 cannot put down /lib: a file is there already"
    );
    let mut tree = Tree::new();
    tree.insert("lib/x/y", Entry::file(*b"", 0o644)).unwrap();
    assert_eq!(
        error(&mut tree, package()),
        "a-1.0-r0 cannot put down /lib/x: a directory is there already"
    );
    assert_eq!(
        error(&mut Tree::new(), made("a", "").file("opt/x", "")),
        "a-1.0-r0 cannot put down /opt/x: the package lacks its directory"
    );
}

#[test]
fn names_of_owners_are_those_of_the_image() {
    let group = "root:x:0:\ndaemons:x:77:\n";
    let base = made("base", "").dir("etc", 0o755).file("etc/group", group);
    let tool = made("tool", "").dir("srv", 0o750).file("srv/x", "");
    let tree = install(&[base, tool]).unwrap();
    // Not known yet when base comes.
    assert_eq!(tree.get("etc/group").map(|file| file.gid), Some(0));
    assert_eq!(tree.get("srv/x").map(|file| file.gid), Some(77));
    assert_eq!(tree.get("srv").map(|dir| dir.gid), Some(77));
}

#[test]
fn what_the_user_put_into_etc_stays() {
    let mut tree = Tree::new();
    tree.insert("etc/own", Entry::file(*b"mine", 0o600)).unwrap();
    tree.insert("etc/same", Entry::file(*b"same", 0o600)).unwrap();
    tree.insert("usr/x", Entry::file(*b"mine", 0o600)).unwrap();
    let package = made("a", "")
        .dir("etc", 0o755)
        .dir("usr", 0o755)
        .file("etc/own", "theirs")
        .file("etc/same", "same")
        .file("usr/x", "theirs");
    let notes = install_into(&mut tree, &[package], UnknownScripts::Refuse).unwrap();
    assert_eq!(notes, ["/etc/own is not the package's, which lies beside it as /etc/own.apk-new."]);
    assert_eq!(read(&tree, "etc/own"), "mine");
    assert_eq!(read(&tree, "etc/own.apk-new"), "theirs");
    assert_eq!(tree.get("etc/same").map(|file| file.mode), Some(0o600));
    assert_eq!(read(&tree, "usr/x"), "theirs");
}

#[test]
fn scripts_run_around_the_files_and_triggers_at_the_end() {
    let tell = |kind: &str| {
        format!("#!/bin/sh\necho {kind} $* >> /log\n[ -e /usr/x ] && echo x >> /log\nexit 0\n")
    };
    let mut a = made("a", "")
        .dir("usr", 0o755)
        .file("usr/x", "")
        .script(ScriptKind::PreInstall, &tell("pre"))
        .script(ScriptKind::PostInstall, &tell("post"))
        .script(ScriptKind::PostUpgrade, &tell("no"))
        .script(ScriptKind::Trigger, &tell("trigger"));
    a.archive.info.triggers = vec!["/usr/*".into(), "/opt".into()];
    let b = made("b", "").dir("usr", 0o755).dir("usr/share", 0o755).dir("usr/lib", 0o755);
    let tree = install(&[a, b]).unwrap();
    assert_eq!(read(&tree, "log"), "pre 1.0-r0\npost 1.0-r0\nx\ntrigger /usr/lib /usr/share\nx\n");
    assert!(read(&tree, "lib/apk/db/triggers").ends_with("= /usr/* /opt\n"));
}

#[test]
fn a_script_that_is_beyond_pirun_can_be_left_out() {
    let package = || {
        let script = "#!/bin/sh\nmkdir /half\nfrobnicate() { reboot; }\neval x\n";
        made("a", "").dir("usr", 0o755).script(ScriptKind::PostInstall, script)
    };
    let error = install(&[package()]).unwrap_err();
    let message = "the post-install script of a-1.0-r0 does more than pirun can do by itself: line 4, `eval x`";
    assert_eq!(error.message(), message);
    let mut tree = Tree::new();
    let notes = install_into(&mut tree, &[package()], UnknownScripts::Skip).unwrap();
    assert_eq!(notes, [format!("Left out: {message}.")]);
    // Nothing of it is done, not half of it.
    assert!(tree.get("half").is_none() && tree.get("usr").is_some());
}
