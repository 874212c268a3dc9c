//! One line in a text file.

use regex::Regex;

use super::attributes::Attributes;
use super::file::{File, check_path};
use super::node::{Node, Wanted};
use super::{Aspect, Change};
use crate::error::{Error, Result};
use crate::remote::quote::sh_quote;
use crate::remote::{Converge, Converged};

/// A line that should (or should not) stand in a file.
#[derive(Debug, Clone, Default)]
pub struct Line {
    pub path: String,
    pub line: String,
    /// The line to replace: the last one that matches. With `absent`, all that match go.
    pub regex: Option<Regex>,
    /// Looks only below `[section]`, up to the next `[`.
    pub section: Option<String>,
    pub absent: bool,
}

impl Line {
    /// Brings the line about: one round trip if it only has to be appended, else a read and a write.
    pub fn bring(&self, node: &Node) -> Result<Change> {
        self.check()?;
        if self.is_append() && !node.is_dry() {
            return node.bring(self);
        }
        let before = node.remote().read(&self.path)?.unwrap_or_default();
        let before = String::from_utf8(before)
            .map_err(|_| Error::file(format!("{} is not a text file", self.path)))?;
        let after = self.edit(&before);
        if after == before {
            return Ok(Change::of("line", &self.path));
        }
        let file = File {
            verb: "line",
            path: self.path.clone(),
            content: after.into_bytes(),
            attributes: Attributes::default(),
            ..File::default()
        };
        file.bring(node)
    }

    /// Refuses what is no path, or more than a line.
    pub fn check(&self) -> Result<()> {
        check_path(&self.path)?;
        if self.line.contains('\n') {
            return Err(Error::playbook("a line cannot contain a line break")
                .hint("Call `line` once for each line, or use `host.file`."));
        }
        Ok(())
    }

    fn is_append(&self) -> bool {
        self.regex.is_none() && self.section.is_none() && !self.absent
    }

    /// The file's text with the line brought about.
    pub fn edit(&self, text: &str) -> String {
        let mut lines: Vec<&str> = text.lines().collect();
        let range = self.range(&lines);
        let Some((start, end)) = range else {
            if self.absent {
                return text.to_owned();
            }
            let header = self.section.as_ref().map(|section| format!("[{section}]"));
            lines.extend(header.as_deref());
            lines.push(&self.line);
            return joined(&lines);
        };
        let matches = |line: &str| {
            line == self.line || self.regex.as_ref().is_some_and(|regex| regex.is_match(line))
        };
        if self.absent {
            let mut index = 0;
            let before = lines.len();
            lines.retain(|line| {
                let inside = (start..end).contains(&index);
                index += 1;
                !(inside && matches(line))
            });
            return if lines.len() == before { text.to_owned() } else { joined(&lines) };
        }
        if lines[start..end].contains(&&*self.line) {
            return text.to_owned();
        }
        match lines[start..end].iter().rposition(|line| matches(line)) {
            Some(index) => lines[start + index] = &self.line,
            None => {
                let filled = lines[start..end].iter().rposition(|line| !line.trim().is_empty());
                let at =
                    if self.section.is_some() { start + filled.map_or(0, |i| i + 1) } else { end };
                lines.insert(at, &self.line);
            }
        }
        joined(&lines)
    }

    /// Where the line belongs; `None` if the section does not exist.
    fn range(&self, lines: &[&str]) -> Option<(usize, usize)> {
        let Some(section) = &self.section else { return Some((0, lines.len())) };
        let header = format!("[{section}]");
        let start = lines.iter().position(|line| line.trim() == header)? + 1;
        let length = lines[start..].iter().position(|line| line.trim_start().starts_with('['));
        Some((start, length.map_or(lines.len(), |length| start + length)))
    }
}

fn joined(lines: &[&str]) -> String {
    lines.iter().fold(String::new(), |text, line| text + *line + "\n")
}

impl Wanted for Line {
    fn converge(&self) -> Result<Converge> {
        let (path, line) = (sh_quote(&self.path), sh_quote(&self.line));
        Ok(Converge {
            key: format!("line {} {}", self.path, self.line),
            probe: format!(
                "[ -f {path} ] || {{ printf absent; return; }}; grep -qxF -- {line} {path} && printf present || printf missing"
            ),
            wanted: "present".into(),
            show: format!("f_show {path}"),
            apply: format!("f_append {path} {line} 022"),
            path: self.path.clone(),
            ..Converge::default()
        })
    }

    fn change(&self, seen: &Converged) -> Result<Change> {
        let change = Change::of("line", &self.path);
        if !seen.differs {
            return Ok(change);
        }
        let before = String::from_utf8_lossy(&seen.shown).into_owned();
        let after = self.edit(&before);
        let change = match &*seen.found {
            "absent" => change.with(Aspect::Created).remark(Attributes::default().remark(0o644)),
            _ => change,
        };
        Ok(change.with(Aspect::Text { before, after }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(line: &str) -> Line {
        Line { path: "/etc/x".into(), line: line.into(), ..Line::default() }
    }

    #[test]
    fn a_matching_line_is_replaced_and_a_missing_one_appended() {
        let wanted = Line { regex: Regex::new("^a=").ok(), ..line("a=2") };
        assert_eq!(wanted.edit("a=1\nb=1"), "a=2\nb=1\n");
        assert_eq!(wanted.edit("b=1"), "b=1\na=2\n");
    }

    #[test]
    fn a_line_goes_to_the_end_of_its_section() {
        let wanted = Line { section: Some("pi4".into()), ..line("x=1") };
        assert_eq!(wanted.edit("[pi4]\ny=1\n\n[all]\nz=1\n"), "[pi4]\ny=1\nx=1\n\n[all]\nz=1\n");
        assert_eq!(wanted.edit("z=1\n"), "z=1\n[pi4]\nx=1\n");
    }

    #[test]
    fn an_absent_line_goes_wherever_it_stands() {
        let wanted = Line { absent: true, ..line("b") };
        assert_eq!(wanted.edit("a\nb\nc\nb\n"), "a\nc\n");
    }

    proptest! {
        #[test]
        fn a_second_edit_changes_nothing(text in "[a-c=\\[\\]\n]{0,40}", wanted in "[a-c=]{1,3}", absent: bool) {
            let line = Line { absent, regex: Regex::new("^a").ok(), ..line(&wanted) };
            let once = line.edit(&text);
            if absent || wanted.starts_with('a') {
                prop_assert_eq!(line.edit(&once), once);
            }
        }
    }
}
