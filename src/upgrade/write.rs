//! An image into the slot that does not run, compared with the manifest afterwards by reading all of it back.

use super::check::check;
use super::delta::Plan;
use super::slots::{program, refused};
use super::stream::{RECEIVE, Stream};
use super::survey::{Survey, wanted};
use super::{Slots, UpdateImage, packages, wrong};
use crate::error::Result;
use crate::image::pack::hex;
use crate::remote::quote::sh_quote;
use crate::remote::{Query, Run};
use crate::state::{Aspect, Change, Node};
use crate::units::size;

/// Told how many bytes were sent, out of how many.
pub type Progress<'a> = &'a mut (dyn FnMut(u64, u64) + Send);

/// An image that a node's idle slot is to hold.
pub struct SlotWrite<'a> {
    pub image: &'a UpdateImage,
    /// Told what is being done.
    pub doing: &'a dyn Fn(&str),
}

impl SlotWrite<'_> {
    /// Sends what neither slot has, and checks the slot as a whole. A node that runs the image already is left alone.
    ///
    /// # Errors
    /// When the image is not for this node, the link is cut, or the slot does not hold the image in the end. The slot
    /// that runs is never touched, and nothing boots from the other one.
    pub fn bring(&self, node: &Node, progress: Progress) -> Result<Change> {
        let slots = Slots::look(node)?;
        let change = Change::of("write_slot", format!("slot {}", slots.other()));
        if slots.runs(&self.image.about.id) {
            return Ok(Change::of("write_slot", format!("slot {}", slots.running)));
        }
        check(self.image, &slots)?;
        let plan = self.plan(node, &slots)?;
        if plan.is_empty() {
            return Ok(change);
        }
        let change = change.with(self.aspect(&slots)).remark(format!(
            "{} of {} to send",
            size(plan.bytes_to_send()),
            size(self.image.bytes)
        ));
        let change = match packages::differences(node, self.image)? {
            Some(aspect) => change.with(aspect),
            None => change,
        };
        if !node.agrees(&change)? {
            return Ok(change.unless_changed());
        }
        if !node.is_dry() {
            self.write(node, &slots, &plan, progress)?;
        }
        Ok(change)
    }

    fn aspect(&self, slots: &Slots) -> Aspect {
        let before = slots.other_image.clone();
        Aspect::Attribute { name: "image", before, after: self.image.about.id.clone() }
    }

    fn plan(&self, node: &Node, slots: &Slots) -> Result<Plan> {
        (self.doing)("comparing both slots with the image");
        let Survey { idle, running } = Survey::make(node, slots, self.image)?;
        Ok(Plan::make(&wanted(self.image), &idle, &running))
    }

    /// The running slot may be mounted writable meanwhile, and what was copied from it be another thing: then what is
    /// missing is found and sent in a second pass.
    fn write(&self, node: &Node, slots: &Slots, plan: &Plan, progress: Progress) -> Result<()> {
        disarm(node, slots)?;
        self.send(node, slots, plan, progress)?;
        if self.verify(node, slots)? {
            return Ok(());
        }
        let rest = self.plan(node, slots)?;
        self.send(node, slots, &rest, progress)?;
        if self.verify(node, slots)? {
            return Ok(());
        }
        let device = slots.device(slots.other());
        Err(wrong(format!("slot {} does not hold what was written to it", slots.other())).hint(
            format!("The card may be worn out: `dmesg` on the node tells of errors of {device}. The node goes on with slot {}.", slots.running),
        ))
    }

    fn send(&self, node: &Node, slots: &Slots, plan: &Plan, progress: Progress) -> Result<()> {
        (self.doing)(&format!("writing slot {}", slots.other()));
        let script = format!(
            "T={} R={}\n{RECEIVE}",
            sh_quote(&slots.device(slots.other())),
            sh_quote(&slots.device(slots.running))
        );
        let mut stream = Stream::new(self.image, plan, progress);
        let output = node.remote().stream_to(&script, &mut stream)?;
        let whole = |stdout: &[u8]| stdout.trim_ascii() == b"whole";
        match output {
            Some(output) if output.code != 0 || !whole(&output.stdout) => {
                Err(wrong(format!("slot {} was written only in part", slots.other()))
                    .detail(String::from_utf8_lossy(&output.stderr))
                    .hint("Run it again: what has arrived is not sent once more."))
            }
            _ => Ok(()),
        }
    }

    /// Whether the slot holds the image, by the bytes that are on the card.
    fn verify(&self, node: &Node, slots: &Slots) -> Result<bool> {
        (self.doing)(&format!("reading slot {} back", slots.other()));
        let device = sh_quote(&slots.device(slots.other()));
        let script = format!(
            "blockdev --flushbufs {device} 2>/dev/null\nhead -c {} {device} | sha256sum",
            self.image.bytes
        );
        let output = node.remote().query(&Query { script, ..Query::default() })?;
        let found = String::from_utf8_lossy(&output.stdout);
        Ok(found.starts_with(&hex(&self.image.sha256)))
    }
}

/// While a slot is written, nothing may boot from it.
fn disarm(node: &Node, slots: &Slots) -> Result<()> {
    if slots.next == slots.running {
        return Ok(());
    }
    let script = program(&["arm", &slots.running.to_string()]);
    match node.run(Run { script, ..Run::default() })? {
        Some(output) if output.code != 0 => {
            Err(refused("the slot that boots next cannot be changed", &output.stderr))
        }
        _ => Ok(()),
    }
}
