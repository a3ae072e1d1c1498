//! What a rule says, in one short line for people.

use super::value::{
    About, CheckNeed, ConsentNeed, ConsentUse, ContentDuty, CountBy, Hours, IfMissing, Kept, MarketingSigns,
    OptOutDeadline, Place, SenderDuty, SenderName, Value, Waiver, Wording,
};
use crate::model::{Medium, WeekHours};

/// One line; no full stop.
pub fn sentence(value: &Value) -> String {
    match value {
        Value::Hours(hours) => self::hours(hours),
        Value::Calendar(calendar) => format!("{} days a year and their observance", calendar.days.len()),
        Value::Ban(ban) => format!("nothing from {} to {}: {}", ban.from, ban.to, ban.reason),
        Value::Cap(cap) => {
            let by = match cap.by {
                CountBy::Recipient => "",
                CountBy::SubjectMatter => " about one matter",
            };
            format!("at most {}{by} in {} hours ({})", cap.at_most, cap.hours, media(&cap.media))
        }
        Value::CartCap(cap) => format!("at most {} for one cart ({})", cap.at_most, media(&cap.media)),
        Value::CartSpacing(wait) => format!("{} hours between two about one cart", wait.hours),
        Value::CartAge(wait) => format!("within {} hours of the cart's abandonment", wait.hours),
        Value::TouchSpacing(gap) => {
            format!("{} minutes after another way ({})", gap.minutes, media(&gap.media))
        }
        Value::Consent(need) => consent(need),
        Value::Revocation(rule) => format!("an opt-out without a scope counts as {}", word(&rule.counts_as)),
        Value::ConsentUse(need) => consent_use(need),
        Value::Automatic(limits) => {
            format!("{} within {} minutes", word(&limits.text), limits.within_minutes)
        }
        Value::Number(need) => format!("no {}", list(&need.refuse)),
        Value::NumberCheck(need) => number_check(need),
        Value::Sender(need) => match need.require {
            SenderDuty::Registered => "the sender is registered".to_owned(),
            SenderDuty::ReachesCountry => "the sender may reach the country".to_owned(),
            SenderDuty::Unsupported => "such senders are not carried".to_owned(),
        },
        Value::SenderName(need) => sender_name(need),
        Value::Content(need) => match need.require {
            ContentDuty::BrandName => "the text names the brand",
            ContentDuty::OptOutWording => "the text says how to stop",
            ContentDuty::Contact => "the text tells the brand's contact",
            ContentDuty::ContactOrLink => "the text tells the brand's contact or carries a link of the brand",
            ContentDuty::NoSharedShortener => "no public link shortener",
            ContentDuty::OwnDomains => "links lead to the brand's own domains",
            ContentDuty::NoReplyToBuy => "nothing is bought by replying",
            ContentDuty::NoLink => "no link",
            ContentDuty::NoLinkFromAbroad => "no link from a sender abroad",
        }
        .to_owned(),
        Value::Wording(wording) => self::wording(wording),
        Value::OptOutDeadline(deadline) => opt_out_deadline(deadline),
        Value::Retention(rule) => format!("{} kept {} days", kept(rule.of), rule.days),
        Value::Prohibited(classes) => format!("not carried: {}", classes.classes.join(", ")),
        Value::Segments(limit) => format!("at most {} parts", limit.at_most),
        Value::Category(signs) => signs_of_marketing(signs),
    }
}

fn sender_name(need: &SenderName) -> String {
    let parts = [
        ("begins with", &need.begins_with),
        ("ends with", &need.ends_with),
        ("does not end with", &need.never_ends_with),
    ];
    let said = parts.iter().filter(|(_, affixes)| !affixes.is_empty());
    let said: Vec<String> = said.map(|(verb, affixes)| format!("{verb} {}", affixes.join(" or "))).collect();
    format!("the sender's name {}", said.join(" and "))
}

fn hours(hours: &Hours) -> String {
    let mut text = week(&hours.week);
    if let Some(holidays) = &hours.holidays {
        text.push_str(&format!("; holidays {holidays}"));
    }
    if let Some(clock) = &hours.clock {
        text.push_str(&format!("; by the clock of {clock}"));
    }
    match hours.waived_by {
        Some(Waiver::NightConsent) => text.push_str("; lifted by a consent to the night"),
        Some(Waiver::ExpressConsent) => text.push_str("; lifted by express consent"),
        None => {}
    }
    if hours.person_may_widen {
        text.push_str("; the person may widen it");
    }
    text
}

