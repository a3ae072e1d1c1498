//! Hours of a week on a wall clock: when sending is permitted, or wanted.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text gives no hours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HoursError {
    /// Not of the form `HH:MM-HH:MM`.
    #[error(
        "must be none, or spans as 08:00-20:00 separated by commas, with closing after opening and at most 24:00"
    )]
    Form,
    /// Spans that touch or lie in the wrong order.
    #[error("spans of one day must be in order and must not touch")]
    Order,
    /// More spans than anybody needs.
    #[error("at most 4 spans a day")]
    TooMany,
}

/// Part of a day, in minutes since local midnight, half open: `open <= t < close <= 1440`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DaySpan {
    /// First permitted minute.
    pub open: u16,
    /// First minute no longer permitted.
    pub close: u16,
}

/// The spans of one day, in order, not touching, at most 4. Written `08:00-20:00`, `10:00-12:00,14:00-18:00`, `none`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DayHours(Vec<DaySpan>);

impl DayHours {
    /// Never.
    pub const NONE: DayHours = DayHours(Vec::new());

    /// From 00:00 to 24:00.
    pub fn all_day() -> DayHours {
        DayHours(vec![DaySpan { open: 0, close: 1440 }])
    }
    /// The spans.
    pub fn spans(&self) -> &[DaySpan] {
        &self.0
    }
    /// Whether the day has no permitted minute.
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }
    /// Whether that minute of the day (0 to 1439) is permitted.
    pub fn contains(&self, minute: u16) -> bool {
        self.0.iter().any(|span| span.open <= minute && minute < span.close)
    }
    /// The minutes permitted by both.
    pub fn intersect(&self, other: &DayHours) -> DayHours {
        let mut both = Vec::new();
        for a in &self.0 {
            for b in &other.0 {
                let (open, close) = (a.open.max(b.open), a.close.min(b.close));
                if open < close {
                    both.push(DaySpan { open, close });
                }
            }
        }
        DayHours(both)
    }
    /// Whether every minute permitted here is permitted there.
    pub fn within(&self, other: &DayHours) -> bool {
        self.intersect(other) == *self
    }
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two =
        |s: &str| (s.len() == 2 && s.bytes().all(|b| b.is_ascii_digit())).then(|| s.parse::<u16>().ok())?;
    let (hour, minute) = (two(hour)?, two(minute)?);
    (minute < 60 && hour * 60 + minute <= 1440).then_some(hour * 60 + minute)
}

impl FromStr for DayHours {
    type Err = HoursError;
    fn from_str(text: &str) -> Result<Self, HoursError> {
        if text == "none" {
            return Ok(DayHours::NONE);
        }
        let mut spans: Vec<DaySpan> = Vec::new();
        for part in text.split(',') {
            let (open, close) = part.trim().split_once('-').ok_or(HoursError::Form)?;
            let open = minute(open).ok_or(HoursError::Form)?;
            let close = minute(close).ok_or(HoursError::Form)?;
            if close <= open {
                return Err(HoursError::Form);
            }
            if spans.last().is_some_and(|last| last.close >= open) {
                return Err(HoursError::Order);
            }
            spans.push(DaySpan { open, close });
        }
        if spans.len() > 4 { Err(HoursError::TooMany) } else { Ok(DayHours(spans)) }
    }
}
impl TryFrom<String> for DayHours {
    type Error = HoursError;
    fn try_from(text: String) -> Result<Self, HoursError> {
        text.parse()
    }
}
impl From<DayHours> for String {
    fn from(hours: DayHours) -> String {
        hours.to_string()
    }
}
impl fmt::Display for DayHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (i, span) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            let (open, close) = (span.open, span.close);
            write!(f, "{comma}{:02}:{:02}-{:02}:{:02}", open / 60, open % 60, close / 60, close % 60)?;
        }
        Ok(())
    }
}

/// The hours of each weekday.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeekHours {
    /// Monday.
    pub mon: DayHours,
    /// Tuesday.
    pub tue: DayHours,
    /// Wednesday.
    pub wed: DayHours,
    /// Thursday.
    pub thu: DayHours,
    /// Friday.
    pub fri: DayHours,
    /// Saturday.
    pub sat: DayHours,
    /// Sunday.
    pub sun: DayHours,
}

impl WeekHours {
    /// The same hours every day.
    pub fn daily(hours: DayHours) -> WeekHours {
        let h = || hours.clone();
        WeekHours { mon: h(), tue: h(), wed: h(), thu: h(), fri: h(), sat: h(), sun: h() }
    }
    /// The hours of one weekday.
    pub fn on(&self, day: jiff::civil::Weekday) -> &DayHours {
        use jiff::civil::Weekday::*;
        match day {
            Monday => &self.mon,
            Tuesday => &self.tue,
            Wednesday => &self.wed,
            Thursday => &self.thu,
            Friday => &self.fri,
            Saturday => &self.sat,
            Sunday => &self.sun,
        }
    }
    /// Monday to Sunday.
    pub fn days(&self) -> [&DayHours; 7] {
        [&self.mon, &self.tue, &self.wed, &self.thu, &self.fri, &self.sat, &self.sun]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_read_and_write() {
        for good in ["none", "08:00-20:00", "00:00-24:00", "08:30-12:00,13:00-20:00"] {
            assert_eq!(good.parse::<DayHours>().expect(good).to_string(), good);
        }
        for bad in [
            "",
            "8-20",
            "08:00-08:00",
            "20:00-08:00",
            "08:00-24:01",
            "08:60-09:00",
            "08:00-09:00,09:00-10:00",
            "+8:00-09:00",
        ] {
            assert!(bad.parse::<DayHours>().is_err(), "{bad}");
        }
    }

    #[test]
    fn intersection_is_strictest() {
        let a: DayHours = "08:00-12:00,14:00-20:00".parse().expect("hours");
        let b: DayHours = "09:00-18:00".parse().expect("hours");
        let both = a.intersect(&b);
        assert_eq!(both.to_string(), "09:00-12:00,14:00-18:00");
        assert!(both.within(&a) && both.within(&b) && !a.within(&b));
        assert!(both.contains(540) && !both.contains(720) && both.contains(1079) && !both.contains(1080));
    }
}
