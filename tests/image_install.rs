//! What pirun lays out is what Alpine's own apk installs, and apk finds nothing wrong with it.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use pirun::image::apk::{Archive, Dependency, Index, Keys, Package, ScriptKind};
use pirun::image::extract::extract;
use pirun::image::install::{Installation, Wishes};
use pirun::image::{Alpine, Rootfs, Spool, Tree, UnknownScripts};
use pirun_lab::{Apk, Arch, Mirror, default_world};

const DATE: i64 = 1_800_000_000;

/// The packages that apk installs for a world, in its order, with the directory of their repository.
struct Plan(Vec<(Arc<Package>, PathBuf)>);

fn lab() -> (Mirror, Apk) {
    (Mirror::obtain().unwrap(), Apk::obtain().unwrap())
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{command:?}\n{}{}", text[0], text[1]);
    text.concat()
}

impl Plan {
    fn of(mirror: &Mirror, arch: Arch, log: &str) -> Self {
        let mut keys = Keys::default();
        keys.add(mirror.key_name(), &mirror.public_key().unwrap()).unwrap();
        let mut packages = BTreeMap::new();
        for repository in mirror.repositories() {
            let dir = repository.join(arch.name());
            let bytes = fs::read(dir.join("APKINDEX.tar.gz")).unwrap();
            for package in Index::open(&bytes, &keys, "the lab's mirror").unwrap().packages {
                packages.insert(package.full_name(), (package, dir.clone()));
            }
        }
        // (12/60) Installing busybox (1.37.0-r30)
        let installed = log.lines().filter_map(|line| {
            let (name, version) = line.split_once(") Installing ")?.1.split_once(" (")?;
            Some(format!("{name}-{}", version.trim_end_matches(')')))
        });
        Self(installed.map(|name| packages.remove(&name).unwrap()).collect())
    }

    fn install(&self, world: &[&str], arch: Arch, spools: &Path) -> (Tree, Vec<String>) {
        let mut tree = Tree::new();
        let spool = Spool::create_in(spools).unwrap();
        let wishes = Wishes {
            arch: arch.name().into(),
            world: world.iter().map(|name| Dependency::parse(name).unwrap()).collect(),
            repositories: Vec::new(),
        };
        let mut installation =
            Installation::new(&mut tree, &wishes, DATE, UnknownScripts::Refuse).unwrap();
        for (package, dir) in &self.0 {
            let path = dir.join(package.file_name());
            let archive = Archive::open(&path, package, &spool).unwrap();
            installation.add(package, &archive, None).unwrap();
        }
        let notes = installation.finish().unwrap();
        (tree, notes)
    }
}

/// Each path below a directory with what it is, whose, and what is in it.
fn listing(root: &Path) -> BTreeMap<String, String> {
    let mut listing = BTreeMap::new();
    let mut todo = vec![root.to_owned()];
    let mut inodes: BTreeMap<u64, String> = BTreeMap::new();
    while let Some(dir) = todo.pop() {
        let mut paths: Vec<PathBuf> =
            fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            let stat = fs::symlink_metadata(&path).unwrap();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let kind = stat.file_type();
            let what = match () {
                () if kind.is_symlink() => {
                    format!("-> {}", fs::read_link(&path).unwrap().display())
                }
                () if kind.is_dir() => {
                    todo.push(path.clone());
                    "directory".into()
                }
                () if kind.is_file() => {
                    let bytes = fs::read(&path).unwrap();
                    let hash = bytes.iter().fold(bytes.len() as u64, |hash, byte| {
                        hash.wrapping_mul(0x100_0000_01b3) ^ u64::from(*byte)
                    });
                    let first = inodes.entry(stat.ino()).or_insert_with(|| name.clone());
                    format!("file {hash:x} {first}")
                }
                () if kind.is_char_device() => format!("device {:x}", stat.rdev()),
                () => "other".into(),
            };
            let mode = if kind.is_symlink() { 0 } else { stat.mode() & 0o7777 };
            listing.insert(name, format!("{mode:o} {}:{} {what}", stat.uid(), stat.gid()));
        }
    }
    listing
}

