//! The board: pirun's own boot script in real U-Boot.

use pirun_lab::{Board, BoardOptions, MinimalCard, MinimalRoot, Result};

const BOOT_SCRIPT: &str = include_str!("../../../src/image/boot/boot.cmd");

fn root(image: &str) -> MinimalRoot {
    MinimalRoot { image: image.to_owned(), files: Vec::new() }
}

#[test]
fn a_new_card_boots_slot_a_through_u_boot_to_ssh() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let card = MinimalCard { boot_script: BOOT_SCRIPT.to_owned(), slots: [root("v1"), root("v2")] };
    let (card, identity) = card.make(dir.path())?;
    let mut board = Board::start(&card, BoardOptions { identity })?;
    board.wait_for("uboot.dat is missing or damaged: slot A")?;
    board.wait_for("boot counter: 0 of 2, partition 2")?;
    board.wait_for("board: running v1")?;
    board.wait_for("board: answers to SSH")?;
    assert!(board.sh("cat /proc/cmdline")?.ends_with(" root=/dev/mmcblk0p2\n"));
    Ok(())
}
