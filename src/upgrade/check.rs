//! Whether an image is for a node: asked before anything is sent.

use super::wrong;
use super::{Slots, State, UpdateImage};
use crate::error::{Error, Result};

/// How device trees name the boards, and how images do. The longer of two names that begin alike comes first.
const MODELS: [(&str, &str); 8] = [
    ("Raspberry Pi 2 Model B", "2B"),
    ("Raspberry Pi 3 Model A Plus", "3A+"),
    ("Raspberry Pi 3 Model B Plus", "3B+"),
    ("Raspberry Pi 3 Model B", "3B"),
    ("Raspberry Pi 4 Model B", "4B"),
    ("Raspberry Pi 400", "400"),
    ("Raspberry Pi Compute Module 4", "CM4"),
    ("Raspberry Pi Zero 2 W", "Zero 2 W"),
];

/// Refuses an image that is not for this node, or that its slot must not take now.
///
/// # Errors
/// With what does not fit, and what to do.
pub fn check(image: &UpdateImage, slots: &Slots) -> Result<()> {
    check_architecture(image, slots)?;
    check_board(image, slots)?;
    check_version(image, slots)?;
    check_slot(image, slots)
}

fn check_architecture(image: &UpdateImage, slots: &Slots) -> Result<()> {
    if slots.arch == image.about.arch {
        return Ok(());
    }
    Err(wrong(format!("the image is for {}, and this node runs {}", image.about.arch, slots.arch))
        .hint("`pirun build_image.rhai --arch …` builds for another architecture."))
}

fn check_board(image: &UpdateImage, slots: &Slots) -> Result<()> {
    // No model: no board, such as a virtual machine.
    let boards = &image.about.boards;
    if slots.model.is_empty() {
        return Ok(());
    }
    let known = MODELS.iter().find(|(model, _)| slots.model.starts_with(model));
    match known {
        Some((_, board)) if boards.iter().any(|wanted| wanted == board) => Ok(()),
        _ => Err(wrong(format!(
            "the image does not boot on a {}; it is for {}",
            slots.model,
            boards.join(", ")
        ))),
    }
}

fn check_version(image: &UpdateImage, slots: &Slots) -> Result<()> {
    if image.about.version >= slots.floor {
        return Ok(());
    }
    Err(wrong(format!(
        "the image has version {}, and this node takes none below {} any more",
        image.about.version, slots.floor
    ))
    .hint("An image that it ran has set this floor, to keep out images with known holes."))
}

fn check_slot(image: &UpdateImage, slots: &Slots) -> Result<()> {
    let other = slots.other();
    if slots.state == State::Trial && !slots.runs(&image.about.id) {
        return Err(wrong(format!(
            "{} is on trial here, so slot {other} is the only one that is known to work",
            slots.image.as_deref().unwrap_or("the running image")
        ))
        .hint("Confirm it first, or go back: run upgrade_image.rhai with the image that is on trial, or with `--rollback`."));
    }
    if slots.other_mounted {
        return Err(wrong(format!("slot {other} is mounted, so it cannot be written"))
            .hint(format!("`umount {}` on the node.", slots.device(other))));
    }
    if slots.other_size < image.bytes {
        return Err(too_large(image, slots));
    }
    Ok(())
}

fn too_large(image: &UpdateImage, slots: &Slots) -> Error {
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    wrong(format!(
        "slot {} has {} MiB, and the image needs {} MiB",
        slots.other(),
        mib(slots.other_size),
        mib(image.bytes)
    ))
    .hint("Slots keep the size that the card was written with: leave packages out of the image, or write the card anew.")
}
