//! Keys and signatures in minisign's format, as they come from a vault, an inventory, or a file beside an image.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use pirun::image::sign::{SigningKey, VerifyingKey};

const MANIFEST: &[u8] = b"pirun-image 1\n";

static KEY: LazyLock<(SigningKey, VerifyingKey)> = LazyLock::new(|| {
    let signing = SigningKey::generate().expect("a key");
    let verifying = signing.verifying().expect("its public half");
    (signing, verifying)
});

fuzz_target!(|text: &str| {
    if let Ok(key) = VerifyingKey::parse(text) {
        assert_eq!(VerifyingKey::parse(&key.line()).expect("its own line"), key);
        let _ = key.verify(MANIFEST, text);
    }
    if let Ok(key) = SigningKey::parse(text) {
        let _ = key.text().map(|text| SigningKey::parse(&text).expect("its own text"));
        let _ = key.verifying();
    }
    let (signing, verifying) = &*KEY;
    assert!(verifying.verify(MANIFEST, text).is_err(), "nobody knows the key that was made just now");

    // Comments are signed too: whatever one holds, it is either refused or comes back as it was.
    if let Ok(signature) = signing.sign(MANIFEST, text) {
        let _ = verifying.verify(MANIFEST, &signature).map(|comment| assert_eq!(comment, text));
    }
});
