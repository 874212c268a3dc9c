//! The shell functions that a session sends to the node once, before its first request.

const LOOK: &str = include_str!("shell/look.sh");
const WRITE: &str = include_str!("shell/write.sh");

/// Functions that only look: all that a dry run ever sends.
pub fn looking() -> String {
    compact(LOOK)
}

/// All functions.
pub fn writing() -> String {
    format!("{}{}", compact(LOOK), compact(WRITE))
}

/// Without comments and indentation, which the node has no use for.
fn compact(script: &str) -> String {
    let lines = script.lines().map(str::trim_start);
    lines.filter(|line| !line.is_empty() && !line.starts_with("# ")).fold(
        String::with_capacity(script.len()),
        |mut text, line| {
            text.push_str(line);
            text.push('\n');
            text
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_is_never_sent_a_function_that_writes() {
        let functions = |text: &str| {
            text.lines()
                .filter_map(|l| l.split_once("() {").map(|(name, _)| name.to_owned()))
                .collect::<Vec<_>>()
        };
        let looking = functions(&looking());
        for name in functions(&compact(WRITE)) {
            assert!(!looking.contains(&name), "{name} is sent in a dry run");
        }
        assert!(!looking.is_empty());
    }

    #[test]
    fn the_library_stays_small_enough_for_a_slow_link() {
        assert!(writing().len() < 7000, "{} bytes", writing().len());
    }
}
