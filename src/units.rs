//! Amounts as people read them.

/// `512 B`, `12.3 kB`, `1.5 GB`: powers of 1000, as storage is sold and `dd` reports it.
pub fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 999.95 || unit == "GB" {
            return if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1000.0;
    }
    format!("{bytes} B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        let sizes = [512, 999_999, 12_345, 1_500_000_000].map(size);
        assert_eq!(sizes, ["512 B", "1.0 MB", "12.3 kB", "1.5 GB"]);
    }
}
