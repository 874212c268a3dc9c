//! What answers U-Boot in the system (`stdlib/image`), in real Alpine userland on real cards.

use std::path::Path;

use pirun_lab::{ByteOrder, Lab, Node, Result};

/// Where they belong, as `image.rhai` lays them out.
const FILES: [(&str, &str); 8] = [
    ("usr/sbin/pirun-slot", SLOT),
    ("usr/sbin/pirun-first-boot", include_str!("../stdlib/image/pirun-first-boot")),
    ("usr/sbin/pirun-clock", include_str!("../stdlib/image/pirun-clock")),
    ("usr/sbin/pirun-fill", include_str!("../stdlib/image/pirun-fill")),
    ("etc/periodic/15min/pirun-clock", include_str!("../stdlib/image/pirun-clock.periodic")),
    ("etc/init.d/pirun-boot", include_str!("../stdlib/image/pirun-boot.initd")),
    ("etc/init.d/pirun-clock", include_str!("../stdlib/image/pirun-clock.initd")),
    ("etc/init.d/pirun-first-boot", include_str!("../stdlib/image/pirun-first-boot.initd")),
];
const SLOT: &str = include_str!("../stdlib/image/pirun-slot");
const WATCHDOG: &str = include_str!("../stdlib/image/pirun-watchdog.initd");

/// A card node with pirun's boot files on both slots in place of raspi-alpine's, booted anew from slot A.
fn start(lab: &Lab, order: ByteOrder, trial_seconds: u32) -> Result<Node> {
    let node = lab.node("rpi40").crc_order(order).card()?;
    node.sh("mount -o remount,rw /")?;
    install(&node, "/", "v1", trial_seconds)?;
    node.sh("sync; mount -o remount,ro /; mount /dev/mmcblk0p3 /mnt")?;
    install(&node, "/mnt/", "v2", trial_seconds)?;
    node.sh("umount /mnt")?;
    reboot(&node)?;
    Ok(node)
}

fn install(node: &Node, root: &str, image: &str, trial_seconds: u32) -> Result<()> {
    node.inside(|| {
        let root = Path::new(root);
        let write = |path: &str, text: &str, mode: u32| -> Result<()> {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().expect("a parent"))?;
            std::fs::write(&path, text)?;
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            Ok(std::fs::set_permissions(&path, mode)?)
        };
        for (path, text) in FILES {
            write(path, text, 0o755)?;
        }
        write("etc/pirun/image", &format!("{image}\n"), 0o644)?;
        write("etc/conf.d/pirun-boot", &format!("trial_seconds={trial_seconds}\n"), 0o644)?;
        write("boot/vmlinuz-rpi", "a kernel\n", 0o644)?;
        std::fs::remove_file(root.join("etc/local.d/99-uboot.start"))?;
        for service in ["pirun-clock", "pirun-first-boot", "pirun-boot"] {
            let link = root.join("etc/runlevels/boot").join(service);
            std::os::unix::fs::symlink(format!("/etc/init.d/{service}"), link)?;
        }
        Ok(std::fs::remove_file(root.join("etc/runlevels/boot/osclock"))?)
    })
}

/// By force: what counts here is what the card holds.
fn reboot(node: &Node) -> Result<()> {
    let boots = node.boots();
    let _ = node.sh("sync; reboot -f");
    node.wait_rebooted(boots)
}

/// The values that `pirun-slot status` prints for those names.
fn status(node: &Node, names: &[&str]) -> Result<String> {
    let printed = node.sh("pirun-slot status")?;
    let value = |name: &&str| {
        let line = printed.lines().find_map(|line| line.strip_prefix(*name)?.strip_prefix('='));
        line.unwrap_or("-").to_owned()
    };
    Ok(names.iter().map(value).collect::<Vec<_>>().join(" "))
}