/// What differs, a line each.
fn differences(theirs: &BTreeMap<String, String>, ours: &BTreeMap<String, String>) -> Vec<String> {
    let paths: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    let differs = paths.into_iter().filter(|path| theirs.get(*path) != ours.get(*path));
    differs.map(|path| format!("{path}: {:?} {:?}", theirs.get(path), ours.get(path))).collect()
}

/// Takes out what is not meant to be the same.
fn without_exceptions(mut listing: BTreeMap<String, String>) -> BTreeMap<String, String> {
    listing.retain(|path, _| {
        let reason = match &**path {
            // Made at the first boot: no two nodes may share them.
            "etc/machine-id" | "etc/iscsi/initiatorname.iscsi" => true,
            // Has the day of the installation; compared by its other fields below.
            "etc/shadow" | "etc/shadow-" => true,
            // Compressed; compared by what is in it below.
            "lib/apk/db/scripts.tar.gz" => true,
            // apk takes its lock away with a new database, and has one everywhere else.
            "lib/apk/db/lock" => true,
            // The time and the command line of apk's run.
            "var/log/apk.log" => true,
            _ => false,
        };
        !reason
    });
    listing
}

/// The lines of etc/shadow without the day of the last change.
fn shadow(root: &Path) -> Vec<String> {
    let text = fs::read_to_string(root.join("etc/shadow")).unwrap();
    let line = |line: &str| {
        let mut fields: Vec<&str> = line.split(':').collect();
        fields[2] = "";
        fields.join(":")
    };
    text.lines().map(line).collect()
}

/// Names, modes, times and texts of the scripts in the database.
fn scripts(root: &Path) -> String {
    let archive = root.join("lib/apk/db/scripts.tar.gz");
    let tar = |options: &[&str]| run(Command::new("tar").arg("-f").arg(&archive).args(options));
    [tar(&["-tvz"]), tar(&["-xzO"])].concat()
}

#[test]
fn the_whole_default_set_is_what_apk_installs_and_apk_finds_nothing_wrong() {
    let (mirror, apk) = lab();
    let world = default_world(Arch::X86_64);
    let dir = tempfile::tempdir().unwrap();
    let [theirs, ours] = ["theirs", "ours"].map(|name| dir.path().join(name));
    fs::create_dir(&theirs).unwrap();
    fs::create_dir(&ours).unwrap();
    let log = run(apk.with(&mirror, Arch::X86_64, &theirs).arg("add").args(&world));
    let plan = Plan::of(&mirror, Arch::X86_64, &log);
    let (tree, notes) = plan.install(&world, Arch::X86_64, dir.path());
    extract(&tree, &ours).unwrap();

    assert_eq!(
        notes,
        [
            "`dbus-uuidgen` is left to the first boot: no two nodes share what it makes.",
            "`iscsi-gen-initiatorname` is left to the first boot: no two nodes share what it makes.",
        ]
    );
    let [all, mine] = [&theirs, &ours].map(|root| without_exceptions(listing(root)));
    assert!(all.len() > 2000 && plan.0.len() > 100, "{} paths", all.len());
    assert_eq!(differences(&all, &mine), [""; 0]);
    assert_eq!(shadow(&theirs), shadow(&ours));
    assert_eq!(scripts(&theirs), scripts(&ours));

    let on = |root: &Path, arguments: &[&str]| {
        let mut command = apk.on(root);
        command.arg("--keys-dir").arg(mirror.keys());
        for repository in mirror.repositories() {
            command.arg("--repository").arg(repository);
        }
        run(command.args(arguments))
    };
    assert_eq!(on(&ours, &["audit", "--system"]), "");
    let ok = on(&ours, &["fix", "--simulate"]);
    assert!(ok.starts_with("OK: ") && ok.lines().count() == 1, "{ok}");
    for arguments in [
        &["audit", "--system", "--check-permissions"][..],
        &["info", "-a", "busybox", "nfs-utils", "dropbear"],
        &["info", "--who-owns", "/usr/bin/k3s", "/bin/busybox"],
        &["add", "--simulate", "linux-virt"],
        &["del", "--simulate", "k3s"],
        &["upgrade", "--simulate"],
    ] {
        assert_eq!(on(&ours, arguments), on(&theirs, arguments), "{arguments:?}");
    }
}

