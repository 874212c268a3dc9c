//! Files of packages that whoever made the wheel's image has edited, brought back to what the package had. That it is
//! that to the byte, the hash in apk's database says.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::apk::Content;

/// Accounts that are not the base package's.
const FOREIGN_ACCOUNTS: [&str; 2] = ["dhcpcd", "quicksand"];

/// What the package had at `path`, if it is one of the edited files.
pub fn original(root: &Path, path: &str) -> Result<Option<Content>> {
    let text = || {
        let place = root.join(path);
        fs::read_to_string(&place).with_context(|| format!("read {}", place.display()))
    };
    let restored = match path {
        "etc/hostname" => "localhost\n".to_owned(),
        "etc/hosts" => "127.0.0.1\tlocalhost localhost.localdomain\n\
                        ::1\t\tlocalhost localhost.localdomain\n"
            .to_owned(),
        "etc/modules" => "af_packet\nipv6\n".to_owned(),
        "etc/mtab" => return Ok(Some(Content::Link("../proc/mounts".to_owned()))),
        "etc/passwd" | "etc/group" => base_accounts(&text()?),
        "etc/shadow" => base_accounts(&text()?).replacen("root:*:", "root::", 1),
        "etc/rc.conf" => text()?
            .replace("\nrc_sys=\"lxc\"", "\n#rc_sys=\"\"")
            .replace("\nrc_parallel=\"YES\"", "\n#rc_parallel=\"NO\"")
            .replace("\nrc_controller_cgroups=\"NO\"", "\n#rc_controller_cgroups=\"YES\""),
        _ => return Ok(None),
    };
    Ok(Some(Content::File(restored.into_bytes())))
}

fn base_accounts(text: &str) -> String {
    let is_base =
        |line: &&str| line.split(':').next().is_none_or(|name| !FOREIGN_ACCOUNTS.contains(&name));
    text.lines().filter(is_base).map(|line| format!("{line}\n")).collect()
}
