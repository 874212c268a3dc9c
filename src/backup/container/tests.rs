use std::io::{Read, Write};

use proptest::prelude::*;

use super::{Container, ContainerError, Sealer};
use crate::vault::{Credential, Kdf, Limits, OpenVault, VaultError};

const CHEAP: Kdf = Kdf { memory: 64, passes: 1, lanes: 1 };
const KEY: [u8; 32] = [7; 32];

fn password(text: &str) -> Credential {
    Credential::password(text.as_bytes()).unwrap()
}

/// A vault with a password and a key file.
fn vault() -> OpenVault {
    let mut vault = OpenVault::create("main", &password("right"), CHEAP).unwrap();
    vault.add_slot("ci", &Credential::key_file(KEY), CHEAP).unwrap();
    vault
}

fn sealed(vault: &OpenVault, content: &[u8]) -> Vec<u8> {
    let mut sealer = Sealer::new(vault, Vec::new()).unwrap();
    sealer.write_all(content).unwrap();
    sealer.finish().unwrap()
}

fn opened_by(file: &[u8], credential: &Credential) -> Result<Vec<u8>, ContainerError> {
    all_of(Container::read(file)?.open(credential, &Limits::without_floor())?)
}

fn opened(file: &[u8]) -> Result<Vec<u8>, ContainerError> {
    opened_by(file, &Credential::key_file(KEY))
}

fn opened_with(file: &[u8], vault: &OpenVault) -> Result<Vec<u8>, ContainerError> {
    all_of(Container::read(file)?.open_with(vault)?)
}

fn all_of(mut reader: impl Read) -> Result<Vec<u8>, ContainerError> {
    let mut content = Vec::new();
    reader.read_to_end(&mut content).map_err(ContainerError::of)?;
    Ok(content)
}

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

fn header_length(file: &[u8]) -> usize {
    let mac = file.windows(5).position(|window| window == b"\nmac ").unwrap();
    mac + 2 + file[mac + 1..].iter().position(|byte| *byte == b'\n').unwrap()
}

