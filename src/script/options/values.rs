//! What an option can hold, and what is said when it holds something else.

use std::fmt;
use std::time::Duration;

use rhai::{Array, Dynamic, FnPtr, Map};

use crate::vault::Secret;

/// A type that an option can have.
pub trait FromOption: Sized {
    /// What it takes, in words that fit behind "must be".
    const TAKES: &'static str;

    /// The value, or what is wrong with it.
    fn from_option(value: Dynamic) -> Result<Self, String>;
}

/// The permission bits of a file. A string only: `0644` would be a decimal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode(pub u32);

impl Mode {
    /// Reads "0644", "644" or "4755".
    pub fn parse(text: &str) -> Option<Self> {
        let digits =
            (3..=5).contains(&text.len()) && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
        let bits = u32::from_str_radix(text, 8).ok().filter(|bits| digits && *bits <= 0o7777)?;
        Some(Self(bits))
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

/// What goes into a file or to a command's stdin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    pub bytes: Vec<u8>,
    /// It must not be shown.
    pub secret: bool,
}

/// Reads "10m", "5 s", "1h30m", "250ms", "2d".
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, after) = split_number(rest)?;
        let after = after.trim_start();
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let seconds = match &after[..end] {
            "ms" => 0.001,
            "s" | "sec" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            "w" => 604_800.0,
            _ => return None,
        };
        total = total.checked_add(Duration::try_from_secs_f64(number * seconds).ok()?)?;
        rest = after[end..].trim_start();
    }
    Some(total)
}

/// Reads "200M", "1.5 GiB", "512". K, M, G and T are powers of 1024.
pub fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = split_number(text.trim())?;
    let factor: u64 = match unit.trim_start() {
        "" | "B" => 1,
        "K" | "KB" | "KiB" => 1 << 10,
        "M" | "MB" | "MiB" => 1 << 20,
        "G" | "GB" | "GiB" => 1 << 30,
        "T" | "TB" | "TiB" => 1 << 40,
        _ => return None,
    };
    #[allow(clippy::cast_precision_loss, reason = "the factor is a power of two")]
    let bytes = number * factor as f64;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked by the condition"
    )]
    (bytes < 9.0e15).then_some(bytes.round() as u64)
}

fn split_number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

