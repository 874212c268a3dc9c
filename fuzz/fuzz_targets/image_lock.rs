//! No text makes the reader of lock files panic, and what it reads it prints.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pirun::image::fetch::Lock;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(lock) = Lock::parse(text, "image.lock") {
        let printed = lock.print();
        let again = Lock::parse(&printed, "image.lock").expect("it reads what it prints");
        assert_eq!(again.print(), printed);
    }
});
