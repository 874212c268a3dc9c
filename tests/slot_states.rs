//! Whatever is cut, repeated or broken, and in whatever order: a node never loses its last slot that has proven itself, and comes
//! back to a whole system by itself.
//!
//! The slots are a model, the boot loader is the lab's copy of `boot.cmd` (which `board.rs` runs in real U-Boot), and `pirun-slot` is
//! the real one, run against a directory and ended before any of its steps.

use std::path::Path;
use std::process::Command;

use pirun_lab::{ByteOrder, boot_loader_turn};
use proptest::prelude::*;
use tempfile::TempDir;

const SCRIPT: &str = include_str!("../stdlib/image/pirun-slot");

/// What a slot holds.
#[derive(Debug, Clone, PartialEq)]
enum Slot {
    /// Written in part only, by a stream that was cut.
    Torn,
    Image {
        id: u32,
        health: Health,
    },
}

/// How far an image gets.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Health {
    Good,
    /// It boots, and is never confirmed.
    Sick,
    /// Its kernel does not start.
    Dead,
}

/// What happens to a node. `cut` ends the program that is run before its step of that number.
#[derive(Debug, Clone)]
enum Event {
    /// pirun writes an image into the idle slot, whole or in part.
    Write { health: Health, whole: bool },
    /// pirun arms the idle slot and reboots.
    Try { cut: u8 },
    /// pirun finds the image healthy and confirms it.
    Confirm { cut: u8 },
    /// pirun goes back to the other slot, because the image is not healthy or the user wants it.
    Back { cut: u8 },
    /// The image's time is up.
    Timer { cut: u8 },
    /// A power cut, or any reboot; the boot itself may be cut again.
    Power { cut: u8 },
}

fn event() -> impl Strategy<Value = Event> {
    let health =
        prop_oneof![3 => Just(Health::Good), 1 => Just(Health::Sick), 1 => Just(Health::Dead)];
    // Mostly no cut: a program has fewer steps than that.
    let cut = || prop_oneof![2 => Just(u8::MAX), 1 => 1..12u8];
    prop_oneof![
        3 => (health, prop::bool::weighted(0.8)).prop_map(|(health, whole)| Event::Write { health, whole }),
        3 => cut().prop_map(|cut| Event::Try { cut }),
        3 => cut().prop_map(|cut| Event::Confirm { cut }),
        1 => cut().prop_map(|cut| Event::Back { cut }),
        1 => cut().prop_map(|cut| Event::Timer { cut }),
        2 => cut().prop_map(|cut| Event::Power { cut }),
    ]
}

struct World {
    dir: TempDir,
    order: ByteOrder,
    slots: [Slot; 2],
    running: usize,
    next_id: u32,
}

