//! The playbook that the README tells people to type does what the README says.

mod common;

use common::Cluster;

/// The text of the README's code block in this language that contains `word`.
fn block(language: &str, word: &str) -> String {
    let readme = std::fs::read_to_string("README.md").expect("a README");
    let fence = format!("```{language}\n");
    let blocks = readme.split(&fence).skip(1).filter_map(|rest| rest.split("```").next());
    blocks.into_iter().find(|block| block.contains(word)).expect("such a block").to_owned()
}

/// Lines without what is different each time: seconds, and the blanks before them.
fn lasting(text: &str) -> Vec<String> {
    let lasting = |line: &str| match line.strip_suffix(" s").and_then(|line| line.rsplit_once(' '))
    {
        Some((front, seconds)) if seconds.parse::<f64>().is_ok() => front.trim_end().to_owned(),
        _ => line.to_owned(),
    };
    text.lines().filter(|line| !line.starts_with("log: ")).map(lasting).collect()
}

#[test]
fn the_playbook_of_the_readme_works_as_typed() {
    let cluster = Cluster::start(&["rpi40", "rpi41", "rpi42"]);
    cluster.write("playbooks/greeting.rhai", &block("rhai", "Greet whoever logs in"));
    let session = block("console", "pirun greeting.rhai");
    let (command, printed) = session.split_once('\n').expect("a command and what it prints");
    let args: Vec<&str> = command.trim_start_matches("$ pirun ").split(' ').collect();

    cluster.pirun(&["check", "--strict", "greeting.rhai"]).ok();
    let said = cluster.pirun(&args).ok();
    assert_eq!(lasting(&said.stdout), lasting(printed));
    cluster.pirun(&[&args[..], &["--assert-unchanged"]].concat()).ok();

    let motd = cluster.node("rpi41").sh("cat /etc/motd").expect("a greeting");
    assert!(motd.ends_with("This is rpi41. Ask Grace.\n"), "{motd}");
    assert!(cluster.node("rpi42").sh("rc-service rpcbind status").is_ok());
    assert!(!cluster.node("rpi40").sh("cat /etc/motd").expect("a greeting").contains("This is"));
}
