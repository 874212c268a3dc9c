//! `config.txt` and `cmdline.txt` on a node with a card.

mod common;

use common::{Cluster, eventually};
use pirun_lab::Lab;

const PLAY: &str = r#"
on(hosts("all"), |host| {
    host.writable(host.facts.boot_dir, |host| {
        host.config_txt(#{ gpu_mem: 16 });
        host.config_txt(#{ dtoverlay: ["a", "b"] }, #{ section: "pi4" });
        host.kernel_args(#{ quiet: (), cgroup_enable: "memory" });
    });
});
"#;

#[test]
fn changes_the_boot_partition_as_the_dry_run_says_and_only_once() {
    let lab = Lab::start().expect("a lab");
    let node = lab.card_node("rpi40").expect("a node");
    // It remounts the boot partition itself.
    eventually("local has started", || node.sh("rc-service local status").is_ok());
    node.sh("mount -o remount,rw /uboot && echo 'gpu_mem=64' >/uboot/config.txt &&
             echo 'root=/dev/mmcblk0p2 quiet rootwait' >/uboot/cmdline.txt && mount -o remount,ro /uboot")
        .expect("files");
    let cluster = Cluster::around(lab, vec![node]);

    let dry = cluster.play(PLAY, &["--dry-run"]).ok();
    insta::with_settings!({ filters => vec![(r"\d+\.\d s", "0.0 s"), (r"\.pirun/logs/\S+", "LOG")] }, {
        insta::assert_snapshot!(dry.stdout);
    });
    assert_eq!(cluster.node("rpi40").sh("cat /uboot/config.txt").expect("read"), "gpu_mem=64\n");

    let real = cluster.play(PLAY, &["--diff"]).ok();
    let changes =
        |said: &str| said.lines().filter(|l| l.trim_start().starts_with(['+', '-'])).count();
    assert_eq!(changes(&real.stdout), changes(&dry.stdout));
    let now = cluster
        .node("rpi40")
        .sh("cat /uboot/config.txt /uboot/cmdline.txt; grep uboot /proc/mounts");
    insta::assert_snapshot!(now.expect("read"));
    cluster.play(PLAY, &["--assert-unchanged"]).ok();
}
