//! Whether an opt-out was recorded in the time the law gives where the person may be.
//!
//! An opt-out holds here from the instant it is recorded, so a reply by text is always in time. What came by letter or
//! call may have lain in a tray first: who enters it is told when that was too long.

use jiff::civil::Weekday;

use super::engine::Engine;
use crate::model::facts::PlaceFacts;
use crate::model::{Category, Channel, Code, Effect, Instant, Reason, Span, ZoneName};
use crate::policy::value::OptOutDeadline;
use crate::policy::{Query, Value};

/// Below this nobody calls an opt-out late where the law says "at once".
const AT_ONCE: Span = Span::minutes(10);

/// The tightest deadline that had passed when an opt-out was recorded; none: it was in time, or nobody says where the
/// person is.
pub fn missed_deadline(
    engine: &Engine,
    place: &PlaceFacts,
    channel: Channel,
    received_at: Instant,
    recorded_at: Instant,
) -> Option<Reason> {
    let policy = engine.policy();
    let places = policy.expand(&place.jurisdictions).places;
    let zones = if place.zones.is_empty() { policy.zones_of(&places) } else { place.zones.clone() };
    let query = Query {
        places: &places,
        channel,
        category: Category::Marketing,
        sender_kind: None,
        cart: false,
        from: received_at,
        to: received_at,
    };
    let missed = policy.applicable(&query).into_iter().filter_map(|rule| {
        let Value::OptOutDeadline(deadline) = &rule.value else { return None };
        let end = end_of(engine, deadline, &zones, received_at);
        (recorded_at > end).then_some((end, rule))
    });
    let (end, rule) = missed.min_by_key(|(end, rule)| (*end, rule.id.clone()))?;
    Some(Reason {
        effect: Effect::Note,
        code: Code::OptOutLate,
        rule: rule.id.clone(),
        citation: rule.citation.clone(),
        detail: format!(
            "received {}, in force {}; the law's time ended {}",
            received_at.to_second(),
            recorded_at.to_second(),
            end.to_second()
        ),
        hold_until: None,
    })
}

/// When a deadline ends. Business days are Monday to Friday after the day of receipt, on the clock that comes first;
/// public holidays, which would give more time, are not counted out.
fn end_of(engine: &Engine, deadline: &OptOutDeadline, zones: &[ZoneName], received_at: Instant) -> Instant {
    let Some(days) = deadline.business_days else {
        let given = Span::hours(i64::from(deadline.hours.unwrap_or_default()));
        return received_at + given.max(AT_ONCE);
    };
    let ends = zones.iter().filter_map(|zone| engine.zones().get(zone)).filter_map(|zone| {
        let mut date = received_at.to_jiff().to_zoned(zone.clone()).date();
        let mut left = days;
        while left > 0 {
            date = date.tomorrow().ok()?;
            left -= u32::from(!matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday));
        }
        let next = date.tomorrow().ok()?.to_zoned(zone.clone()).ok()?;
        Some(Instant::from_jiff(next.timestamp()))
    });
    // Without a clock: so many days and the week-ends between them.
    ends.min().unwrap_or(received_at + Span::days(i64::from(days) + 2 * i64::from(days / 5)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Jurisdiction, Zones};

    #[test]
    fn the_laws_time_is_kept_or_missed() {
        let policy = crate::policy::embedded::load().expect("compiles");
        let engine = Engine::new(std::sync::Arc::new(policy), Zones::bundled()).expect("zones fit");
        // Received on Friday 2026-05-29, noon in New York: ten business days end with Friday 12 June.
        let table = [
            ("us/ny", "America/New_York", "2026-05-29T16:00:00Z", "2026-06-13T03:59:59Z", None),
            (
                "us/ny",
                "America/New_York",
                "2026-05-29T16:00:00Z",
                "2026-06-13T04:00:01Z",
                Some("us/opt_out_deadline"),
            ),
            ("us/ca", "America/Los_Angeles", "2026-05-29T16:00:00Z", "2026-06-13T04:00:01Z", None),
            ("za", "Africa/Johannesburg", "2026-05-29T16:00:00Z", "2026-05-29T16:09:00Z", None),
            (
                "za",
                "Africa/Johannesburg",
                "2026-05-29T16:00:00Z",
                "2026-05-29T16:11:00Z",
                Some("za/opt_out_deadline"),
            ),
        ];
        for (place, zone, received, recorded, rule) in table {
            let place = PlaceFacts {
                jurisdictions: vec![place.parse::<Jurisdiction>().expect("a place")],
                zones: vec![zone.parse().expect("a zone")],
                ..PlaceFacts::default()
            };
            let at = |text: &str| Instant::parse(text).expect("RFC 3339");
            let found = missed_deadline(&engine, &place, Channel::Sms, at(received), at(recorded));
            assert_eq!(found.as_ref().map(|r| r.rule.as_str()), rule, "{received} {recorded}");
            assert!(found.is_none_or(|r| r.code == Code::OptOutLate && r.effect == Effect::Note));
        }
        let nowhere = PlaceFacts::default();
        let at = Instant::EPOCH;
        assert_eq!(missed_deadline(&engine, &nowhere, Channel::Sms, at, at + Span::days(400)), None);
    }
}
