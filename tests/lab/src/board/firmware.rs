//! What a Pi's firmware does with a card: read the boot partition, take the program that `config.txt` names for the
//! kernel (U-Boot) and the kernel's arguments from `cmdline.txt`.

use std::path::Path;

use anyhow::Result;

use crate::board::boot_partition::BootPartition;

/// What the firmware hands over.
#[derive(Debug, PartialEq, Eq)]
pub struct Handover {
    pub program: Vec<u8>,
    pub arguments: String,
}

/// Reads the first partition of the card.
pub fn read(card: &Path) -> Result<Handover> {
    let mut boot = BootPartition::open(card)?;
    let program = kernel(&String::from_utf8(boot.read("config.txt")?)?);
    let arguments = arguments_of(&String::from_utf8(boot.read("cmdline.txt")?)?);
    Ok(Handover { program: boot.read(&program)?, arguments })
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
/// the system writes to. QEMU's watchdog does not wait: starting it is a reset.
fn arguments_of(cmdline: &str) -> String {
    let words = cmdline.split_whitespace().filter(|word| !word.starts_with("console=tty1"));
    let words = words.chain(["pirun.watchdog=off"]);
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
    fn the_console_is_the_serial_line_and_the_watchdog_is_off() {
        assert_eq!(
            arguments_of("console=serial0,115200 console=tty1 root=/dev/mmcblk0p2 ro\n"),
            "console=ttyAMA0,115200 root=/dev/mmcblk0p2 ro pirun.watchdog=off"
        );
    }
}
