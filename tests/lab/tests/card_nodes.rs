//! Card nodes: a card with two slots, a boot loader that counts, and power that can really fail.

use std::fs::{self, File};

use pirun_lab::{ByteOrder, Lab, Node, Result};

/// The slot the node runs from, as its kernel's command line tells.
fn slot(node: &Node) -> Result<String> {
    node.sh("sed 's/.*root=//' /proc/cmdline").map(|text| text.trim().to_owned())
}

fn reboot(node: &Node) -> Result<()> {
    let boots = node.boots();
    // Whoever asks is killed by it.
    let _ = node.sh("reboot -f");
    node.wait_rebooted(boots)
}

/// Waits until the system has told the boot loader that it is well.
fn wait_confirmed(node: &Node) -> Result<()> {
    node.sh("while [ $(uboot_tool counter) != 0 ] || grep -q ' /uboot ext4 rw' /proc/mounts; do usleep 20000; done").map(drop)
}

#[test]
fn a_card_node_boots_from_its_card_and_answers_ssh() -> Result<()> {
    let lab = Lab::start()?;
    let node = lab.card_node("rpi40")?;
    let output = lab
        .ssh(&node)
        .arg("hostname; mount | grep -cE '^/dev/mmcblk0p[124] on (/|/uboot|/data) '")
        .output()?;
    assert_eq!(String::from_utf8_lossy(&output.stdout), "rpi40\n3\n", "{output:?}");
    assert_eq!(slot(&node)?, "/dev/mmcblk0p2");
    assert!(node.sh("touch /etc/mark").is_err());
    node.sh("mount -o remount,rw / && touch /etc/mark && mount -o remount,ro / && mount | grep 'on / type ext4 (ro'")?;
    Ok(())
}

#[test]
fn an_orderly_reboot_keeps_everything_and_poweroff_ends_it() -> Result<()> {
    let lab = Lab::start()?;
    let node = lab.card_node("rpi40")?;
    node.sh("echo kept > /data/mark")?;
    let boots = node.boots();
    node.sh("reboot")?;
    node.wait_rebooted(boots)?;
    assert_eq!(node.read("/data/mark")?, b"kept\n");
    node.power_off()?;
    assert!(!node.is_on());
    node.power_on()?;
    node.wait_up()?;
    assert_eq!(node.read("/data/mark")?, b"kept\n");
    Ok(())
}

#[test]
fn a_power_cut_loses_what_was_not_synced() -> Result<()> {
    let lab = Lab::start()?;
    let node = lab.card_node("rpi40")?;
    node.sh("echo safe > /data/synced && fsync /data/synced /data && sync")?;
    let mut lost = false;
    // A `sync` of any other node on this machine, at the wrong moment, writes it after all.
    for _ in 0..10 {
        node.sh("echo lost > /data/unsynced")?;
        node.power_cut()?;
        node.power_on()?;
        node.wait_up()?;
        assert_eq!(node.read("/data/synced")?, b"safe\n");
        lost = node.sh("cat /data/unsynced 2>/dev/null; rm -f /data/unsynced; sync")?.is_empty();
        wait_confirmed(&node)?;
        if lost {
            break;
        }
    }
    assert!(lost, "what was not synced survived ten power cuts");
    assert_eq!(slot(&node)?, "/dev/mmcblk0p2");
    Ok(())
}

#[test]
fn an_upgrade_written_to_the_other_slot_is_booted() -> Result<()> {
    let lab = Lab::start()?;
    let node = lab.card_node("rpi40")?;
    let image =
        lab.slot_image("new", |root| Ok(fs::write(root.join("etc/image-version"), "2\n")?))?;
    let write = lab
        .ssh(&node)
        .arg("cat > /dev/mmcblk0p3 && mount -o remount,rw /uboot && uboot_tool part_switch")
        .stdin(File::open(&image)?)
        .status()?;
    assert!(write.success());
    reboot(&node)?;
    assert_eq!(slot(&node)?, "/dev/mmcblk0p3");
    assert_eq!(node.read("/etc/image-version")?, b"2\n");
    wait_confirmed(&node)?;
    // Confirmed: it stays there however often it is booted.
    for _ in 0..3 {
        reboot(&node)?;
        wait_confirmed(&node)?;
    }
    assert_eq!(slot(&node)?, "/dev/mmcblk0p3");
    Ok(())
}

#[test]
fn a_broken_slot_falls_back() -> Result<()> {
    let lab = Lab::start()?;
    let node = lab.card_node("rpi40")?;
    wait_confirmed(&node)?;
    let boots = node.boots();
    node.sh("head -c 8000000 /dev/urandom > /dev/mmcblk0p3")?;
    node.sh("mount -o remount,rw /uboot && uboot_tool part_switch && sync")?;
    // Whoever asks is killed by it.
    let _ = node.sh("reboot -f");
    node.wait_rebooted(boots)?;
    assert_eq!(slot(&node)?, "/dev/mmcblk0p2");
    // Twice in vain, and then back.
    assert_eq!(node.boots(), boots + 3, "{}", node.console());
    Ok(())
}

#[test]
fn a_slot_that_is_never_confirmed_falls_back() -> Result<()> {
    let lab = Lab::start()?;
    let node = lab.card_node("rpi40")?;
    let image = lab
        .slot_image("sick", |root| Ok(fs::remove_file(root.join("etc/local.d/99-uboot.start"))?))?;
    let write = lab
        .ssh(&node)
        .arg("cat > /dev/mmcblk0p3 && mount -o remount,rw /uboot && uboot_tool part_switch")
        .stdin(File::open(&image)?)
        .status()?;
    assert!(write.success());
    let mut slots = Vec::new();
    for _ in 0..3 {
        reboot(&node)?;
        slots.push(slot(&node)?);
    }
    assert_eq!(slots, ["/dev/mmcblk0p3", "/dev/mmcblk0p3", "/dev/mmcblk0p2"]);
    Ok(())
}

#[test]
fn the_boot_record_is_read_in_the_boot_loaders_byte_order() -> Result<()> {
    let lab = Lab::start()?;
    for (name, order) in [("rpi40", ByteOrder::Little), ("rpi41", ByteOrder::Big)] {
        let node = lab.node(name).crc_order(order).card()?;
        wait_confirmed(&node)?;
        node.sh("mount -o remount,rw /uboot && uboot_tool part_switch && sync && mount -o remount,ro /uboot")?;
        reboot(&node)?;
        assert_eq!(slot(&node)?, "/dev/mmcblk0p3", "{order:?}");
    }
    Ok(())
}

#[test]
fn a_card_is_gone_with_its_lab() -> Result<()> {
    let lab = Lab::start()?;
    let node = lab.card_node("rpi40")?;
    let number = node.sh("stat -c %t:%T /dev/mmcblk0")?;
    let minor = u32::from_str_radix(number.trim().split_once(':').unwrap_or_default().1, 16)?;
    let size = format!("/sys/block/loop{minor}/size");
    assert_ne!(fs::read_to_string(&size)?, "0\n");
    drop((node, lab));
    // The kernel takes it away with its last user, and says so to nobody.
    for _ in 0..3000 {
        if fs::read_to_string(&size).map_or(true, |size| size == "0\n") {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("loop{minor} is still there");
}
