//! Signatures in front of an index: a tar with one file, `.SIGN.<algorithm>.<name of the key>`, in a gzip member of its
//! own. It signs all bytes behind that member. Source: apk-tools 3.0, `doc/apk-v2.5.scd`.

use std::io::Read as _;

use rsa::pkcs1v15::Pkcs1v15Sign;
use rsa::traits::SignatureScheme as _;
use sha1::{Digest as _, Sha1};
use sha2::{Sha256, Sha512};

use super::gzip;
use super::keys::Keys;

/// Decoded bytes of a signature's member; a signature itself has a few hundred.
const MAX: u64 = 1 << 20;

/// Verifies that a key of `keys` has signed `bytes`, and gives what was signed: all behind the signature.
///
/// # Errors
/// With the reason why it is not trusted.
pub(super) fn verify<'a>(bytes: &'a [u8], keys: &Keys) -> Result<&'a [u8], String> {
    let mut signed = bytes;
    let member = gzip::member(&mut signed, MAX)
        .map_err(|error| format!("its signature cannot be read: {error}"))?;
    let mut strangers = Vec::new();
    for file in tar::Archive::new(&*member).entries().map_err(|error| error.to_string())? {
        let mut file = file.map_err(|error| format!("its signature cannot be read: {error}"))?;
        let name = String::from_utf8_lossy(&file.path_bytes()).into_owned();
        let Some((algorithm, key_name)) =
            name.strip_prefix(".SIGN.").and_then(|rest| rest.split_once('.'))
        else {
            return Err("it is not signed".into());
        };
        let Some(key) = keys.get(key_name) else {
            strangers.push(key_name.to_owned());
            continue;
        };
        let mut signature = Vec::new();
        file.read_to_end(&mut signature).map_err(|error| error.to_string())?;
        let valid = match algorithm {
            "RSA" => Pkcs1v15Sign::new::<Sha1>().verify(key, &Sha1::digest(signed), &signature),
            "RSA256" => {
                Pkcs1v15Sign::new::<Sha256>().verify(key, &Sha256::digest(signed), &signature)
            }
            "RSA512" => {
                Pkcs1v15Sign::new::<Sha512>().verify(key, &Sha512::digest(signed), &signature)
            }
            other => return Err(format!("its signature is of the kind {other}, which is not RSA")),
        };
        return match valid {
            Ok(()) => Ok(signed),
            Err(_) => Err(format!("it is not what {key_name} signed: it was changed, or damaged")),
        };
    }
    Err(match &*strangers {
        [] => "it is not signed".into(),
        names => format!("it is signed with {}, which is not trusted", names.join(", ")),
    })
}
