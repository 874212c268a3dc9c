//! "Did you mean …?", for every place where a name can be mistyped.

/// The candidate nearest to `typed`, if it is near enough to be what was meant.
pub fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = match typed.chars().count() {
        0..=2 => 1,
        3..=6 => 2,
        _ => 3,
    };
    // Who types the beginning of a long name means it, though many letters are missing.
    let begins = |name: &str| typed.chars().count() >= 3 && name.starts_with(typed);
    candidates
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(typed, name), name))
        .filter(|(distance, name)| *distance <= limit || begins(name))
        .min()
        .map(|(_, name)| name)
}

/// " Did you mean `name`?" as a hint, where a near name exists.
pub fn did_you_mean<'a>(
    typed: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    nearest(typed, candidates).map(|name| format!("Did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_the_nearest_name_only_when_it_is_near() {
        assert_eq!(nearest("mdoe", ["mode", "owner"]), Some("mode"));
        assert_eq!(nearest("zzzz", ["mode", "owner"]), None);
    }

    #[test]
    fn the_beginning_of_a_name_is_near_enough() {
        assert_eq!(nearest("invent", ["exec", "inventory"]), Some("inventory"));
        assert_eq!(nearest("in", ["exec", "inventory"]), None);
    }
}
