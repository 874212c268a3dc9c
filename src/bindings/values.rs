//! Texts, formats and local files.

use rhai::plugin::*;
use rhai::{Array, Blob, Map, Module};
use std::path::Path;

use super::Topic;
use crate::error::{Error, Result};
use crate::script::context::{RunContext, context};
use crate::script::convert::{OrRaise, ScriptResult};
use crate::script::options::{Content, FromOption};
use crate::script::secret::mixed_into_text;
use crate::script::values::{from_json, to_json};
use crate::vault::Secret;

pub const TOPIC: Topic =
    Topic { name: "values", about: "Texts, formats and local files.", module, options: &[] };

fn module() -> Module {
    exported_module!(api)
}

/// The bytes of a text or of bytes; a secret's are not given away.
fn open_bytes(value: Dynamic) -> Result<Vec<u8>> {
    if let Some(secret) = value.read_lock::<Secret>() {
        return Err(mixed_into_text(&secret));
    }
    let content = Content::from_option(value);
    content
        .map(|content| content.bytes)
        .map_err(|problem| Error::playbook(format!("the value {problem}")))
}

fn read_text(run: &RunContext, path: &str) -> Result<String> {
    let file = run.places().find(path);
    let bytes = std::fs::read(&file).map_err(|error| Error::io(&file, &error))?;
    String::from_utf8(bytes).map_err(|_| {
        Error::file(format!("{} is no text", file.display()))
            .hint("`host.upload(local, remote)` copies files of any kind.")
    })
}

/// Paths that match, relative to where the pattern starts, sorted.
fn matching(run: &RunContext, pattern: &str) -> Result<Vec<String>> {
    let wrong = |error: &globset::Error| {
        Error::playbook(format!("`{pattern}` is no file pattern: {}", error.kind()))
    };
    let glob = globset::GlobBuilder::new(pattern)
        .literal_separator(true)
        .build()
        .map_err(|e| wrong(&e))?;
    let matcher = glob.compile_matcher();
    // The part before the first wildcard is the directory to look in.
    let fixed = pattern.split(['*', '?', '[', '{']).next().unwrap_or_default();
    let prefix = fixed.rsplit_once('/').map_or("", |(dir, _)| dir);
    let root = match pattern.starts_with('/') {
        true => Path::new(if prefix.is_empty() { "/" } else { prefix }).to_owned(),
        false => run.places().find(if prefix.is_empty() { "." } else { prefix }),
    };
    let mut found = Vec::new();
    walk(&root, prefix, &mut |name| {
        if matcher.is_match(name) {
            found.push(name.to_owned());
        }
    });
    found.sort();
    Ok(found)
}

/// Calls `visit` for every file below `dir`, named as below `name`. What cannot be read has no files.
fn walk(dir: &Path, name: &str, visit: &mut dyn FnMut(&str)) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let Some(file) = entry.file_name().to_str().map(str::to_owned) else { continue };
        let name = match name {
            "" => file,
            "/" => format!("/{file}"),
            dir => format!("{dir}/{file}"),
        };
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(&entry.path(), &name, visit),
            _ => visit(&name),
        }
    }
}