/// For a foreign architecture apk cannot run scripts, so what they change is not compared.
#[test]
fn a_foreign_root_is_what_apk_lays_out() {
    let (mirror, apk) = lab();
    let world = default_world(Arch::Aarch64);
    let dir = tempfile::tempdir().unwrap();
    let [theirs, ours] = ["theirs", "ours"].map(|name| dir.path().join(name));
    fs::create_dir(&theirs).unwrap();
    fs::create_dir(&ours).unwrap();
    let mut add = apk.with(&mirror, Arch::Aarch64, &theirs);
    let log = run(add.args(["add", "--no-scripts"]).args(&world));
    let plan = Plan::of(&mirror, Arch::Aarch64, &log);
    let (tree, notes) = plan.install(&world, Arch::Aarch64, dir.path());
    extract(&tree, &ours).unwrap();
    let changed_by_scripts = |path: &str| {
        let accounts = ["etc/passwd", "etc/group", "etc/shells"].contains(&path);
        accounts || path.starts_with("var/lib/nfs")
    };
    let all = without_exceptions(listing(&theirs));
    let mut mine = without_exceptions(listing(&ours));
    // Scripts add paths; none that a package has is gone or changed.
    mine.retain(|path, _| all.contains_key(path));
    let differences = differences(&all, &mine);
    let differences: Vec<&String> = differences
        .iter()
        .filter(|line| !changed_by_scripts(line.split(": ").next().unwrap()))
        .collect();
    assert_eq!(differences, [""; 0]);
    assert!(notes.iter().any(|note| note.starts_with("No initramfs was made")), "{notes:?}");
}

/// With modules taken out, kmod finds what is left and what that needs, and no more.
#[test]
fn kmod_reads_the_indexes_of_pruned_modules() {
    let (mirror, apk) = lab();
    let world = ["alpine-base", "linux-virt"];
    let dir = tempfile::tempdir().unwrap();
    let [theirs, ours] = ["theirs", "ours"].map(|name| dir.path().join(name));
    fs::create_dir(&theirs).unwrap();
    fs::create_dir(&ours).unwrap();
    let mut add = apk.with(&mirror, Arch::X86_64, &theirs);
    let log = run(add.args(["add", "--no-scripts"]).args(world));
    let (tree, _) = Plan::of(&mirror, Arch::X86_64, &log).install(&world, Arch::X86_64, dir.path());
    let modules = tree.below("lib/modules").next().unwrap().0.to_owned();
    let index = |tree: &Tree, name: &str| tree.read(&format!("{modules}/{name}")).unwrap().unwrap();

    let mut root = Rootfs::new(DATE, Alpine::default());
    root.tree = tree.clone();
    let removed = root.prune_modules(&["ext4".into(), "virtio_net".into()]).unwrap();
    assert!(removed > 100, "{removed}");
    for name in ["modules.dep.bin", "modules.alias.bin", "modules.symbols.bin"] {
        assert!(index(&root.tree, name).len() < index(&tree, name).len() / 2, "{name}");
    }
    extract(&root.tree, &ours).unwrap();

    let release = modules.rsplit('/').next().unwrap();
    let modprobe = |name: &str| {
        // In the root that was just built: its own kmod, its own libraries.
        let mut command = Command::new("chroot");
        let command = command.arg(&ours).args(["/sbin/modprobe", "-S", release, "--show-depends"]);
        command.arg(name).output().unwrap()
    };
    let found = String::from_utf8(modprobe("ext4").stdout).unwrap();
    assert!(
        found.contains("/kernel/fs/jbd2/jbd2.ko") && found.contains("/kernel/fs/ext4/ext4.ko"),
        "{found}"
    );
    let by_alias = String::from_utf8(modprobe("fs-ext4").stdout).unwrap();
    assert_eq!(found, by_alias);
    assert!(!modprobe("btrfs").status.success());

    // What depmod itself makes of the modules that are left is the same.
    let run_depmod =
        Command::new("chroot").arg(&ours).args(["/sbin/depmod", release]).output().unwrap();
    assert!(run_depmod.status.success(), "{run_depmod:?}");
    for name in [
        "modules.dep.bin",
        "modules.alias.bin",
        "modules.symbols.bin",
        "modules.dep",
        "modules.alias",
    ] {
        let theirs = fs::read(ours.join(&modules).join(name)).unwrap();
        assert!(
            theirs == index(&root.tree, name),
            "{name}: {} {}",
            theirs.len(),
            index(&root.tree, name).len()
        );
    }
}

