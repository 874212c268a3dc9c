//! The primitives are the ones of their specifications.

use argon2::{Algorithm, Argon2, ParamsBuilder, Version};
use blake2::{Blake2b512, Digest};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};

use super::crypto::{self, hex, unhex};
use super::kdf::Kdf;

const SUNSCREEN: &[u8] = b"Ladies and Gentlemen of the class of '99: \
    If I could offer you only one tip for the future, sunscreen would be it.";

fn bytes<const N: usize>(digits: &str) -> [u8; N] {
    unhex(digits.as_bytes()).unwrap().try_into().unwrap()
}

fn counting<const N: usize>(first: u8) -> [u8; N] {
    std::array::from_fn(|index| first + index as u8)
}

#[test]
fn argon2id_of_rfc_9106_section_5_3() {
    let params = ParamsBuilder::new()
        .m_cost(32)
        .t_cost(3)
        .p_cost(4)
        .data(argon2::AssociatedData::new(&[4; 12]).unwrap())
        .build()
        .unwrap();
    let argon2 =
        Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params).unwrap();
    let mut tag = [0; 32];
    argon2.hash_password_into(&[1; 32], &[2; 16], &mut tag).unwrap();
    assert_eq!(hex(&tag), "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
}

/// Made by the reference implementation (argon2-cffi 25.1.0).
#[test]
fn the_vaults_own_derivation() {
    let kdf = Kdf { memory: 1024, passes: 3, lanes: 4 };
    let key = kdf.derive(b"password", &counting::<16>(0)).unwrap();
    assert_eq!(hex(&key[..]), "4414de9b7336639f6c4ef4acd5c3aa5c8ff8bbc948a991019cd3abc66ea1ddd9");
}

#[test]
fn chacha20_poly1305_of_rfc_8439_section_2_8_2() {
    let sealed = ChaCha20Poly1305::new(&Key::from(counting::<32>(0x80)))
        .encrypt(
            &Nonce::from(bytes::<12>("070000004041424344454647")),
            Payload { msg: SUNSCREEN, aad: &bytes::<12>("50515253c0c1c2c3c4c5c6c7") },
        )
        .unwrap();
    assert_eq!(
        hex(&sealed),
        "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6\
         3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36\
         92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc\
         3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691"
    );
}

#[test]
fn xchacha20_poly1305_of_draft_irtf_cfrg_xchacha_section_a_3_1() {
    let sealed = unhex(
        b"404142434445464748494a4b4c4d4e4f5051525354555657\
          bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb\
          731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452\
          2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9\
          21f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49",
    );
    let key = counting::<32>(0x80);
    let plain =
        crypto::open(&key, &sealed.unwrap(), &bytes::<12>("50515253c0c1c2c3c4c5c6c7")).unwrap();
    assert_eq!(plain.as_slice(), SUNSCREEN);
}

#[test]
fn blake2b_of_rfc_7693_appendix_a() {
    assert_eq!(
        hex(&Blake2b512::digest(b"abc")),
        "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1\
         7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923"
    );
}

/// Made by Python's hashlib, which holds the reference implementation.
#[test]
fn keyed_blake2b_with_32_bytes() {
    let digest = crypto::blake2b(&counting(0), &[b"pirun-", b"vault/1"]);
    assert_eq!(
        hex(&digest[..]),
        "8442e35edd0da5eb595e5e4e4fb7546600f30726dc6b21bb8ced645598d5ee3f"
    );
    assert!(crypto::blake2b_is(&counting(0), &[b"pirun-vault/1"], &digest));
    assert!(!crypto::blake2b_is(&counting(1), &[b"pirun-vault/1"], &digest));
}
