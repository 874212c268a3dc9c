//! `{{ }}` in variables.

use insta::assert_snapshot;
use serde_json::{Map, Value, json};

use super::*;
use crate::error::{Error, ErrorKind};

/// Knows `{{ name }}` and nothing else; fails on names that are not there.
fn render(text: &str, vars: &Map<String, Value>) -> Result<String> {
    let mut parts = text.split("{{");
    let mut rendered = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once("}}").unwrap();
        match vars.get(name.trim()) {
            Some(Value::String(text)) => rendered += text,
            Some(value) => rendered += &value.to_string(),
            None => {
                let message = format!("`{}` is undefined", name.trim());
                return Err(Error::new(ErrorKind::Template, message));
            }
        }
        rendered += rest;
    }
    Ok(rendered)
}

fn rendered(text: &str) -> Result<Inventory> {
    let directory = project(&[("inventory.yaml", text)]);
    Inventory::loader(directory.path()).render(&render).load()
}

#[test]
fn templates_are_rendered_once_after_what_they_need() {
    let inventory = rendered(
        "
all:
  vars:
    url: 'https://{{ endpoint }}/'
    endpoint: '{{ ansible_host }}:{{ port }}'
    ansible_host: '{{ inventory_hostname }}.lan'
    port: 6443
    list: [{ deep: '{{ port }}' }]
    literal: !unsafe '{{ port }}'
  hosts:
    rpi40:
",
    )
    .unwrap();
    let host = inventory.host("rpi40").unwrap();
    assert_eq!(host.address, "rpi40.lan");
    assert_eq!(
        Value::Object(host.vars.clone()),
        json!({
            "url": "https://rpi40.lan:6443/",
            "endpoint": "rpi40.lan:6443",
            "ansible_host": "rpi40.lan",
            "port": 6443,
            "list": [{ "deep": "6443" }],
            "literal": "{{ port }}",
        })
    );
    let own_braces =
        rendered("all: { hosts: { rpi40: { a: !unsafe '{{ x }}', b: '{{ a }}' } } }").unwrap();
    assert_eq!(own_braces.host("rpi40").unwrap().vars["b"], "{{ x }}", "rendered once, not twice");
}

#[test]
fn a_template_that_cannot_be_rendered_names_host_and_place() {
    assert_snapshot!(shows(&fails(rendered("all: { hosts: { rpi40: { a: '{{ b }}' } } }"))), @"inventory.yaml:1:29: rpi40: `b` is undefined");
    assert_snapshot!(shows(&fails(rendered("all: { hosts: { rpi40: { a: '{{ b }}', b: '{{ a }}' } } }"))), @"
    inventory.yaml:1:43: rpi40: `a` is undefined
    hint: `b` and `a` refer to each other.
    ");
    assert_snapshot!(shows(&fails(rendered("all: { hosts: { rpi40: { path: '{{ path }}/bin' } } }"))), @"
    inventory.yaml:1:32: rpi40: `path` is undefined
    hint: `path` refers to itself.
    ");
}