/// `Mon-Fri 09:00-20:00, Sat 09:00-13:00, Sun none`.
pub fn week(week: &WeekHours) -> String {
    const NAMES: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let days = week.days();
    let (mut parts, mut first) = (Vec::new(), 0);
    for next in 1..=7 {
        if next < 7 && days[next] == days[first] {
            continue;
        }
        let name = match (first, next - 1) {
            (0, 6) => "daily".to_owned(),
            (a, b) if a == b => NAMES[a].to_owned(),
            (a, b) => format!("{}-{}", NAMES[a], NAMES[b]),
        };
        parts.push(format!("{name} {}", days[first]));
        first = next;
    }
    parts.join(", ")
}

fn consent(need: &ConsentNeed) -> String {
    let bases = need.any_of.iter().filter(|life| !life.off).map(|life| match life.days {
        Some(days) => {
            let due = life.renew_within.map(|within| format!(", to be renewed in the last {within}"));
            format!("{} ({days} days{})", word(&life.basis), due.unwrap_or_default())
        }
        None => word(&life.basis),
    });
    let mut text = format!("consent: {}", bases.collect::<Vec<_>>().join(" or "));
    if !need.double_opt_in.is_empty() {
        text.push_str(&format!("; second step {}", list(&need.double_opt_in)));
    }
    if need.names_carts {
        text.push_str("; naming cart reminders");
    }
    text
}

fn consent_use(need: &ConsentUse) -> String {
    let of = match need.bases.as_slice() {
        [] => "a consent".to_owned(),
        bases => list(bases),
    };
    let noted = need.note_days.map(|days| format!(" (noted from {days})")).unwrap_or_default();
    format!("{of} lapses after {} days without a message{noted}", need.days)
}

fn number_check(need: &CheckNeed) -> String {
    let missing = match need.if_missing {
        IfMissing::Ignore => "",
        IfMissing::Note => "; missing is noted",
        IfMissing::Hold => "; missing holds",
    };
    let stale = match need.if_stale.filter(|stale| *stale != need.if_missing) {
        None => "",
        Some(IfMissing::Ignore) => "; an older one does nothing",
        Some(IfMissing::Note) => "; an older one is noted",
        Some(IfMissing::Hold) => "; an older one holds",
    };
    let days = if need.days == 1 { "a day".to_owned() } else { format!("{} days", need.days) };
    format!("{} asked within {days}{missing}{stale}", word(&need.check))
}

fn wording(wording: &Wording) -> String {
    let about = match wording.about {
        About::Label => "label",
        About::OptOut => "way to stop",
        About::Identity => "sender",
    };
    let place = match wording.place {
        Place::Start => "begins with",
        Place::Anywhere => "says",
    };
    format!("{about}: the text {place} {}", wording.any_of.join(" or "))
}

fn opt_out_deadline(deadline: &OptOutDeadline) -> String {
    match (deadline.hours, deadline.business_days) {
        (_, Some(days)) => format!("the law gives {days} business days; here an opt-out holds at receipt"),
        (Some(0) | None, None) => "an opt-out holds at once".to_owned(),
        (Some(hours), None) => format!("the law gives {hours} hours; here an opt-out holds at receipt"),
    }
}

fn kept(of: Kept) -> &'static str {
    match of {
        Kept::Consent => "proof of consent is",
        Kept::OptOut => "opt-outs are",
        Kept::Messages => "what was sent is",
    }
}

fn signs_of_marketing(signs: &MarketingSigns) -> String {
    let named =
        [(signs.cart, "a cart"), (signs.coupon, "a coupon"), (signs.offer_words, "words of an offer")];
    let named: Vec<&str> = named.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
    format!("marketing whatever the program says: {}", named.join(", "))
}

/// A value's own name in rule files.
fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

fn list<T: serde::Serialize>(values: &[T]) -> String {
    values.iter().map(word).collect::<Vec<_>>().join(" or ")
}

fn media(media: &[Medium]) -> String {
    media.iter().map(word).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::embedded;

    #[test]
    fn every_shipped_rule_has_a_line_of_its_own() {
        let set = embedded::load().expect("compiles");
        for rule in set.rules() {
            let line = sentence(&rule.value);
            assert!(!line.is_empty() && !line.contains('\n') && !line.contains("{\""), "{}: {line}", rule.id);
        }
        let of = |id: &str| sentence(&set.rule(id).expect("shipped").value);
        assert_eq!(of("za/quiet_hours"), "Mon-Fri 08:00-20:00, Sat 09:00-13:00, Sun none; holidays none");
        assert_eq!(of("kr/quiet_hours"), "daily 08:00-21:00; lifted by a consent to the night");
        assert_eq!(
            of("au/opt_out_deadline"),
            "the law gives 5 business days; here an opt-out holds at receipt"
        );
        assert_eq!(of("kr/label"), "label: the text begins with (광고)");
        assert_eq!(of("co/contact_days"), "at most 1 in 24 hours (sms, push, email, call)");
    }
}
