//! `cmdline.txt`: the arguments of the kernel, one line, words apart by blanks. Double quotes keep blanks in a word.

use super::{Setting, check, replace};
use crate::error::Result;

/// Arguments and what they should be.
#[derive(Debug, Clone)]
pub struct KernelArgs {
    settings: Vec<(String, Setting)>,
}

impl KernelArgs {
    /// # Errors
    /// For names and values that would become several arguments.
    pub fn new(settings: Vec<(String, Setting)>) -> Result<Self> {
        for (name, setting) in &settings {
            check("cmdline.txt", name, &[' ', '\t', '"', '='])?;
            for entry in setting.entries(name) {
                let stops: &[char] = if entry.contains('"') { &[] } else { &[' ', '\t'] };
                check("cmdline.txt", &entry, stops)?;
            }
        }
        Ok(Self { settings })
    }

    /// The line with everything set; what is right already stays where it is.
    ///
    /// An argument `root=` never comes first: the boot script replaces it with a pattern that begins with a blank, and
    /// would leave slot B with the root of slot A.
    pub fn edit(&self, text: &str) -> String {
        let mut words = words(text);
        for (name, setting) in &self.settings {
            let present: Vec<usize> =
                (0..words.len()).filter(|&at| names(&words[at], name)).collect();
            let end = words.len();
            replace(&mut words, &present, setting.entries(name), end);
        }
        let is_root = |word: &String| word.starts_with("root=");
        if words.first().is_some_and(is_root)
            && let Some(other) = words.iter().position(|word| !is_root(word))
        {
            words[..=other].rotate_right(1);
        }
        let after = words.join(" ");
        if after == text.trim_end() { text.to_owned() } else { after + "\n" }
    }
}

fn names(word: &str, name: &str) -> bool {
    word.split('=').next() == Some(name)
}

fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for c in text.chars() {
        quoted ^= c == '"';
        if c.is_whitespace() && !quoted {
            words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
        } else {
            word.push(c);
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn edit(text: &str, settings: &[(&str, Setting)]) -> String {
        let settings =
            settings.iter().map(|(name, setting)| ((*name).to_owned(), setting.clone())).collect();
        KernelArgs::new(settings).unwrap().edit(text)
    }

    fn values(values: &[&str]) -> Setting {
        Setting::Values(values.iter().map(|&value| value.to_owned()).collect())
    }

    #[test]
    fn sets_and_removes_arguments_and_leaves_the_others() {
        let after = edit(
            "console=tty1 root=/dev/mmcblk0p2 quiet rootwait\n",
            &[
                ("quiet", Setting::Absent),
                ("cgroup_enable", values(&["memory"])),
                ("ro", Setting::Flag),
            ],
        );
        assert_eq!(after, "console=tty1 root=/dev/mmcblk0p2 rootwait cgroup_enable=memory ro\n");
    }

    #[test]
    fn lists_repeat_an_argument() {
        let two = edit("a console=x b\n", &[("console", values(&["ttyAMA0,115200", "tty1"]))]);
        assert_eq!(two, "a console=ttyAMA0,115200 console=tty1 b\n");
        assert_eq!(edit(&two, &[("console", Setting::Absent)]), "a b\n");
    }

    #[test]
    fn root_does_not_come_first() {
        assert_eq!(edit("root=/dev/mmcblk0p2 rw\n", &[]), "rw root=/dev/mmcblk0p2\n");
    }

    #[test]
    fn words_in_quotes_stay_whole() {
        let line = "dyndbg=\"file a.c +p\" quiet\n";
        assert_eq!(edit(line, &[("quiet", Setting::Absent)]), "dyndbg=\"file a.c +p\"\n");
        assert!(KernelArgs::new(vec![("a".into(), values(&["b c"]))]).is_err());
        assert!(KernelArgs::new(vec![("a b".into(), Setting::Flag)]).is_err());
    }

    proptest! {
        #[test]
        fn a_second_edit_changes_nothing(text in "(a|b|root)?(=[0-9])?( (a|b|root)(=[0-9])?){0,6}\n?", count in 0_usize..3) {
            let setting = match count {
                0 => Setting::Absent,
                count => values(&["1", "2"][..count]),
            };
            let args = KernelArgs::new(vec![("a".into(), setting)]).unwrap();
            let once = args.edit(&text);
            prop_assert_eq!(args.edit(&once), once);
        }
    }
}
