//! Fast nodes: a system that has booted, on a read-only root, reached by SSH.

use std::collections::BTreeSet;
use std::process::Command;

use pirun_lab::{Lab, Node, Result};

/// What a successful command printed.
fn printed(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{complaint}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn a_fast_node_answers_ssh() -> Result<()> {
    let lab = Lab::start()?;
    let node = lab.fast_node("rpi40")?;
    let text = printed(lab.ssh(&node).arg("hostname; cat /etc/alpine-release"))?;
    assert!(text.starts_with("rpi40\n3.23."), "{text}");
    Ok(())
}

#[test]
fn nodes_started_together_are_each_their_own() -> Result<()> {
    let lab = Lab::start()?;
    let nodes = lab.fast_nodes(&["rpi40", "rpi41", "rpi42"])?;
    let addresses: BTreeSet<_> = nodes.iter().map(Node::address).collect();
    let keys: BTreeSet<_> = nodes.iter().map(Node::public_host_key).collect();
    assert_eq!((addresses.len(), keys.len()), (3, 3));
    for node in &nodes {
        assert_eq!(printed(lab.ssh(node).arg("hostname"))?, format!("{}\n", node.name()));
    }
    Ok(())
}

#[test]
fn two_labs_with_the_same_names_do_not_meet() -> Result<()> {
    let labs = [Lab::start()?, Lab::start()?];
    let nodes = [labs[0].fast_node("rpi40")?, labs[1].fast_node("rpi40")?];
    assert_eq!(nodes[0].address(), nodes[1].address());
    assert_ne!(nodes[0].host_key(), nodes[1].host_key());
    nodes[0].sh("echo first > /data/mark")?;
    assert_eq!(
        printed(labs[1].ssh(&nodes[1]).arg("ls /data/mark 2>/dev/null || echo none"))?,
        "none\n"
    );
    Ok(())
}

#[test]
fn the_root_is_read_only_until_it_is_remounted() -> Result<()> {
    let lab = Lab::start()?;
    let node = lab.fast_node("rpi40")?;
    assert!(node.sh("touch /etc/mark").is_err());
    node.sh("mount -o remount,rw / && touch /etc/mark && mount -o remount,ro /")?;
    assert!(node.sh("rm /etc/mark").is_err());
    assert!(node.root().join("etc/mark").exists());
    Ok(())
}

#[test]
fn remounting_root_ro_fails_while_a_file_is_open() -> Result<()> {
    let lab = Lab::start()?;
    let node = lab.fast_node("rpi40")?;
    let script = "mount -o remount,rw / && exec 9>/etc/open && ! mount -o remount,ro / && exec 9>&- && mount -o remount,ro /";
    node.sh(script)?;
    Ok(())
}

#[test]
fn what_outlives_an_upgrade_is_linked_to_data() -> Result<()> {
    let lab = Lab::start()?;
    let node = lab.fast_node("rpi40")?;
    for name in [
        "hostname",
        "timezone",
        "localtime",
        "shadow",
        "resolv.conf",
        "dropbear",
        "network/interfaces",
        "conf.d/k3s",
        "rancher",
    ] {
        let target = node.sh(&format!("readlink /etc/{name}"))?;
        assert_eq!(target.trim_end(), format!("/data/etc/{name}"));
    }
    assert_eq!(node.read("/etc/hostname")?, b"rpi40\n");
    node.sh("touch /root/mark /var/lib/mark /var/log/mark && ls /data/root/mark /data/var/lib/mark /data/var/log/mark")?;
    Ok(())
}

#[test]
fn the_seed_layout_has_k3s_options_on_the_root() -> Result<()> {
    let lab = Lab::start()?;
    let node = lab.node("rpi40").seed_layout().fast()?;
    assert_eq!(
        node.sh("test -L /etc/conf.d/k3s || cat /etc/conf.d/k3s")?,
        node.sh("cat /data/etc/conf.d/k3s")?
    );
    assert!(node.sh("echo >> /etc/conf.d/k3s").is_err());
    Ok(())
}

#[test]
fn openrc_knows_what_runs() -> Result<()> {
    let lab = Lab::start()?;
    let node = lab.fast_node("rpi40")?;
    for service in ["dropbear", "syslog", "networking", "hostname", "local"] {
        assert!(node.sh(&format!("rc-service {service} status"))?.contains("started"), "{service}");
    }
    assert!(node.sh("rc-service rpcbind status").is_err());
    node.sh("rc-service rpcbind start && rc-service rpcbind status && rc-service rpcbind stop")?;
    node.sh("mount -o remount,rw / && rc-update add rpcbind default && mount -o remount,ro /")?;
    assert!(node.sh("rc-update show default")?.contains("rpcbind"));
    node.sh("rc-service dropbear restart")?;
    assert_eq!(printed(lab.ssh(&node).arg("echo still here"))?, "still here\n");
    Ok(())
}

#[test]
fn k3s_gets_its_arguments_from_its_configuration() -> Result<()> {
    let lab = Lab::start()?;
    let node = lab.fast_node("rpi40")?;
    node.sh(r#"printf 'K3S_EXEC="server"\nK3S_OPTS="--node-name rpi40 --node-label disk=ssd"\n' > /etc/conf.d/k3s"#)?;
    node.sh("rc-service k3s start && rc-service k3s status")?;
    node.sh("while ! nc -z 127.0.0.1 6443; do usleep 10000; done")?;
    let log = String::from_utf8(node.read("/var/log/k3s.log")?)?;
    let arguments: Vec<_> =
        log.lines().filter_map(|line| line.strip_prefix("argument: ")).collect();
    assert_eq!(arguments, ["server", "--node-name", "rpi40", "--node-label", "disk=ssd"]);
    node.sh("rc-service k3s stop && ! nc -z 127.0.0.1 6443")?;
    Ok(())
}

#[test]
fn kubectl_answers_what_a_test_prepared() -> Result<()> {
    let lab = Lab::start()?;
    let node = lab.fast_node("rpi40")?;
    assert_eq!(node.sh("k3s kubectl get pods")?, "");
    node.sh("mkdir -p /data/lab/kubectl; echo ready > '/data/lab/kubectl/get nodes'; echo no > /data/lab/kubectl/drain; echo 1 > /data/lab/kubectl/drain.exit")?;
    assert_eq!(node.sh("k3s kubectl get nodes -o wide")?, "ready\n");
    assert!(node.sh("k3s kubectl drain rpi40").is_err());
    assert!(
        String::from_utf8(node.read("/var/log/kubectl.log")?)?
            .ends_with("get nodes -o wide\ndrain rpi40\n")
    );
    Ok(())
}

#[test]
fn a_node_without_a_key_asks_for_a_password() -> Result<()> {
    let lab = Lab::start()?;
    let node = lab.node("rpi40").without_key().fast()?;
    let output = lab.ssh(&node).args(["-o", "BatchMode=yes"]).arg("true").output()?;
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("Permission denied (publickey,password)"),
        "{output:?}"
    );
    Ok(())
}

#[test]
fn there_is_no_sftp_and_a_limit_on_logins_at_a_time() -> Result<()> {
    let lab = Lab::start()?;
    let node = lab.fast_node("rpi40")?;
    assert!(!lab.ssh(&node).args(["-s", "sftp"]).output()?.status.success());
    // Connections that never log in: dropbear keeps a few of them and closes the others at once.
    let kept = lab.hub().run(|| {
        let mut open = Vec::new();
        for _ in 0..12 {
            let mut stream = std::net::TcpStream::connect((node.address(), 22))?;
            let greeted =
                std::io::Read::read(&mut stream, &mut [0; 1]).is_ok_and(|length| length == 1);
            open.push((stream, greeted));
        }
        Ok(open.iter().filter(|(_, greeted)| *greeted).count())
    })?;
    assert!((1..12).contains(&kept), "{kept} of 12");
    Ok(())
}

#[test]
fn processes_are_counted_and_looking_is_not() -> Result<()> {
    let lab = Lab::start()?;
    let node = lab.fast_node("rpi40")?;
    let before = node.process_count()?;
    assert_eq!(node.process_count()?, before);
    node.sh("/bin/true; /bin/true; /bin/true")?;
    // The shell, and three of its own: ash replaces itself by none of them when others follow.
    let started = node.process_count()? - before;
    assert!((3..=4).contains(&started), "{started}");
    Ok(())
}

#[test]
fn cpu_time_of_a_node_is_its_own() -> Result<()> {
    let lab = Lab::start()?;
    let nodes = lab.fast_nodes(&["rpi40", "rpi41"])?;
    let idle = nodes[1].cpu_time()?;
    assert!(
        lab.ssh(&nodes[0])
            .arg("i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done")
            .status()?
            .success()
    );
    assert!(nodes[0].cpu_time()? > nodes[0].cpu_time()? / 2);
    assert!(nodes[1].cpu_time()? - idle < nodes[0].cpu_time()?);
    Ok(())
}

#[test]
fn a_reboot_brings_it_back_with_its_data() -> Result<()> {
    let lab = Lab::start()?;
    let node = lab.fast_node("rpi40")?;
    node.sh("echo kept > /data/mark; echo gone > /run/mark")?;
    let boots = node.boots();
    node.sh("reboot -f")?;
    node.wait_rebooted(boots)?;
    assert_eq!(
        printed(lab.ssh(&node).arg("cat /data/mark /run/mark 2>/dev/null; true"))?,
        "kept\n"
    );
    Ok(())
}

#[test]
fn power_can_be_cut_and_given_back() -> Result<()> {
    let lab = Lab::start()?;
    let node = lab.fast_node("rpi40")?;
    node.power_cut()?;
    assert!(!node.is_on() && !node.root().exists() && node.sh("true").is_err());
    node.power_on()?;
    node.wait_up()?;
    assert_eq!(printed(lab.ssh(&node).arg("hostname"))?, "rpi40\n");
    node.power_off()?;
    assert!(!node.is_on());
    Ok(())
}

#[test]
fn the_inventory_names_all_nodes() -> Result<()> {
    let lab = Lab::start()?;
    lab.fast_nodes(&["rpi40", "rpi41"])?;
    let text = lab.inventory();
    let (server, agents) = text.split_once("agent:").unwrap_or_default();
    assert!(
        server.contains("rpi40:\n          ansible_host: 10.99.1.") && agents.contains("rpi41:"),
        "{text}"
    );
    Ok(())
}

#[test]
fn a_small_data_partition_can_be_filled() -> Result<()> {
    let lab = Lab::start()?;
    let node = lab.node("rpi40").data_mib(4).fast()?;
    let output = node.exec(["dd", "if=/dev/zero", "of=/data/big", "bs=64k"])?;
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("No space left on device"),
        "{output:?}"
    );
    let boots = node.boots();
    node.sh("reboot -f")?;
    node.wait_rebooted(boots)?;
    assert!(node.sh("echo more > /data/more").is_err());
    Ok(())
}
