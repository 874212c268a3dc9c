//! Every function, method and property that the engine knows, read from its own metadata. It feeds the
//! did-you-mean of errors, the lint and the manual.

use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use rhai::{Engine, FuncInfo, FuncMetadata};
use serde::Deserialize;

use super::host::HostHandle;

/// Words that Rhai treats as functions without registering them, with how many arguments they take.
const SYNTAX: &[(&str, &[usize])] = &[
    ("print", &[0, 1]),
    ("debug", &[0, 1]),
    ("type_of", &[1]),
    ("Fn", &[1]),
    ("call", &[1, 2, 3, 4, 5, 6]),
    ("curry", &[2, 3, 4, 5, 6]),
    ("is_def_var", &[1]),
    ("is_def_fn", &[2, 3]),
    ("is_shared", &[1]),
];

/// All that a playbook may call.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    pub functions: Vec<Function>,
}

/// One form of a function.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    /// As written in a playbook; a property's name for a getter.
    pub name: String,
    pub kind: Kind,
    pub params: Vec<Parameter>,
    /// The type of the result in the playbook's words; empty for none.
    pub returns: String,
    /// The doc comment without its slashes.
    pub docs: String,
    /// Whether pirun brings it, rather than Rhai.
    pub ours: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Function,
    Getter,
    Setter,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    pub name: String,
    /// In the playbook's words: `string`, `int`, `Host`, …
    pub typ: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    custom_types: Vec<CustomType>,
    #[serde(default)]
    functions: Vec<RawFunction>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CustomType {
    type_name: String,
    display_name: String,
}

