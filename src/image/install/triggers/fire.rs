//! Which directories a package's trigger is told. Source: apk-tools 3.0, `src/database.c`, `fire_triggers`.

use std::collections::BTreeSet;

use crate::image::install::scripts::Pattern;

/// Those of `directories` (paths without a leading slash) that one of a package's patterns stands for, with a leading
/// slash. All packages are new, so `+`, which asks for changed directories only, makes no difference.
pub fn directories(patterns: &[String], directories: &BTreeSet<&str>) -> Vec<String> {
    let patterns: Vec<Vec<Pattern>> = patterns
        .iter()
        .filter_map(|pattern| pattern.trim_start_matches('+').strip_prefix('/'))
        .map(|pattern| pattern.split('/').map(Pattern::from).collect())
        .collect();
    let matches = |path: &str| {
        patterns.iter().any(|pattern| {
            let names: Vec<&str> = path.split('/').collect();
            names.len() == pattern.len()
                && pattern.iter().zip(names).all(|(pattern, name)| pattern.matches(name))
        })
    };
    directories.iter().filter(|path| matches(path)).map(|path| format!("/{path}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_one_component() {
        let all = BTreeSet::from([
            "",
            "bin",
            "lib/modules",
            "lib/modules/6.12",
            "lib/modules/6.12/kernel",
        ]);
        let patterns = ["/bin", "+/lib/modules/*", "usr"].map(str::to_owned);
        assert_eq!(directories(&patterns, &all), ["/bin", "/lib/modules/6.12"]);
    }
}
