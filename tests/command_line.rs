//! What a user sees who types `pirun …`, without any node.

use std::path::Path;
use std::process::Command;

use insta::assert_snapshot;

struct Project(tempfile::TempDir);

impl Project {
    fn new() -> Self {
        let project = Self(tempfile::tempdir().expect("a temporary directory"));
        project
            .file("inventory.yaml", "all:\n  hosts:\n    dead1: { address: 127.0.0.1, port: 9 }\n")
    }

    fn file(self, name: &str, text: &str) -> Self {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).expect("a directory");
        std::fs::write(path, text).expect("a file");
        self
    }

    /// Exit code, stdout and stderr of `pirun` with these arguments.
    fn pirun(&self, args: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_pirun"))
            .args(args)
            .current_dir(self.0.path())
            .env_clear()
            .output()
            .expect("pirun runs");
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        let lines = text.lines().filter(|line| !line.starts_with("log: ")).map(str::trim_end);
        format!(
            "{}\ncode {}",
            lines.collect::<Vec<_>>().join("\n").trim(),
            output.status.code().unwrap_or(-1)
        )
    }
}

const HELLO: &str = "//! Says hello.\n\
    let who = param(\"who\", \"world\", \"Whom to greet\");\n\
    let loud = param(\"loud\", true, \"Shout\");\n\
    let times = required_param(\"times\", \"int\", \"How often\");\n\
    let what = arg(0, \"-\");\n\
    print(`hello ${who} ${loud} ${times + 1} ${what}`);\n";

#[test]
fn parameters_are_flags() {
    let project = Project::new().file("playbooks/hello.rhai", HELLO);
    let run = |args: &[&str]| project.pirun(args);
    assert_snapshot!(run(&["hello.rhai", "--times", "2", "x"]), @r"
    hello.rhai · 1 host

    hello world true 3 x
    code 0
    ");
    assert_snapshot!(run(&["-q", "hello", "--no-loud", "-e", "times=7", "--who=you"]), @"code 0");
    assert_snapshot!(run(&["hello"]), @r"
    error: `--times` is missing: How often
    hint: Give it as `--times NUMBER`.
    code 2
    ");
    assert_snapshot!(run(&["hello", "--times", "two"]), @r#"
    error: `--times` must be a whole number, not "two"
    code 2
    "#);
}

#[test]
fn help_lists_the_parameters_of_the_playbook() {
    let project = Project::new().file("hello.rhai", HELLO);
    let help = project.pirun(&["hello.rhai", "-h"]);
    let own = help.split("Flags of every playbook").next().unwrap_or_default();
    assert_snapshot!(own, @r"
    Says hello.

    Usage: pirun hello.rhai [OPTIONS] [ARG1]

    Options:
      -h, --help  Print help (see more with '--help')

    Parameters of this playbook:
          --who <TEXT>      Whom to greet [default: world]
          --loud            Shout [default: true; `--no-loud` for false]
          --times <NUMBER>  How often [required]
      [ARG1]                Default: -
    ");
}

#[test]
fn a_mistyped_name_is_recognised() {
    let project = Project::new().file("playbooks/provision.rhai", "");
    assert_snapshot!(project.pirun(&["provison.rhai"]), @r"
    error: there is no playbook and no command `provison.rhai`
    hint: Did you mean `provision.rhai`?
    code 2
    ");
    assert_snapshot!(project.pirun(&["chekc"]), @r"
    error: there is no playbook and no command `chekc`
    hint: Did you mean `check`?
    code 2
    ");
    assert_snapshot!(project.pirun(&["zzzzzz.rhai"]), @r"
    error: there is no playbook and no command `zzzzzz.rhai`
    hint: The playbooks are provision.rhai.
    code 2
    ");
}

#[test]
fn mistakes_stop_a_run_before_it_begins() {
    let project = Project::new()
        .file("bad.rhai", "print(\"begun\");\non(hosts(\"all\"), |host| host.qurey(\"x\"));\n");
    assert_snapshot!(project.pirun(&["bad.rhai"]), @r#"
    error: there is no method `qurey` [unknown-method]
     --> bad.rhai:2:30
      |
    2 | on(hosts("all"), |host| host.qurey("x"));
      |                              ^^^^^
    hint: Did you mean `query`?
    code 2
    "#);
    assert_snapshot!(project.pirun(&["check"]), @r#"
    error: there is no method `qurey` [unknown-method]
     --> bad.rhai:2:30
      |
    2 | on(hosts("all"), |host| host.qurey("x"));
      |                              ^^^^^
    hint: Did you mean `query`?
    error: 1 error, 0 warnings in 1 playbook
    code 2
    "#);
}

#[test]
fn an_unreachable_host_gives_code_1_and_can_be_resumed() {
    let project = Project::new()
        .file("ping.rhai", "on(hosts(\"all\"), |host| host.query(\"true\"));\nprint(\"done\");");
    assert_snapshot!(project.pirun(&["ping.rhai", "--resume"]), @r"
    error: there is nothing to resume
    hint: The last run brought every host to its end. Run the playbook without `--resume`.
    code 2
    ");
    assert!(project.pirun(&["ping.rhai"]).ends_with("code 1"));
    let failed = std::fs::read_to_string(project.0.path().join(".pirun/failed")).expect("the file");
    assert_eq!(failed, "dead1\n");
    assert!(project.pirun(&["ping.rhai", "--resume"]).ends_with("code 1"));
}

#[test]
fn a_playbook_without_hosts_needs_no_inventory() {
    let project = Project::new().file("plain.rhai", "print(\"fine\"); hosts(\"all\");");
    std::fs::remove_file(project.0.path().join("inventory.yaml")).expect("it was there");
    let output = project.pirun(&["plain.rhai"]);
    assert!(
        output.contains("fine") && output.contains("inventory.yaml") && output.ends_with("code 2"),
        "{output}"
    );
}

#[test]
fn a_new_playbook_passes_the_check() {
    let project = Project::new();
    assert_snapshot!(project.pirun(&["new", "greet"]), @r"
    greet.rhai is there. See what it would do: pirun greet.rhai --dry-run
    code 0
    ");
    assert_snapshot!(project.pirun(&["check"]), @r"
    1 playbook checked, no errors
    code 0
    ");
    assert_snapshot!(project.pirun(&["new", "greet"]), @r#"
    error: greet.rhai is there already
    hint: Choose another name, or remove the file.
    code 2
    "#);
}
