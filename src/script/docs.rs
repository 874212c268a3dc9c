//! The manual: made from the doc comments of the bindings and of the standard library, nothing else.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use rhai::{Engine, FnAccess};

use super::built_in;
use super::catalog::{Catalog, Function, Kind, uncomment};
use super::engine;
use super::resolver::Resolver;
use crate::bindings::{TOPICS, option_lists};
use crate::error::{Error, Result};
use crate::suggest::did_you_mean;

/// Everything that can be explained.
pub struct Manual {
    engine: Engine,
    topics: Vec<Topic>,
    library: Vec<Library>,
}

/// The functions of one file of bindings.
struct Topic {
    name: &'static str,
    about: &'static str,
    functions: Vec<Function>,
}

/// A file of the standard library.
struct Library {
    name: String,
    about: String,
    /// Signature and text.
    functions: Vec<(String, String)>,
}

impl Manual {
    pub fn new() -> Result<Self> {
        let engine = engine::bare(Resolver::new(Path::new(""), Path::new("")));
        let topics = TOPICS
            .iter()
            .map(|topic| {
                let mut alone = Engine::new_raw();
                alone.register_global_module((topic.module)().into());
                let mut functions = Catalog::of(&alone).functions;
                functions.retain(|f| {
                    f.name.starts_with(|c: char| c.is_ascii_alphabetic()) && !f.docs.is_empty()
                });
                functions.retain(|f| {
                    !f.name.contains('$')
                        && !matches!(f.name.as_str(), "to_string" | "to_debug" | "print" | "debug")
                });
                Topic { name: topic.name, about: topic.about, functions }
            })
            .collect();
        let library = built_in::libraries()
            .iter()
            .map(|name| Library::read(&engine, name))
            .collect::<Result<_>>()?;
        Ok(Self { engine, topics, library })
    }

    /// All names with one line each.
    pub fn contents(&self) -> String {
        let mut text = String::new();
        for topic in &self.topics {
            let _ = writeln!(text, "{}\n", topic.about);
            let lines: BTreeMap<String, String> =
                topic.functions.iter().rev().map(|f| (title(f), first_sentence(&f.docs))).collect();
            for (name, line) in lines {
                let _ = writeln!(text, "  {name:<28} {line}");
            }
            text.push('\n');
        }
        for library in &self.library {
            let _ = writeln!(
                text,
                "import \"{0}\" as {0};   {1}\n",
                library.name,
                first_sentence(&library.about)
            );
            for (signature, docs) in &library.functions {
                let name = signature.split('(').next().unwrap_or_default();
                let _ = writeln!(
                    text,
                    "  {:<28} {}",
                    format!("{}::{name}", library.name),
                    first_sentence(docs)
                );
            }
            text.push('\n');
        }
        text.push_str("`pirun doc NAME` tells more about one of them.\n");
        text
    }

    /// The page of one function, verb, property, topic or library.
    pub fn page(&self, name: &str) -> Result<String> {
        let found: Vec<&Function> = self
            .topics
            .iter()
            .flat_map(|topic| &topic.functions)
            .filter(|f| title(f) == name || f.name == name)
            .collect();
        if !found.is_empty() {
            return Ok(function_page(&found));
        }
        let libraries = self.library.iter().filter(|library| {
            name == library.name || name.starts_with(&format!("{}::", library.name))
        });
        if let Some(page) = libraries.map(|library| library.page(name)).next() {
            return page;
        }
        if let Some(topic) = self.topics.iter().find(|topic| topic.name == name) {
            let pages = topic.functions.iter().map(|f| function_page(&[f]));
            return Ok(format!("{}\n\n{}", topic.about, pages.collect::<Vec<_>>().join("\n")));
        }
        let error = Error::usage(format!("the manual has no page for `{name}`"));
        let names = self.names();
        Err(match did_you_mean(name, names.iter().map(String::as_str)) {
            Some(hint) => error.hint(hint),
            None => error.hint("`pirun doc` lists everything."),
        })
    }

    fn names(&self) -> Vec<String> {
        let functions = self.topics.iter().flat_map(|topic| &topic.functions);
        let mut names: Vec<_> = functions.flat_map(|f| [title(f), f.name.clone()]).collect();
        names.extend(self.library.iter().map(|library| library.name.clone()));
        names
    }

    /// Writes `.d.rhai` files for editors, and says how many.
    pub fn write_definitions(&self, dir: &Path) -> Result<usize> {
        std::fs::create_dir_all(dir).map_err(|error| Error::io(dir, &error))?;
        let mut count = 0;
        for (name, text) in self.engine.definitions().with_headers(true).iter_files() {
            let path = dir.join(name);
            std::fs::write(&path, without_results(&text))
                .map_err(|error| Error::io(&path, &error))?;
            count += 1;
        }
        Ok(count)
    }
}

