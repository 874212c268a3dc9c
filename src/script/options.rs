//! Option maps: `host.file(path, #{ mode: "0644" })`.
//!
//! A verb declares its options once with [`options!`]; from that come the reading of the map, its error
//! messages, the table in `pirun doc` and the checks of `pirun check`.
//!
//! ```ignore
//! options! {
//!     /// Options of `host.query`.
//!     pub struct QueryOptions for "query" at 1 {
//!         /// Exit codes that are no error.
//!         ok_codes: Vec<i64> = vec![0],
//!         timeout: Option<Duration>,
//!     }
//! }
//! let options: QueryOptions = options::read(map)?;
//! ```

mod values;

use rhai::{Dynamic, Map};

pub use values::{Content, FromOption, Mode, Size, describe, parse_duration, parse_size};

use crate::error::{Error, Result};
use crate::suggest::did_you_mean;

/// The options of one verb.
pub struct OptionList {
    /// The verb, without its receiver.
    pub verb: &'static str,
    /// Which argument is the map, not counting the receiver, from 0.
    pub at: usize,
    pub options: &'static [OptionInfo],
}

/// One option.
pub struct OptionInfo {
    pub name: &'static str,
    /// What it takes, in words: "a string such as \"0644\"".
    pub takes: &'static str,
    pub docs: &'static str,
    /// Says what is wrong with a value, if something is.
    pub check: fn(Dynamic) -> std::result::Result<(), String>,
}

/// A struct declared with [`options!`].
pub trait Options: Default {
    const LIST: OptionList;

    /// Sets a field. The name is one of the list.
    fn set(&mut self, name: &str, value: Dynamic) -> std::result::Result<(), String>;
}

impl OptionList {
    /// The option called `name`, or an error that suggests one.
    pub fn get(&self, name: &str) -> Result<&'static OptionInfo> {
        if let Some(option) = self.options.iter().find(|option| option.name == name) {
            return Ok(option);
        }
        let names = || self.options.iter().map(|option| option.name);
        let error = Error::playbook(format!("`{}` has no option `{name}`", self.verb));
        let error = match did_you_mean(name, names()) {
            Some(hint) => error.hint(hint),
            None => error,
        };
        Err(error.hint(format!("Its options are {}.", list(names()))))
    }

    /// The error for a value that an option cannot take.
    pub fn wrong_value(&self, option: &str, problem: &str) -> Error {
        Error::playbook(format!("`{option}` of `{}` {problem}", self.verb))
    }
}

