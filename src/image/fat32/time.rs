//! FAT's times: two bytes of date since 1980 and two of time in steps of two seconds, taken as UTC.

use fatfs::{Date, DateTime, Time};

const DAY: i64 = 86_400;
/// 1980-01-01 and 2107-12-31 23:59:58 UTC: FAT's first and last time.
const RANGE: (i64, i64) = (315_532_800, 4_354_819_198);
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH: i64 = 719_468;
/// Days of 400 years.
const ERA: i64 = 146_097;

/// The (date, time) words of a time in seconds since 1970: the nearest that FAT knows.
pub(super) fn words(seconds: i64) -> (u16, u16) {
    let seconds = seconds.clamp(RANGE.0, RANGE.1);
    let (year, month, day) = date_of(seconds / DAY);
    let of_day = seconds % DAY;
    let date = (year - 1980) << 9 | month << 5 | day;
    let time = (of_day / 3600) << 11 | (of_day / 60 % 60) << 5 | (of_day % 60 / 2);
    (date as u16, time as u16)
}

/// Seconds since 1970.
pub(super) fn seconds(time: DateTime) -> i64 {
    let Date { year, month, day } = time.date;
    let Time { hour, min, sec, .. } = time.time;
    let days = days_to(i64::from(year), i64::from(month.max(1)), i64::from(day.max(1)));
    days * DAY + i64::from(hour) * 3600 + i64::from(min) * 60 + i64::from(sec)
}

/// Year, month and day of a day since 1970, as in Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms": years
/// start in March, so that the day that some lack is their last.
fn date_of(day_since_1970: i64) -> (i64, i64, i64) {
    let days = day_since_1970 + EPOCH;
    let of_era = days % ERA;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (days / ERA * 400 + year_of_era + i64::from(month <= 2), month, day)
}

fn days_to(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let from_march = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    let year_of_era = year % 400;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    year / 400 * ERA + of_era - EPOCH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_calendar() {
        for time in (RANGE.0..RANGE.1).step_by(10_000_001) {
            let (year, month, day) = date_of(time / DAY);
            assert_eq!(days_to(year, month, day), time / DAY);
        }
        assert_eq!(date_of(951_782_400 / DAY), (2000, 2, 29));
        // 2023-11-14 22:13:20
        assert_eq!(words(1_700_000_000), (43 << 9 | 11 << 5 | 14, 22 << 11 | 13 << 5 | 10));
        assert_eq!(words(0), words(RANGE.0));
    }
}
