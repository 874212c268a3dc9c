//! The board: pirun's own boot script in real U-Boot, and what answers it in the system.

use std::io::Write as _;

use pirun_lab::{Board, BoardOptions, BootPartition, MinimalCard, MinimalRoot, Result};

const BOOT_SCRIPT: &str = include_str!("../../../stdlib/image/boot.cmd");
const TOOLS: [(&str, &str); 2] = [
    ("usr/sbin/pirun-slot", include_str!("../../../stdlib/image/pirun-slot")),
    ("usr/sbin/pirun-clock", include_str!("../../../stdlib/image/pirun-clock")),
];

fn root(image: &str) -> MinimalRoot {
    let files = TOOLS.map(|(path, text)| (path.to_owned(), 0o755, text.to_owned()));
    MinimalRoot { image: image.to_owned(), files: files.into() }
}

/// Waits for one whole boot, of that counter, partition and image.
fn boots(board: &mut Board, counter: &str, image: &str) -> Result<()> {
    board.wait_for(&format!("boot counter: {counter}"))?;
    board.wait_for(&format!("board: running {image}"))?;
    board.wait_for("board: answers to SSH")?;
    Ok(())
}

fn status(board: &Board) -> Result<String> {
    Ok(board.sh("pirun-slot status")?.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// By force, and not before the session has ended.
fn reboot(board: &Board) -> Result<()> {
    board.sh("(sync; sleep 1; reboot -f) > /dev/null 2>&1 < /dev/null &").map(drop)
}

#[test]
fn a_trial_is_confirmed_and_a_broken_slot_falls_back() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let card = MinimalCard {
        boot_script: BOOT_SCRIPT.to_owned(),
        slots: [Some(root("v1")), Some(root("v2"))],
    };
    let (card, identity) = card.make(dir.path())?;
    let mut board = Board::start(&card, BoardOptions { identity })?;

    // A new card has no record: U-Boot makes it. The first image to run is the one that the card was written with.
    board.wait_for("uboot.dat is missing or damaged: slot A")?;
    boots(&mut board, "0 of 2, partition 2", "v1")?;
    board.sh("pirun-slot booted")?;
    assert_eq!(
        status(&board)?,
        "record=ok crc=little counter=0 next=A running=A image=v1 state=confirmed"
    );
    // The kernel starts in 1970, as a Pi's does; the image is younger.
    assert_eq!(board.sh("pirun-clock set; [ $(date +%Y) -gt 2025 ] && echo set")?, "set\n");

    // B on trial, and confirmed.
    board.sh("pirun-slot arm B")?;
    reboot(&board)?;
    boots(&mut board, "1 of 2, partition 3", "v2")?;
    assert_eq!(
        status(&board)?,
        "record=ok crc=little counter=2 next=B running=B image=v2 state=trial"
    );
    board.sh("pirun-slot confirm")?;

    // Then it breaks: two boots in vain, the third is the other slot's.
    board
        .sh("mount -o remount,rw / && mv /boot/vmlinuz-rpi /boot/kept && mount -o remount,ro /")?;
    reboot(&board)?;
    for counter in [0, 1] {
        board.wait_for(&format!("boot counter: {counter} of 2, partition 3"))?;
        board.wait_for("partition 3 does not boot")?;
    }
    board.wait_for("boot counter: 2 of 2, partition 3")?;
    board.wait_for("falling back to partition 2")?;
    board.wait_for("board: answers to SSH")?;
    assert_eq!(
        status(&board)?,
        "record=ok crc=little counter=0 next=A running=A image=v1 state=confirmed"
    );
    assert!(board.sh("cat /proc/cmdline")?.ends_with(" root=/dev/mmcblk0p2\n"));

    // A trial whose first process ends: the kernel panics, restarts, and that was its one boot.
    board.sh(
        "mount -t ext4 /dev/mmcblk0p3 /mnt && mv /mnt/boot/kept /mnt/boot/vmlinuz-rpi && echo 'exit 1' > /mnt/sbin/init && \
         umount /mnt && pirun-slot arm B",
    )?;
    reboot(&board)?;
    board.wait_for("boot counter: 1 of 2, partition 3")?;
    board.wait_for("Kernel panic")?;
    board.wait_for("boot counter: 2 of 2, partition 3")?;
    board.wait_for("board: running v1")?;
    board.wait_for("board: answers to SSH")?;
    assert!(status(&board)?.ends_with("next=A running=A image=v1 state=confirmed"));

    // A script that loops is noticed; emulation on a machine that is slow or busy takes three times of what it takes else.
    let used = board.cpu_seconds();
    writeln!(std::io::stderr(), "{used:.0} CPU seconds of emulation")?;
    assert!(used < 1200.0, "{used}");
    Ok(())
}

/// A record with that beginning and a CRC of its own.
fn record(beginning: &[u8], crc: fn(u32) -> [u8; 4]) -> Vec<u8> {
    let mut bytes = vec![0xa5; 1020];
    bytes[..beginning.len()].copy_from_slice(beginning);
    let crc = crc(crc32fast::hash(&bytes));
    [bytes, crc.to_vec()].concat()
}

#[test]
fn u_boot_reads_every_record_and_writes_the_next() -> Result<()> {
    let dir = tempfile::tempdir()?;
    // Slots that do not boot: what U-Boot makes of the record is done by then.
    let card = MinimalCard { boot_script: BOOT_SCRIPT.to_owned(), slots: [None, None] };
    let (card, identity) = card.make(dir.path())?;
    let mut board = Board::start(&card, BoardOptions { identity })?;
    let little = u32::to_le_bytes;
    let wrong = |crc: u32| (!crc).to_le_bytes();
    for (found, partition, next) in [
        // Counted, up to the limit.
        (record(&[1, 0, 3], little), 3, [1, 1, 3]),
        (record(&[1, 1, 3], little), 3, [1, 2, 3]),
        (record(&[1, 2, 3], little), 2, [1, 0, 2]),
        (record(&[1, 255, 2], little), 3, [1, 0, 3]),
        // The other byte order counts as well; damage, another version and a strange partition do not.
        (record(&[1, 1, 3], u32::to_be_bytes), 3, [1, 2, 3]),
        (record(&[1, 1, 3], wrong), 2, [1, 1, 2]),
        (record(&[2, 1, 3], little), 2, [1, 1, 2]),
        (record(&[1, 1, 4], little), 2, [1, 2, 2]),
        (record(&[1, 1, 3], little)[..700].to_vec(), 2, [1, 1, 2]),
    ] {
        board.power_cut();
        BootPartition::open(&card)?.write("uboot.dat", &found)?;
        board.power_on()?;
        board.wait_for("boot counter")?;
        board.wait_for("counted")?;
        board.wait_for(&format!("partition {partition} does not boot"))?;
        board.power_cut();
        let written = BootPartition::open(&card)?.read("uboot.dat")?;
        // Bytes without a meaning are kept; nothing was there behind the end of a short file.
        let mut wanted = record(&next, little);
        if found.len() < 1020 {
            wanted[found.len()..1020].fill(0);
            let crc = crc32fast::hash(&wanted[..1020]);
            wanted[1020..].copy_from_slice(&crc.to_le_bytes());
        }
        assert_eq!(written, wanted, "{:?} {}", &found[..3], board.serial());
    }
    Ok(())
}