/// Reads a playbook's map: unknown names and wrong values are errors that say what is right.
pub fn read<O: Options>(map: Map) -> Result<O> {
    let mut options = O::default();
    for (name, value) in map {
        O::LIST.get(&name)?;
        options
            .set(&name, value.flatten())
            .map_err(|problem| O::LIST.wrong_value(&name, &problem))?;
    }
    Ok(options)
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Declares a verb's options; see the module's documentation.
#[macro_export]
macro_rules! options {
    (
        $(#[doc = $about:expr])*
        $vis:vis struct $name:ident for $verb:literal at $at:literal {
            $( $(#[doc = $doc:expr])* $field:ident : $typ:ty $(= $default:expr)? ),* $(,)?
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone)]
        $vis struct $name { $( $(#[doc = $doc])* pub $field: $typ ),* }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $crate::options!(@default $($default)?) ),* }
            }
        }

        impl $crate::script::options::Options for $name {
            const LIST: $crate::script::options::OptionList = $crate::script::options::OptionList {
                verb: $verb,
                at: $at,
                options: &[ $( $crate::script::options::OptionInfo {
                    name: stringify!($field),
                    takes: <$typ as $crate::script::options::FromOption>::TAKES,
                    docs: concat!($($doc, "\n"),*),
                    check: |value| {
                        <$typ as $crate::script::options::FromOption>::from_option(value).map(drop)
                    },
                } ),* ],
            };

            fn set(&mut self, name: &str, value: ::rhai::Dynamic) -> Result<(), String> {
                match name {
                    $( stringify!($field) => {
                        self.$field = $crate::script::options::FromOption::from_option(value)?;
                    } )*
                    other => return Err(format!("`{other}` is no option")),
                }
                Ok(())
            }
        }
    };
    (@default) => { Default::default() };
    (@default $default:expr) => { $default };
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use rhai::Engine;

    use super::*;

    options! {
        /// Options of `sample`.
        struct Sample for "sample" at 0 {
            /// Who may do what.
            mode: Option<Mode>,
            backup: bool,
            timeout: Duration = Duration::from_secs(60),
            names: Vec<String>,
            ratio: Option<f64>,
        }
    }

    fn sample(map: &str) -> Result<Sample> {
        read(Engine::new().eval::<Map>(map).unwrap())
    }

    fn problem(map: &str) -> String {
        let error = sample(map).unwrap_err();
        [error.message()]
            .into_iter()
            .chain(error.hints().iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn what_is_not_given_keeps_its_default() {
        let options = sample(r##"#{ mode: "0600", names: "one" }"##).unwrap();
        assert_eq!(options.mode, Some(Mode(0o600)));
        assert_eq!(options.timeout, Duration::from_secs(60));
        assert_eq!(options.names, ["one"]);
        assert!(!options.backup && options.ratio.is_none());
    }

    #[test]
    fn an_unknown_option_gets_a_suggestion_and_the_list() {
        insta::assert_snapshot!(problem(r##"#{ mdoe: "0600" }"##), @r"
        `sample` has no option `mdoe`
        Did you mean `mode`?
        Its options are `mode`, `backup`, `timeout`, `names`, `ratio`.
        ");
    }

    #[test]
    fn a_wrong_type_is_said_in_plain_words() {
        insta::assert_snapshot!(problem("#{ mode: 644 }"), @r#"`mode` of `sample` must be a string such as "0644", not 644 (a bare number is decimal)"#);
        insta::assert_snapshot!(problem(r##"#{ mode: "0999" }"##), @r#"`mode` of `sample` must be a string such as "0644", not "0999""#);
        insta::assert_snapshot!(problem("#{ backup: 1 }"), @"`backup` of `sample` must be true or false, not 1");
        insta::assert_snapshot!(problem("#{ timeout: 5 }"), @r#"`timeout` of `sample` must be a duration such as "10m" or "90s", not 5"#);
        insta::assert_snapshot!(problem("#{ names: [1] }"), @"`names` of `sample` must be a list of strings, not [1]");
    }

    #[test]
    fn durations_and_sizes_read_like_people_write_them() {
        let seconds = |text: &str| parse_duration(text).map(|d| d.as_secs_f64());
        assert_eq!(seconds("10m"), Some(600.0));
        assert_eq!(seconds("5 s"), Some(5.0));
        assert_eq!(seconds("1h30m"), Some(5400.0));
        assert_eq!(seconds("250ms"), Some(0.25));
        assert_eq!(seconds(""), None);
        assert_eq!(seconds("10"), None);
        assert_eq!(seconds("m"), None);
        assert_eq!(parse_size("200M"), Some(200 << 20));
        assert_eq!(parse_size("1.5 GiB"), Some(3 << 29));
        assert_eq!(parse_size("512"), Some(512));
        assert_eq!(parse_size("12 parsecs"), None);
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parsers(text in ".*") {
            let _ = (parse_duration(&text), parse_size(&text), Mode::parse(&text));
        }

        #[test]
        fn a_mode_survives_being_written(bits in 0_u32..0o10000) {
            prop_assert_eq!(Mode::parse(&Mode(bits).to_string()), Some(Mode(bits)));
        }

        #[test]
        fn whole_seconds_survive_being_written(h in 0_u64..99, m in 0_u64..60, s in 0_u64..60) {
            let text = format!("{h}h{m}m{s}s");
            prop_assert_eq!(parse_duration(&text), Some(Duration::from_secs(h * 3600 + m * 60 + s)));
        }

        #[test]
        fn any_unknown_name_is_refused_without_a_panic(name in "[a-z_]{1,12}") {
            prop_assume!(Sample::LIST.options.iter().all(|option| option.name != name));
            prop_assert!(Sample::LIST.get(&name).is_err());
        }
    }
}
