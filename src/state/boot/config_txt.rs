//! `config.txt`: what the Raspberry Pi's firmware reads before anything else.
//!
//! Lines `name=value`, in sections such as `[pi4]`; above the first section, and in `[all]`, they hold for every board.
//! Source: raspberrypi.com, "config.txt".

use super::{Setting, check, replace};
use crate::error::{Error, Result};

/// The firmware ignores what is behind this column.
const LONGEST_LINE: usize = 98;

/// Names and what they should be, in one section.
#[derive(Debug, Clone)]
pub struct ConfigTxt {
    settings: Vec<(String, Setting)>,
    section: String,
}

impl ConfigTxt {
    /// A name with `=` in it is a whole line, which is to be there or not: `dtoverlay=disable-wifi`.
    ///
    /// # Errors
    /// For lines that the firmware would read as something else, or not to their end.
    pub fn new(settings: Vec<(String, Setting)>, section: Option<&str>) -> Result<Self> {
        let section = section.unwrap_or("all").trim_matches(['[', ']']).to_owned();
        check("config.txt", &section, &['[', ']'])?;
        for (name, setting) in &settings {
            check("config.txt", name, &['#', '['])?;
            for line in lines_for(name, setting) {
                check("config.txt", &line, &[])?;
                if line.len() > LONGEST_LINE {
                    return Err(Error::playbook(format!(
                        "`{line}` is longer than the {LONGEST_LINE} characters that the firmware reads"
                    )));
                }
            }
        }
        Ok(Self { settings, section })
    }

    /// The text with everything set; what is right already stays as it is.
    pub fn edit(&self, text: &str) -> String {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for (name, setting) in &self.settings {
            self.set(&mut lines, name, setting);
        }
        let after: String = lines.iter().map(|line| format!("{line}\n")).collect();
        if after.trim_end() == text.trim_end() { text.to_owned() } else { after }
    }

    fn set(&self, lines: &mut Vec<String>, name: &str, setting: &Setting) {
        let wanted = lines_for(name, setting);
        let inside = self.inside(lines);
        let present: Vec<usize> =
            inside.iter().copied().filter(|&at| names(&lines[at], name)).collect();
        let filled = inside.iter().rev().find(|&&at| !lines[at].trim().is_empty());
        let end = match (filled, inside.first()) {
            (Some(last), _) => last + 1,
            (None, Some(first)) => *first,
            (None, None) => self.end_without_lines(lines, wanted.is_empty()),
        };
        replace(lines, &present, wanted, end);
    }

    /// Where the section's lines are, its header not among them.
    fn inside(&self, lines: &[String]) -> Vec<usize> {
        let mut section = "all";
        let mut inside = Vec::new();
        for (at, line) in lines.iter().enumerate() {
            match header(line) {
                Some(name) => section = name,
                None if section.eq_ignore_ascii_case(&self.section) => inside.push(at),
                None => {}
            }
        }
        inside
    }

    /// The place behind the section's header, which is written if it is missing and needed.
    fn end_without_lines(&self, lines: &mut Vec<String>, nothing_wanted: bool) -> usize {
        let named = |line: &String| {
            header(line).is_some_and(|name| name.eq_ignore_ascii_case(&self.section))
        };
        if let Some(at) = lines.iter().rposition(named) {
            return at + 1;
        }
        let everywhere = self.section.eq_ignore_ascii_case("all");
        if everywhere && !lines.iter().any(|line| header(line).is_some()) {
            return lines.len();
        }
        if !nothing_wanted {
            lines.push(format!("[{}]", self.section));
        }
        lines.len()
    }
}

/// The lines for a setting. A whole line as the name needs no value.
fn lines_for(name: &str, setting: &Setting) -> Vec<String> {
    match setting {
        Setting::Values(_) if name.contains('=') => vec![name.to_owned()],
        setting => setting.entries(name),
    }
}

fn header(line: &str) -> Option<&str> {
    line.trim().strip_prefix('[')?.strip_suffix(']')
}

/// Whether `line` sets `name`, or is `name` where that is a whole line.
fn names(line: &str, name: &str) -> bool {
    let line = line.trim();
    match name.contains('=') {
        true => line == name,
        false => line.split('=').next().map(str::trim) == Some(name),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(values: &[&str]) -> Setting {
        Setting::Values(values.iter().map(|&value| value.to_owned()).collect())
    }

    fn edit(text: &str, name: &str, setting: Setting, section: Option<&str>) -> String {
        ConfigTxt::new(vec![(name.to_owned(), setting)], section).unwrap().edit(text)
    }

    #[test]
    fn sets_what_holds_for_all_boards_above_the_first_section() {
        let text = "# firmware\ngpu_mem=64\n\n[pi4]\narm_boost=1\n";
        insta::assert_snapshot!(edit(text, "gpu_mem", values(&["16"]), None), @"
        # firmware
        gpu_mem=16

        [pi4]
        arm_boost=1
        ");
        insta::assert_snapshot!(edit(text, "enable_uart", values(&["1"]), None), @"
        # firmware
        gpu_mem=64
        enable_uart=1

        [pi4]
        arm_boost=1
        ");
    }

    #[test]
    fn a_section_is_made_when_it_is_needed_only() {
        assert_eq!(edit("a=1\n", "b", values(&["2"]), Some("pi3")), "a=1\n[pi3]\nb=2\n");
        assert_eq!(edit("a=1\n", "b", Setting::Absent, Some("pi3")), "a=1\n");
        assert_eq!(edit("[pi4]\na=1\n", "b", values(&["2"]), None), "[pi4]\na=1\n[all]\nb=2\n");
    }

    #[test]
    fn a_list_repeats_a_name_and_a_whole_line_is_one_of_them() {
        let two = edit("dtoverlay=x\nend=1\n", "dtoverlay", values(&["a", "b"]), None);
        assert_eq!(two, "dtoverlay=a\ndtoverlay=b\nend=1\n");
        assert_eq!(edit(&two, "dtoverlay=a", Setting::Absent, None), "dtoverlay=b\nend=1\n");
        let three = edit(&two, "dtoverlay=c", values(&["true"]), None);
        assert_eq!(three, "dtoverlay=a\ndtoverlay=b\nend=1\ndtoverlay=c\n");
        assert_eq!(edit(&two, "dtoverlay", Setting::Absent, None), "end=1\n");
    }

    #[test]
    fn refuses_lines_that_the_firmware_would_not_read_to_their_end() {
        let long = vec![("dtparam".to_owned(), values(&[&"x".repeat(91)]))];
        let error = ConfigTxt::new(long, None).unwrap_err();
        assert!(
            error.message().ends_with("is longer than the 98 characters that the firmware reads")
        );
        assert!(ConfigTxt::new(vec![("a\nb".into(), Setting::Flag)], None).is_err());
    }

    proptest! {
        #[test]
        fn a_second_edit_changes_nothing(
            text in "([ab]=[0-9]\n|\\[(all|pi4)\\]\n|\n|#a=1\n){0,12}",
            count in 0_usize..3,
            section in prop::option::of("all|pi4|pi3"),
        ) {
            let setting = match count {
                0 => Setting::Absent,
                count => values(&["1", "2"][..count]),
            };
            let config = ConfigTxt::new(vec![("a".into(), setting)], section.as_deref()).unwrap();
            let once = config.edit(&text);
            prop_assert_eq!(config.edit(&once), once.clone());
            prop_assert_eq!(once.matches("#a=1").count(), text.matches("#a=1").count());
        }
    }
}
