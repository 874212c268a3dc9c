//! Which backups stay: the last ones, and the newest of each of so many days, weeks and months, all in UTC.
//!
//! Only what is certain to be a backup of this node goes: a name that pirun gives, one that was verified, the same vault,
//! not pinned. The newest verified backup always stays, and what is newer than it.

use std::collections::BTreeSet;
use std::fmt;

use jiff::civil::{Date, DateTime};

/// The ending of a backup's file name.
const ENDING: &str = ".pbk";
/// `2026-11-27T10-42-26Z`: no colons, which some file systems and `scp` dislike.
const STAMP: &str = "%Y-%m-%dT%H-%M-%SZ";

/// How many to keep of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policy {
    pub last: usize,
    pub daily: usize,
    /// ISO 8601 weeks, which begin on Monday.
    pub weekly: usize,
    pub monthly: usize,
}

/// One backup of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    pub name: String,
    /// When it was taken, in UTC.
    pub taken: DateTime,
    pub verified: bool,
    /// The user said that it stays.
    pub pinned: bool,
    /// It belongs to the vault in use.
    pub own: bool,
}

/// Why a backup stays, or that it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Keep(Reason),
    Remove,
}

/// Why a backup stays. The first that applies is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    Pinned,
    OtherVault,
    /// No verified one is as new.
    NewestVerified,
    /// Newer than the newest verified one, or there is none.
    NotYetReplaced,
    Last,
    Daily(Date),
    /// ISO year and week.
    Weekly(i16, i8),
    /// Year and month.
    Monthly(i16, i8),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pinned => f.write_str("pinned"),
            Self::OtherVault => f.write_str("of another vault"),
            Self::NewestVerified => f.write_str("the newest verified"),
            Self::NotYetReplaced => f.write_str("newer than every verified one"),
            Self::Last => f.write_str("one of the last"),
            Self::Daily(day) => write!(f, "the newest of {day}"),
            Self::Weekly(year, week) => write!(f, "the newest of week {year}-W{week:02}"),
            Self::Monthly(year, month) => write!(f, "the newest of {year}-{month:02}"),
        }
    }
}

/// What stands for the node in the names of backups of its paths: they are kept apart from a server's. No host has such a
/// name.
pub fn paths_of(node: &str) -> String {
    format!("{node}~data")
}

/// The file name of a backup of `node`.
pub fn file_name(node: &str, taken: DateTime) -> String {
    format!("{node}_{}{ENDING}", taken.strftime(STAMP))
}

/// When the backup with this file name was taken. `None`: it is no backup of `node`, and not to be touched.
pub fn taken(node: &str, file_name: &str) -> Option<DateTime> {
    let stamp = file_name.strip_prefix(node)?.strip_prefix('_')?.strip_suffix(ENDING)?;
    let taken = DateTime::strptime(STAMP, stamp).ok()?;
    // One spelling only, so that no other file is taken for a backup.
    (self::file_name(node, taken) == file_name).then_some(taken)
}

/// What happens to each of one node's backups, newest first.
pub fn plan(mut backups: Vec<Backup>, policy: &Policy) -> Vec<(Backup, Verdict)> {
    backups.sort_by(|one, other| (other.taken, &other.name).cmp(&(one.taken, &one.name)));
    let newest_verified = backups.iter().position(|backup| backup.own && backup.verified);
    let mut slots = Slots::new(policy);
    let judge = |(index, backup): (usize, Backup)| {
        let verdict = match protected(&backup, index, newest_verified) {
            // A protected backup takes its place among the last, of its day, and so on: an older one is not needed there.
            Some(reason) => {
                if backup.own && backup.verified {
                    slots.take(&backup);
                }
                Verdict::Keep(reason)
            }
            None if !backup.verified => Verdict::Remove,
            None => slots.take(&backup).map_or(Verdict::Remove, Verdict::Keep),
        };
        (backup, verdict)
    };
    backups.into_iter().enumerate().map(judge).collect()
}

/// Why no policy may remove a backup.
fn protected(backup: &Backup, index: usize, newest_verified: Option<usize>) -> Option<Reason> {
    match newest_verified {
        _ if backup.pinned => Some(Reason::Pinned),
        _ if !backup.own => Some(Reason::OtherVault),
        Some(newest) if index == newest => Some(Reason::NewestVerified),
        Some(newest) if index > newest => None,
        _ => Some(Reason::NotYetReplaced),
    }
}

