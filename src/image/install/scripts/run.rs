//! Runs a script that the interpreter does not understand: in an extracted copy of the tree and in namespaces of its
//! own, with what it changes taken back. For another architecture, the kernel has to know qemu.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Script, Target};
use crate::error::{Error, ErrorKind, Result};
use crate::image::collect::collect;
use crate::image::extract::extract;
use crate::image::tree::Tree;

/// Where the script is in the copy, and what must not go back into the tree.
const PLACE: &str = ".pirun-script";

/// `$1` is the copy. Mounts are gone with the namespace.
const ENTER: &str = r#"
root=$1; shift
if [ -d "$root/proc" ]; then mount -t proc proc "$root/proc" || exit 126; fi
if [ -d "$root/dev" ]; then
    mount -t tmpfs dev "$root/dev" || exit 126
    for node in null zero random urandom; do
        : > "$root/dev/$node" && mount --bind "/dev/$node" "$root/dev/$node" || exit 126
    done
fi
exec chroot "$root" "$@"
"#;

/// Does what the script says to the tree by running it.
///
/// # Errors
/// When the user is not root, the architecture cannot be run here, or the script fails.
pub fn run(
    tree: &mut Tree,
    script: Script<'_>,
    arguments: &[String],
    target: Target<'_>,
) -> Result<()> {
    check(script, target.arch)?;
    let dir = tempfile::tempdir().map_err(|error| Error::io(std::env::temp_dir(), &error))?;
    let root = dir.path().join("root");
    let local = |error: std::io::Error| Error::io(&root, &error);
    fs::create_dir(&root).map_err(local)?;
    extract(tree, &root).map_err(|error| {
        error.hint("`scripts: \"qemu\"` needs root; `scripts: \"skip\"` leaves the script out.")
    })?;
    let place = root.join(PLACE);
    fs::write(&place, script.text).map_err(local)?;
    fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).map_err(local)?;
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--net"])
        .args(["--ipc", "sh", "-c", ENTER, "sh"])
        .arg(&root)
        .arg(format!("/{PLACE}"))
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Error::io("unshare", &error).hint("It is part of util-linux."))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        let message = format!("{script} was run and failed: {}", output.status);
        return Err(Error::new(ErrorKind::Image, message).detail(String::from_utf8_lossy(&said)));
    }
    fs::remove_file(&place).map_err(local)?;
    collect(tree, &root, target.date)
}

/// The kernel runs the machine's own programs, and others if qemu is registered for them.
fn check(script: Script<'_>, arch: &str) -> Result<()> {
    let program = match arch {
        "armv7" | "armhf" => "arm",
        "x86" => "i386",
        arch => arch,
    };
    let handler = format!("/proc/sys/fs/binfmt_misc/qemu-{program}");
    if program == std::env::consts::ARCH || Path::new(&handler).exists() {
        return Ok(());
    }
    let message = format!("{script} cannot be run: this machine runs no programs for {arch}");
    Err(Error::new(ErrorKind::Image, message)
        .hint("Install qemu-user-static and binfmt-support, or leave it out: `scripts: \"skip\"`."))
}
