//! The names in a FAT directory: each has a short one of 8 + 3 capitals, which the boot ROM looks for, and unless that
//! says it all, a long one in entries before it (Microsoft's "FAT: General Overview of On-Disk Format", 1.03).

use std::collections::BTreeSet;

/// Bytes of a directory entry.
pub(super) const ENTRY: usize = 32;
/// UTF-16 units in an entry of a long name.
const UNITS: usize = 13;
const MAX_UNITS: usize = 255;
const LONG_NAME: u8 = 0x0F;
const LAST: u8 = 0x40;

/// The short names of one directory, and the entries of long ones.
#[derive(Debug, Default)]
pub(super) struct Names {
    taken: BTreeSet<[u8; 11]>,
}

impl Names {
    /// The short name for `name`, and the entries that go before the one that has it.
    pub fn add(&mut self, name: &str) -> Result<([u8; 11], Vec<u8>), &'static str> {
        check(name)?;
        let (base, extension, is_exact) = shortened(name);
        let plain = padded(&base, &extension);
        let mut short = plain;
        let mut number = 0;
        while (number == 0 && !is_exact) || self.taken.contains(&short) {
            number += 1;
            let tail = format!("~{number}");
            let kept = base.len().min(8 - tail.len().min(8));
            short = padded(&[&base[..kept], tail.as_bytes()].concat(), &extension);
        }
        self.taken.insert(short);
        let says_it_all = number == 0 && name.bytes().all(|byte| !byte.is_ascii_lowercase());
        let long = if says_it_all { Vec::new() } else { long_entries(name, &short) };
        Ok((short, long))
    }
}

fn check(name: &str) -> Result<(), &'static str> {
    if name.encode_utf16().count() > MAX_UNITS {
        return Err("its name is longer than 255 characters");
    }
    if name.chars().any(|letter| letter.is_control() || "\"*/:<>?\\|".contains(letter)) {
        return Err("its name has a character that FAT does not allow");
    }
    if name.ends_with(['.', ' ']) {
        return Err("its name ends with a dot or a blank, which FAT does not keep");
    }
    Ok(())
}

/// Up to 8 and up to 3 capitals, and whether they are the name but for its case.
fn shortened(name: &str) -> (Vec<u8>, Vec<u8>, bool) {
    let (base, extension) = match name.rsplit_once('.') {
        Some((base, extension)) if !base.is_empty() => (base, extension),
        _ => (name, ""),
    };
    let mut is_exact = base.len() <= 8 && extension.len() <= 3;
    let mut shorten = |text: &str, len: usize| {
        let mut short = Vec::new();
        for letter in text.chars() {
            match letter.to_ascii_uppercase() {
                ' ' | '.' => is_exact = false,
                letter if letter.is_ascii_alphanumeric() || "!#$%&'()-@^_`{}~".contains(letter) => {
                    short.push(letter as u8);
                }
                _ => {
                    is_exact = false;
                    short.push(b'_');
                }
            }
        }
        short.truncate(len);
        short
    };
    let (base, extension) = (shorten(base, 8), shorten(extension, 3));
    let is_exact = is_exact && !base.is_empty();
    (base, extension, is_exact)
}

fn padded(base: &[u8], extension: &[u8]) -> [u8; 11] {
    let mut short = [b' '; 11];
    short[..base.len()].copy_from_slice(base);
    short[8..8 + extension.len()].copy_from_slice(extension);
    short
}

/// The entries of a long name, in the order in which they lie: the name's end comes first.
fn long_entries(name: &str, short: &[u8; 11]) -> Vec<u8> {
    let sum = short.iter().fold(0u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte));
    let mut units: Vec<u16> = name.encode_utf16().collect();
    if !units.len().is_multiple_of(UNITS) {
        units.push(0);
        units.resize(units.len().next_multiple_of(UNITS), 0xFFFF);
    }
    let count = units.len() / UNITS;
    let mut entries = Vec::with_capacity(count * ENTRY);
    for (index, part) in units.chunks_exact(UNITS).enumerate().rev() {
        let mut entry = [0; ENTRY];
        entry[0] = (index as u8 + 1) | if index + 1 == count { LAST } else { 0 };
        entry[11] = LONG_NAME;
        entry[13] = sum;
        let places = (1..11).step_by(2).chain((14..26).step_by(2)).chain((28..32).step_by(2));
        for (unit, at) in part.iter().zip(places) {
            entry[at..at + 2].copy_from_slice(&unit.to_le_bytes());
        }
        entries.extend(entry);
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_names_the_short_form_that_the_boot_rom_looks_for() {
        let mut names = Names::default();
        let mut short = |name: &str| {
            let (short, long) = names.add(name).unwrap();
            format!("{name:24} {} {}\n", String::from_utf8_lossy(&short), long.len() / ENTRY)
        };
        let said: String = [
            "bootcode.bin",
            "start4.elf",
            "README",
            "cmdline.txt",
            "u-boot.bin",
            "config.txt.new",
            "config.txt.old",
            "bcm2711-rpi-4-b.dtb",
            "bcm2711-rpi-400.dtb",
            ".hidden",
            "größe.txt",
            "a b",
        ]
        .into_iter()
        .map(&mut short)
        .collect();
        insta::assert_snapshot!(said, @r"
        bootcode.bin             BOOTCODEBIN 1
        start4.elf               START4  ELF 1
        README                   README      0
        cmdline.txt              CMDLINE TXT 1
        u-boot.bin               U-BOOT  BIN 1
        config.txt.new           CONFIG~1NEW 2
        config.txt.old           CONFIG~1OLD 2
        bcm2711-rpi-4-b.dtb      BCM271~1DTB 2
        bcm2711-rpi-400.dtb      BCM271~2DTB 2
        .hidden                  HIDDEN~1    1
        größe.txt                GR__E~1 TXT 1
        a b                      AB~1        1
        ");
    }

    #[test]
    fn never_gives_a_short_name_twice() {
        let mut names = Names::default();
        let shorts: BTreeSet<_> = (0..3000)
            .map(|index| names.add(&format!("overlay number {index}.dtbo")).unwrap().0)
            .collect();
        assert_eq!(shorts.len(), 3000);
    }

    #[test]
    fn refuses_names_that_fat_does_not_keep() {
        for name in ["a:b", "a\nb", "end.", "end ", &"x".repeat(256)] {
            assert!(Names::default().add(name).is_err(), "{name}");
        }
    }
}
