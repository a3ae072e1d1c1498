//! RFC 3339 of everyday instants, from 1970 up to 9998, in UTC: read and written without a library in between, because a
//! decision holds a dozen. What is anything else is left to the library.

use super::Instant;

/// The longest text written here.
const LONGEST: usize = "2026-11-22T21:04:00.000001Z".len();
/// 9999-01-01T00:00:00Z in microseconds.
const END: i64 = 253_370_764_800_000_000;
const DAY: i64 = 86_400;

/// An instant as text.
pub(super) struct Text {
    bytes: [u8; LONGEST],
    len: usize,
}

impl Text {
    /// As the library writes it; nothing outside the years told above.
    pub fn of(instant: Instant) -> Option<Text> {
        if !(0..END).contains(&instant.0) {
            return None;
        }
        let (seconds, micros) = (instant.0 / 1_000_000, instant.0 % 1_000_000);
        let (year, month, day) = civil(seconds / DAY);
        let second = seconds % DAY;
        let mut text = Text { bytes: *b"0000-00-00T00:00:00.000000Z", len: 19 };
        text.put(0..4, year);
        text.put(5..7, month);
        text.put(8..10, day);
        text.put(11..13, second / 3_600);
        text.put(14..16, second / 60 % 60);
        text.put(17..19, second % 60);
        if micros > 0 {
            text.put(20..26, micros);
            let zeros = text.bytes[20..26].iter().rev().take_while(|digit| **digit == b'0').count();
            text.len = 26 - zeros;
        }
        text.bytes[text.len] = b'Z';
        text.len += 1;
        Some(text)
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).expect("digits are ASCII")
    }

    fn put(&mut self, place: std::ops::Range<usize>, mut number: i64) {
        for digit in self.bytes[place].iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
    }
}

/// Reads `YYYY-MM-DDThh:mm:ssZ`, with up to six digits after a point; nothing where it is written in any other way.
pub(super) fn read(text: &str) -> Option<Instant> {
    let (head, tail) = text.as_bytes().split_first_chunk::<19>()?;
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if marks.iter().any(|(at, mark)| head[*at] != *mark) {
        return None;
    }
    let part = |from: usize, to: usize, least: i64, most: i64| {
        number(&head[from..to]).filter(|number| (least..=most).contains(number))
    };
    let (year, month, day) = (part(0, 4, 1970, 9998)?, part(5, 7, 1, 12)?, part(8, 10, 1, 31)?);
    let (hour, minute, second) = (part(11, 13, 0, 23)?, part(14, 16, 0, 59)?, part(17, 19, 0, 59)?);
    let days = days(year, month, day);
    if civil(days) != (year, month, day) {
        return None;
    }
    let micros = match tail {
        b"Z" => 0,
        [b'.', digits @ .., b'Z'] if (1..=6).contains(&digits.len()) => {
            number(digits)? * 10_i64.pow(6 - digits.len() as u32)
        }
        _ => return None,
    };
    Some(Instant((days * DAY + hour * 3_600 + minute * 60 + second) * 1_000_000 + micros))
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
}

/// Days since 1970-01-01 of a day in the Gregorian calendar. Years are counted from March, so that leap days come last:
/// howardhinnant.github.io/date_algorithms.html, "days_from_civil", for positive years.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of a day since 1970-01-01: the same source, "civil_from_days".
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * of_era + of_era / 4 - of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn by_library(text: &str) -> Option<Instant> {
        text.parse::<jiff::Timestamp>().map(Instant::from_jiff).ok()
    }

    #[test]
    fn every_day_is_the_library_s() {
        for day in 0..END / 1_000_000 / DAY {
            let at = Instant::from_seconds(day * DAY);
            let text = Text::of(at).expect("within");
            assert_eq!(text.as_str(), at.to_jiff().to_string());
            assert_eq!(read(text.as_str()), Some(at));
        }
        assert!(
            Text::of(Instant::from_micros(-1)).is_none() && Text::of(Instant::from_micros(END)).is_none()
        );
    }

    proptest! {
        #[test]
        fn every_instant_is_the_library_s(
            seconds in 0..END / 1_000_000,
            micros in prop_oneof![Just(0), 0i64..1_000_000, (0i64..1_000).prop_map(|n| n * 1_000)],
        ) {
            let at = Instant::from_micros(seconds * 1_000_000 + micros);
            let text = Text::of(at).expect("within");
            prop_assert_eq!(text.as_str(), at.to_jiff().to_string());
            prop_assert_eq!(read(text.as_str()), Some(at));
        }

        #[test]
        fn what_is_read_here_the_library_reads_alike(
            seconds in 0..END / 1_000_000,
            micros in 0i64..1_000_000,
            at in any::<prop::sample::Index>(),
            cut in 0usize..3,
            put in "[0-9TZtz:.+ -]{0,3}",
        ) {
            let mut text = Instant::from_micros(seconds * 1_000_000 + micros).to_jiff().to_string();
            let at = at.index(text.len());
            text.replace_range(at..(at + cut).min(text.len()), &put);
            if let Some(found) = read(&text) {
                prop_assert_eq!(by_library(&text), Some(found), "{}", text);
            }
        }
    }
}
