//! Runs a script that the interpreter does not understand: in an extracted copy of the tree and in namespaces of its
//! own, with what it changes taken back.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use super::emulator::Runner;
use super::{Script, Target};
use crate::error::{Error, ErrorKind, Result};
use crate::image::collect::collect;
use crate::image::extract::extract;
use crate::image::tree::Tree;

/// Where the script is in the copy, and what must not go back into the tree.
const PLACE: &str = ".pirun-script";

/// `$1` is the copy. Mounts are gone with the namespace. `BINFMT` is what the kernel is told of qemu in it, if anything.
const ENTER: &str = r#"
root=$1; shift
if [ -n "$BINFMT" ]; then
    mkdir "$root.binfmt" && mount -t binfmt_misc binfmt "$root.binfmt" && printf %s "$BINFMT" > "$root.binfmt/register" || {
        echo "the kernel cannot be told of qemu: before 6.7, binfmt-support has to do it" >&2; exit 126
    }
    unset BINFMT
fi
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
    let runner = Runner::find(script, target.arch)?;
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
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--net"])
        .args(["--ipc", "sh", "-c", ENTER, "sh"])
        .arg(&root)
        .arg(format!("/{PLACE}"))
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null());
    let output = runner
        .run(&mut command)
        .map_err(|error| Error::io("unshare", &error).hint("It is part of util-linux."))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        let message = format!("{script} was run and failed: {}", output.status);
        return Err(Error::new(ErrorKind::Image, message).detail(String::from_utf8_lossy(&said)));
    }
    fs::remove_file(&place).map_err(local)?;
    collect(tree, &root, target.date)
}
