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
    row.changed == 0 && row.skipped == 0 && row.failed == 0 && !row.unreachable
}

/// A column of numbers: its head, a row's number, and the colour of those that are not zero.
struct Column {
    head: &'static str,
    number: fn(&RecapRow) -> usize,
    color: fn(Paint, &str) -> String,
}

const PLAIN: fn(Paint, &str) -> String = |_, text| text.to_owned();

/// The columns of this table. That something was skipped is rare enough to have one only when needed.
fn columns(rows: &[&RecapRow], dry_run: bool) -> Vec<Column> {
    let changed = if dry_run { "would change" } else { "changed" };
    let mut columns = vec![
        Column { head: " ok", number: |row| row.ok, color: PLAIN },
        Column { head: changed, number: |row| row.changed, color: Paint::yellow },
    ];
    if rows.iter().any(|row| row.skipped > 0) {
        columns.push(Column { head: "skipped", number: |row| row.skipped, color: PLAIN });
    }
    columns.push(Column { head: "failed", number: |row| row.failed, color: Paint::red });
    columns
}

fn rows(rows: &[&RecapRow], dry_run: bool, paint: Paint) -> String {
    let columns = columns(rows, dry_run);
    let hosts = rows.iter().map(|row| width(&row.host)).max().unwrap_or(0).max(4);
    let times: Vec<String> = rows.iter().map(|row| time(row.time)).collect();
    let times_width = times.iter().map(|time| width(time)).max().unwrap_or(0);
    let heads: Vec<&str> = columns.iter().map(|column| column.head).collect();
    let head = format!("{}  {}   time", pad("host", hosts), heads.join("  "));
    let mut text = format!("{}\n", paint.dim(&head));
    for (row, time) in rows.iter().zip(times) {
        let cells: Vec<String> = columns.iter().map(|column| cell(column, row, paint)).collect();
        let line = format!(
            "{}  {}   {time:>times_width$}   {}",
            pad(&row.host, hosts),
            cells.join("  "),
            paint.red(state(row)),
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn cell(column: &Column, row: &RecapRow, paint: Paint) -> String {
    let number = (column.number)(row);
    let text = format!("{number:>0$}", column.head.len());
    if number > 0 { (column.color)(paint, &text) } else { text }
}

fn state(row: &RecapRow) -> &'static str {
    match row {
        RecapRow { unreachable: true, .. } => "unreachable",
        RecapRow { failed: 1.., .. } => "failed",
        _ => "",
    }
}
