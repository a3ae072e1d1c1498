//! The wording that asks for messages at night: a text of its own, which names the hours.

use crate::content::wording::names_brand;
use crate::model::Code;
use crate::model::registry::Brand;

/// Everything a wording that asks for the separate consent to messages at night does not say although it must: who would
/// send them, and in which hours (Network Act art. 50(3): 21:00 to 08:00).
pub fn check_night_text(text: &str, brand: &Brand) -> Vec<Code> {
    let mut missing = Vec::new();
    if !names_brand(text, &brand.display_name) {
        missing.push(Code::DisclosureLacksBrand);
    }
    if !names_night_hours(text) {
        missing.push(Code::NightWordingMissing);
    }
    missing
}

/// Whether it names the hour the night begins at, 21, and behind it the hour it ends at, 8: in digits, on either clock, as
/// in `21시~08시`, `오후 9시부터 오전 8시`, `21:00-08:00`, `9 p.m. to 8 a.m.`.
fn names_night_hours(text: &str) -> bool {
    let mut begun = false;
    for (hour, half) in hours_of(text) {
        match (hour, half) {
            (21, Half::Unsaid | Half::Evening) | (9, Half::Evening) => begun = true,
            (8, Half::Unsaid | Half::Morning) if begun => return true,
            _ => {}
        }
    }
    false
}

/// Which half of the day an hour is said to be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    Unsaid,
    Morning,
    Evening,
}

/// Every number of one or two digits, with the half of the day named right before it (Korean) or behind it (English). The
/// minutes of a time are none.
fn hours_of(text: &str) -> Vec<(u8, Half)> {
    let text: String = text.to_lowercase().chars().map(half_width).collect();
    let mut found = Vec::new();
    let mut rest = text.as_str();
    let mut before = "";
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        before = if at > 0 { &rest[..at] } else { before };
        let digits = rest[at..].bytes().take_while(u8::is_ascii_digit).count();
        let behind = &rest[at + digits..];
        let minutes = before == ":";
        if let Some(hour) = rest[at..at + digits].parse().ok().filter(|_| digits <= 2 && !minutes) {
            found.push((hour, half_of(before, behind)));
        }
        (before, rest) = ("", behind);
    }
    found
}

fn half_of(before: &str, behind: &str) -> Half {
    let before = before.trim_end();
    let behind = behind.trim_start_matches([':', '0', ' ']);
    if ["오후", "밤", "저녁"].iter().any(|word| before.ends_with(word))
        || ["pm", "p.m", "in the evening", "at night"].iter().any(|word| behind.starts_with(word))
    {
        Half::Evening
    } else if ["오전", "아침"].iter().any(|word| before.ends_with(word))
        || ["am", "a.m", "in the morning"].iter().any(|word| behind.starts_with(word))
    {
        Half::Morning
    } else {
        Half::Unsaid
    }
}

/// A full-width sign as the ordinary one.
fn half_width(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::check_disclosure;
    use super::super::evidence::tests::{brand, disclosure, program};
    use super::*;
    use crate::model::registry::{ControlDefault, Disclosure};

    #[test]
    fn the_night_names_its_hours() {
        for (text, named) in [
            ("(선택) Acme 야간(21시~08시) 광고성 정보 수신 동의", true),
            ("Acme: 오후 9시부터 다음 날 오전 8시까지 광고 수신 동의", true),
            ("Acme: 밤 9시 ~ 아침 8시", true),
            ("Acme 21:00-08:00", true),
            ("Acme ２１：００～０８：００", true),
            ("Offers from Acme at night, 9 p.m. to 8 a.m. the next day", true),
            ("Acme, 9:00 pm - 8:00 am", true),
            ("(선택) Acme 야간 광고성 정보 수신 동의", false),
            ("Acme may write at night", false),
            ("Acme 08시~21시", false),
            ("Acme: 오전 9시부터 오후 8시", false),
            ("Acme 21시부터", false),
            ("Acme 080-121-0800, 2108", false),
            ("Acme 20:21, 10:08", false),
        ] {
            let missing = check_night_text(text, &brand());
            assert_eq!(missing.is_empty(), named, "{text}: {missing:?}");
        }
        assert_eq!(check_night_text("21시~08시", &brand()), [Code::DisclosureLacksBrand]);
    }

    /// A wording for the night is judged as one, and neither stands in for the other.
    #[test]
    fn a_wording_for_the_night_need_not_say_what_the_day_says() {
        let night = Disclosure {
            night: true,
            locale: "ko-KR".to_owned(),
            e_sign_text: String::new(),
            text: "Acme 야간(21시~08시) 광고성 정보 수신 동의".to_owned(),
            ..disclosure()
        };
        assert_eq!(check_disclosure(&night, &brand(), &program()), []);
        let day = Disclosure { night: false, ..night.clone() };
        assert!(check_disclosure(&day, &brand(), &program()).contains(&Code::StopWordingMissing));
        let hours = Disclosure { text: disclosure().text, ..night.clone() };
        assert_eq!(check_disclosure(&hours, &brand(), &program()), [Code::NightWordingMissing]);
        let boxed = Disclosure { control_default: ControlDefault::Prechecked, ..night };
        assert_eq!(check_disclosure(&boxed, &brand(), &program()), [Code::PrecheckedBox]);
    }
}
