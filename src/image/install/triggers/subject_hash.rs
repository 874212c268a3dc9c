//! The hash of a certificate's subject by which OpenSSL finds it in a directory, such as `002c0b4f`.
//! Source: OpenSSL, `crypto/x509/x_name.c` (`x509_name_canon`) and `crypto/x509/x509_cmp.c` (`X509_NAME_hash_ex`).

use sha1::{Digest as _, Sha1};
use x509_cert::Certificate;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::asn1::{Any, SetOfVec};
use x509_cert::der::{DecodePem as _, Encode as _, Result, Tag, Tagged as _};

/// Of a file with one certificate in PEM; `None` if it has none that can be read, or more.
pub fn of(pem: &[u8]) -> Option<String> {
    const BEGIN: &[u8] = b"-----BEGIN ";
    let begins: Vec<usize> = (0..pem.len()).filter(|at| pem[*at..].starts_with(BEGIN)).collect();
    let [begin] = begins[..] else { return None };
    let certificate = Certificate::from_pem(&pem[begin..]).ok()?;
    let mut hash = Sha1::new();
    for name in certificate.tbs_certificate().subject().iter_rdn() {
        let set: Result<Vec<_>> = name.iter().map(canonical).collect();
        hash.update(SetOfVec::try_from(set.ok()?).ok()?.to_der().ok()?);
    }
    let [one, two, three, four, ..] = <[u8; 20]>::from(hash.finalize());
    Some(format!("{:08x}", u32::from_le_bytes([one, two, three, four])))
}

/// Texts as UTF-8 in lower case, with single blanks in between and none around; all else as it is.
fn canonical(attribute: &AttributeTypeAndValue) -> Result<AttributeTypeAndValue> {
    let AttributeTypeAndValue { oid, value } = attribute;
    let bytes = value.value();
    let text = match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::VisibleString => {
            String::from_utf8_lossy(bytes).into_owned()
        }
        Tag::TeletexString => bytes.iter().map(|byte| char::from(*byte)).collect(),
        Tag::BmpString => {
            let units = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units)
                .map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect()
        }
        _ => return Ok(attribute.clone()),
    };
    let blank = |char: char| char.is_ascii_whitespace() || char == '\x0b';
    let words: Vec<&str> = text.split(blank).filter(|word| !word.is_empty()).collect();
    let text = words.join(" ").to_ascii_lowercase();
    Ok(AttributeTypeAndValue { oid: *oid, value: Any::new(Tag::Utf8String, text.into_bytes())? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_single_certificate_has_none() {
        for pem in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "text"] {
            assert_eq!(of(pem.as_bytes()), None);
        }
    }
}
