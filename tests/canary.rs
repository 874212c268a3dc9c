//! Secrets in every position of a playbook: afterwards they are on the node in files that only root reads, and
//! nowhere else, in no encoding.

mod common;

use std::io::{BufRead as _, Write as _};
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{Cluster, said};

const CANARY: &str = "canary-7Qx9/Zp+\"quoted\" and 'single' $HOME %41";

const PLAY: &str = r##"
let canary = vault("canary");
on(hosts("all"), |host| {
    host.file("/data/secret", #{ content: canary });
    host.template("/data/templated", "secret.j2", #{ vars: #{ canary: canary } });
    host.run("cat >/dev/null; sleep 2", #{ stdin: canary });
    host.run("(head -c 9 /data/secret; sleep 1; tail -c +10 /data/secret; echo; base64 -w 20 /data/secret) | tee /dev/stderr");
    print(canary);
    log(canary);
    let caught = attempt(|| `${canary}`);
    host.run("cat; cat >&2 </data/secret; exit 3", #{ stdin: canary });
});
"##;

/// What the canary may look like on its way out.
fn forms() -> Vec<String> {
    let mut forms = vec![CANARY.to_owned(), CANARY.replace('\'', r"'\''")];
    for pad in ["", "x", "xx"] {
        // The middle of the encoding does not depend on what stands before and behind.
        let encoded = STANDARD.encode(format!("{pad}{CANARY}"));
        forms.push(encoded[8..encoded.len() - 8].to_owned());
    }
    forms.push(CANARY.bytes().map(|byte| format!("{byte:02x}")).collect());
    forms.push(serde_json::to_string(CANARY).expect("JSON").trim_matches('"').to_owned());
    forms
}

fn assert_clean(what: &str, text: &str) {
    for form in forms() {
        assert!(!text.contains(&form), "{what} shows the canary as {form}:\n{text}");
    }
}

fn set_canary(cluster: &Cluster) {
    let mut set = cluster
        .command(&["vault", "set", "canary"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("pirun starts");
    set.stdin.take().expect("a pipe").write_all(CANARY.as_bytes()).expect("written");
    assert!(set.wait().expect("ended").success());
}

#[test]
fn no_secret_leaves_in_any_encoding() {
    let cluster = Cluster::start(&["rpi40"]);
    set_canary(&cluster);
    cluster.write("secret.j2", "plain {{ canary }}\nencoded {{ canary | b64encode }}\n");
    cluster.write("play.rhai", PLAY);

    for flags in [&["-vvv", "--diff", "--json"][..], &["-vvv", "--diff"]] {
        let run = cluster.spawn(&[&["play.rhai"], flags].concat());
        let node = cluster.node("rpi40");
        common::eventually("the command reads its stdin", || node.sh("pgrep -f 'sleep 2'").is_ok());
        let visible = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' ' '";
        assert_clean("the node's processes", &node.sh(visible).expect("read"));
        assert_clean("this machine's processes", &processes_here());
        let said = said(run.wait_with_output().expect("ended")).code(1);
        assert!(said.all().contains("<secret:canary>"), "{}", said.all());
        assert_clean("stdout", &said.stdout);
        assert_clean("stderr", &said.stderr);
    }
    assert_clean("the state directory", &tree(&cluster.path(".pirun")));
    let log = tree(&cluster.path(".pirun/logs"));
    assert!(log.matches("rpi40  | <secret:canary>\n").count() >= 4, "the output was told:\n{log}");
    let node = cluster.node("rpi40");
    assert_eq!(node.read("/data/secret").expect("readable"), CANARY.as_bytes());
    assert_eq!(node.sh("stat -c %a /data/secret /data/templated").expect("stat"), "600\n600\n");
    let readable = node
        .sh("find /data /run /tmp /var/log -type f -perm +044 -print0 | xargs -0 cat")
        .expect("read");
    assert_clean("a file that others can read", &readable);
}

#[test]
fn exec_shows_lines_as_they_come_and_no_secret_in_them() {
    let cluster = Cluster::start(&["rpi40"]);
    set_canary(&cluster);
    let script = "printf 'canary-7Qx9/'; sleep 1; cat; echo; while [ ! -e /tmp/go ]; do sleep 0.1; done; echo done";
    let quoted = CANARY.strip_prefix("canary-7Qx9/").expect("its start").replace('\'', r"'\''");
    let script = script.replace("cat;", &format!("printf %s '{quoted}';"));
    let mut exec = cluster.spawn(&["exec", "rpi40", "--", &script]);
    let mut lines = std::io::BufReader::new(exec.stdout.take().expect("a pipe")).lines();
    let mut next = || lines.next().expect("a line").expect("text");
    assert_eq!(next(), "rpi40  <secret:canary>");
    cluster.node("rpi40").sh("touch /tmp/go").expect("touched");
    assert_eq!(next(), "rpi40  done");
    said(exec.wait_with_output().expect("ended")).ok();
}

#[test]
fn what_a_run_starts_does_not_inherit_the_password_of_the_vault() {
    let cluster = Cluster::start(&["rpi40"]);
    // OpenSSH hands its own environment on to whatever the user's configuration lets it start.
    let seen = cluster.path("seen");
    let config = format!("{}/.ssh/config", cluster.home().display());
    let key = std::fs::read_to_string(&config).expect("readable");
    let program = format!("Match exec \"env >{}\"\n", seen.display());
    std::fs::write(&config, key + program.as_str()).expect("written");
    let play = "on(hosts(\"all\"), |host| { host.query(\"true\"); });\n\
                print(local_query([\"env\"]).stdout);\n";
    let run = cluster.play(play, &[]).ok();
    let seen = std::fs::read_to_string(&seen).expect("the program has run");
    for (what, text) in [("local_query", &run.stdout), ("ssh", &seen)] {
        assert!(text.contains("HOME="), "{what} has no environment at all:\n{text}");
        assert!(!text.contains(common::PASSWORD), "{what} knows the password:\n{text}");
    }
}

/// Arguments and environments of this machine's processes, without this test's own.
fn processes_here() -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        for file in ["cmdline", "environ"] {
            // Processes end while they are looked at.
            let bytes = std::fs::read(entry.path().join(file)).unwrap_or_default();
            text += String::from_utf8_lossy(&bytes).replace('\0', " ").as_str();
        }
    }
    text
}

/// All that is in the files below a directory.
fn tree(dir: &std::path::Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(dir).expect("readable").flatten() {
        let path = entry.path();
        if path.is_dir() {
            text += tree(&path).as_str();
        } else {
            text += String::from_utf8_lossy(&std::fs::read(&path).expect("readable")).as_ref();
        }
    }
    text
}