impl World {
    /// A node as its card was written: the same image in both slots, booted once.
    fn new(order: ByteOrder) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        for name in ["uboot", "data", "run"] {
            std::fs::create_dir(dir.path().join(name)).expect("made");
        }
        std::fs::write(dir.path().join("pirun-slot"), script(dir.path())).expect("written");
        let image = Slot::Image { id: 1, health: Health::Good };
        let mut world = Self { dir, order, slots: [image.clone(), image], running: 0, next_id: 2 };
        world.boot(u8::MAX);
        world
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(name), text).expect("written");
    }

    /// Runs the program; whether it ended well.
    fn slot(&self, arguments: &[&str], cut: u8) -> Option<i32> {
        for (number, slot) in self.slots.iter().enumerate() {
            // The dead have a kernel, too: one that does not start.
            let kernel = if matches!(slot, Slot::Torn) { "" } else { "kernel" };
            self.write(&format!("kernel{}", number + 2), kernel);
        }
        let _ = std::fs::remove_file(self.dir.path().join("reboot"));
        let mut command = Command::new("busybox");
        command
            .arg("sh")
            .arg(self.dir.path().join("pirun-slot"))
            .args(arguments)
            .env("CUT", cut.to_string());
        let output = command.output().expect("busybox runs");
        output.status.code()
    }

    /// The power comes: the boot loader takes its turns until a kernel starts, and the system says what the boot means.
    fn boot(&mut self, cut: u8) {
        for _ in 0..8 {
            let path = self.dir.path().join("uboot/uboot.dat");
            let record = boot_loader_turn(&std::fs::read(&path).unwrap_or_default(), self.order);
            std::fs::write(&path, record.bytes(self.order)).expect("written");
            let slot = usize::from(record.partition() - 2);
            let Slot::Image { id, health } = &self.slots[slot] else { continue };
            if *health == Health::Dead {
                continue;
            }
            self.running = slot;
            self.write("image", &format!("img-{id}\n"));
            self.write("cmdline", &format!("quiet root=/dev/mmcblk0p{}\n", slot + 2));
            self.slot(&["booted"], cut);
            return;
        }
        panic!("nothing boots: {:?}, record {:?}", self.slots, self.record());
    }

    fn record(&self) -> Option<(u8, u8)> {
        let bytes = std::fs::read(self.dir.path().join("uboot/uboot.dat")).ok()?;
        Some((bytes[1], bytes[2]))
    }

    fn confirmed(&self) -> Vec<String> {
        let text =
            std::fs::read_to_string(self.dir.path().join("data/confirmed")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn id(&self, slot: usize) -> Option<(String, Health)> {
        match &self.slots[slot] {
            Slot::Image { id, health } => Some((format!("img-{id}"), *health)),
            Slot::Torn => None,
        }
    }

    fn is_confirmed(&self, slot: usize) -> bool {
        self.id(slot).is_some_and(|(id, _)| self.confirmed().contains(&id))
    }

    /// What pirun sees as a trial: it does not write the other slot then.
    fn on_trial(&self) -> bool {
        let failed =
            std::fs::read_to_string(self.dir.path().join("data/failed")).unwrap_or_default();
        let running = self.id(self.running).map(|(id, _)| id).unwrap_or_default();
        !self.is_confirmed(self.running) && (failed.is_empty() || failed.trim() == running)
    }

    fn happen(&mut self, event: &Event) {
        let other = 1 - self.running;
        match *event {
            Event::Write { health, whole } => {
                // Of a slot that was armed, pirun takes that back first.
                if self.on_trial()
                    || self.slot(&["arm", ["A", "B"][self.running]], u8::MAX) != Some(0)
                {
                    return;
                }
                self.slots[other] = Slot::Torn;
                if whole {
                    self.slots[other] = Slot::Image { id: self.next_id, health };
                    self.next_id += 1;
                }
            }
            Event::Try { cut } => {
                if self.on_trial() || self.slots[other] == Slot::Torn {
                    return;
                }
                self.slot(&["arm", "other"], cut);
                self.boot(u8::MAX);
            }
            Event::Confirm { cut } => {
                // Only what is healthy is confirmed.
                if self.id(self.running).is_some_and(|(_, health)| health == Health::Good) {
                    self.slot(&["confirm"], cut);
                    if cut < u8::MAX {
                        self.boot(u8::MAX);
                    }
                }
            }
            Event::Back { cut } => {
                self.slot(&["arm", "other"], cut);
                self.boot(u8::MAX);
            }
            Event::Timer { cut } => {
                if self.is_confirmed(self.running) {
                    return;
                }
                self.slot(&["trial", "0"], cut);
                self.boot(u8::MAX);
            }
            Event::Power { cut } => {
                self.boot(cut);
                if cut < u8::MAX {
                    self.boot(u8::MAX);
                }
            }
        }
    }

    /// There is a slot that has proven itself and boots.
    fn has_refuge(&self) -> bool {
        (0..2).any(|slot| {
            self.is_confirmed(slot)
                && self.id(slot).is_some_and(|(_, health)| health == Health::Good)
        })
    }

    /// Left alone, with its timers running out and the power coming and going, the node ends in a confirmed image, and stays.
    fn settles(&mut self) {
        for _ in 0..4 {
            if !self.is_confirmed(self.running) {
                self.slot(&["trial", "0"], u8::MAX);
            }
            self.boot(u8::MAX);
        }
        let settled = self.running;
        for _ in 0..3 {
            self.boot(u8::MAX);
            assert_eq!(self.running, settled, "ordinary boots change the slot");
        }
        assert!(self.is_confirmed(settled), "{:?} runs unconfirmed", self.slots[settled]);
    }
}

/// The real program, with its directories elsewhere and steps that can be cut.
fn script(dir: &Path) -> String {
    let place = dir.display();
    let replaced = |text: String, from: &str, to: &str| {
        assert!(text.contains(from), "{from} is not in the script any more");
        text.replace(from, to)
    };
    let mut text = SCRIPT.to_owned();
    for (from, to) in [
        ("boot=/uboot", format!("boot={place}/uboot")),
        ("state=/data/pirun", format!("state={place}/data")),
        ("/run/pirun-slot.lock", format!("{place}/run/lock")),
        ("/proc/cmdline", format!("{place}/cmdline")),
        ("/etc/pirun/image", format!("{place}/image")),
        ("has_kernel() {", format!("has_kernel() {{ [ -s {place}/kernel$1 ]; }}\nlooks() {{")),
    ] {
        text = replaced(text, from, &to);
    }
    format!(
        "step() {{ CUT=$((CUT - 1)); [ $CUT -gt 0 ] || {{ kill -9 $$; exit 137; }}; }}\n\
         mv() {{ step; command mv \"$@\"; }}\n\
         rm() {{ step; command rm \"$@\"; }}\n\
         fsync() {{ step; }}\n\
         mountpoint() {{ :; }}\nmount() {{ :; }}\numount() {{ :; }}\nlogger() {{ :; }}\n\
         reboot() {{ exit 0; }}\n{text}"
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[test]
    fn a_node_never_loses_its_last_good_slot(big: bool, events in prop::collection::vec(event(), 1..14)) {
        let mut world = World::new(if big { ByteOrder::Big } else { ByteOrder::Little });
        for event in &events {
            world.happen(event);
            prop_assert!(world.has_refuge(), "after {event:?}: {:?}, confirmed {:?}", world.slots, world.confirmed());
        }
        world.settles();
    }
}