/// The places that are still free, while backups come newest first.
struct Slots {
    left: Policy,
    days: BTreeSet<Date>,
    weeks: BTreeSet<(i16, i8)>,
    months: BTreeSet<(i16, i8)>,
}

impl Slots {
    fn new(policy: &Policy) -> Self {
        let (days, weeks, months) = Default::default();
        Self { left: *policy, days, weeks, months }
    }

    /// The first reason to keep the backup. It takes a place of every kind that it is the newest of.
    fn take(&mut self, backup: &Backup) -> Option<Reason> {
        let day = backup.taken.date();
        let iso = day.iso_week_date();
        let (week, month) = ((iso.year(), iso.week()), (day.year(), day.month()));
        let reasons = [
            first_of(&mut self.left.last, true).then_some(Reason::Last),
            first_of(&mut self.left.daily, self.days.insert(day)).then_some(Reason::Daily(day)),
            first_of(&mut self.left.weekly, self.weeks.insert(week))
                .then_some(Reason::Weekly(week.0, week.1)),
            first_of(&mut self.left.monthly, self.months.insert(month))
                .then_some(Reason::Monthly(month.0, month.1)),
        ];
        reasons.into_iter().flatten().next()
    }
}

/// Takes a place if this is the newest of its kind and there is one.
fn first_of(left: &mut usize, is_newest: bool) -> bool {
    let takes = is_newest && *left > 0;
    *left -= usize::from(takes);
    takes
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use jiff::{Span, ToSpan as _};
    use proptest::prelude::*;

    use super::*;

    fn backup(taken: DateTime) -> Backup {
        Backup { name: file_name("rpi40", taken), taken, verified: true, pinned: false, own: true }
    }

    fn kept(plan: &[(Backup, Verdict)]) -> Vec<Backup> {
        let stays = |(_, verdict): &&(Backup, Verdict)| *verdict != Verdict::Remove;
        plan.iter().filter(stays).map(|(backup, _)| backup.clone()).collect()
    }

    #[test]
    fn the_newest_of_each_day_week_and_month_stay() {
        let start = date(2026, 9, 1).at(3, 0, 0, 0);
        let backups = (0..88).map(|day| backup(start + day.days())).collect();
        let policy = Policy { last: 2, daily: 4, weekly: 3, monthly: 3 };
        let lines: Vec<String> = plan(backups, &policy)
            .iter()
            .filter_map(|(backup, verdict)| match verdict {
                Verdict::Keep(reason) => Some(format!("{}  {reason}", backup.name)),
                Verdict::Remove => None,
            })
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @"
    rpi40_2026-11-27T03-00-00Z.pbk  the newest verified
    rpi40_2026-11-26T03-00-00Z.pbk  one of the last
    rpi40_2026-11-25T03-00-00Z.pbk  the newest of 2026-11-25
    rpi40_2026-11-24T03-00-00Z.pbk  the newest of 2026-11-24
    rpi40_2026-11-22T03-00-00Z.pbk  the newest of week 2026-W47
    rpi40_2026-11-15T03-00-00Z.pbk  the newest of week 2026-W46
    rpi40_2026-10-31T03-00-00Z.pbk  the newest of 2026-10
    rpi40_2026-09-30T03-00-00Z.pbk  the newest of 2026-09
    ");
    }

    #[test]
    fn only_names_that_pirun_gives_are_backups() {
        let time = date(2026, 11, 27).at(10, 42, 26, 0);
        assert_eq!(file_name("rpi40", time), "rpi40_2026-11-27T10-42-26Z.pbk");
        assert_eq!(taken("rpi40", "rpi40_2026-11-27T10-42-26Z.pbk"), Some(time));
        for other in [
            "rpi41_2026-11-27T10-42-26Z.pbk",
            "rpi40_2026-11-27T10-42-26Z.pbk.part",
            "rpi40_2026-11-27T10-42-26Z.bad",
            "rpi40_2026-11-27T10:42:26Z.pbk",
            "rpi40_2026-13-27T10-42-26Z.pbk",
            "rpi40_2026-11-7T10-42-26Z.pbk",
            "rpi40_+2026-11-27T10-42-26Z.pbk",
            "rpi40_x2026-11-27T10-42-26Z.pbk",
            "rpi40_.pbk",
            "rpi40.pbk",
            "",
        ] {
            assert_eq!(taken("rpi40", other), None, "{other}");
        }
    }

    #[test]
    fn what_is_not_certain_to_be_replaced_stays() {
        let at = |hour: i8| date(2026, 11, 27).at(hour, 0, 0, 0);
        let backups = vec![
            Backup { verified: false, ..backup(at(9)) },
            backup(at(8)),
            Backup { verified: false, ..backup(at(7)) },
            Backup { pinned: true, ..backup(at(6)) },
            Backup { own: false, ..backup(at(5)) },
            backup(at(4)),
        ];
        let verdicts: Vec<_> =
            plan(backups, &Policy::default()).into_iter().map(|(_, verdict)| verdict).collect();
        assert_eq!(
            verdicts,
            [
                Verdict::Keep(Reason::NotYetReplaced),
                Verdict::Keep(Reason::NewestVerified),
                Verdict::Remove,
                Verdict::Keep(Reason::Pinned),
                Verdict::Keep(Reason::OtherVault),
                Verdict::Remove,
            ]
        );
    }

    fn backups() -> impl Strategy<Value = Vec<Backup>> {
        let start = date(2025, 1, 1).at(0, 0, 0, 0);
        let one = (
            0_i64..20_000,
            prop::bool::weighted(0.8),
            prop::bool::weighted(0.1),
            prop::bool::weighted(0.9),
        );
        prop::collection::vec(one, 0..60).prop_map(move |all| {
            let backup_of = |(hours, verified, pinned, own): (i64, bool, bool, bool)| {
                let taken = start + Span::new().hours(hours);
                Backup { verified, pinned, own, ..backup(taken) }
            };
            let mut all: Vec<Backup> = all.into_iter().map(backup_of).collect();
            all.sort_by(|one, other| one.name.cmp(&other.name));
            all.dedup_by(|one, other| one.name == other.name);
            all
        })
    }

    fn policy() -> impl Strategy<Value = Policy> {
        (0_usize..4, 0_usize..8, 0_usize..6, 0_usize..6)
            .prop_map(|(last, daily, weekly, monthly)| Policy { last, daily, weekly, monthly })
    }

    proptest! {
        #[test]
        fn a_second_run_removes_nothing(backups in backups(), policy in policy()) {
            let once = kept(&plan(backups, &policy));
            prop_assert_eq!(kept(&plan(once.clone(), &policy)), once);
        }

        #[test]
        fn the_newest_verified_stays_and_all_that_is_newer(backups in backups(), policy in policy()) {
            let kept = kept(&plan(backups.clone(), &policy));
            prop_assert_eq!(kept.is_empty(), backups.is_empty());
            let newest = backups.iter().filter(|backup| backup.own && backup.verified).max_by_key(|backup| backup.taken);
            for backup in &backups {
                let newer = newest.is_none_or(|newest| backup.taken >= newest.taken);
                if newer || backup.pinned || !backup.own {
                    prop_assert!(kept.contains(backup), "{:?}", backup);
                }
            }
        }

        #[test]
        fn another_backup_of_the_same_month_costs_no_other_month_its_backup(backups in backups(), policy in policy(), later in 1_i64..100) {
            let months = |plan: &[(Backup, Verdict)]| -> BTreeSet<(i16, i8)> {
                kept(plan).iter().map(|backup| (backup.taken.year(), backup.taken.month())).collect()
            };
            let before = plan(backups.clone(), &policy);
            let Some((newest, _)) = before.first() else { return Ok(()) };
            let added = backup(newest.taken + Span::new().minutes(later));
            prop_assume!(added.taken.month() == newest.taken.month() && newest.own && newest.verified);
            let after = plan([backups, vec![added]].concat(), &policy);
            let lost: Vec<_> = months(&before).difference(&months(&after)).copied().collect();
            // One of the last is no month's backup: it goes when others come.
            let only_last = lost.iter().all(|month| before.iter().all(|(backup, verdict)| {
                (backup.taken.year(), backup.taken.month()) != *month
                    || !matches!(verdict, Verdict::Keep(Reason::Monthly(..)))
            }));
            prop_assert!(only_last, "{:?}", lost);
        }

        #[test]
        fn a_name_gives_back_its_time(hours in 0_i64..200_000) {
            let time = date(2020, 1, 1).at(0, 0, 0, 0) + Span::new().hours(hours);
            prop_assert_eq!(taken("rpi40", &file_name("rpi40", time)), Some(time));
        }
    }
}
