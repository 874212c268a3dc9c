//! What a node's two slots hold, which of them runs, and which boots next.

use std::collections::BTreeMap;

use super::wrong;
use crate::error::{Error, Result};
use crate::image::uboot_env::Slot;
use crate::remote::Query;
use crate::remote::quote::{sh_quote, sh_words};
use crate::state::Node;

/// The program that knows the boot loader's record; images of pirun's have it, for others it travels along.
const PROGRAM: &str = include_str!("../../stdlib/image/pirun-slot");
/// What tells about the slots, behind what `pirun-slot status` says.
const LOOK: &str = include_str!("look.sh");

/// A node's slots at the moment of a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slots {
    pub running: Slot,
    /// The slot that boots next.
    pub next: Slot,
    /// Boots of that slot since a system last said that it is well; at 2 the other one has its turn.
    pub counter: u8,
    /// The boot loader's record: `ok`, `missing` or `damaged`.
    pub record: String,
    pub state: State,
    /// The image that runs; `None` where it has no id, such as raspi-alpine's.
    pub image: Option<String>,
    /// The image in the other slot; `None` where it has no id, or there is none.
    pub other_image: Option<String>,
    /// The image whose trial was the last one to end by going back.
    pub failed: Option<String>,
    /// k3s' version as the package manager knows it: of the system that runs, and in the other slot.
    pub k3s: Option<String>,
    pub other_k3s: Option<String>,
    /// As Alpine names it.
    pub arch: String,
    /// The board's model as its device tree has it; "" where there is none.
    pub model: String,
    /// Images with a lower version are not taken any more.
    pub floor: u64,
    /// Bytes of the other slot's partition.
    pub other_size: u64,
    /// Whether somebody has mounted the other slot.
    pub other_mounted: bool,
    /// Where the boot partition is mounted; "" if it is not.
    pub boot_dir: String,
    /// What the partitions' numbers are put behind, such as `/dev/mmcblk0p`.
    pub disk: String,
}

/// What the running image is on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It has proven itself.
    Confirmed,
    /// It has to prove itself, or the other slot boots again.
    Trial,
    /// It never did, but what was tried after it was worse.
    Refuge,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Trial => "on trial",
            Self::Refuge => "unconfirmed",
        }
    }
}

impl Slots {
    /// Asks the node, in one round trip.
    ///
    /// # Errors
    /// When it is no node with two slots.
    pub fn look(node: &Node) -> Result<Self> {
        let script = format!("{}\n{LOOK}", program(&["status"]));
        let output = node.remote().query(&Query { script, ..Query::default() })?;
        let text = String::from_utf8_lossy(&output.stdout);
        let no_slots = || {
            wrong("this node has no two slots to upgrade")
                .detail(String::from_utf8_lossy(&output.stderr))
                .hint("It needs a card with partitions for boot, slot A, slot B and data, as `pirun write_image.rhai` and raspi-alpine make them.")
        };
        if output.code != 0 {
            return Err(no_slots());
        }
        Self::parse(&text).ok_or_else(no_slots)
    }

    fn parse(text: &str) -> Option<Self> {
        let fields: BTreeMap<&str, &str> =
            text.lines().filter_map(|line| line.split_once('=')).collect();
        let field = |name: &str| fields.get(name).copied().unwrap_or_default();
        let optional = |name: &str| {
            Some(field(name)).filter(|value| !matches!(*value, "" | "none")).map(str::to_owned)
        };
        let image = optional("image");
        let state = match field("state") {
            "confirmed" => State::Confirmed,
            // What has no id is not pirun's, and tells the boot loader by itself that it is well.
            "trial" if image.is_none() => State::Confirmed,
            "trial" => State::Trial,
            "refuge" => State::Refuge,
            _ => return None,
        };
        let running = slot(field("running"))?;
        Some(Self {
            running,
            next: slot(field("next")).unwrap_or(running),
            counter: field("counter").parse().ok()?,
            record: field("record").to_owned(),
            state,
            image,
            other_image: optional("other_image"),
            failed: optional("failed"),
            k3s: optional("k3s"),
            other_k3s: optional("other_k3s"),
            arch: field("arch").to_owned(),
            model: field("model").to_owned(),
            floor: field("floor").parse().unwrap_or(0),
            other_size: field("other_size").parse().unwrap_or(0),
            other_mounted: field("other_mounted") == "yes",
            boot_dir: field("boot_dir").to_owned(),
            disk: field("disk").to_owned(),
        })
    }

    /// The slot that does not run.
    pub fn other(&self) -> Slot {
        self.running.other()
    }

    /// The device of a slot.
    pub fn device(&self, slot: Slot) -> String {
        format!("{}{}", self.disk, slot.partition())
    }

    /// Whether `image` runs here.
    pub fn runs(&self, image: &str) -> bool {
        self.image.as_deref() == Some(image)
    }
}

fn slot(name: &str) -> Option<Slot> {
    match name {
        "A" => Some(Slot::A),
        "B" => Some(Slot::B),
        _ => None,
    }
}

/// Shell text that calls `pirun-slot`, the node's own or, where there is none, the one that travels along.
pub(super) fn program(arguments: &[&str]) -> String {
    let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    let arguments = sh_words(&arguments);
    format!(
        "if [ -x /usr/sbin/pirun-slot ]; then /usr/sbin/pirun-slot {arguments}; else sh -c {} pirun-slot {arguments}; fi || exit",
        sh_quote(PROGRAM)
    )
}

/// What `pirun-slot` refused.
pub(super) fn refused(what: &str, stderr: &[u8]) -> Error {
    let said = String::from_utf8_lossy(stderr).trim().replace("pirun-slot: ", "");
    wrong(format!("{what}: {said}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "record=ok\ncrc=big\ncounter=1\nnext=B\nrunning=A\nimage=none\nstate=confirmed\n\
        arch=aarch64\nmodel=Raspberry Pi 4 Model B Rev 1.4\nother_size=104857600\nother_mounted=no\nfloor=\n\
        boot_dir=/uboot\ndisk=/dev/mmcblk0p\nk3s=1.34.2-r0\nother_image=\nother_k3s=\n";

    #[test]
    fn reads_what_a_node_says_of_its_slots() {
        let slots = Slots::parse(SAID).unwrap();
        assert_eq!((slots.running, slots.next, slots.counter), (Slot::A, Slot::B, 1));
        assert_eq!((slots.image.as_deref(), slots.k3s.as_deref()), (None, Some("1.34.2-r0")));
        assert_eq!(slots.device(slots.other()), "/dev/mmcblk0p3");
        assert_eq!((slots.floor, slots.state), (0, State::Confirmed));
    }

    #[test]
    fn takes_no_other_answer_for_slots() {
        for text in ["", "running=A\n", &SAID.replace("state=confirmed", "state=?")] {
            assert_eq!(Slots::parse(text), None, "{text}");
        }
    }
}