/// Waits for boots that nobody here asked for.
fn wait_boots(node: &Node, boots: u32) -> Result<()> {
    while node.boots() < boots {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    node.wait_up()
}

fn record(node: &Node) -> Result<Vec<u8>> {
    node.read("/uboot/uboot.dat")
}

#[test]
fn a_confirmed_image_stays_however_often_it_boots() -> Result<()> {
    let lab = Lab::start()?;
    let node = start(&lab, ByteOrder::Little, 600)?;
    for _ in 0..3 {
        // The first image that ever ran here is what the card was written with.
        assert_eq!(status(&node, &["running", "image", "state"])?, "A v1 confirmed");
        assert_eq!(status(&node, &["record", "crc", "counter", "next"])?, "ok little 0 A");
        reboot(&node)?;
    }
    node.sh("grep -q ' /uboot ext4 ro' /proc/mounts && ! ls /uboot | grep new")?;
    Ok(())
}

#[test]
fn an_armed_slot_has_one_boot_to_prove_itself() -> Result<()> {
    let lab = Lab::start()?;
    let node = start(&lab, ByteOrder::Little, 600)?;
    node.sh("pirun-slot arm other")?;
    assert_eq!(status(&node, &["running", "counter", "next"])?, "A 1 B");
    // Taken back, and armed again.
    node.sh("pirun-slot arm A")?;
    assert_eq!(status(&node, &["running", "counter", "next"])?, "A 0 A");
    node.sh("pirun-slot arm B")?;
    reboot(&node)?;
    assert_eq!(status(&node, &["running", "image", "state", "counter"])?, "B v2 trial 2");
    reboot(&node)?;
    assert_eq!(status(&node, &["running", "state", "counter", "next"])?, "A confirmed 0 A");
    Ok(())
}

#[test]
fn a_confirmed_trial_stays_and_what_was_before_remains_good() -> Result<()> {
    let lab = Lab::start()?;
    let node = start(&lab, ByteOrder::Big, 600)?;
    node.sh("pirun-slot arm B")?;
    reboot(&node)?;
    node.sh("pirun-slot confirm")?;
    reboot(&node)?;
    assert_eq!(status(&node, &["running", "state", "crc", "counter"])?, "B confirmed big 0");
    assert_eq!(node.read("/data/pirun/confirmed")?, b"v2\nv1\n");
    // Now the slot breaks. Both have proven themselves, so there is no trial on the way back.
    node.sh("pirun-slot arm A && pirun-slot arm B && dd if=/dev/zero of=/dev/mmcblk0p3 bs=1M count=8 2>/dev/null")?;
    node.power_cut()?;
    node.power_on()?;
    node.wait_up()?;
    assert_eq!(status(&node, &["running", "state", "next"])?, "A confirmed A");
    Ok(())
}

#[test]
fn an_image_that_is_not_confirmed_in_time_goes_back() -> Result<()> {
    let lab = Lab::start()?;
    let node = start(&lab, ByteOrder::Little, 3)?;
    let boots = node.boots();
    node.sh("pirun-slot arm B; sync")?;
    let _ = node.sh("reboot -f");
    wait_boots(&node, boots + 2)?;
    let names = ["running", "state", "counter", "next", "failed"];
    assert_eq!(status(&node, &names)?, "A confirmed 0 A v2");
    // Nobody vouches for the image that it went back to either: it stays all the same, and does not return to the bad one.
    node.sh("echo other > /data/pirun/confirmed")?;
    reboot(&node)?;
    assert_eq!(status(&node, &names)?, "A refuge 0 A v2");
    node.sh("! pgrep -f '[p]irun-slot trial'")?;
    Ok(())
}

#[test]
fn what_cannot_be_done_is_said_and_changes_nothing() -> Result<()> {
    let lab = Lab::start()?;
    let node = start(&lab, ByteOrder::Little, 600)?;
    let before = record(&node)?;
    let refused = |script: &str| -> Result<String> {
        let output = node.exec(["sh", "-c", script])?;
        assert!(!output.status.success(), "{script}");
        assert_eq!(record(&node)?, before, "{script}");
        node.sh("grep -q ' /uboot ext4 ro' /proc/mounts && ! ls /uboot | grep new")?;
        Ok(String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for script in ["pirun-slot", "pirun-slot arm", "pirun-slot confirm now", "pirun-slot reset"] {
        assert!(refused(script)?.contains("usage") || refused(script)?.contains("no arguments"));
    }
    assert!(refused("pirun-slot arm C")?.contains("arm A, B or other, not C"));
    node.sh("mount /dev/mmcblk0p3 /mnt && rm /mnt/boot/vmlinuz-rpi && umount /mnt")?;
    assert!(refused("pirun-slot arm B")?.contains("slot B has no kernel"));
    // A full boot partition.
    node.sh("mount -o remount,rw /uboot && for size in 64k 1k; do dd if=/dev/zero bs=$size 2>/dev/null >> /uboot/full; done; sync; mount -o remount,ro /uboot")?;
    assert!(refused("pirun-slot confirm")?.contains("cannot write /uboot/uboot.dat"));
    Ok(())
}

#[test]
fn the_record_is_written_as_the_boot_loader_reads_it() -> Result<()> {
    let lab = Lab::start()?;
    let node = lab.node("rpi40").card()?;
    node.sh("until rc-service -q local status; do usleep 20000; done; mount -o remount,rw / && mkdir /etc/pirun && echo v1 > /etc/pirun/image")?;
    node.inside(|| Ok(std::fs::write("/root/pirun-slot", SLOT)?))?;
    node.sh("mount -o remount,rw /uboot")?;
    // Bytes without a meaning are kept, in either order; damage and absence give U-Boot's defaults.
    let mut found = vec![0xa5; 1024];
    found[..3].copy_from_slice(&[1, 2, 3]);
    let crc = crc32fast::hash(&found[..1020]);
    let with = |bytes: &[u8], crc: [u8; 4]| [&bytes[..1020], &crc].concat();
    for (before, order, kept) in [
        (with(&found, crc.to_le_bytes()), "little", true),
        (with(&found, crc.to_be_bytes()), "big", true),
        (with(&found, [0; 4]), "little", false),
        (found[..700].to_vec(), "little", false),
        (Vec::new(), "little", false),
    ] {
        node.inside(|| Ok(std::fs::write("/uboot/uboot.dat", &before)?))?;
        let shown = node.sh("sh /root/pirun-slot show")?;
        let state = if kept { "ok" } else { "damaged" };
        let (counter, next) = if kept { (2, "B") } else { (0, "A") };
        assert_eq!(shown, format!("record={state}\ncrc={order}\ncounter={counter}\nnext={next}\n"));

        node.sh("sh /root/pirun-slot confirm")?;
        let mut wanted = if kept { found.clone() } else { vec![0; 1024] };
        wanted[..3].copy_from_slice(&[1, 0, 2]);
        let crc = crc32fast::hash(&wanted[..1020]);
        let crc = if order == "big" { crc.to_be_bytes() } else { crc.to_le_bytes() };
        assert_eq!(record(&node)?, with(&wanted, crc), "{order} {kept}");
    }
    // It was writable before, so it is after.
    node.sh("grep -q ' /uboot ext4 rw' /proc/mounts && rm /uboot/uboot.dat && umount /uboot")?;
    node.sh("sh /root/pirun-slot confirm && ! mountpoint -q /uboot && mount /uboot && sh /root/pirun-slot show | grep -q record=ok")?;
    Ok(())
}

#[test]
fn what_is_the_nodes_own_is_made_once() -> Result<()> {
    let lab = Lab::start()?;
    let node = start(&lab, ByteOrder::Little, 600)?;
    let own = "cd /data/etc; cat machine-id iscsi/initiatorname.iscsi; sha256sum dropbear/dropbear_ed25519_host_key";
    let first = node.sh(own)?;
    let lines: Vec<_> = first.lines().collect();
    assert!(
        lines[0].len() == 32 && lines[0].bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{first}"
    );
    assert_eq!(lines[1].len(), "InitiatorName=iqn.2016-04.com.open-iscsi:".len() + 12, "{first}");
    // What is there stays; what is missing comes, also after a cut that left half a file.
    node.sh("cd /data/etc; rm dropbear/dropbear_ed25519_host_key; echo half > dropbear/dropbear_ed25519_host_key.new; pirun-first-boot")?;
    let second = node.sh(own)?;
    assert_eq!(second.lines().take(2).collect::<Vec<_>>(), lines[..2]);
    assert_ne!(second.lines().nth(2), Some(lines[2]));
    node.sh("cd /data/etc/dropbear; dropbearkey -y -f dropbear_ed25519_host_key && [ $(stat -c %a dropbear_ed25519_host_key) = 600 ] && ! ls | grep new")?;
    bound_directories_are_filled_and_shared(&node)?;
    // The image's defaults, where the data partition has nothing.
    node.sh(
        "mount -o remount,rw /; d=/usr/share/pirun/data; mkdir -p $d/root/.ssh $d/etc; chmod 700 $d/root/.ssh; \
         echo UTC > $d/etc/timezone; echo ssh-key > $d/root/.ssh/authorized_keys; ln -s /usr/share/zoneinfo/UTC $d/etc/localtime; \
         echo default > $d/etc/hostname; rm -r /data/etc/timezone /data/root/.ssh; pirun-first-boot",
    )?;
    let found = node.sh("cd /data; cat etc/timezone root/.ssh/authorized_keys etc/hostname; readlink etc/localtime; stat -c %a root/.ssh")?;
    assert_eq!(found, "UTC\nssh-key\nrpi40\n/usr/share/zoneinfo/UTC\n700\n");
    Ok(())
}

#[test]
fn the_watchdog_is_fed_from_the_beginning() -> Result<()> {
    let lab = Lab::start()?;
    let node = lab.card_node("rpi40")?;
    node.sh("mount -o remount,rw /")?;
    node.inside(|| Ok(std::fs::write("/etc/init.d/pirun-watchdog", WATCHDOG)?))?;
    node.sh("chmod 755 /etc/init.d/pirun-watchdog")?;
    let output = node.exec(["rc-service", "pirun-watchdog", "start"])?;
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("a hang will not be noticed"), "{text}");
    // Nothing that resets the machine, but a device that takes what is written.
    node.sh("echo watchdog_device=/dev/null > /etc/conf.d/pirun-watchdog; rc-service pirun-watchdog start")?;
    assert_eq!(
        node.sh("tr '\\0' ' ' < /proc/$(cat /run/pirun-watchdog.pid)/cmdline")?,
        "/sbin/watchdog -F -T 15 -t 5 /dev/null "
    );
    node.sh("rc-service pirun-watchdog stop && ! pidof watchdog")?;
    Ok(())
}

fn bound_directories_are_filled_and_shared(node: &Node) -> Result<()> {
    let service = include_str!("../stdlib/image/pirun-binds.initd");
    node.sh("mount -o remount,rw /; mkdir -p /srv/shared /srv/plain; echo new > /srv/plain/file; mkdir -p /etc/pirun")?;
    node.inside(|| Ok(std::fs::write("/etc/init.d/pirun-binds", service)?))?;
    node.sh(
        "chmod 755 /etc/init.d/pirun-binds; printf '/srv/shared rshared\\n/srv/plain\\n' > /etc/pirun/binds; \
         mount -o remount,ro /; rc-service pirun-binds start",
    )?;
    let mounts = node.sh("grep ' /srv/' /proc/self/mountinfo; cat /data/srv/plain/file")?;
    let lines: Vec<_> = mounts.lines().collect();
    assert!(lines[0].contains(" /srv/shared ") && lines[0].contains(" shared:"), "{mounts}");
    assert!(lines[1].contains(" /srv/plain ") && !lines[1].contains(" shared:"), "{mounts}");
    assert_eq!(lines[2..], ["new"]);
    Ok(())
}
