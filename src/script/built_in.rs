//! The files of `stdlib/`, built into pirun: libraries to import, and the files that these lay out.

use std::borrow::Cow;

use rust_embed::Embed;

#[derive(Embed)]
#[folder = "stdlib/"]
#[exclude = "*.md"]
struct BuiltIn;

/// Names of the libraries, without `.rhai`.
pub fn libraries() -> Vec<String> {
    BuiltIn::iter().filter_map(|file| Some(file.strip_suffix(".rhai")?.to_owned())).collect()
}

/// The text of a library.
pub fn library(name: &str) -> Option<String> {
    let bytes = file(&format!("{name}.rhai"))?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The bytes of a file, such as `image/binds.initd`.
pub fn file(path: &str) -> Option<Cow<'static, [u8]>> {
    BuiltIn::get(path).map(|file| file.data)
}
