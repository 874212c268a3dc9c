//! What a Pi's firmware does with a card: read the boot partition, take the program that `config.txt` names for the
//! kernel (U-Boot) and the kernel's arguments from `cmdline.txt`.

use std::fs::File;
use std::io::{Cursor, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};

use crate::mbr;

/// What the firmware hands over.
#[derive(Debug, PartialEq, Eq)]
pub struct Handover {
    pub program: Vec<u8>,
    pub arguments: String,
}

/// Reads the first partition of the card.
pub fn read(card: &Path) -> Result<Handover> {
    let file = File::open(card).with_context(|| format!("open {}", card.display()))?;
    let mut record = [0; 512];
    file.read_exact_at(&mut record, 0).context("read the card's partition table")?;
    let boot = mbr::partition(&record, 0).context("the card has no partition table")?;
    let mut bytes = vec![0; usize::try_from(boot.length)?];
    file.read_exact_at(&mut bytes, boot.start).context("read the card's boot partition")?;
    let files = fatfs::FileSystem::new(Cursor::new(bytes), fatfs::FsOptions::new())
        .context("the card's first partition holds no FAT")?;
    let load = |name: &str| -> Result<Vec<u8>> {
        let mut content = Vec::new();
        let mut file = files.root_dir().open_file(name);
        file.as_mut()
            .map_err(|_| anyhow::anyhow!("no {name} on the card's boot partition"))?
            .read_to_end(&mut content)?;
        Ok(content)
    };
    let program = kernel(&String::from_utf8(load("config.txt")?)?);
    let arguments = String::from_utf8(load("cmdline.txt")?)?;
    Ok(Handover { program: load(&program)?, arguments: arguments_of(&arguments) })
}

/// The last `kernel=` that holds for every board or for this one.
fn kernel(config: &str) -> String {
    let mut holds = true;
    let mut kernel = "kernel8.img";
    for line in config.lines().map(str::trim) {
        if let Some(filter) = line.strip_prefix('[') {
            holds = ["all]", "pi3]"].contains(&filter);
        } else if let (true, Some(value)) = (holds, line.strip_prefix("kernel=")) {
            kernel = value;
        }
    }
    kernel.to_owned()
}

/// `serial0` is the serial line that the board has; screens there are none, and the last console named is the one that
/// the system writes to.
fn arguments_of(cmdline: &str) -> String {
    let words = cmdline.split_whitespace().filter(|word| !word.starts_with("console=tty1"));
    words.collect::<Vec<_>>().join(" ").replace("console=serial0", "console=ttyAMA0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_the_last_one_named_for_the_board() {
        assert_eq!(kernel("kernel=a.bin\n[pi4]\nkernel=b.bin\n[all]\nenable_uart=1\n"), "a.bin");
        assert_eq!(kernel("kernel=a.bin\n[pi3]\n  kernel=c.bin\n"), "c.bin");
        assert_eq!(kernel(""), "kernel8.img");
    }

    #[test]
    fn the_console_is_the_serial_line() {
        assert_eq!(
            arguments_of("console=serial0,115200 console=tty1 root=/dev/mmcblk0p2 ro\n"),
            "console=ttyAMA0,115200 root=/dev/mmcblk0p2 ro"
        );
    }
}
