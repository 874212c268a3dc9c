//! The board: pirun's own boot script in real U-Boot, and what answers it in the system.

use std::io::Write as _;

use pirun_lab::{Board, BoardOptions, MinimalCard, MinimalRoot, Result};

const BOOT_SCRIPT: &str = include_str!("../../../src/image/boot/boot.cmd");
const TOOLS: [(&str, &str); 2] = [
    ("usr/sbin/pirun-slot", include_str!("../../../src/image/boot/pirun-slot")),
    ("usr/sbin/pirun-clock", include_str!("../../../src/image/boot/pirun-clock")),
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
    let card = MinimalCard { boot_script: BOOT_SCRIPT.to_owned(), slots: [root("v1"), root("v2")] };
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
    board.sh("mount -o remount,rw / && rm /boot/vmlinuz-rpi && mount -o remount,ro /")?;
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

    // A record in the other byte order, as other builds of U-Boot write it, counts as well; and a power cut is a boot.
    board.sh(
        "mount -o remount,rw /uboot; cd /uboot; { printf '\\001\\001\\003'; head -c 1017 /dev/zero; } > new; \
         for byte in $(gzip -c new | tail -c 8 | head -c 4 | hexdump -v -e '1/1 \"%03o \"' | awk '{ print $4, $3, $2, $1 }'); \
         do printf \"\\\\$byte\"; done >> new; mv new uboot.dat; cd /; mount -o remount,ro /uboot",
    )?;
    assert!(status(&board)?.starts_with("record=ok crc=big counter=1 next=B"));
    board.power_cut();
    board.power_on()?;
    board.wait_for("boot counter: 1 of 2, partition 3")?;
    // Three times of what a slow machine needs: a script that waits or loops is noticed, a busy machine is not.
    let used = board.cpu_seconds();
    writeln!(std::io::stderr(), "{used:.0} CPU seconds of emulation")?;
    assert!(used < 400.0, "{used}");
    Ok(())
}
