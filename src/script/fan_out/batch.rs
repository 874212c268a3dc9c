//! In which order and in which groups hosts take their turn.

use rhai::{Array, Dynamic};

use crate::script::host::HostHandle;
use crate::script::options::{FromOption, describe};

/// How many hosts at a time; the last step repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serial(Vec<Step>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Count(usize),
    Percent(usize),
}

impl Serial {
    /// The sizes of the batches of `total` hosts.
    fn sizes(&self, total: usize) -> Vec<usize> {
        let mut sizes = Vec::new();
        let mut left = total;
        let mut steps = self.0.iter();
        let mut step = Step::Percent(100);
        while left > 0 {
            step = steps.next().copied().unwrap_or(step);
            let size = match step {
                Step::Count(count) => count,
                Step::Percent(percent) => (total * percent / 100).max(1),
            };
            let size = size.min(left);
            sizes.push(size);
            left -= size;
        }
        sizes
    }
}

impl Step {
    fn read(value: &Dynamic) -> Option<Self> {
        if let Ok(count) = value.as_int() {
            return usize::try_from(count).ok().filter(|count| *count > 0).map(Self::Count);
        }
        let text = value.read_lock::<rhai::ImmutableString>()?;
        let text = text.trim();
        match text.strip_suffix('%') {
            Some(percent) => percent
                .trim()
                .parse()
                .ok()
                .filter(|percent| (1..=100).contains(percent))
                .map(Self::Percent),
            None => text.parse().ok().filter(|count| *count > 0).map(Self::Count),
        }
    }
}

impl FromOption for Serial {
    const TAKES: &'static str = "1 or more, \"25%\", or a list such as [1, 5, \"100%\"]";
    fn from_option(value: Dynamic) -> Result<Self, String> {
        let steps = match value.read_lock::<Array>() {
            Some(items) if !items.is_empty() => items.iter().map(Step::read).collect(),
            Some(_) => None,
            None => Step::read(&value).map(|step| vec![step]),
        };
        steps.map(Self).ok_or_else(|| format!("must be {}, not {}", Self::TAKES, describe(&value)))
    }
}

/// In which order hosts take their turn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// As the playbook names them.
    #[default]
    Listed,
    Sorted,
    Reversed,
    Shuffled,
}

impl Order {
    pub(super) fn apply(self, hosts: &mut [HostHandle]) {
        match self {
            Self::Listed => {}
            Self::Sorted => hosts.sort_by(|a, b| a.name().cmp(b.name())),
            Self::Reversed => hosts.reverse(),
            Self::Shuffled => shuffle(hosts),
        }
    }
}

/// Fisher–Yates. Without random numbers the order stays: nothing depends on it being random.
fn shuffle<T>(items: &mut [T]) {
    for last in (1..items.len()).rev() {
        if let Ok(random) = getrandom::u64() {
            #[allow(clippy::cast_possible_truncation, reason = "less than the number of hosts")]
            items.swap(last, (random % (last as u64 + 1)) as usize);
        }
    }
}

impl FromOption for Order {
    const TAKES: &'static str = "\"listed\", \"sorted\", \"reversed\" or \"shuffled\"";
    fn from_option(value: Dynamic) -> Result<Self, String> {
        match value.to_string().as_str() {
            "listed" => Ok(Self::Listed),
            "sorted" => Ok(Self::Sorted),
            "reversed" => Ok(Self::Reversed),
            "shuffled" => Ok(Self::Shuffled),
            _ => Err(format!("must be {}, not {}", Self::TAKES, describe(&value))),
        }
    }
}

/// `hosts` in batches.
pub(super) fn split<'a>(hosts: &'a [HostHandle], serial: Option<&Serial>) -> Vec<&'a [HostHandle]> {
    let sizes = serial.map_or_else(|| vec![hosts.len()], |serial| serial.sizes(hosts.len()));
    let mut rest = hosts;
    sizes
        .into_iter()
        .filter(|size| *size > 0)
        .map(|size| {
            let (batch, after) = rest.split_at(size);
            rest = after;
            batch
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(value: impl Into<Dynamic>, total: usize) -> Vec<usize> {
        Serial::from_option(value.into()).unwrap().sizes(total)
    }

    #[test]
    fn the_last_step_of_serial_repeats() {
        assert_eq!(sizes(1, 3), [1, 1, 1]);
        assert_eq!(sizes("25%", 8), [2, 2, 2, 2]);
        assert_eq!(sizes("25%", 3), [1, 1, 1]);
        let growing: Array = vec![1.into(), 5.into(), "100%".into()];
        assert_eq!(sizes(growing, 20), [1, 5, 14]);
        assert_eq!(sizes(7, 0), Vec::<usize>::new());
    }

    #[test]
    fn serial_refuses_what_would_never_end() {
        for value in
            [0.into(), Dynamic::from("0%"), Array::new().into(), "many".into(), (-1).into()]
        {
            assert!(Serial::from_option(value).is_err());
        }
    }
}