impl Library {
    fn read(engine: &Engine, name: &str) -> Result<Self> {
        let text = built_in::library(name).unwrap_or_default();
        let source = format!("<stdlib>/{name}.rhai");
        let ast =
            engine.compile(&text).map_err(|error| engine::parse_error(&source, &text, &error))?;
        let mut functions: Vec<_> = ast
            .iter_functions()
            .filter(|f| f.access == FnAccess::Public && !f.name.starts_with("anon$"))
            .map(|f| {
                let docs: Vec<_> = f.comments.iter().map(|comment| uncomment(comment)).collect();
                (format!("{}({})", f.name, f.params.join(", ")), docs.join("\n"))
            })
            .collect();
        functions.sort();
        Ok(Self { name: name.to_owned(), about: uncomment(ast.doc()), functions })
    }

    fn page(&self, name: &str) -> Result<String> {
        let wanted = name.strip_prefix(&format!("{}::", self.name));
        let mut text = String::new();
        for (signature, docs) in &self.functions {
            let own = signature.split('(').next();
            if wanted.is_none() || own == wanted {
                let _ = writeln!(text, "{}::{signature}\n\n{}\n", self.name, indent(docs));
            }
        }
        if text.is_empty() {
            let names =
                self.functions.iter().filter_map(|(signature, _)| signature.split('(').next());
            let error = Error::usage(format!(
                "`{}` has no function `{}`",
                self.name,
                wanted.unwrap_or_default()
            ));
            return Err(match did_you_mean(wanted.unwrap_or_default(), names) {
                Some(hint) => error.hint(hint),
                None => error,
            });
        }
        if wanted.is_none() {
            text =
                format!("import \"{0}\" as {0};\n\n{1}\n\n{text}", self.name, indent(&self.about));
        }
        Ok(text)
    }
}

/// `host.file`, `on`: how a playbook writes it.
fn title(function: &Function) -> String {
    match function.params.first() {
        // What Rhai calls the function behind `results["rpi41"]`.
        Some(first) if function.name == "index$get$" => format!("{}[…]", first.name),
        Some(first) if function.is_method() => format!("{}.{}", first.name, function.name),
        _ => function.name.clone(),
    }
}

/// All forms of a function: signatures, text, options.
fn function_page(forms: &[&Function]) -> String {
    let mut text = String::new();
    for form in forms {
        let _ = writeln!(text, "{}\n\n{}\n", form.signature(), indent(&form.docs));
    }
    let Some(first) = forms.first().filter(|form| form.kind == Kind::Function) else { return text };
    for list in option_lists().filter(|list| list.verb == first.name) {
        let _ = writeln!(text, "options\n");
        for option in list.options {
            let _ = writeln!(text, "  {:<12} {}", option.name, option.takes);
            for line in option.docs.lines().filter(|line| !line.trim().is_empty()) {
                let _ = writeln!(text, "  {:<12} {}", "", line.trim());
            }
        }
        text.push('\n');
    }
    text
}

/// A doc comment for the terminal: examples without their fences, everything moved in.
fn indent(docs: &str) -> String {
    let mut out = Vec::new();
    let mut code = false;
    for line in docs.lines() {
        if line.starts_with("```") {
            code = !code;
        } else {
            let depth = if code { "        " } else { "    " };
            out.push(format!("{depth}{line}").trim_end().to_owned());
        }
    }
    out.join("\n")
}

/// The first sentence, which may go over several lines.
fn first_sentence(docs: &str) -> String {
    let paragraph = docs.split("\n\n").next().unwrap_or_default();
    let text = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    text.split_once(". ").map_or(text.as_str(), |(first, _)| first).trim_end_matches('.').to_owned()
}

