//! The parts of a run that need no host: how long each takes inside the process. A run's start is engine + inventory;
//! templates and diffs come once a verb and host.

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use minijinja::context;
use pirun::diff;
use pirun::inventory::Inventory;
use pirun::remote::quote::{sh_bytes, sh_quote};
use pirun::script::engine;
use pirun::script::resolver::Resolver;
use pirun::template::Templates;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn scripts(c: &mut Criterion) {
    let playbook = root().join("playbooks/provision.rhai");
    let new = || engine::bare(Resolver::new(&playbook, root()));
    c.bench_function("engine start", |b| b.iter(new));
    let ready = new();
    c.bench_function("compile provision.rhai", |b| {
        b.iter(|| engine::load(&ready, &playbook, "provision.rhai").map(|playbook| playbook.ast));
    });
}

fn inventories(c: &mut Criterion) {
    let mut yaml = "all:\n  vars:\n    ansible_user: root\n    labels: { disk: ssd, zone: \"{{ inventory_hostname }}\" }\n  children:\n    server:\n      hosts:\n        n0:\n    agent:\n      hosts:\n".to_owned();
    for number in 1..1000 {
        let _ = writeln!(
            yaml,
            "        n{number}: {{ ansible_host: 10.0.{}.{} }}",
            number / 250,
            number % 250 + 1
        );
    }
    let load = || Inventory::from_yaml("inventory.yaml", &yaml);
    c.bench_function("inventory of 1000 hosts", |b| b.iter(load));
    let Ok(inventory) = load() else { return };
    c.bench_function("select agent:!n5* of 1000", |b| b.iter(|| inventory.select("agent:!n5*")));
}

fn templates(c: &mut Criterion) {
    let templates = Templates::new([root().join("playbooks/templates")]);
    let vars = context! { exec => "agent", options => ["--node-name", "rpi41", "--server", "https://rpi40:6443"] };
    c.bench_function("render k3s_confd.j2", |b| {
        b.iter(|| templates.render("k3s_confd.j2", black_box(&vars)))
    });
}

fn diffs(c: &mut Criterion) {
    let file: String = (0..300).fold(String::new(), |text, line| {
        text + format!("node.session.setting[{line}] = {line}\n").as_str()
    });
    let changed = file.replace("= 17\n", "= 18\n").replace("= 250\n", "");
    c.bench_function("diff of 12 KiB, two lines changed", |b| {
        b.iter(|| diff::unified(black_box(&file), &changed))
    });
    c.bench_function("diff of 12 KiB, new file", |b| {
        b.iter(|| diff::unified("", black_box(&file)))
    });
}

fn quoting(c: &mut Criterion) {
    let text = "it's a line with 'quotes' and $dollars\n".repeat(300);
    c.bench_function("quote 12 KiB of text", |b| b.iter(|| sh_quote(black_box(&text))));
    let bytes: Vec<u8> = (0..12_288_u32).map(|n| n.to_le_bytes()[0]).collect();
    c.bench_function("quote 12 KiB of bytes", |b| b.iter(|| sh_bytes(black_box(&bytes))));
}

criterion_group!(parts, scripts, inventories, templates, diffs, quoting);
criterion_main!(parts);
