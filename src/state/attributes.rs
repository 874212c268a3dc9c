//! Mode, owner and group, as files and directories share them.

use super::Aspect;
use crate::remote::quote::sh_quote;

/// What a path's properties should be; `None` leaves them as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Permission bits, `0o644`.
    pub mode: Option<u32>,
    /// A name or a number.
    pub owner: Option<String>,
    pub group: Option<String>,
}

impl Attributes {
    /// The `stat` format that shows the wanted properties and no others; empty if none is wanted.
    pub fn stat_format(&self) -> String {
        let column = |name: &Option<String>, number: &'static str, text: &'static str| {
            name.as_ref().map(|n| if is_number(n) { number } else { text })
        };
        let columns = [
            self.mode.map(|_| "%a"),
            column(&self.owner, "%u", "%U"),
            column(&self.group, "%g", "%G"),
        ];
        columns.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// The names of the properties in [`Attributes::stat_line`], in its order.
    pub fn facets(&self) -> impl Iterator<Item = &'static str> {
        self.columns().into_iter().map(|(name, _)| name)
    }

    /// What `stat` prints when all is well.
    pub fn stat_line(&self) -> String {
        self.columns().into_iter().map(|(_, value)| value).collect::<Vec<_>>().join(" ")
    }

    /// The argument of `chown`, or "" when neither owner nor group is wanted.
    pub fn chown(&self) -> String {
        match (&self.owner, &self.group) {
            (None, None) => String::new(),
            (owner, group) => format!(
                "{}{}",
                owner.as_deref().unwrap_or_default(),
                group.as_ref().map(|g| format!(":{g}")).unwrap_or_default()
            ),
        }
    }

    /// What differs, given the words that `stat` printed before.
    pub fn differences(&self, found: &[&str]) -> Vec<Aspect> {
        let pairs = self.columns().into_iter().zip(found);
        pairs
            .filter(|((_, wanted), found)| wanted != *found)
            .map(|((name, wanted), found)| attribute(name, found, &wanted))
            .collect()
    }

    /// "0600 root:root", for the end of a line about something new.
    pub fn remark(&self, default_mode: u32) -> String {
        let mode = self.mode.unwrap_or(default_mode);
        let owner = self.owner.as_deref().unwrap_or("root");
        let group = self.group.as_deref().unwrap_or("root");
        format!("{mode:04o} {owner}:{group}")
    }

    /// The arguments UMASK MODE OWNER of the shell functions that make files.
    ///
    /// A mode that a umask can produce costs no `chmod`.
    pub fn shell_arguments(&self) -> String {
        let owner = match self.chown() {
            owner if owner.is_empty() => "keep".to_owned(),
            owner => owner,
        };
        let (umask, mode) = match self.mode {
            None => ("022".to_owned(), "keep".to_owned()),
            Some(mode) if mode & !0o666 == 0 => (format!("{:03o}", 0o777 & !mode), String::new()),
            Some(mode) => ("077".to_owned(), format!("{mode:o}")),
        };
        format!("{umask} {} {}", sh_quote(&mode), sh_quote(&owner))
    }

    /// Shell text that gives an existing file its wanted properties.
    pub fn set(&self, path: &str) -> String {
        let path = sh_quote(path);
        let owner = match self.chown() {
            owner if owner.is_empty() => None,
            owner => Some(format!("chown {} {path}", sh_quote(&owner))),
        };
        // After the owner: a change of owner takes the set-user-id bit away.
        let mode = self.mode.map(|mode| format!("chmod {mode:o} {path}"));
        [owner, mode].into_iter().flatten().collect::<Vec<_>>().join(" && ")
    }

    fn columns(&self) -> Vec<(&'static str, String)> {
        let mode = self.mode.map(|mode| ("mode", format!("{mode:o}")));
        let owner = self.owner.clone().map(|owner| ("owner", owner));
        let group = self.group.clone().map(|group| ("group", group));
        [mode, owner, group].into_iter().flatten().collect()
    }
}

fn attribute(name: &'static str, before: &str, after: &str) -> Aspect {
    let pad = |value: &str| if name == "mode" { format!("{value:0>4}") } else { value.to_owned() };
    Aspect::Attribute { name, before: Some(pad(before)), after: pad(after) }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_wanted_is_looked_at() {
        let attributes = Attributes { mode: Some(0o600), owner: Some("1000".into()), group: None };
        assert_eq!(attributes.stat_format(), "%a %u");
        assert_eq!(attributes.stat_line(), "600 1000");
        assert_eq!(attributes.shell_arguments(), "177 '' 1000");
        assert_eq!(
            attributes.differences(&["644", "1000"]),
            [Aspect::Attribute { name: "mode", before: Some("0644".into()), after: "0600".into() }]
        );
    }
}
