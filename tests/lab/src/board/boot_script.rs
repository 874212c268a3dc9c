//! U-Boot's script format, as `mkimage -T script` writes it (`include/image.h` of U-Boot).

const MAGIC: u32 = 0x2705_1956;
/// Linux, arm64, script, not compressed.
const KIND: [u8; 4] = [5, 22, 6, 0];

/// `boot.scr` for that text.
pub fn boot_script(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    // A table of the scripts' lengths, ended by 0.
    let body = [&length.to_be_bytes()[..], &[0; 4], text.as_bytes()].concat();
    let size = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let mut header = [0; 64];
    // Magic, the header's own checksum, time, size, load address, entry point, checksum, kind, name.
    for (at, word) in [(0, MAGIC), (12, size), (24, crc32fast::hash(&body))] {
        header[at..at + 4].copy_from_slice(&word.to_be_bytes());
    }
    header[28..32].copy_from_slice(&KIND);
    header[32..43].copy_from_slice(b"boot script");
    let checksum = crc32fast::hash(&header);
    header[4..8].copy_from_slice(&checksum.to_be_bytes());
    [&header[..], &body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_valid_and_tells_the_length() {
        let script = boot_script("reset\n");
        assert_eq!(script[..4], [0x27, 0x05, 0x19, 0x56]);
        assert_eq!(script[64..], *b"\0\0\0\x06\0\0\0\0reset\n");
        assert_eq!(script[12..16], 14_u32.to_be_bytes());
    }
}
