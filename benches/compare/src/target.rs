//! What pirun is meant to cost, beside what it does cost.

use crate::report::{Spread, Table, ratio, short};

/// One promise, and whether it was kept.
pub struct Target {
    what: String,
    wanted: String,
    found: String,
    met: bool,
}

impl Target {
    /// A figure may be at most so many times another one. `None` without both.
    pub fn at_most(
        what: impl Into<String>,
        figure: Option<Spread>,
        other: Option<Spread>,
        limit: f64,
    ) -> Option<Self> {
        let (one, other) = (figure?.median, other?.median);
        Some(Self {
            what: what.into(),
            wanted: format!("≤ {limit}×"),
            found: ratio(one, other),
            met: one <= limit * other,
        })
    }

    /// A figure must be at least so many times another one.
    pub fn at_least(
        what: impl Into<String>,
        figure: Option<Spread>,
        other: Option<Spread>,
        limit: f64,
    ) -> Option<Self> {
        let (one, other) = (figure?.median, other?.median);
        Some(Self {
            what: what.into(),
            wanted: format!("≥ {limit}×"),
            found: ratio(one, other),
            met: one >= limit * other,
        })
    }

    /// A figure may be at most so large.
    pub fn below(
        what: impl Into<String>,
        figure: Option<f64>,
        limit: f64,
        unit: &str,
    ) -> Option<Self> {
        let figure = figure?;
        Some(Self {
            what: what.into(),
            wanted: format!("≤ {limit} {unit}"),
            found: format!("{} {unit}", short(figure)),
            met: figure <= limit,
        })
    }
}

pub fn table(targets: &[Target]) -> Table {
    let mut table = Table::new("The targets", &["what", "wanted", "found", ""]);
    table.rows = targets
        .iter()
        .map(|target| {
            let met = if target.met { "met" } else { "missed" };
            vec![target.what.clone(), target.wanted.clone(), target.found.clone(), met.into()]
        })
        .collect();
    table
}
