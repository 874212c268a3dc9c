//! FAT's times: two bytes of date since 1980 and two of time in steps of two seconds, taken as UTC.

use fatfs::{Date, DateTime, Time};

use crate::calendar;

const DAY: i64 = 86_400;
/// 1980-01-01 and 2107-12-31 23:59:58 UTC: FAT's first and last time.
const RANGE: (i64, i64) = (315_532_800, 4_354_819_198);

/// The (date, time) words of a time in seconds since 1970: the nearest that FAT knows.
pub(super) fn words(seconds: i64) -> (u16, u16) {
    let seconds = seconds.clamp(RANGE.0, RANGE.1);
    let (year, month, day) = calendar::date(seconds / DAY);
    let of_day = seconds % DAY;
    let date = (year - 1980) << 9 | month << 5 | day;
    let time = (of_day / 3600) << 11 | (of_day / 60 % 60) << 5 | (of_day % 60 / 2);
    (date as u16, time as u16)
}

/// Seconds since 1970.
pub(super) fn seconds(time: DateTime) -> i64 {
    let Date { year, month, day } = time.date;
    let Time { hour, min, sec, .. } = time.time;
    let days = calendar::days_to(i64::from(year), i64::from(month.max(1)), i64::from(day.max(1)));
    days * DAY + i64::from(hour) * 3600 + i64::from(min) * 60 + i64::from(sec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_utc_and_stay_within_what_fat_knows() {
        // 2023-11-14 22:13:20
        assert_eq!(words(1_700_000_000), (43 << 9 | 11 << 5 | 14, 22 << 11 | 13 << 5 | 10));
        assert_eq!(words(0), words(RANGE.0));
        assert_eq!(words(i64::MAX), words(RANGE.1));
    }
}
