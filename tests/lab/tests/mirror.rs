//! The mirror of packages, before Alpine's own apk.

use std::fs;
use std::path::Path;

use pirun_lab::{Apk, Arch, Mirror, Result, default_world};

/// Installs a world without scripts, which run on the machine's own architecture only. What apk printed, and whether
/// it was content.
fn install(mirror: &Mirror, arch: Arch, world: &[&str], root: &Path) -> Result<(String, bool)> {
    let mut apk = Apk::obtain()?.with(mirror, arch, root);
    let output = apk.args(["--no-scripts", "add"]).args(world).output()?;
    let text =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    Ok((text.concat(), output.status.success()))
}

#[test]
fn apk_installs_the_default_world_of_both_architectures() -> Result<()> {
    let mirror = Mirror::obtain()?;
    for arch in Arch::ALL {
        let root = tempfile::tempdir()?;
        let (printed, done) = install(&mirror, arch, &default_world(arch), root.path())?;
        assert!(done, "{printed}");
        let database = fs::read_to_string(root.path().join("lib/apk/db/installed"))?;
        for pulled in ["dropbear-openrc", "k3s-openrc", "eudev-libs"] {
            assert!(
                database.contains(&format!("\nP:{pulled}\n")),
                "no {pulled} on {}",
                arch.name()
            );
        }
        let shadow = fs::read_to_string(root.path().join("etc/shadow"))?;
        assert!(shadow.starts_with("root:::0:") && !shadow.contains("quicksand"), "{shadow}");
    }
    Ok(())
}

#[test]
fn apk_refuses_a_package_with_another_byte_and_an_index_of_another_key() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let mirror = Mirror::obtain()?.copy_to(&scratch.path().join("mirror"))?;
    let main = mirror.repositories()[0].join("x86_64");
    let package = fs::read_dir(&main)?.flatten().map(|entry| entry.path());
    let is_musl = |path: &std::path::PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("musl-1"))
    };
    let package = package.into_iter().find(is_musl).expect("musl");
    let mut bytes = fs::read(&package)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&package, bytes)?;
    let root = scratch.path().join("a");
    let (printed, done) = install(&mirror, Arch::X86_64, &["musl"], &root)?;
    assert!(!done, "{printed}");

    fs::write(
        mirror.keys().join(mirror.key_name()),
        Mirror::obtain()?.public_key()?.replace('M', "N"),
    )?;
    let (printed, done) = install(&mirror, Arch::X86_64, &["musl"], &scratch.path().join("b"))?;
    assert!(!done && printed.contains("UNTRUSTED"), "{printed}");
    Ok(())
}
