//! The table at the end of a run.

use super::event::{Recap, RecapRow};
use super::paint::{Paint, count, pad, time, width};

/// More rows than this are folded: hosts without changes become one line.
pub const MANY: usize = 20;

/// The table, a line each, with line ends.
pub fn table(recap: &Recap, unfold: bool, paint: Paint) -> String {
    let fold = recap.rows.len() > MANY && !unfold;
    let shown: Vec<&RecapRow> = recap.rows.iter().filter(|row| !fold || !dull(row)).collect();
    let folded = recap.rows.len() - shown.len();
    let mut text = String::new();
    if !shown.is_empty() {
        text.push_str(&rows(&shown, recap.dry_run, paint));
    }
    if folded > 0 {
        let line = match shown.is_empty() {
            true => format!("{} with nothing to change", count(folded, "host")),
            false => format!("… and {} with nothing to change", count(folded, "host")),
        };
        text.push_str(&format!("{}\n", paint.dim(&line)));
    }
    text
}

/// Nothing happened there that a reader wants to know.
fn dull(row: &RecapRow) -> bool {
    row.changed == 0 && row.failed == 0 && !row.unreachable
}

fn rows(rows: &[&RecapRow], dry_run: bool, paint: Paint) -> String {
    let changed = if dry_run { "would change" } else { "changed" };
    let heads = ["ok", changed, "failed"];
    let hosts = rows.iter().map(|row| width(&row.host)).max().unwrap_or(0).max(4);
    let times: Vec<String> = rows.iter().map(|row| time(row.time)).collect();
    let times_width = times.iter().map(|time| width(time)).max().unwrap_or(0);
    let columns = [heads[0].len().max(3), heads[1].len(), heads[2].len()];
    let head = format!(
        "{}  {:>a$}  {:>b$}  {:>c$}   time",
        pad("host", hosts),
        heads[0],
        heads[1],
        heads[2],
        a = columns[0],
        b = columns[1],
        c = columns[2],
    );
    let mut text = format!("{}\n", paint.dim(&head));
    for (row, time) in rows.iter().zip(times) {
        let cell = |number: usize, columns: usize| format!("{number:>columns$}");
        let changed = cell(row.changed, columns[1]);
        let failed = cell(row.failed, columns[2]);
        let line = format!(
            "{}  {}  {}  {}   {time:>times_width$}   {}",
            pad(&row.host, hosts),
            cell(row.ok, columns[0]),
            if row.changed > 0 { paint.yellow(&changed) } else { changed },
            if row.failed > 0 { paint.red(&failed) } else { failed },
            paint.red(state(row)),
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn state(row: &RecapRow) -> &'static str {
    match row {
        RecapRow { unreachable: true, .. } => "unreachable",
        RecapRow { failed: 1.., .. } => "failed",
        _ => "",
    }
}
