//! `-e`: variables from the command line, the strongest level.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::files;
use super::mark::{Mark, shown};
use super::vars::{self, Var};
use super::yaml::{self, Data, Node};
use crate::error::{Error, Result};

/// The variables of all `-e` flags, in their order; later ones win.
#[derive(Debug, Clone, Default)]
pub struct ExtraVars(pub(crate) Vec<Arc<Var>>);

impl ExtraVars {
    /// Reads `name=value` (always text), `@file.yaml`, and `{json}`. Files are relative to `directory`.
    ///
    /// # Errors
    /// Of kind usage, when a flag is none of these; of kind inventory, when a file is wrong.
    pub fn parse<S: AsRef<str>>(flags: &[S], directory: &Path) -> Result<Self> {
        let mut all = Vec::new();
        for (index, flag) in flags.iter().enumerate() {
            let flag = flag.as_ref();
            if let Some(path) = flag.strip_prefix('@') {
                all.extend(from_file(path, directory)?);
            } else if flag.trim_start().starts_with('{') {
                all.extend(vars::from_node(yaml::parse("-e", flag.as_bytes())?, "-e")?);
            } else {
                all.push(from_pair(flag, index + 1)?);
            }
        }
        Ok(Self(all))
    }

    /// The value of a variable, if a flag sets it.
    pub fn get(&self, name: &str) -> Option<Value> {
        self.0.iter().rev().find(|var| var.name == name).map(|var| var.value.to_json())
    }

    /// Takes a variable out: it was meant for a playbook's parameter.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        let value = self.get(name);
        self.0.retain(|var| var.name != name);
        value
    }

    /// The names that flags set, without repetition.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for var in &self.0 {
            if !names.contains(&var.name.as_str()) {
                names.push(&var.name);
            }
        }
        names
    }
}

fn from_file(path: &str, directory: &Path) -> Result<Vec<Arc<Var>>> {
    let bytes = std::fs::read(directory.join(path)).map_err(|error| Error::io(path, &error))?;
    if files::is_encrypted(&bytes) {
        return Err(Error::usage(format!("{path} is encrypted with ansible-vault"))
            .hint(files::IMPORT_HINT));
    }
    vars::from_node(yaml::parse(path, &bytes)?, "a variables file")
}

/// `flag_number` counts the `-e` flags; it stands where a file has its line.
fn from_pair(flag: &str, flag_number: usize) -> Result<Arc<Var>> {
    let wrong = |message: String| {
        Error::usage(message)
            .hint("Write `-e name=value`, `-e @file.yaml` or `-e '{\"name\": 1}'`.")
    };
    let Some((name, value)) = flag.split_once('=') else {
        return Err(wrong(format!("`-e {}` has no `=`", shown(flag))));
    };
    if !is_name(name) {
        return Err(wrong(format!("`{}` cannot be the name of a variable", shown(name))));
    }
    let mark = Mark::new(&"-e".into(), flag_number, 1);
    let node = Node { mark: mark.clone(), data: Data::Text(value.to_owned()) };
    Ok(Arc::new(Var::new(name.to_owned(), mark, node)))
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use insta::assert_snapshot;
    use serde_json::json;

    use super::*;
    use crate::inventory::testing::{fails, shows};

    #[test]
    fn reads_pairs_json_and_files() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("more.yaml"), "port: 2222\nlabels: { disk: ssd }\n")
            .unwrap();
        let flags = ["port=22", "text=a=b c", r#"{"slots": 4}"#, "@more.yaml"];
        let mut extra = ExtraVars::parse(&flags, directory.path()).unwrap();
        assert_eq!(extra.names(), ["port", "text", "slots", "labels"]);
        assert_eq!(extra.get("port"), Some(json!(2222)), "the later flag wins");
        assert_eq!(extra.get("text"), Some(json!("a=b c")));
        assert_eq!(extra.take("slots"), Some(json!(4)));
        assert_eq!(extra.get("slots"), None);
    }

    #[test]
    fn says_how_a_flag_is_written() {
        let refused = |flag: &str| shows(&fails(ExtraVars::parse(&[flag], Path::new("/nowhere"))));
        assert_snapshot!(refused("port"), @r#"
        `-e port` has no `=`
        hint: Write `-e name=value`, `-e @file.yaml` or `-e '{"name": 1}'`.
        "#);
        assert_snapshot!(refused("a b=1"), @r#"
        `a b` cannot be the name of a variable
        hint: Write `-e name=value`, `-e @file.yaml` or `-e '{"name": 1}'`.
        "#);
        assert_snapshot!(refused("@vars.yaml"), @"vars.yaml: no such file or directory");
        assert_snapshot!(refused("{a: 1, a: 2}"), @"
        -e:1:8: `a` stands twice in the same map
        hint: It stands first in line 1. YAML would silently keep only one.
        ");
    }
}
