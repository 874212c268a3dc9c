//! The manual's examples that need a real node, on one.

mod common;

use std::fmt::Write as _;
use std::fs;

use common::Cluster;

/// The examples marked `rhai,node` in the doc comments of the bindings, each with the file it stands in.
fn examples() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("src/bindings").expect("the bindings") {
        let path = entry.expect("readable").path();
        let text = fs::read_to_string(&path).expect("readable");
        let mut open: Option<String> = None;
        for line in text.lines() {
            let Some(doc) = line.trim_start().strip_prefix("///") else { continue };
            match (doc.trim(), &mut open) {
                ("```rhai,node", None) => open = Some(String::new()),
                ("```", Some(example)) => {
                    found.push((path.display().to_string(), example.clone()));
                    open = None;
                }
                (_, Some(example)) => {
                    let _ = writeln!(example, "{doc}");
                }
                _ => {}
            }
        }
    }
    found
}

/// `expression //=> value` becomes a comparison. The expression may begin on an earlier line.
fn with_checks(example: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in example.lines() {
        let Some((code, value)) = line.split_once("//=>") else {
            lines.push(line.to_owned());
            continue;
        };
        let mut code = code.trim().to_owned();
        while code.matches(['}', ')']).count() > code.matches(['{', '(']).count() {
            code = format!("{}\n{code}", lines.pop().expect("the beginning of the expression"));
        }
        let code = code.trim_end().trim_end_matches(';');
        lines.push(format!(
            "let found = {code}; if found != {} {{ fail(`found ${{found}}`, \"\"); }}",
            value.trim()
        ));
    }
    lines.join("\n")
}

#[test]
fn the_manuals_examples_for_nodes_do_what_they_say() {
    let cluster = Cluster::start(&["rpi40"]);
    let examples = examples();
    assert!(examples.len() >= 8, "{examples:?}");
    for (file, example) in examples {
        let play = format!("on(hosts(\"all\"), |host| {{\n{}\n}});", with_checks(&example));
        let said = cluster.play(&play, &[]);
        assert_eq!(said.code, Some(0), "{file}:\n{example}\n{}", said.all());
    }
}