/// A value as an error message shows it: short, on one line, and no secret.
pub fn describe(value: &Dynamic) -> String {
    if value.is_fnptr() {
        return "a closure".to_owned();
    }
    if value.is_unit() {
        return "`()`".to_owned();
    }
    if let Some(secret) = value.read_lock::<Secret>() {
        return secret.to_string();
    }
    let text = match value.read_lock::<rhai::ImmutableString>() {
        Some(text) => format!("{:?}", text.as_str()),
        None => value.to_string(),
    };
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// "must be …, not …".
fn refuse<T: FromOption>(value: &Dynamic) -> String {
    format!("must be {}, not {}", T::TAKES, describe(value))
}

impl FromOption for bool {
    const TAKES: &'static str = "true or false";
    fn from_option(value: Dynamic) -> Result<Self, String> {
        value.as_bool().map_err(|_| refuse::<Self>(&value))
    }
}

impl FromOption for i64 {
    const TAKES: &'static str = "a whole number";
    fn from_option(value: Dynamic) -> Result<Self, String> {
        value.as_int().map_err(|_| refuse::<Self>(&value))
    }
}

impl FromOption for usize {
    const TAKES: &'static str = "a whole number, 0 or more";
    fn from_option(value: Dynamic) -> Result<Self, String> {
        let number = value.as_int().ok().and_then(|number| Self::try_from(number).ok());
        number.ok_or_else(|| refuse::<Self>(&value))
    }
}

impl FromOption for f64 {
    const TAKES: &'static str = "a number";
    fn from_option(value: Dynamic) -> Result<Self, String> {
        #[allow(clippy::cast_precision_loss, reason = "an option is no astronomical number")]
        let number = value.as_float().or_else(|_| value.as_int().map(|int| int as Self));
        number.map_err(|_| refuse::<Self>(&value))
    }
}

impl FromOption for String {
    const TAKES: &'static str = "a string";
    fn from_option(value: Dynamic) -> Result<Self, String> {
        if value.is_char() {
            return Ok(value.to_string());
        }
        match value.read_lock::<rhai::ImmutableString>() {
            Some(text) => Ok(text.to_string()),
            None => Err(refuse::<Self>(&value)),
        }
    }
}

impl FromOption for Vec<String> {
    const TAKES: &'static str = "a list of strings";
    fn from_option(value: Dynamic) -> Result<Self, String> {
        // One string is a list of one: `stop: "k3s"`.
        if value.is_string() {
            return Ok(vec![value.to_string()]);
        }
        let items = value.read_lock::<Array>().filter(|items| items.iter().all(Dynamic::is_string));
        let strings = items.map(|items| items.iter().map(ToString::to_string).collect());
        strings.ok_or_else(|| refuse::<Self>(&value))
    }
}

impl FromOption for Vec<i64> {
    const TAKES: &'static str = "a list of whole numbers";
    fn from_option(value: Dynamic) -> Result<Self, String> {
        if let Ok(number) = value.as_int() {
            return Ok(vec![number]);
        }
        let numbers = value
            .read_lock::<Array>()
            .and_then(|items| items.iter().map(|item| item.as_int().ok()).collect());
        numbers.ok_or_else(|| refuse::<Self>(&value))
    }
}

impl FromOption for Mode {
    const TAKES: &'static str = "a string such as \"0644\"";
    fn from_option(value: Dynamic) -> Result<Self, String> {
        if value.is_int() {
            return Err(format!("{} (a bare number is decimal)", refuse::<Self>(&value)));
        }
        let text = value.read_lock::<rhai::ImmutableString>();
        text.and_then(|text| Self::parse(&text)).ok_or_else(|| refuse::<Self>(&value))
    }
}

impl FromOption for Duration {
    const TAKES: &'static str = "a duration such as \"10m\" or \"90s\"";
    fn from_option(value: Dynamic) -> Result<Self, String> {
        let text = value.read_lock::<rhai::ImmutableString>();
        text.and_then(|text| parse_duration(&text)).ok_or_else(|| refuse::<Self>(&value))
    }
}

impl FromOption for Size {
    const TAKES: &'static str = "a size such as \"200M\"";
    fn from_option(value: Dynamic) -> Result<Self, String> {
        if let Some(bytes) = value.as_int().ok().and_then(|bytes| u64::try_from(bytes).ok()) {
            return Ok(Self(bytes));
        }
        let text = value.read_lock::<rhai::ImmutableString>();
        text.and_then(|text| parse_size(&text)).map(Self).ok_or_else(|| refuse::<Self>(&value))
    }
}

impl FromOption for Map {
    const TAKES: &'static str = "a map `#{ … }`";
    fn from_option(value: Dynamic) -> Result<Self, String> {
        match value.read_lock::<Self>() {
            Some(map) => Ok(map.clone()),
            None => Err(refuse::<Self>(&value)),
        }
    }
}

impl FromOption for Array {
    const TAKES: &'static str = "a list `[ … ]`";
    fn from_option(value: Dynamic) -> Result<Self, String> {
        match value.read_lock::<Self>() {
            Some(array) => Ok(array.clone()),
            None => Err(refuse::<Self>(&value)),
        }
    }
}

impl FromOption for FnPtr {
    const TAKES: &'static str = "a closure";
    fn from_option(value: Dynamic) -> Result<Self, String> {
        match value.read_lock::<Self>() {
            Some(function) => Ok(function.clone()),
            None => Err(refuse::<Self>(&value)),
        }
    }
}

impl FromOption for Content {
    const TAKES: &'static str = "a string, bytes or a secret";
    fn from_option(value: Dynamic) -> Result<Self, String> {
        if let Some(secret) = value.read_lock::<Secret>() {
            return Ok(Self { bytes: secret.expose_bytes().to_vec(), secret: true });
        }
        if let Some(bytes) = value.read_lock::<rhai::Blob>() {
            return Ok(Self { bytes: bytes.clone(), secret: false });
        }
        let text = value.read_lock::<rhai::ImmutableString>();
        text.map(|text| Self { bytes: text.as_bytes().to_vec(), secret: false })
            .ok_or_else(|| refuse::<Self>(&value))
    }
}

impl FromOption for Secret {
    const TAKES: &'static str = "a secret: `vault(\"…\")`";
    fn from_option(value: Dynamic) -> Result<Self, String> {
        match value.read_lock::<Self>() {
            Some(secret) => Ok(secret.clone()),
            None => Err(refuse::<Self>(&value)),
        }
    }
}

impl FromOption for Dynamic {
    const TAKES: &'static str = "a value";
    fn from_option(value: Dynamic) -> Result<Self, String> {
        Ok(value)
    }
}

impl<T: FromOption> FromOption for Option<T> {
    const TAKES: &'static str = T::TAKES;
    fn from_option(value: Dynamic) -> Result<Self, String> {
        if value.is_unit() { Ok(None) } else { T::from_option(value).map(Some) }
    }
}
