//! The forms in which a secret may turn up in an output.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use crate::vault::crypto;
use crate::vault::secret::Secret;
use crate::vault::value::ValueKind;

/// Forms below this many bytes are not looked for.
pub const SHORTEST: usize = 4;
/// Forms that are torn apart by line ends are looked for from this many bytes on.
pub const SHORTEST_WRAPPED: usize = 8;
/// Strings inside a JSON value are secrets of their own from this many bytes on.
const SHORTEST_JSON_STRING: usize = 8;
/// Long values are looked for in pieces of this many bytes, so that a part of one is found too.
const PIECE: usize = 512;
/// What lies beyond this many bytes of one value is not looked for.
const LONGEST: usize = 64 << 10;

/// Byte strings to look for.
#[derive(Default)]
pub struct Forms {
    /// As they are.
    pub plain: Vec<Vec<u8>>,
    /// Also when line ends stand between their characters: base64 and hexadecimal dumps.
    pub wrapped: Vec<Vec<u8>>,
}

impl Forms {
    pub fn of(secret: &Secret) -> Self {
        let mut forms = Self::default();
        for piece in pieces(secret) {
            forms.add_encoded(&piece);
            forms.add_quoted(&piece);
            forms.plain.push(piece);
        }
        tidy(&mut forms.plain, SHORTEST);
        tidy(&mut forms.wrapped, SHORTEST_WRAPPED);
        forms
    }

    fn add_encoded(&mut self, piece: &[u8]) {
        let hex = crypto::hex(piece);
        let encoded =
            base64(piece).into_iter().chain([hex.to_uppercase().into_bytes(), hex.into()]);
        for form in encoded {
            self.wrapped.push(form.clone());
            self.plain.push(form);
        }
    }

    fn add_quoted(&mut self, piece: &[u8]) {
        self.plain.extend([
            percent(piece, b""),
            percent(piece, b" /:"),
            percent(piece, b"").to_ascii_lowercase(),
        ]);
        let Ok(text) = std::str::from_utf8(piece) else { return };
        let quoted = [
            json(text),
            json_ascii(text),
            text.escape_debug().to_string(),
            text.replace('\'', r"'\''"),
            text.replace('\'', r#"'"'"'"#),
            text.replace('\'', "''"),
            backslashed(text, |character| "\\\"$`".contains(character)),
            backslashed(text, |character| !is_plain_in_a_shell(character)),
            percent_query(text),
        ];
        self.plain.extend(quoted.map(String::into_bytes));
    }
}

fn tidy(forms: &mut Vec<Vec<u8>>, shortest: usize) {
    forms.retain(|form| form.len() >= shortest);
    forms.sort_unstable();
    forms.dedup();
}

/// The value, its lines, and the strings inside a JSON value.
fn pieces(secret: &Secret) -> Vec<Vec<u8>> {
    let value = secret.expose_bytes();
    let value = &value[..value.len().min(LONGEST)];
    let mut pieces: Vec<Vec<u8>> =
        value.trim_ascii_end().chunks(PIECE).map(<[u8]>::to_vec).collect();
    if value.contains(&b'\n') {
        let lines = value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        // The first and last line of a PEM file are no secret.
        let lines = lines.filter(|line| !line.starts_with(b"-----"));
        pieces.extend(lines.flat_map(|line| line.chunks(PIECE)).map(<[u8]>::to_vec));
    }
    if secret.kind() == ValueKind::Json
        && let Ok(json) = serde_json::from_slice(secret.expose_bytes())
    {
        strings_in(&json, &mut pieces);
    }
    pieces.retain(|piece| piece.len() >= SHORTEST);
    pieces
}

fn strings_in(json: &serde_json::Value, strings: &mut Vec<Vec<u8>>) {
    match json {
        serde_json::Value::String(text) if text.len() >= SHORTEST_JSON_STRING => {
            strings.extend(text.as_bytes().chunks(PIECE).map(<[u8]>::to_vec));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| strings_in(item, strings)),
        serde_json::Value::Object(map) => map.values().for_each(|item| strings_in(item, strings)),
        _ => {}
    }
}

/// Both alphabets, at the three alignments that the value can have in a longer text, as far as the characters depend on
/// the value alone; and to the end, for a value that ends the text.
fn base64(value: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    for before in 0..3 {
        let text = [&b"xx"[..before], value].concat();
        // Characters that also depend on what stands before.
        let start = [0, 2, 3][before];
        let own = text.len() * 8 / 6;
        for alphabet in [&STANDARD, &URL_SAFE] {
            let encoded = alphabet.encode(&text).into_bytes();
            forms.push(encoded[start.min(own)..own].to_vec());
            forms.push(encoded[start.min(own)..].to_vec());
        }
    }
    forms
}

fn percent(value: &[u8], keep: &[u8]) -> Vec<u8> {
    let mut form = Vec::with_capacity(value.len());
    for byte in value {
        match byte {
            byte if byte.is_ascii_alphanumeric()
                || b"-_.~".contains(byte)
                || keep.contains(byte) =>
            {
                form.push(*byte);
            }
            byte => form.extend(format!("%{byte:02X}").into_bytes()),
        }
    }
    form
}

/// As in the query of an address: a space is a plus sign.
fn percent_query(text: &str) -> String {
    String::from_utf8_lossy(&percent(text.as_bytes(), b" ")).replace(' ', "+")
}

fn json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// JSON as Python writes it: nothing but ASCII.
fn json_ascii(text: &str) -> String {
    let mut form = String::new();
    for character in json(text).chars() {
        match character.is_ascii() {
            true => form.push(character),
            false => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    form += &format!("\\u{unit:04x}");
                }
            }
        }
    }
    form
}

fn backslashed(text: &str, escape: impl Fn(char) -> bool) -> String {
    let mut form = String::new();
    for character in text.chars() {
        if escape(character) {
            form.push('\\');
        }
        form.push(character);
    }
    form
}

fn is_plain_in_a_shell(character: char) -> bool {
    character.is_alphanumeric() || "-_./:=@%+,".contains(character)
}