#[test]
fn the_header_shows_who_can_open_it_and_nothing_else() {
    let vault = vault();
    let file = sealed(&vault, b"content");
    let header = String::from_utf8(file[..header_length(&file)].to_vec()).unwrap();
    let container = Container::read(&file[..]).unwrap();
    assert_eq!((container.vault_id(), container.key_id()), (vault.id(), vault.key().id().as_str()));
    let random = regex::Regex::new("[A-Za-z0-9_-]{20,}|key [0-9a-f]{16}|sum=[0-9a-f]{8}").unwrap();
    insta::assert_snapshot!(random.replace_all(&header, "X"), @"
    pirun-backup 1
    id X
    slot main argon2id m=64 t=1 p=1 salt=X check=X wrap=X X
    slot ci keyfile check=X wrap=X X
    X
    fk X
    salt X
    mac X
    ");
}

#[test]
fn each_slot_opens_it_and_a_wrong_password_is_told_from_damage() {
    let file = sealed(&vault(), b"content");
    assert_eq!(opened_by(&file, &password("right")).unwrap(), b"content");
    assert_eq!(opened(&file).unwrap(), b"content");
    let wrong = opened_by(&file, &password("wrong")).unwrap_err();
    assert!(matches!(wrong, ContainerError::Slots(VaultError::WrongCredential { .. })), "{wrong}");
}

#[test]
fn sizes_around_a_chunk_come_back() {
    let vault = vault();
    for length in [0, 1, 65_000, 65_535, 65_536, 65_537, 131_072, 200_000, 1_000_000] {
        for content in [noise(length), vec![0; length]] {
            assert_eq!(
                opened_with(&sealed(&vault, &content), &vault).unwrap(),
                content,
                "{length}"
            );
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    // Chunks whose borders are known: incompressible, and more than two of them.
    let file = sealed(&vault(), &noise(150_000));
    let header = header_length(&file);
    let borders = (0..3).map(|chunk| header + chunk * super::chunks::SEALED);
    let near = borders.clone().flat_map(|border| border - 17..border + 18);
    let rest = (header..file.len()).step_by(4999);
    let last = file.len() - 40..file.len();
    for length in (0..header).chain(near).chain(rest).chain(last) {
        let Err(error) = opened(&file[..length]) else { panic!("{length} bytes were opened") };
        let told = match error {
            ContainerError::NotABackup => length == 0,
            ContainerError::CutInHeader => length < header,
            ContainerError::Cut { chunks } => {
                borders.clone().nth(chunks.try_into().unwrap()) == Some(length)
            }
            ContainerError::Altered { .. } => length > header,
            _ => false,
        };
        assert!(told, "{length} of {} bytes: {error}", file.len());
    }
}

#[test]
fn every_altered_byte_is_noticed_and_never_reported_as_a_wrong_password() {
    let file = sealed(&vault(), &noise(70_000));
    let body = (header_length(&file)..file.len()).step_by(2003);
    for index in (0..header_length(&file)).chain(body).chain(file.len() - 20..file.len()) {
        for flip in [0x01, 0x20, 0x80] {
            let mut altered = file.clone();
            altered[index] ^= flip;
            let Err(error) = opened(&altered) else { panic!("byte {index} ^ {flip:#x}") };
            let wrong_password =
                matches!(&error, ContainerError::Slots(error) if error.is_wrong_credential());
            assert!(!wrong_password, "byte {index} ^ {flip:#x}: {error}");
        }
    }
}

#[test]
fn a_sealer_that_was_not_finished_leaves_nothing_that_opens() {
    let vault = vault();
    for length in [0, 10, 100_000, 300_000] {
        let mut file = Vec::new();
        let mut sealer = Sealer::new(&vault, &mut file).unwrap();
        sealer.write_all(&noise(length)).unwrap();
        sealer.flush().unwrap();
        drop(sealer);
        let error = opened(&file).unwrap_err();
        assert!(matches!(error, ContainerError::Cut { .. }), "{length}: {error}");
    }
}

#[test]
fn chunks_can_be_neither_moved_nor_added_nor_taken_from_another_backup() {
    let vault = vault();
    let (one, other) = (sealed(&vault, &noise(200_000)), sealed(&vault, &noise(200_000)));
    let chunk = |number: usize| {
        let start = header_length(&one) + number * super::chunks::SEALED;
        start..start + super::chunks::SEALED
    };
    let mut swapped = one.clone();
    swapped[chunk(0)].copy_from_slice(&one[chunk(1)]);
    swapped[chunk(1)].copy_from_slice(&one[chunk(0)]);
    let mut foreign = one.clone();
    foreign[chunk(1)].copy_from_slice(&other[chunk(1)]);
    let foreign_header = [&other[..header_length(&other)], &one[header_length(&one)..]].concat();
    let more = [&one[..], b"x"].concat();
    let doubled = [&one[..], &one[header_length(&one)..]].concat();
    for (what, file) in [
        ("swapped", swapped),
        ("foreign", foreign),
        ("foreign header", foreign_header),
        ("more", more),
        ("doubled", doubled),
    ] {
        assert!(matches!(opened(&file), Err(ContainerError::Altered { .. })), "{what}");
    }
}

#[test]
fn old_backups_open_after_a_new_password_and_after_a_rotation() {
    let mut vault = vault();
    let file = sealed(&vault, b"content");
    vault.replace_slot("main", &password("new"), CHEAP).unwrap();
    assert_eq!(opened_by(&file, &password("right")).unwrap(), b"content", "the old password");
    assert_eq!(opened_with(&file, &vault).unwrap(), b"content", "the vault");

    vault.rotate(&[("main".into(), password("newest"), CHEAP)]).unwrap();
    assert_eq!(opened_by(&file, &password("right")).unwrap(), b"content", "the oldest password");
    assert_eq!(opened_with(&file, &vault).unwrap(), b"content", "the key that the vault has kept");

    let stranger = opened_with(&file, &self::vault()).unwrap_err();
    assert!(matches!(stranger, ContainerError::OtherVault { .. }), "{stranger}");
}

#[test]
fn a_new_header_changes_who_can_open_it_and_no_chunk() {
    let mut vault = vault();
    let file = sealed(&vault, &noise(100_000));
    vault.rotate(&[("main".into(), password("new"), CHEAP)]).unwrap();
    let mut rewrapped = Vec::new();
    Container::read(&file[..]).unwrap().rewrap(&vault, &mut rewrapped).unwrap();
    assert_eq!(file[header_length(&file)..], rewrapped[header_length(&rewrapped)..]);
    assert_eq!(opened_by(&rewrapped, &password("new")).unwrap(), noise(100_000));
    let refused = opened_by(&rewrapped, &password("right")).unwrap_err();
    assert!(matches!(refused, ContainerError::Slots(_)), "{refused}");
    assert_eq!(Container::read(&rewrapped[..]).unwrap().key_id(), vault.key().id());
}

#[test]
fn strangers_files_are_told_apart() {
    let told = |file: &[u8]| opened(file).unwrap_err().to_string();
    insta::assert_snapshot!(told(b"age-encryption.org/v1\n"), @"this is not a pirun backup: its first line is not `pirun-backup 1`");
    insta::assert_snapshot!(told(b"pirun-backup 2\nwhatever"), @"this backup has format version 2, which is newer than this pirun");
    insta::assert_snapshot!(told(b"pirun-backup 1\nmac x\n"), @"line 1 of the header is damaged: lines are missing");
    let endless = [b"pirun-backup 1\n", &b"slot\n".repeat(100_000)[..]].concat();
    insta::assert_snapshot!(told(&endless), @"line 1 of the header is damaged: it has no end");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_written_in_any_pieces_comes_back(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40_000), 0..8),
        repeat in 1_usize..4,
    ) {
        let vault = vault();
        let mut sealer = Sealer::new(&vault, Vec::new()).unwrap();
        for _ in 0..repeat {
            for piece in &pieces {
                sealer.write_all(piece).unwrap();
            }
        }
        let file = sealer.finish().unwrap();
        prop_assert_eq!(opened_with(&file, &vault).unwrap(), pieces.concat().repeat(repeat));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), after_magic: bool) {
        let file = if after_magic { [b"pirun-backup 1\n", &bytes[..]].concat() } else { bytes };
        prop_assert!(opened(&file).is_err());
    }
}
