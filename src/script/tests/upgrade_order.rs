//! The order in which `ab` upgrades a cluster, and the steps of k3s that it refuses.

use insta::assert_snapshot;

use crate::script::testing::Stage;

/// Says the order for an image with `to`, of nodes whose server and agents have these versions.
fn order(server: &str, agents: &str, to: &str) -> String {
    let script = format!(
        r#"
        import "ab" as ab;
        let look = |name, k3s| #{{ ok: true, host: host(name), value: #{{ k3s: k3s, image: "old" }} }};
        let looks = [look.call("rpi40", "{server}"), look.call("rpi41", "{agents}"), look.call("rpi42", "{agents}")];
        let names = ab::order(looks, #{{ id: "new", k3s: "{to}" }}).map(|host| host.name);
        print(join(names, " "));
        "#
    );
    let said = Stage::default().prints(&script);
    // Places in the library are not what is asked here.
    let lines = said.lines().filter(|line| !line.starts_with("  in "));
    lines
        .map(|line| {
            line.split_once("rhai:")
                .map_or(line, |(_, rest)| rest.split_once(": ").map_or(rest, |(_, text)| text))
        })
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn servers_go_first_when_k3s_rises_and_agents_when_it_stays() {
    assert_snapshot!(order("1.33.4-r0", "1.33.4-r0", "1.34.2-r0"), @"rpi40 rpi41 rpi42");
    assert_snapshot!(order("1.34.1-r0", "1.34.1-r0", "1.34.2-r0"), @"rpi41 rpi42 rpi40");
    // The server is there already, and only agents lag behind.
    assert_snapshot!(order("1.34.2-r0", "1.33.4-r0", "1.34.2-r0"), @"rpi41 rpi42 rpi40");
    // Nodes whose package database knows of no k3s, such as raspi-alpine's.
    assert_snapshot!(order("", "", "1.34.2-r0"), @"rpi40 rpi41 rpi42");
}

#[test]
fn steps_that_kubernetes_does_not_support_are_refused_with_a_way() {
    assert_snapshot!(order("1.32.9-r0", "1.32.9-r0", "1.34.2-r0"), @r"
    rpi40 has k3s 1.32.9-r0, and the image 1.34.2-r0: Kubernetes takes one minor version at a time (playbook)
      hint: Upgrade to an image with k3s 1.33 first: an older branch of Alpine has it (build_image.rhai --alpine).
    ");
    assert_snapshot!(order("1.34.2-r0", "1.34.2-r0", "1.33.4-r0"), @r"
    rpi40 has k3s 1.34.2-r0, and the image only 1.33.4-r0: an older one may not understand its datastore (playbook)
      hint: `pirun upgrade_image.rhai --rollback` goes back to the image before.
    ");
}
