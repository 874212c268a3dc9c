//! `boot.scr`: U-Boot's legacy image around the text of a boot script, as `mkimage -T script` writes it.
//!
//! 64 bytes of header, big-endian (U-Boot's `include/image.h`): magic, CRC-32 of the header with this field zero,
//! time, size, load address, entry point, CRC-32 of the data, operating system, architecture, type, compression, and a
//! name of up to 32 bytes. The data starts with the lengths of its parts, ended by a zero.

use crate::error::{Error, ErrorKind, Result};

const MAGIC: [u8; 4] = [0x27, 0x05, 0x19, 0x56];
const HEADER: usize = 64;
const HEADER_CRC: std::ops::Range<usize> = 4..8;
const SIZE: std::ops::Range<usize> = 12..16;
const DATA_CRC: std::ops::Range<usize> = 24..28;
/// The part's length and the zero that ends the table of lengths.
const TABLE: usize = 8;

const LINUX: u8 = 5;
const SCRIPT: u8 = 6;
const NO_COMPRESSION: u8 = 0;

/// What the header says of the CPU. U-Boot runs a script whatever it says; `mkimage` is given it with `-A`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    Arm,
    Arm64,
}

/// The bytes of `boot.scr`: those of `mkimage -A arm64 -O linux -T script -C none -n NAME -d TEXT boot.scr`.
/// `time` is in seconds since 1970.
///
/// # Errors
/// When the script is empty or larger than the header can say.
pub fn boot_script(text: &str, arch: Arch, name: &str, time: u32) -> Result<Vec<u8>> {
    let length = u32::try_from(text.len()).ok().filter(|length| *length < u32::MAX - 8);
    let length = match length {
        Some(0) | None => return Err(wrong("a boot script has 1 byte to 4 GB".into())),
        Some(length) => length,
    };
    let mut data = Vec::with_capacity(TABLE + text.len());
    data.extend(length.to_be_bytes());
    data.extend([0; 4]);
    data.extend(text.as_bytes());

    let mut image = vec![0; HEADER];
    image[..4].copy_from_slice(&MAGIC);
    image[8..12].copy_from_slice(&time.to_be_bytes());
    image[SIZE].copy_from_slice(&(length + TABLE as u32).to_be_bytes());
    image[DATA_CRC].copy_from_slice(&crc32fast::hash(&data).to_be_bytes());
    let arch = match arch {
        Arch::Arm => 2,
        Arch::Arm64 => 22,
    };
    image[28..32].copy_from_slice(&[LINUX, arch, SCRIPT, NO_COMPRESSION]);
    let name = &name.as_bytes()[..name.len().min(32)];
    image[32..32 + name.len()].copy_from_slice(name);
    let crc = crc32fast::hash(&image).to_be_bytes();
    image[HEADER_CRC].copy_from_slice(&crc);
    image.extend(data);
    Ok(image)
}

/// The text of a `boot.scr`, for showing differences.
///
/// # Errors
/// When it is not a script image, or it is damaged.
pub fn script_text(image: &[u8]) -> Result<String> {
    let Some((header, data)) = image.split_first_chunk::<HEADER>() else {
        return Err(wrong("boot.scr is cut off".into()));
    };
    if header[..4] != MAGIC || header[30] != SCRIPT {
        return Err(wrong("boot.scr is not a script image of U-Boot".into()));
    }
    let mut plain = *header;
    plain[HEADER_CRC].fill(0);
    let number = |range: std::ops::Range<usize>| {
        header[range].iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
    };
    let is_whole = crc32fast::hash(&plain) == number(HEADER_CRC)
        && data.len() == number(SIZE) as usize
        && crc32fast::hash(data) == number(DATA_CRC);
    if !is_whole || data.len() < TABLE {
        return Err(wrong("boot.scr is damaged: its checksums do not fit".into()));
    }
    let length = u32::from_be_bytes([data[0], data[1], data[2], data[3]]) as usize;
    let text = data[TABLE..].get(..length);
    text.and_then(|text| String::from_utf8(text.to_vec()).ok())
        .ok_or_else(|| wrong("boot.scr does not hold one text".into()))
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::Image, message)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const TEXT: &str = "echo hello\nsetexpr a sub b c\n";

    /// What `mkimage` (Debian's u-boot-tools) makes of the text.
    fn mkimage(arch: &str, name: &str, time: u32) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let (source, image) = (dir.path().join("boot.cmd"), dir.path().join("boot.scr"));
        std::fs::write(&source, TEXT).unwrap();
        let ran = Command::new("mkimage")
            .env("SOURCE_DATE_EPOCH", time.to_string())
            .args(["-A", arch, "-O", "linux", "-T", "script", "-C", "none", "-n", name, "-d"])
            .args([&source, &image])
            .output()
            .unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        std::fs::read(image).unwrap()
    }

    #[test]
    fn writes_the_bytes_that_mkimage_writes() {
        let time = 1_700_000_000;
        for (arch, word) in [(Arch::Arm64, "arm64"), (Arch::Arm, "arm")] {
            for name in ["", "Boot script", "a name of more than thirty-two bytes"] {
                let ours = boot_script(TEXT, arch, name, time).unwrap();
                assert_eq!(ours, mkimage(word, name, time), "{word} {name:?}");
            }
        }
    }

    #[test]
    fn writes_the_same_bytes_for_ever() {
        let image = boot_script("boot\n", Arch::Arm64, "pirun", 1_700_000_000).unwrap();
        let digits: String = image.iter().map(|byte| format!("{byte:02x}")).collect();
        insta::assert_snapshot!(digits, @"2705195613832ade6553f1000000000d000000000000000081e7974f05160600706972756e0000000000000000000000000000000000000000000000000000000000000500000000626f6f740a");
    }

    #[test]
    fn reads_back_the_text_and_notices_damage() {
        let image = boot_script(TEXT, Arch::Arm64, "", 0).unwrap();
        assert_eq!(script_text(&image).unwrap(), TEXT);
        for at in 0..image.len() {
            let mut damaged = image.clone();
            damaged[at] ^= 1;
            assert!(script_text(&damaged).is_err(), "byte {at}");
            assert!(script_text(&image[..at]).is_err(), "cut at {at}");
        }
    }
}
