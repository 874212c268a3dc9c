//! Times as text, always in UTC: logs of several machines can be laid side by side.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::calendar;

/// `2026-11-22T17:22:18.123Z`
pub fn stamp(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = calendar::timestamp(i64::try_from(since.as_secs()).unwrap_or(0));
    format!("{}.{:03}Z", seconds.trim_end_matches('Z'), since.subsec_millis())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn knows_leap_days_and_centuries() {
        let at = |seconds| stamp(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00.000Z");
        assert_eq!(at(1_709_251_199), "2024-02-29T23:59:59.000Z");
        assert_eq!(at(1_795_368_138), "2026-11-22T17:22:18.000Z");
    }
}