#[test]
fn a_script_can_be_run_in_a_namespace() {
    let arch = if cfg!(target_arch = "aarch64") { Arch::Aarch64 } else { Arch::X86_64 };
    runs_a_script(arch);
}

#[test]
fn a_script_for_a_pi_can_be_run_by_qemu_which_the_machine_s_kernel_does_not_know() {
    runs_a_script(Arch::Aarch64);
}

/// A script that is beyond the interpreter, in the middle of an installation.
fn runs_a_script(arch: Arch) {
    let (mirror, apk) = lab();
    let world = ["alpine-base"];
    let dir = tempfile::tempdir().unwrap();
    let theirs = dir.path().join("theirs");
    fs::create_dir(&theirs).unwrap();
    let mut add = apk.with(&mirror, arch, &theirs);
    let log = run(add.args(["add", "--no-scripts"]).args(world));
    let mut plan = Plan::of(&mirror, arch, &log);
    let spool = Spool::create_in(dir.path()).unwrap();
    let (package, place) = plan.0.pop().unwrap();
    let archive = |script: &str| {
        let path = place.join(package.file_name());
        let mut archive = Archive::open(&path, &package, &spool).unwrap();
        archive.scripts.insert(ScriptKind::PostInstall, script.as_bytes().to_vec());
        archive
    };
    let mut package = (*package).clone();
    package.installed_size = 1;
    let install = |script: &str| {
        let wishes = Wishes { arch: arch.name().into(), ..Wishes::default() };
        let mut tree = Tree::new();
        let mut installation =
            Installation::new(&mut tree, &wishes, DATE, UnknownScripts::Run).unwrap();
        for (package, dir) in &plan.0 {
            let path = dir.join(package.file_name());
            let archive = Archive::open(&path, package, &spool).unwrap();
            installation.add(package, &archive, None).unwrap();
        }
        installation.add(&package, &archive(script), None)?;
        let notes = installation.finish()?;
        Ok::<_, pirun::error::Error>((tree, notes))
    };
    let script = "#!/bin/sh\nset -e\necho \"$1 $(awk 'BEGIN { print 6 * 7 }') $(cat /dev/null)\" > /made\nchown 1:2 /made\nrm /etc/motd\n";
    let (tree, notes) = install(script).unwrap();
    let name = package.full_name();
    assert_eq!(notes, [format!("Was run: the post-install script of {name}.")]);
    let made = String::from_utf8(tree.read("made").unwrap().unwrap()).unwrap();
    assert_eq!(made, format!("{} 42 \n", package.version));
    let owner = tree.get("made").map(|entry| (entry.uid, entry.gid));
    assert_eq!(owner, Some((1, 2)));
    assert!(tree.get("etc/motd").is_none());
    assert!(tree.get("lib/apk/db/installed").is_some() && tree.get(".pirun-script").is_none());

    let error = install("#!/bin/sh\nawk 'BEGIN { exit 3 }'\n").unwrap_err();
    let message = format!("the post-install script of {name} was run and failed: exit status: 3");
    assert_eq!(error.message(), message);
}
