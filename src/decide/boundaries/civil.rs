//! Days since 1970-01-01 of the proleptic Gregorian calendar by counting, not by any library.

/// Seconds of a day without leap seconds.
pub const DAY: i64 = 86_400;

/// Whether the year has a 29 February.
pub fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days of that month, 1 to 12.
pub fn month_days(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The day's number; 1970-01-01 is 0. Years from 1970 on.
pub fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let before = year - 1;
    let leaps = |y: i64| y / 4 - y / 100 + y / 400;
    let years = 365 * (year - 1970) + leaps(before) - leaps(1969);
    years + (1..month).map(|m| month_days(year, m)).sum::<i64>() + day - 1
}

/// 0 for Monday to 6 for Sunday; 1970-01-01 was a Thursday.
pub fn weekday(day: i64) -> i64 {
    (day + 3).rem_euclid(7)
}

/// The n-th such weekday of a month; 5, or -1, for the last.
pub fn nth_weekday(year: i64, month: i64, n: i64, day_of_week: i64) -> i64 {
    let first = day_number(year, month, 1);
    let last = first + month_days(year, month) - 1;
    let mut found: Vec<i64> = (first..=last).filter(|day| weekday(*day) == day_of_week).collect();
    if n == 5 || n == -1 { found.pop().unwrap_or(last) } else { found[n as usize - 1] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_right() {
        for (y, m, d, number, week) in [
            (1970, 1, 1, 0, 3),
            (2000, 2, 29, 11_016, 1),
            (2000, 3, 1, 11_017, 2),
            (2026, 11, 22, 20_779, 6),
            (2100, 3, 1, 47_541, 0),
        ] {
            assert_eq!((day_number(y, m, d), weekday(day_number(y, m, d))), (number, week), "{y}-{m}-{d}");
        }
        assert_eq!(nth_weekday(2026, 5, -1, 0), day_number(2026, 5, 25));
        assert_eq!(nth_weekday(2026, 3, 2, 6), day_number(2026, 3, 8));
    }
}