impl CustomType {
    /// The Rust name without its path, and what a playbook calls it.
    fn names(&self) -> (&str, &str) {
        (self.type_name.rsplit("::").next().unwrap_or_default(), &self.display_name)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawFunction {
    name: String,
    #[serde(default)]
    params: Vec<RawParameter>,
    #[serde(default)]
    signature: String,
    #[serde(default)]
    return_type: String,
    #[serde(default)]
    doc_comments: Vec<String>,
}

#[derive(Deserialize)]
struct RawParameter {
    name: Option<String>,
    #[serde(rename = "type")]
    typ: Option<String>,
}

impl Catalog {
    /// Reads what `engine` knows. Takes some milliseconds: for errors, lint and the manual only.
    pub fn of(engine: &Engine) -> Self {
        let all = read(engine, true);
        let ours = ours();
        let types: BTreeMap<&str, &str> = all.custom_types.iter().map(CustomType::names).collect();
        let functions = all
            .functions
            .into_iter()
            .map(|raw| {
                let ours = ours.contains(&raw.signature);
                raw.into_function(ours, &types)
            })
            .collect();
        Self { functions }
    }

    /// Names, kinds and numbers of arguments only, and of the types only the host's: all that the lint asks for, in
    /// a tenth of the time. Nothing else is good enough for a person to read.
    pub fn sketch(engine: &Engine) -> Self {
        let hashes = engine.collect_fn_metadata(None, |info| Some(info.metadata.hash), false);
        let ours: HashSet<u64> = hashes.into_iter().collect();
        let one = |info: FuncInfo| Some(sketch(info.metadata, ours.contains(&info.metadata.hash)));
        Self { functions: engine.collect_fn_metadata(None, one, true) }
    }

    /// All forms of the function or method `name`.
    pub fn forms<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Function> {
        self.functions.iter().filter(move |f| f.kind == Kind::Function && f.name == name)
    }

    /// How many arguments `name` may take (a method's receiver counts). Empty: there is no such function.
    pub fn arities(&self, name: &str) -> BTreeSet<usize> {
        let syntax = SYNTAX.iter().filter(|(word, _)| *word == name).flat_map(|(_, n)| *n).copied();
        self.forms(name).map(|f| f.params.len()).chain(syntax).collect()
    }

    /// Names of functions and methods, without operators.
    pub fn names(&self) -> BTreeSet<&str> {
        let words = SYNTAX.iter().map(|(word, _)| *word);
        let functions = self.functions.iter().filter(|f| f.kind == Kind::Function);
        functions.map(|f| f.name.as_str()).filter(|name| is_word(name)).chain(words).collect()
    }

    /// Names of the properties that a value of type `typ` has.
    pub fn properties<'a>(&'a self, typ: &'a str) -> impl Iterator<Item = &'a str> {
        self.functions
            .iter()
            .filter(move |f| f.kind == Kind::Getter && f.receiver() == Some(typ))
            .map(|f| f.name.as_str())
    }

    /// Names of all properties of all types.
    pub fn all_properties(&self) -> BTreeSet<&str> {
        let getters = self.functions.iter().filter(|f| f.kind == Kind::Getter);
        getters.map(|f| f.name.as_str()).collect()
    }
}

impl Function {
    /// The type that it is a method of, if its first parameter is one of pirun's types.
    pub fn receiver(&self) -> Option<&str> {
        self.params.first().map(|first| first.typ.as_str())
    }

    /// Whether a playbook writes `value.name(…)`: its first parameter is a type of pirun's.
    pub fn is_method(&self) -> bool {
        self.receiver().is_some_and(|typ| typ.starts_with(|c: char| c.is_ascii_uppercase()))
    }

    /// `host.query(command: string, options: map) -> Output`, as the manual and errors show it.
    pub fn signature(&self) -> String {
        let show = |p: &Parameter| match p.typ.as_str() {
            "" | "any" => p.name.clone(),
            typ if p.name == typ => typ.to_owned(),
            typ => format!("{}: {typ}", p.name),
        };
        let result = match self.returns.as_str() {
            "" => String::new(),
            typ => format!(" -> {typ}"),
        };
        if self.is_method() && self.kind == Kind::Getter {
            return format!("{}.{}{result}", self.params[0].name, self.name);
        }
        let skip = usize::from(self.is_method());
        let before = if skip == 1 { format!("{}.", self.params[0].name) } else { String::new() };
        let params: Vec<_> = self.params.iter().skip(skip).map(show).collect();
        format!("{before}{}({}){result}", self.name, params.join(", "))
    }
}

fn sketch(about: &FuncMetadata, ours: bool) -> Function {
    let (kind, name) = kind_and_name(&about.name);
    let host = TypeId::of::<HostHandle>();
    let typ = |index: usize| match (about.param_types.get(index), about.params_info.get(index)) {
        (Some(id), _) if *id == host => "Host".to_owned(),
        (_, Some(param)) => plain_type(param.split_once(':').map_or("", |(_, typ)| typ)),
        _ => String::new(),
    };
    let params =
        (0..about.params_info.len()).map(|i| Parameter { name: String::new(), typ: typ(i) });
    let (returns, docs) = (String::new(), String::new());
    Function { name: name.to_owned(), kind, params: params.collect(), returns, docs, ours }
}

/// Rhai calls the getter of `x` `get$x`.
fn kind_and_name(name: &str) -> (Kind, &str) {
    match name.split_once('$') {
        Some(("get", name)) => (Kind::Getter, name),
        Some(("set", name)) => (Kind::Setter, name),
        _ => (Kind::Function, name),
    }
}

impl RawFunction {
    fn into_function(self, ours: bool, types: &BTreeMap<&str, &str>) -> Function {
        let plain = |typ: &str| {
            let typ = plain_type(typ);
            types.get(typ.as_str()).map_or(typ.clone(), |&name| name.to_owned())
        };
        let (kind, name) = kind_and_name(&self.name);
        let params = self.params.into_iter().map(|p| Parameter {
            name: p.name.unwrap_or_else(|| "value".to_owned()).trim_start_matches("r#").to_owned(),
            typ: p.typ.as_deref().map_or_else(|| "any".to_owned(), plain),
        });
        let docs: Vec<_> = self.doc_comments.iter().map(|text| uncomment(text)).collect();
        Function {
            name: name.to_owned(),
            kind,
            params: params.collect(),
            returns: plain(&self.return_type),
            docs: docs.join("\n"),
            ours,
        }
    }
}

fn read(engine: &Engine, with_rhai: bool) -> Metadata {
    // The engine wrote the JSON itself; if it cannot be read, suggestions are missing and nothing else.
    let json = engine.gen_fn_metadata_to_json(with_rhai).unwrap_or_default();
    serde_json::from_str(&json).unwrap_or_default()
}

/// The signatures of everything that pirun brings.
fn ours() -> BTreeSet<String> {
    let mut engine = Engine::new_raw();
    crate::bindings::register(&mut engine);
    read(&engine, false).functions.into_iter().map(|raw| raw.signature).collect()
}

/// A Rust type in the words of a playbook.
pub fn plain_type(rust: &str) -> String {
    let rust = rust.trim().trim_start_matches('&').trim_start_matches("mut ").trim();
    for wrapper in ["ScriptResult", "RhaiResultOf", "Result", "Option"] {
        if let Some(inner) = rust.strip_prefix(wrapper).and_then(|rest| rest.strip_prefix('<')) {
            let inner = inner.strip_suffix('>').unwrap_or(inner);
            return plain_type(inner.split(", Box").next().unwrap_or(inner));
        }
    }
    let name = rust.rsplit("::").next().unwrap_or(rust);
    match name {
        "()" | "" => "",
        "INT" | "i64" | "i32" | "usize" | "u64" => "int",
        "FLOAT" | "f64" | "f32" => "float",
        "bool" => "bool",
        "char" => "char",
        "str" | "String" | "ImmutableString" | "&str" => "string",
        "Dynamic" | "?" | "RhaiResult" => "any",
        "Array" => "array",
        "Blob" => "bytes",
        "Map" => "map",
        "FnPtr" => "closure",
        other => other,
    }
    .to_owned()
}

/// The text of `/// …` and `/** … */` comments.
pub fn uncomment(text: &str) -> String {
    if let Some(block) = text.strip_prefix("/**") {
        return block.trim_end_matches("*/").trim().to_owned();
    }
    let line = |line: &str| {
        let line = line.trim_start().trim_start_matches("///").trim_start_matches("//!");
        line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned()
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn is_word(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic()) && !name.contains('$')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::engine::bare;
    use crate::script::resolver::Resolver;

    /// What the lint asks for, of every function.
    fn asked(catalog: &Catalog) -> BTreeMap<(&str, Kind, usize), [bool; 3]> {
        let mut all = BTreeMap::<_, [bool; 3]>::new();
        for f in &catalog.functions {
            let [ours, method, host] = all.entry((&*f.name, f.kind, f.params.len())).or_default();
            *ours |= f.ours;
            *method |= f.ours && f.is_method();
            *host |= f.receiver() == Some("Host");
        }
        all
    }

    #[test]
    fn the_sketch_says_the_same_as_the_whole() {
        let engine = bare(Resolver::new("a.rhai".as_ref(), ".".as_ref()));
        let (sketch, whole) = (Catalog::sketch(&engine), Catalog::of(&engine));
        assert_eq!(asked(&sketch), asked(&whole));
        assert!(sketch.properties("Host").count() > 3);
    }
}
