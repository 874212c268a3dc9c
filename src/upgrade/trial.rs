//! A slot's one try: armed, and confirmed or not.

use super::slots::{program, refused};
use super::{Slots, State, UpdateImage, wrong};
use crate::error::Result;
use crate::image::uboot_env::Slot;
use crate::remote::Run;
use crate::state::{Aspect, Change, Node};

/// Has the next boot try the slot that holds `image`. Nothing to do where the image runs or is armed.
///
/// # Errors
/// When the other slot does not hold the image, or the boot loader's record cannot be written.
pub fn arm(node: &Node, image: &UpdateImage) -> Result<Change> {
    let slots = Slots::look(node)?;
    if slots.runs(&image.about.id) {
        return Ok(Change::of("arm_slot", format!("slot {}", slots.running)));
    }
    let holds = slots.other_image.as_deref() == Some(&*image.about.id);
    // In a dry run it would have been written by now.
    if !holds && !node.is_dry() {
        return Err(wrong(format!(
            "slot {} holds {}, not {}",
            slots.other(),
            slots.other_image.as_deref().unwrap_or("no image"),
            image.about.id
        ))
        .hint("`ab::write(host, image)` comes first."));
    }
    boot_next(node, &slots, slots.other())
}

/// Has the next boot go to the other slot, whatever it holds.
///
/// # Errors
/// When there is nothing that boots, or the boot loader's record cannot be written.
pub fn arm_other(node: &Node) -> Result<Change> {
    let slots = Slots::look(node)?;
    boot_next(node, &slots, slots.other())
}

fn boot_next(node: &Node, slots: &Slots, slot: Slot) -> Result<Change> {
    let change = Change::of("arm_slot", format!("slot {slot}"));
    // A counter of 1: one try, which is what arming sets.
    if slots.next == slot && slots.counter == 1 {
        return Ok(change);
    }
    let before = Some(slots.next.to_string());
    let aspect = Aspect::Attribute { name: "next boot", before, after: slot.to_string() };
    let change = change.with(aspect).remark("for one try");
    if !node.agrees(&change)? {
        return Ok(change.unless_changed());
    }
    // What an earlier try has said of a datastore is not said of this one.
    let script = program(&["arm", &slot.to_string()]) + "\nrm -f /data/pirun/datastore/returned";
    match node.run(Run { script, ..Run::default() })? {
        Some(output) if output.code != 0 => {
            Err(refused(&format!("slot {slot} cannot be armed"), &output.stderr))
        }
        _ => Ok(change),
    }
}

/// Says of the image that runs that it is good: it stays, its floor counts from now on, and the copy of an older k3s'
/// datastore is not put back by itself any more.
///
/// # Errors
/// When another image runs, or the node cannot write it down.
pub fn confirm(node: &Node, image: &UpdateImage) -> Result<Change> {
    let slots = Slots::look(node)?;
    let change = Change::of("confirm_slot", format!("slot {}", slots.running));
    if !slots.runs(&image.about.id) {
        // A dry run has not rebooted.
        return if node.is_dry() {
            Ok(Change::of("confirm_slot", format!("slot {}", slots.other())).with(state(None)))
        } else {
            Err(not_running(&slots, image))
        };
    }
    if slots.state == State::Confirmed && slots.floor >= image.about.floor {
        return Ok(change);
    }
    let change = change.with(state(Some(slots.state)));
    if !node.agrees(&change)? {
        return Ok(change.unless_changed());
    }
    let mut script = program(&["confirm"]);
    script += "\nrm -f /data/pirun/datastore/trial\n";
    if slots.floor < image.about.floor {
        script += &format!(
            "f=/data/pirun/floor; echo {} >$f.new && sync $f.new && mv $f.new $f",
            image.about.floor
        );
    }
    match node.run(Run { script, ..Run::default() })? {
        Some(output) if output.code != 0 => Err(refused("nothing was confirmed", &output.stderr)),
        _ => Ok(change),
    }
}

fn state(before: Option<State>) -> Aspect {
    let before = Some(before.unwrap_or(State::Trial).name().to_owned());
    Aspect::Attribute { name: "state", before, after: State::Confirmed.name().to_owned() }
}

fn not_running(slots: &Slots, image: &UpdateImage) -> crate::error::Error {
    wrong(format!(
        "slot {} runs {}, not {}: nothing is confirmed",
        slots.running,
        slots.image.as_deref().unwrap_or("an image without an id"),
        image.about.id
    ))
}

/// Refuses to go on unless `image` runs. In a dry run nothing has rebooted, and all is well.
///
/// # Errors
/// With the slot that runs instead.
pub fn must_run(node: &Node, image: &UpdateImage) -> Result<()> {
    let slots = Slots::look(node)?;
    if slots.runs(&image.about.id) || node.is_dry() {
        return Ok(());
    }
    let id = &image.about.id;
    let how = match slots.failed.as_deref() == Some(id) {
        true => "it ran, and was not confirmed in time",
        false => "it did not boot",
    };
    Err(wrong(format!(
        "slot {} runs again, with {}: the trial of {id} has failed, {how}",
        slots.running,
        slots.image.as_deref().unwrap_or("an image without an id")
    ))
    .hint("The node is as it was. Its console, or /var/log/messages, tells what went wrong."))
}
