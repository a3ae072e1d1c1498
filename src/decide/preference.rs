//! What the person set for themselves: channels, languages, most a week. Their hours are judged with the other hours.
//! Marketing only: nobody loses a delivery notice to a marketing switch.

use super::case::Case;
use super::findings::{Findings, Ground};
use super::touches::room_in;
use crate::model::facts::Preferences;
use crate::model::{Code, Medium, Span};

const CHANNELS: Ground<'_> = Ground { id: "person/channels", citation: "the person's own settings" };
const LANGUAGES: Ground<'_> = Ground { id: "person/languages", citation: "the person's own settings" };
const PER_WEEK: Ground<'_> = Ground { id: "person/at_most_per_week", citation: "the person's own settings" };

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    if !case.is_marketing() || case.automatic().is_some() {
        return;
    }
    for person in &case.facts.reach {
        wishes(case, &person.preferences, findings);
    }
}

fn wishes(case: &Case<'_>, wishes: &Preferences, findings: &mut Findings) {
    if wishes.channels.as_ref().is_some_and(|wanted| !wanted.contains(&case.req.channel)) {
        findings.refuse(CHANNELS, Code::Preference, format!("does not want {:?}", case.req.channel));
    }
    if let Some(language) = &case.facts.content.language
        && !wishes.languages.is_empty()
        && !wishes.languages.iter().any(|wanted| same_language(wanted, language))
    {
        findings.refuse(
            LANGUAGES,
            Code::Preference,
            format!("reads {}, not {language}", wishes.languages.join(", ")),
        );
    }
    match wishes.at_most_per_week {
        Some(0) => findings.refuse(PER_WEEK, Code::Preference, "wants no marketing message in any week"),
        Some(most) => {
            let touches = case.touches.marketing_by(&[Medium::Sms, Medium::Push]).map(|t| t.at);
            if let Some(until) = room_in(touches, most, Span::days(7), case.at) {
                findings.hold(
                    PER_WEEK,
                    Code::Preference,
                    Some(until),
                    format!("wants at most {most} messages a week"),
                );
            }
        }
        None => {}
    }
}

fn same_language(a: &str, b: &str) -> bool {
    let primary = |tag: &str| tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
    primary(a) == primary(b)
}
