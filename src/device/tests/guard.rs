//! The guard on machines of all kinds.

use std::path::Path;

use super::super::testing::{ATA, MMC, Machine, NVME, USB};
use crate::device::*;

/// A card in a USB reader.
fn card() -> Machine {
    Machine::new()
        .disk("sdc", USB, 32)
        .set("sdc", "device/vendor", "Generic ")
        .set("sdc", "device/model", "MassStorage\u{1b}[2J")
        .part("sdc", "sdc1", 1)
        .part("sdc", "sdc2", 20)
}

/// Names of the objections, and the words for the first.
fn verdict(machine: &Machine, device: &str) -> String {
    let disk = match machine.system().disk(Path::new(device)) {
        Ok(disk) => disk,
        Err(error) => return format!("error: {}", error.message()),
    };
    let found = objections(&disk, Some(5_000_000_000));
    match found.first() {
        None => "ok".to_owned(),
        Some(first) => {
            let names: Vec<&str> = found.iter().map(|o| o.reason.name()).collect();
            format!("{}: {}", names.join(" "), first.text)
        }
    }
}

#[test]
fn machines_of_all_kinds() {
    let table: Vec<(&str, Machine, &str)> = vec![
        ("a card in a USB reader", card(), "/dev/sdc"),
        ("a card that a desktop mounted", card().mount("sdc1", "/media/me/BOOT\\040A"), "/dev/sdc"),
        ("two mounts of one partition", card().mount("sdc1", "/a").mount("sdc1", "/b"), "/dev/sdc"),
        ("a partition of it", card(), "/dev/sdc1"),
        ("a reader without a card", Machine::new().disk("sdc", USB, 0), "/dev/sdc"),
        ("the lock switch", card().set("sdc", "ro", "1"), "/dev/sdc"),
        ("a small card", Machine::new().disk("sdc", USB, 4), "/dev/sdc"),
        (
            "a USB disk",
            Machine::new().disk("sdc", USB, 2000).set("sdc", "removable", "0"),
            "/dev/sdc",
        ),
        ("an internal card slot", Machine::new().disk("mmcblk0", MMC, 32), "/dev/mmcblk0"),
        (
            "a laptop that runs from eMMC",
            Machine::new()
                .disk("mmcblk0", MMC, 64)
                .part("mmcblk0", "mmcblk0p2", 60)
                .mount("mmcblk0p2", "/"),
            "/dev/mmcblk0",
        ),
        (
            "a machine's only disk",
            Machine::new().disk("sda", ATA, 500).part("sda", "sda2", 490).mount("sda2", "/"),
            "/dev/sda",
        ),
        ("a second disk", Machine::new().disk("sdb", ATA, 128), "/dev/sdb"),
        (
            "a machine that runs from a USB stick",
            card().mount("sdc2", "/").mount("sdc1", "/boot/firmware"),
            "/dev/sdc",
        ),
        ("/home on a USB disk", card().mount("sdc2", "/home"), "/dev/sdc"),
        ("/usr on its own", card().mount("sdc2", "/usr"), "/dev/sdc"),
        ("a swap partition", card().swap("/dev/sdc2"), "/dev/sdc"),
        ("a swap file", card().mount("sdc2", "/mnt/stick").swap("/mnt/stick/swapfile"), "/dev/sdc"),
        (
            "a root in LVM in LUKS",
            Machine::new()
                .disk("nvme0n1", NVME, 512)
                .part("nvme0n1", "nvme0n1p2", 500)
                .holder("nvme0n1p2", "dm-0", Some("crypt"))
                .holder("dm-0", "dm-1", Some("vg-root"))
                .mount("dm-1", "/"),
            "/dev/nvme0n1",
        ),
        (
            "a swap in LVM",
            card().holder("sdc2", "dm-1", Some("vg-swap")).swap("/dev/mapper/vg-swap"),
            "/dev/sdc",
        ),
        ("a RAID that runs", card().holder("sdc2", "md0", None), "/dev/sdc"),
        ("a RAID that does not run", card().udev("sdc2", "linux_raid_member", "box:0"), "/dev/sdc"),
        (
            "an LVM member, without udev",
            card().content("sdc", &[(512 + 24, b"LVM2 001")]),
            "/dev/sdc",
        ),
        ("LUKS on the whole stick", card().content("sdc", &[(0, b"LUKS\xba\xbe")]), "/dev/sdc"),
        ("a bcache", card().udev("sdc1", "bcache", ""), "/dev/sdc"),
        (
            "ZFS that is mounted",
            card().udev("sdc2", "zfs_member", "tank").mount_of("zfs", "tank/home", "/home"),
            "/dev/sdc",
        ),
        (
            "ZFS that is not",
            card().content("sdc", &[((128 << 10) + 1024, &0x00ba_b10c_u64.to_le_bytes())]),
            "/dev/sdc",
        ),
        (
            "btrfs, which hides its number",
            card().mount_of("btrfs", "/dev/sdc2", "/var"),
            "/dev/sdc",
        ),
        (
            "a mapper name as the source",
            card().holder("sdc2", "dm-0", Some("x")).mount_of("btrfs", "/dev/mapper/x", "/"),
            "/dev/sdc",
        ),
        ("a device that is not there", card(), "/dev/sdd"),
        (
            "a file",
            {
                let machine = card();
                machine.write("home/me/sdcard.img", "x");
                machine
            },
            "/home/me/sdcard.img",
        ),
    ];
    let shown: String = table
        .iter()
        .map(|(what, machine, device)| format!("{what}: {}\n", verdict(machine, device)))
        .collect();
    insta::assert_snapshot!(shown, @r"
        a card in a USB reader: ok
        a card that a desktop mounted: mounted: sdc1 is mounted at /media/me/BOOT A
        two mounts of one partition: mounted mounted: sdc1 is mounted at /a
        a partition of it: partition: sdc1 is a partition of /dev/sdc
        a reader without a card: no-medium: there is no card in it
        the lock switch: read-only: it is read-only
        a small card: too-small: it has 4.0 GB, the image needs 5.0 GB
        a USB disk: too-large: it has 2.0 TB, more than a card
        an internal card slot: ok
        a laptop that runs from eMMC: holds-system: mmcblk0p2 holds this machine's /
        a machine's only disk: holds-system not-removable too-large: sda2 holds this machine's /
        a second disk: not-removable: it is built in (ata)
        a machine that runs from a USB stick: holds-system holds-system: sdc2 holds this machine's /
        /home on a USB disk: holds-system: sdc2 holds this machine's /home
        /usr on its own: holds-system: sdc2 holds this machine's /usr
        a swap partition: swap: sdc2 is swap space
        a swap file: swap mounted: sdc2 has the swap space /mnt/stick/swapfile
        a root in LVM in LUKS: holds-system in-use in-use not-removable too-large: dm-1 holds this machine's /
        a swap in LVM: swap in-use: dm-1 has the swap space /dev/mapper/vg-swap
        a RAID that runs: in-use: sdc2 is part of md0
        a RAID that does not run: raid-member: sdc2 belongs to a RAID
        an LVM member, without udev: lvm-member: sdc belongs to an LVM volume group
        LUKS on the whole stick: encrypted: sdc is encrypted
        a bcache: bcache-member: sdc1 belongs to a bcache
        ZFS that is mounted: holds-system zfs-member: sdc holds this machine's /home
        ZFS that is not: zfs-member: sdc belongs to a ZFS pool
        btrfs, which hides its number: holds-system: sdc2 holds this machine's /var
        a mapper name as the source: holds-system in-use: dm-0 holds this machine's /
        a device that is not there: error: there is no device /dev/sdd
        a file: error: /home/me/sdcard.img is not a block device
        ");
}

#[test]
fn what_is_forced_by_name_is_permitted_and_nothing_else() {
    let machine = card().mount("sdc1", "/media/x").udev("sdc2", "crypto_LUKS", "");
    let disk = machine.system().disk(Path::new("/dev/sdc")).unwrap();
    let found = objections(&disk, None);
    assert!(permit(&disk, &found, &[Reason::Mounted]).is_err());
    assert!(permit(&disk, &found, &[Reason::Mounted, Reason::Encrypted]).is_ok());
}

#[test]
fn some_reasons_cannot_be_forced() {
    let machine = card()
        .set("sdc", "ro", "1")
        .mount("sdc1", "/")
        .swap("/dev/sdc2")
        .holder("sdc2", "md0", None);
    let disk = machine.system().disk(Path::new("/dev/sdc1")).unwrap();
    let disk = Disk { size: 300_000_000_000, ..disk };
    let found = objections(&disk, Some(400_000_000_000));
    let error = permit(&disk, &found, &Reason::ALL).unwrap_err();
    insta::assert_snapshot!(format!("{}\n{}\n{}", error.message(), error.explanation().unwrap(), error.hints().join("\n")), @r"
        /dev/sdc (Generic MassStorage\x1b[2J 300.0 GB) is refused for 6 reasons
        partition: sdc1 is a partition of /dev/sdc
        read-only: it is read-only
        too-small: it has 300.0 GB, the image needs 400.0 GB
        holds-system: sdc1 holds this machine's /
        swap: sdc2 is swap space
        in-use: sdc2 is part of md0
        Name the whole disk: an image has a partition table of its own.
        Cards have a lock switch at their side; adapters too.
        Take a larger card, or build a smaller image.
        This machine runs from it: pirun never writes to such a disk.
        Switch the swap space off first: `swapoff DEVICE`.
        Stop what is made of it first: `vgchange -an`, `mdadm --stop`, `cryptsetup close`.
        `pirun devices` shows the disks that can be written.
        ");
}

#[test]
fn a_refusal_says_how_to_insist() {
    let machine = Machine::new().disk("sdb", ATA, 500).udev("sdb", "zfs_member", "");
    let disk = machine.system().disk(Path::new("/dev/sdb")).unwrap();
    let error = permit(&disk, &objections(&disk, None), &[]).unwrap_err();
    insta::assert_snapshot!(format!("{}\n{}\n{}", error.message(), error.explanation().unwrap(), error.hints().join("\n")), @r"
        /dev/sdb (ATA disk 500.0 GB) is refused for 3 reasons
        zfs-member: sdb belongs to a ZFS pool
        not-removable: it is built in (ata)
        too-large: it has 500.0 GB, more than a card
        If it is the right disk all the same: `--force zfs-member,not-removable,too-large`.
        `pirun devices` shows the disks that can be written.
        ");
}

#[test]
fn a_mistyped_reason_gets_a_suggestion() {
    let error = "not-removeable".parse::<Reason>().unwrap_err();
    insta::assert_snapshot!(format!("{}\n{}", error.message(), error.hints().join("\n")), @r"
        there is no reason `not-removeable` to force
        Did you mean `not-removable`?
        What can be forced: mounted, lvm-member, raid-member, encrypted, zfs-member, bcache-member, not-removable, too-large.
        ");
    assert!("holds-system".parse::<Reason>().is_ok());
}

#[test]
fn links_lead_to_the_disk_and_tell_its_serial() {
    let machine = card();
    machine.write("sys/devices/pci0000:00/0000:00:14.0/usb1/1-2/idVendor", "05e3\n");
    machine.write("sys/devices/pci0000:00/0000:00:14.0/usb1/1-2/serial", "0000001208\n");
    machine.write("dev/disk/by-id/.keep", "");
    let system = machine.system();
    std::os::unix::fs::symlink("../../sdc", system.path("dev/disk/by-id/usb-Generic")).unwrap();
    let disk = system.disk(Path::new("/dev/disk/by-id/usb-Generic")).unwrap();
    assert_eq!((&*disk.name, disk.serial.as_deref()), ("sdc", Some("0000001208")));
    assert_eq!(disk.title(), "Generic MassStorage\\x1b[2J 32.0 GB");
}

#[test]
fn only_disks_are_listed_that_could_be_a_card() {
    let names =
        ["sda", "sr0", "zram0", "ram1", "mmcblk0", "mmcblk0boot0", "loop3", "dm-0", "md127"];
    let machine = names.iter().fold(Machine::new(), |m, name| m.disk(name, name, 8));
    let machine = machine.disk("loop4", "virtual/block/loop4", 0);
    let listed: Vec<String> =
        machine.system().disks().unwrap().into_iter().map(|disk| disk.name).collect();
    assert_eq!(listed, ["sda", "loop3", "mmcblk0"]);
}

#[test]
fn knows_file_systems_by_their_marks() {
    let probe_of = |marks: &[(usize, &[u8])]| {
        let machine = Machine::new().disk("sdc", USB, 1).content("sdc", marks);
        let disk = machine.system().disk(Path::new("/dev/sdc")).unwrap();
        disk.signature.map(|found| format!("{} {}", found.kind, found.label.unwrap_or_default()))
    };
    let ext = |features: u32| features.to_le_bytes();
    assert_eq!(probe_of(&[]), None);
    assert_eq!(probe_of(&[(82, b"FAT32   "), (71, b"BOOT       ")]).as_deref(), Some("vfat BOOT"));
    assert_eq!(
        probe_of(&[(1080, b"\x53\xef"), (1120, &ext(0x242)), (1144, b"data\0junk")]).as_deref(),
        Some("ext4 data")
    );
    assert_eq!(probe_of(&[(1080, b"\x53\xef"), (1116, &ext(4))]).as_deref(), Some("ext3 "));
    assert_eq!(probe_of(&[(4086, b"SWAPSPACE2")]).as_deref(), Some("swap "));
}
