//! The copy of a server's datastore that an older k3s can go back to (`stdlib/image/pirun-datastore`), in real Alpine userland.

mod common;

use common::CUT;
use pirun_lab::{Lab, Node, Result};

const SCRIPT: &str = include_str!("../stdlib/image/pirun-datastore");
const DB: &str = "/var/lib/rancher/k3s/server/db";

/// A node of two images that takes turns by a file, and a datastore of files that say who wrote them.
fn start(lab: &Lab) -> Result<Node> {
    let node = lab.fast_node("rpi40")?;
    node.sh(&format!("mkdir -p /data/pirun {DB} && mount -o remount,rw / && mkdir -p /etc/pirun"))?;
    write(&node, "/usr/sbin/pirun-datastore", SCRIPT)?;
    node.sh("chmod 755 /usr/sbin/pirun-datastore")?;
    Ok(node)
}

fn write(node: &Node, path: &str, text: &str) -> Result<()> {
    node.inside(|| Ok(std::fs::write(path, text)?))
}

fn boot(node: &Node, image: &str) -> Result<String> {
    write(node, "/etc/pirun/image", &format!("{image}\n"))?;
    node.sh("pirun-datastore booted 2>&1")
}

/// A datastore as `who` has left it, with a log that was not merged yet.
fn database(node: &Node, who: &str) -> Result<()> {
    write(node, &format!("{DB}/state.db"), &format!("{who}\n"))?;
    write(node, &format!("{DB}/state.db-wal"), &format!("log of {who}\n"))?;
    write(node, &format!("{DB}/state.db-shm"), "index\n")
}

fn files(node: &Node, dir: &str) -> Result<String> {
    node.sh(&format!("cd {dir} && for f in *; do echo \"$f: $(cat $f)\"; done"))
}

/// What an upgrade of a server does up to its trial: a copy of the old k3s' datastore, then the new one's writes.
fn upgrade(node: &Node) -> Result<()> {
    node.sh("rm -rf /data/pirun/*")?;
    boot(node, "old")?;
    database(node, "old")?;
    node.sh("pirun-datastore keep")?;
    boot(node, "new")?;
    database(node, "new")
}

#[test]
fn a_trial_that_goes_back_finds_the_older_datastore_and_says_what_is_lost() -> Result<()> {
    let lab = Lab::start()?;
    let node = start(&lab)?;
    upgrade(&node)?;
    let said = boot(&node, "old")?;
    assert!(said.contains("the datastore of k3s"), "{said}");
    assert!(
        said.contains("lost: all writes since then, kept in /data/pirun/datastore.newer"),
        "{said}"
    );
    assert_eq!(files(&node, DB)?, "state.db: old\nstate.db-wal: log of old\n");
    let newer = files(&node, "/data/pirun/datastore.newer")?;
    assert_eq!(newer, "state.db: new\nstate.db-shm: index\nstate.db-wal: log of new\n");
    // What the older k3s writes from now on stays.
    database(&node, "later")?;
    assert_eq!(boot(&node, "old")?, "");
    assert_eq!(node.sh(&format!("cat {DB}/state.db"))?, "later\n");
    Ok(())
}

#[test]
fn nothing_is_put_back_where_the_new_image_never_ran_or_was_confirmed() -> Result<()> {
    let lab = Lab::start()?;
    let node = start(&lab)?;
    // Armed, but the slot has no kernel: the old image boots again.
    node.sh("rm -rf /data/pirun/*")?;
    boot(&node, "old")?;
    database(&node, "old")?;
    node.sh("pirun-datastore keep")?;
    database(&node, "later")?;
    assert_eq!(boot(&node, "old")?, "");
    assert_eq!(node.sh(&format!("cat {DB}/state.db"))?, "later\n");

    upgrade(&node)?;
    node.sh("rm /data/pirun/datastore/trial")?; // as confirming does
    assert_eq!(boot(&node, "old")?, "");
    assert_eq!(node.sh(&format!("cat {DB}/state.db"))?, "new\n");
    // Asked for, it is put back all the same.
    node.sh("pirun-datastore return")?;
    assert!(boot(&node, "old")?.contains("lost"));
    assert_eq!(node.sh(&format!("cat {DB}/state.db"))?, "old\n");
    Ok(())
}

#[test]
fn a_power_cut_at_any_step_loses_neither_datastore() -> Result<()> {
    let lab = Lab::start()?;
    let node = start(&lab)?;
    write(&node, "/data/cut.sh", &format!("{CUT}sync() {{ step; }}\n{SCRIPT}"))?;
    let mut cuts = 0;
    for cut in 1.. {
        upgrade(&node)?;
        write(&node, "/etc/pirun/image", "old\n")?;
        let ended =
            node.sh(&format!("CUT={cut} sh /data/cut.sh booted 2>/dev/null && echo whole || :"))?;
        if ended.trim() == "whole" {
            break;
        }
        cuts += 1;
        boot(&node, "old")?;
        assert_eq!(files(&node, DB)?, "state.db: old\nstate.db-wal: log of old\n", "cut {cut}");
        let newer = files(&node, "/data/pirun/datastore.newer")?;
        assert_eq!(
            newer, "state.db: new\nstate.db-shm: index\nstate.db-wal: log of new\n",
            "cut {cut}"
        );
        assert_eq!(boot(&node, "old")?, "", "cut {cut}");
    }
    assert!(cuts >= 12, "only {cuts} steps were cut");
    Ok(())
}

#[test]
fn a_copy_is_whole_or_the_one_before_it_stays() -> Result<()> {
    let lab = Lab::start()?;
    let node = start(&lab)?;
    write(&node, "/data/cut.sh", &format!("{CUT}sync() {{ step; }}\n{SCRIPT}"))?;
    for cut in 1.. {
        node.sh("rm -rf /data/pirun/*")?;
        boot(&node, "old")?;
        database(&node, "old")?;
        let ended =
            node.sh(&format!("CUT={cut} sh /data/cut.sh keep 2>/dev/null && echo whole || :"))?;
        let kept = node.sh("cat /data/pirun/datastore/state.db /data/pirun/datastore/state.db-wal 2>/dev/null || :")?;
        assert!(matches!(&*kept, "" | "old\nlog of old\n"), "cut {cut}: {kept}");
        if ended.trim() == "whole" {
            assert_eq!(kept, "old\nlog of old\n");
            return Ok(());
        }
    }
    Ok(())
}

#[test]
fn an_agent_has_nothing_to_keep() -> Result<()> {
    let lab = Lab::start()?;
    let node = start(&lab)?;
    node.sh("pirun-datastore keep; pirun-datastore booted; [ -z \"$(ls /data/pirun)\" ]")?;
    Ok(())
}