/// 1536 → "1.5 KiB".
#[allow(clippy::cast_precision_loss, reason = "shown with one digit")]
pub(super) fn size_text(bytes: i64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value.abs() >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[export_module]
#[allow(clippy::needless_pass_by_value, reason = "Rhai's calling convention")]
pub mod api {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use sha2::{Digest, Sha256};

    /// The elements as one text with `separator` between them.
    ///
    /// ```rhai
    /// join(["a", 1, true], ", ")      //=> "a, 1, true"
    /// ```
    #[rhai_fn(return_raw)]
    pub fn join(ctx: NativeCallContext, array: Array, separator: &str) -> ScriptResult<String> {
        let texts = array.iter().map(|item| match item.read_lock::<Secret>() {
            Some(secret) => Err(mixed_into_text(&secret)),
            None => Ok(item.to_string()),
        });
        Ok(texts.collect::<Result<Vec<_>>>().or_raise(&ctx)?.join(separator))
    }

    /// The last part of a path.
    ///
    /// ```rhai
    /// basename("k8s/metallb.yaml")    //=> "metallb.yaml"
    /// ```
    pub fn basename(path: &str) -> String {
        path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned()
    }

    /// The last part of a path without `ending`.
    ///
    /// ```rhai
    /// basename("k8s/metallb.yaml.j2", ".j2")      //=> "metallb.yaml"
    /// ```
    #[rhai_fn(name = "basename")]
    pub fn basename_without(path: &str, ending: &str) -> String {
        let name = basename(path);
        name.strip_suffix(ending).unwrap_or(&name).to_owned()
    }

    /// The local files that match a pattern, sorted. `*` stays within a directory, `**` does not. Looked for beside
    /// the playbook, then in the project.
    ///
    /// ```rhai
    /// glob("no-such-directory/*.yaml")    //=> []
    /// ```
    #[rhai_fn(return_raw)]
    pub fn glob(ctx: NativeCallContext, pattern: &str) -> ScriptResult<Array> {
        let files = context(&ctx).and_then(|run| matching(&run, pattern)).or_raise(&ctx)?;
        Ok(files.into_iter().map(Dynamic::from).collect())
    }

    /// The text of a local file: beside the playbook, in the project, absolute, or `~/…`.
    ///
    /// ```rhai,parse
    /// let key = read_local("~/.ssh/id_ed25519.pub");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn read_local(ctx: NativeCallContext, path: &str) -> ScriptResult<String> {
        context(&ctx).and_then(|run| read_text(&run, path)).or_raise(&ctx)
    }

    /// A value as JSON text.
    ///
    /// ```rhai
    /// to_json(#{ name: "rpi41", slots: [2, 3] })      //=> `{"name":"rpi41","slots":[2,3]}`
    /// ```
    #[rhai_fn(name = "to_json", return_raw)]
    pub fn value_to_json(ctx: NativeCallContext, value: Dynamic) -> ScriptResult<String> {
        Ok(to_json(&value).or_raise(&ctx)?.to_string())
    }

    /// A map as JSON text.
    // Rhai has a `to_json` of its own for maps, which would win over the general form and show secrets as text.
    #[rhai_fn(name = "to_json", return_raw)]
    pub fn map_to_json(ctx: NativeCallContext, value: Map) -> ScriptResult<String> {
        value_to_json(ctx, value.into())
    }

    /// The value that a JSON text holds.
    ///
    /// ```rhai
    /// from_json(`{"a": [1, null]}`).a     //=> [1, ()]
    /// ```
    #[rhai_fn(name = "from_json", return_raw)]
    pub fn json_to_value(ctx: NativeCallContext, text: &str) -> ScriptResult<Dynamic> {
        let value = serde_json::from_str(text)
            .map_err(|error| Error::playbook(format!("this is no JSON: {error}")))
            .or_raise(&ctx)?;
        Ok(from_json(&value))
    }

    /// A value as YAML text.
    ///
    /// ```rhai
    /// to_yaml(#{ name: "rpi41" })     //=> "name: rpi41\n"
    /// ```
    #[rhai_fn(return_raw)]
    pub fn to_yaml(ctx: NativeCallContext, value: Dynamic) -> ScriptResult<String> {
        let value = to_json(&value).or_raise(&ctx)?;
        serde_yaml::to_string(&value)
            .map_err(|error| Error::playbook(format!("this cannot be written as YAML: {error}")))
            .or_raise(&ctx)
    }

    /// The value that a YAML text holds.
    ///
    /// ```rhai
    /// from_yaml("a: [1, two]").a      //=> [1, "two"]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn from_yaml(ctx: NativeCallContext, text: &str) -> ScriptResult<Dynamic> {
        let value: serde_json::Value = serde_yaml::from_str(text)
            .map_err(|error| Error::playbook(format!("this is no YAML: {error}")))
            .or_raise(&ctx)?;
        Ok(from_json(&value))
    }

    /// The SHA-256 of a text or of bytes, in hexadecimal digits.
    ///
    /// ```rhai
    /// sha256("abc").sub_string(0, 8)      //=> "ba7816bf"
    /// ```
    #[rhai_fn(return_raw)]
    pub fn sha256(ctx: NativeCallContext, value: Dynamic) -> ScriptResult<String> {
        let digest = Sha256::digest(open_bytes(value).or_raise(&ctx)?);
        Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// A text or bytes in base64.
    ///
    /// ```rhai
    /// b64encode("pi")     //=> "cGk="
    /// ```
    #[rhai_fn(return_raw)]
    pub fn b64encode(ctx: NativeCallContext, value: Dynamic) -> ScriptResult<String> {
        Ok(STANDARD.encode(open_bytes(value).or_raise(&ctx)?))
    }

    /// The bytes that a base64 text stands for.
    ///
    /// ```rhai
    /// b64decode("cGk=").as_string()       //=> "pi"
    /// ```
    #[rhai_fn(return_raw)]
    pub fn b64decode(ctx: NativeCallContext, text: &str) -> ScriptResult<Blob> {
        STANDARD
            .decode(text.trim())
            .map_err(|error| Error::playbook(format!("this is no base64: {error}")))
            .or_raise(&ctx)
    }

    /// The local time, as `strftime` formats it.
    ///
    /// ```rhai
    /// now("%Y").len()     //=> 4
    /// ```
    #[rhai_fn(return_raw)]
    pub fn now(ctx: NativeCallContext, format: &str) -> ScriptResult<String> {
        crate::bindings::local::date(format).or_raise(&ctx)
    }

    /// Bytes as people read them.
    ///
    /// ```rhai
    /// format_size(1536)       //=> "1.5 KiB"
    /// ```
    pub fn format_size(bytes: i64) -> String {
        size_text(bytes)
    }

    /// A text as one word of a shell script.
    ///
    /// ```rhai
    /// sh_quote("it's here")       //=> `'it'\''s here'`
    /// ```
    pub fn sh_quote(text: &str) -> String {
        crate::remote::quote::sh_quote(text)
    }
}
