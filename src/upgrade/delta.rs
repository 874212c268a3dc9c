//! What has to be done to a slot so that it holds an image: as little as possible, and above all little sent.

use std::collections::HashMap;
use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};

use super::survey::Blocks;
use crate::image::pack::{BLOCK, BlockHash};

/// The hash of a block of zeros.
static ZEROS: LazyLock<BlockHash> = LazyLock::new(|| {
    let hash = Sha256::digest([0; BLOCK]);
    std::array::from_fn(|index| hash[index])
});

/// Something done to consecutive blocks of a slot; places and lengths are numbers of blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Zeros, which the node has.
    Zero { at: u64, count: u64 },
    /// From the running slot, which has them at another place or at the same.
    Copy { from: u64, at: u64, count: u64 },
    /// From the image.
    Send { at: u64, count: u64 },
}

/// The steps from what a slot holds to what it should.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    pub steps: Vec<Step>,
}

impl Plan {
    /// Compares the image's blocks with those that the slots have. What the idle slot has at its place stays; what the
    /// running one has anywhere is copied on the node. Nothing is taken from other places of the idle slot: they may
    /// be overwritten by then.
    pub fn make(wanted: &Blocks, idle: &Blocks, running: &Blocks) -> Self {
        let mut places: HashMap<BlockHash, u64> = HashMap::new();
        for (place, hash) in running.iter().enumerate().rev() {
            places.insert(*hash, place as u64);
        }
        let mut plan = Self::default();
        for (place, hash) in wanted.iter().enumerate() {
            if idle.get(place) == Some(hash) {
                continue;
            }
            let at = place as u64;
            plan.push(if hash == &*ZEROS {
                Step::Zero { at, count: 1 }
            } else if running.get(place) == Some(hash) {
                Step::Copy { from: at, at, count: 1 }
            } else if let Some(&from) = places.get(hash) {
                Step::Copy { from, at, count: 1 }
            } else {
                Step::Send { at, count: 1 }
            });
        }
        plan
    }

    /// Adds a step of one block, or makes the last one longer by it.
    fn push(&mut self, step: Step) {
        let grown = match (self.steps.last_mut(), step) {
            (Some(Step::Zero { at, count }), Step::Zero { at: next, .. })
            | (Some(Step::Send { at, count }), Step::Send { at: next, .. })
                if *at + *count == next =>
            {
                *count += 1;
                true
            }
            (
                Some(Step::Copy { from, at, count }),
                Step::Copy { from: next_from, at: next, .. },
            ) if *at + *count == next && *from + *count == next_from => {
                *count += 1;
                true
            }
            _ => false,
        };
        if !grown {
            self.steps.push(step);
        }
    }

    /// Whether the slot holds the image already.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Bytes of the image that neither slot has.
    pub fn bytes_to_send(&self) -> u64 {
        let blocks: u64 = self
            .steps
            .iter()
            .map(|step| if let Step::Send { count, .. } = step { *count } else { 0 })
            .sum();
        blocks * BLOCK as u64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Blocks by a letter each; 0 stands for zeros.
    fn blocks(letters: &[u8]) -> Blocks {
        letters.iter().map(|&letter| if letter == 0 { *ZEROS } else { [letter; 8] }).collect()
    }

    /// What the node does.
    fn carry_out(plan: &Plan, image: &Blocks, idle: &Blocks, running: &Blocks) -> Blocks {
        let mut slot = idle.clone();
        let range = |at: u64, count: u64| at as usize..(at + count) as usize;
        for step in &plan.steps {
            match *step {
                Step::Zero { at, count } => slot[range(at, count)].fill(*ZEROS),
                Step::Copy { from, at, count } => {
                    slot[range(at, count)].copy_from_slice(&running[range(from, count)]);
                }
                Step::Send { at, count } => {
                    slot[range(at, count)].copy_from_slice(&image[range(at, count)]);
                }
            }
        }
        slot
    }

    proptest! {
        #[test]
        fn a_plan_leads_to_the_image_and_sends_only_what_neither_slot_has(
            image in prop::collection::vec(0..12u8, 1..200),
            seed in prop::collection::vec((0..12u8, 0..12u8), 200),
        ) {
            let idle = blocks(&seed.iter().map(|(idle, _)| *idle).take(image.len()).collect::<Vec<_>>());
            let running = blocks(&seed.iter().map(|(_, running)| *running / 2).take(image.len()).collect::<Vec<_>>());
            let image = blocks(&image);
            let plan = Plan::make(&image, &idle, &running);
            prop_assert_eq!(&carry_out(&plan, &image, &idle, &running), &image);
            let needed = image.iter().enumerate().filter(|(place, hash)| {
                idle[*place] != **hash && **hash != *ZEROS && !running.contains(hash)
            });
            prop_assert_eq!(plan.bytes_to_send(), needed.count() as u64 * BLOCK as u64);
            prop_assert!(Plan::make(&image, &image, &running).is_empty());
        }
    }

    #[test]
    fn consecutive_blocks_make_one_step() {
        let plan = Plan::make(
            &blocks(&[1, 2, 3, 4, 0, 0, 7, 8]),
            &blocks(&[1, 9, 9, 9, 9, 9, 9, 9]),
            &blocks(&[9, 9, 3, 4, 9, 9, 9, 9]),
        );
        let steps = [
            Step::Send { at: 1, count: 1 },
            Step::Copy { from: 2, at: 2, count: 2 },
            Step::Zero { at: 4, count: 2 },
            Step::Send { at: 6, count: 2 },
        ];
        assert_eq!(plan.steps, steps);
    }
}