/// Rhai's definitions name the Rust result type: editors want what is in it.
fn without_results(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let line =
            match line.split_once("-> ScriptResult<").or_else(|| line.split_once("-> Result<")) {
                Some((before, rest)) => {
                    let inner = rest.trim_end_matches(';').trim_end_matches('>');
                    format!("{before}-> {};", inner.split(", Box<").next().unwrap_or(inner))
                }
                None => line.to_owned(),
            };
        out.push_str(&line.replace("HostHandle", "Host"));
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::testing::{Stage, render};

    /// The examples of a doc comment: their fence's words, and their text.
    fn examples(docs: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut open: Option<(String, String)> = None;
        for line in docs.lines() {
            match (line.trim_start().strip_prefix("```"), open.take()) {
                (Some(words), None) => open = Some((words.to_owned(), String::new())),
                (Some(_), Some(done)) => found.push(done),
                (None, Some((words, text))) => open = Some((words, format!("{text}{line}\n"))),
                (None, None) => {}
            }
        }
        found
    }

    /// `expression //=> value` becomes a comparison. The expression may begin on an earlier line, and the
    /// value may stand on the next one.
    fn with_checks(example: &str) -> String {
        let mut lines: Vec<String> = Vec::new();
        for line in example.lines() {
            let Some((code, value)) = line.split_once("//=>") else {
                lines.push(line.to_owned());
                continue;
            };
            let mut code = code.trim().to_owned();
            while code.is_empty()
                || code.matches(['}', ')']).count() > code.matches(['{', '(']).count()
            {
                code = format!("{}\n{code}", lines.pop().unwrap_or_default());
            }
            let code = code.trim().trim_end_matches(';');
            lines.push(format!("check_example({code}, {});", value.trim()));
        }
        lines.join("\n")
    }

    fn try_example(words: &str, example: &str) -> Result<()> {
        let stage = Stage::default();
        crate::script::context::Secrets::set(
            &*stage.secrets,
            "k3s_token",
            crate::vault::SecretValue::text("x"),
        )?;
        let run = stage.run_context();
        let mut engine = engine::for_run(&run);
        engine.register_fn("check_example", |found: rhai::Dynamic, wanted: rhai::Dynamic| {
            let (found, wanted) = (format!("{found:?}"), format!("{wanted:?}"));
            let different: Box<rhai::EvalAltResult> = format!("found {found}, not {wanted}").into();
            if found == wanted { Ok(()) } else { Err(different) }
        });
        let root = if example.contains("let root") { "" } else { "let root = rootfs(#{});\n" };
        let text = format!("let host = host(\"rpi41\");\n{root}{}", with_checks(example));
        let playbook = engine::parse(&engine, text, "example.rhai")?;
        // What needs a real node runs on the lab's nodes.
        let only_parsed = words.contains("parse") || words.contains("node");
        if only_parsed { Ok(()) } else { engine::run(&engine, &playbook) }
    }

    #[test]
    fn every_example_in_the_manual_runs() {
        let manual = Manual::new().unwrap();
        let mut failed = Vec::new();
        let mut ran = 0;
        for function in manual.topics.iter().flat_map(|topic| &topic.functions) {
            for (words, example) in
                examples(&function.docs).iter().filter(|(words, _)| words.starts_with("rhai"))
            {
                ran += 1;
                if let Err(error) = try_example(words, example) {
                    failed.push(format!("{}:\n{example}{}", title(function), render(&error)));
                }
            }
        }
        assert!(failed.is_empty(), "{}", failed.join("\n\n"));
        assert!(ran > 20, "only {ran} examples");
    }

    #[test]
    fn everything_that_pirun_brings_is_documented() {
        let manual = Manual::new().unwrap();
        let catalog = Catalog::of(&manual.engine);
        let silent: Vec<_> = catalog
            .functions
            .iter()
            .filter(|f| f.ours && f.docs.is_empty())
            .map(|f| f.signature())
            .collect();
        assert!(silent.is_empty(), "{silent:#?}");
    }

    #[test]
    fn a_page_shows_forms_text_and_options() {
        insta::assert_snapshot!(Manual::new().unwrap().page("host.query").unwrap(), @r##"
        host.query(command) -> Output

            Runs a command that only looks, and returns what it printed. It runs in a dry run too: that it changes
            nothing is your promise.

            An array is a command with its arguments, as they are; a string is a shell script. Another exit code than
            0 is an error.

                host.query(["uname", "-m"]).stdout      //=> "aarch64"
                host.query("uname -m").code             //=> 0

        host.query(command, options: map) -> Output

            Runs a command that only looks, as the options say.

                host.query("grep -q missing /etc/fstab", #{ ok_codes: [0, 1] }).ok   //=> false

        options

          ok_codes     a list of whole numbers
                       Exit codes that are no error. Default: `[0]`.
          timeout      a duration such as "10m" or "90s"
                       The command is ended after this time, and that is an error. Default: no limit.
          stdin        a string, bytes or a secret
                       What the command reads from its standard input.
        "##);
    }

    #[test]
    fn a_mistyped_name_gets_a_suggestion() {
        let error = Manual::new().unwrap().page("host.fiel").unwrap_err();
        insta::assert_snapshot!(render(&error), @r"
        the manual has no page for `host.fiel` (usage)
          hint: Did you mean `host.file`?
        ");
    }

    #[test]
    fn no_name_of_pirun_is_reserved_in_rhai() {
        let engine = engine::bare(Resolver::new(Path::new(""), Path::new("")));
        let catalog = Catalog::of(&engine);
        let mut names: Vec<&str> =
            catalog.functions.iter().filter(|f| f.ours).map(|f| f.name.as_str()).collect();
        names.extend(option_lists().flat_map(|list| list.options).map(|option| option.name));
        names.retain(|name| {
            name.starts_with(|c: char| c.is_ascii_alphabetic()) && !name.contains('$')
        });
        for name in names {
            let text = match name {
                // Rhai knows these words and lets everybody call them.
                "print" | "debug" => format!("{name}(1)"),
                _ => format!(
                    "let x = #{{ {name}: 1 }}; x.{name}; x.{name}(); {name}(1); fn {name}(a) {{ a }}"
                ),
            };
            assert!(engine.compile(&text).is_ok(), "{name}: {:?}", engine.compile(&text).err());
        }
    }

    #[test]
    fn definitions_for_editors_speak_of_hosts_and_plain_types() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Manual::new().unwrap().write_definitions(dir.path()).unwrap() > 0);
        let text: String = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
            .collect();
        assert!(
            text.contains("exists")
                && !text.contains("ScriptResult")
                && !text.contains("HostHandle")
        );
    }
}
