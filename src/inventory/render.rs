//! `{{ }}` in variables: rendered once, strictly, in an order in which each finds what it needs.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::resolve::Winner;
use super::vars::is_template;
use super::yaml::{Data, Entry, Node};
use crate::error::Result;

/// Renders a template with a host's variables. Must fail on a variable that is not there.
pub type Render<'a> = &'a dyn Fn(&str, &Map<String, Value>) -> Result<String>;

/// The rendered value of each variable that holds a template.
///
/// A template sees the host's other variables, those that are templates already rendered, and
/// Ansible's `inventory_hostname`, `inventory_hostname_short` and `group_names`.
pub(crate) fn templates<'a>(
    winners: &'a [Winner<'a>],
    host: &str,
    groups: &[String],
    render: Render<'_>,
) -> Result<HashMap<&'a str, Node>> {
    let templates: HashMap<&str, &Winner> = winners
        .iter()
        .filter(|winner| winner.var.template && !winner.var.sealed)
        .map(|winner| (winner.var.name.as_str(), winner))
        .collect();
    if templates.is_empty() {
        return Ok(HashMap::new());
    }
    let mut context = magic(host, groups);
    for winner in winners.iter().filter(|winner| !winner.var.template && !winner.var.sealed) {
        context.insert(winner.var.name.clone(), winner.var.value.to_json());
    }
    let mut run =
        Run { templates, context, seen: HashSet::new(), done: HashMap::new(), host, render };
    for winner in winners {
        run.visit(&winner.var.name)?;
    }
    Ok(run.done)
}

fn magic(host: &str, groups: &[String]) -> Map<String, Value> {
    let short = host.split('.').next().unwrap_or(host);
    let names = [("inventory_hostname", host.into()), ("inventory_hostname_short", short.into())];
    let mut context: Map<String, Value> =
        names.into_iter().map(|(name, value): (&str, Value)| (name.to_owned(), value)).collect();
    context.insert("group_names".into(), groups.into());
    context
}

struct Run<'a, 'r> {
    templates: HashMap<&'a str, &'a Winner<'a>>,
    context: Map<String, Value>,
    seen: HashSet<&'a str>,
    done: HashMap<&'a str, Node>,
    host: &'r str,
    render: Render<'r>,
}

impl<'a> Run<'a, '_> {
    /// Renders a variable after those that its text mentions. In a circle the first one finds the
    /// other missing, which is the error it should be.
    fn visit(&mut self, name: &str) -> Result<()> {
        let Some(&winner) = self.templates.get(name) else { return Ok(()) };
        let var = winner.var;
        if !self.seen.insert(var.name.as_str()) {
            return Ok(());
        }
        let mut mentioned = Vec::new();
        mentions(&var.value, &mut mentioned);
        for other in &mentioned {
            self.visit(other)?;
        }
        let rendered = self.node(&var.value).map_err(|error| {
            let circle = mentioned.iter().find(|&&other| {
                self.templates.contains_key(other) && !self.done.contains_key(other)
            });
            let error = error.on_host(self.host);
            match circle {
                Some(other) if *other == name => error.hint(format!("`{name}` refers to itself.")),
                Some(other) => error.hint(format!("`{name}` and `{other}` refer to each other.")),
                None => error,
            }
        })?;
        self.context.insert(var.name.clone(), rendered.to_json());
        self.done.insert(var.name.as_str(), rendered);
        Ok(())
    }

    fn node(&self, node: &Node) -> Result<Node> {
        let data = match &node.data {
            Data::Text(text) if is_template(text) => Data::Text(
                (self.render)(text, &self.context).map_err(|error| error.at(node.mark.site()))?,
            ),
            Data::List(items) => {
                Data::List(items.iter().map(|item| self.node(item)).collect::<Result<_>>()?)
            }
            Data::Map(entries) => {
                let rendered = entries.iter().map(|entry| {
                    let (key, key_mark) = (entry.key.clone(), entry.key_mark.clone());
                    Ok(Entry { key, key_mark, value: self.node(&entry.value)? })
                });
                Data::Map(rendered.collect::<Result<_>>()?)
            }
            other => other.clone(),
        };
        Ok(Node { mark: node.mark.clone(), data })
    }
}

/// The words of all templates in a value: more than the variables they use, never fewer.
fn mentions<'a>(node: &'a Node, words: &mut Vec<&'a str>) {
    match &node.data {
        Data::Text(text) if is_template(text) => {
            words.extend(
                text.split(|c: char| !(c.is_alphanumeric() || c == '_'))
                    .filter(|word| !word.is_empty()),
            );
        }
        Data::List(items) => items.iter().for_each(|item| mentions(item, words)),
        Data::Map(entries) => entries.iter().for_each(|entry| mentions(&entry.value, words)),
        _ => {}
    }
}
