//! A public key that may log in.

use super::node::Wanted;
use super::{Aspect, Change};
use crate::error::{Error, Result};
use crate::remote::quote::sh_quote;
use crate::remote::{Converge, Converged};

/// A key in a user's `authorized_keys`. Keys are the same when type and data are; comments may differ.
#[derive(Debug, Clone)]
pub struct AuthorizedKey {
    pub user: String,
    /// One line in OpenSSH's public key form.
    pub key: String,
}

impl AuthorizedKey {
    pub fn new(user: &str, key: &str) -> Result<Self> {
        check_user(user)?;
        let key = key.trim();
        if key.contains('\n') || type_and_data(key).is_none() {
            return Err(Error::playbook("that is not an OpenSSH public key")
                .detail(key.chars().take(80).collect::<String>())
                .hint("A public key is one line: `ssh-ed25519 AAAA… comment`, as in ~/.ssh/id_ed25519.pub."));
        }
        Ok(Self { user: user.to_owned(), key: key.to_owned() })
    }
}

impl AuthorizedKey {
    /// Whether the key is in the text of an `authorized_keys`.
    pub fn is_in(&self, text: &str) -> bool {
        let compared = type_and_data(&self.key);
        text.lines().any(|line| type_and_data(line) == compared)
    }

    /// The text of an `authorized_keys` with the key behind the others.
    pub fn added_to(&self, text: &str) -> String {
        let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        format!("{text}{gap}{}\n", self.key)
    }
}

/// The two words by which keys are compared. Options may stand before them.
fn type_and_data(key: &str) -> Option<String> {
    const TYPES: [&str; 4] = ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"];
    let words: Vec<&str> = key.split(' ').collect();
    let index = words.iter().position(|word| TYPES.iter().any(|kind| word.starts_with(kind)))?;
    let data = words.get(index + 1).filter(|data| data.starts_with("AAAA"))?;
    Some(format!("{} {data}", words[index]))
}

/// Refuses user names that a shell or a file would read as something else.
pub(super) fn check_user(user: &str) -> Result<()> {
    let good = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if user.is_empty() || user.len() > 32 || user.starts_with(['-', '.']) || !user.chars().all(good)
    {
        return Err(Error::playbook(format!("`{}` is not a user name", user.escape_debug())));
    }
    Ok(())
}

impl Wanted for AuthorizedKey {
    fn converge(&self) -> Result<Converge> {
        let compared = type_and_data(&self.key).unwrap_or_default();
        let (key, compared) = (sh_quote(&self.key), sh_quote(&compared));
        let user = &self.user;
        let owner =
            if user == "root" { String::new() } else { format!(" && chown {user} \"$d\" \"$P\"") };
        Ok(Converge {
            key: format!("authorized_key {user} {compared}"),
            probe: format!(
                "d=~{user}/.ssh P=~{user}/.ssh/authorized_keys\n[ -f \"$P\" ] || {{ printf absent; return; }}\n\
                 grep -qF -- {compared} \"$P\" && printf present || printf missing"
            ),
            wanted: "present".into(),
            show: "f_show \"$P\"".into(),
            apply: format!(
                "[ -d \"$d\" ] || mkdir -p -m 700 \"$d\" || return\nf_append \"$P\" {key} 077{owner}"
            ),
            makes_parents: true,
            ..Converge::default()
        })
    }

    fn change(&self, seen: &Converged) -> Result<Change> {
        let change = Change::of("authorized_key", &self.user);
        if !seen.differs {
            return Ok(change);
        }
        let before = String::from_utf8_lossy(&seen.shown).into_owned();
        let after = self.added_to(&before);
        Ok(change.with(Aspect::Text { before, after }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_by_type_and_data_with_or_without_options() {
        let key = r#"from="10.0.0.0/8" ssh-ed25519 AAAAC3 me@here"#;
        assert_eq!(type_and_data(key).as_deref(), Some("ssh-ed25519 AAAAC3"));
        assert!(AuthorizedKey::new("root", "-----BEGIN OPENSSH PRIVATE KEY-----").is_err());
        assert!(AuthorizedKey::new("a;b", "ssh-ed25519 AAAA").is_err());
    }
}
