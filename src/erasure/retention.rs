//! How long proof about a person is kept, by where they may be: the longest period of every place that fits. The periods are
//! rules of kind `retention` in the packs, and nowhere else.

use crate::ledger::body::Ground;
use crate::model::location::LocationHint;
use crate::model::phone::ParsedNumber;
use crate::model::{Instant, Jurisdiction, Span};
use crate::place;
use crate::policy::value::Retention;
use crate::policy::{PolicySet, Rule, Value, sentence};

/// A period, and the rule it stands in.
#[derive(Debug, Clone, Copy)]
pub struct Period<'p> {
    pub rule: &'p Rule,
    pub days: u32,
}

/// The longest period among those of the places a person may be in: those of the number and every hint kept of it, however
/// old, for proof of what was sent then is needed where they were then; and of everybody. Where two last equally long, the
/// one that names the place more closely says why better. A set that says nothing for the place or for everybody: the longest
/// in it. None: it has no rule of retention in force at `at`.
pub fn period<'p>(
    policy: &'p PolicySet,
    number: Option<&ParsedNumber>,
    hints: &[LocationHint],
    at: Instant,
) -> Option<Period<'p>> {
    let mut places: Vec<Jurisdiction> = Vec::new();
    for hint in hints {
        let country = hint.country.to_lowercase();
        places.extend(format!("{country}/{}", hint.region.to_lowercase()).parse());
        places.extend(country.parse());
    }
    if let Some(number) = number {
        let candidates = place::candidates(&number.phone, number.country);
        places.extend(candidates.country.map(Jurisdiction::of));
        places.extend(candidates.regions);
    }
    let fits = |rule: &Rule| rule.jurisdiction.as_ref().is_none_or(|place| places.contains(place));
    let longest = |wanted: &dyn Fn(&Rule) -> bool| {
        let found = periods(policy, at).filter(|period| wanted(period.rule));
        found.max_by_key(|period| (period.days, closeness(period.rule), period.rule.id.as_str()))
    };
    longest(&fits).or_else(|| longest(&|_| true))
}

/// Every rule of retention in force, in the order of their ids.
pub fn periods(policy: &PolicySet, at: Instant) -> impl Iterator<Item = Period<'_>> {
    let days = |rule: &Rule| match &rule.value {
        Value::Retention(Retention { days, .. }) => Some(*days),
        _ => None,
    };
    let in_force = policy.rules().iter().filter(move |rule| rule.in_force(at));
    in_force.filter_map(move |rule| Some(Period { rule, days: days(rule)? }))
}

/// How closely a rule names its place: everywhere, a country, a region.
fn closeness(rule: &Rule) -> u8 {
    match &rule.jurisdiction {
        None => 0,
        Some(place) if place.is_country() => 1,
        Some(_) => 2,
    }
}

/// Why proof stays, and until when, counted from `from`: the last message, or the request itself.
pub fn ground(policy: &PolicySet, period: Option<Period<'_>>, from: Instant) -> Ground {
    let Some(Period { rule, days }) = period else {
        return Ground {
            code: "RETENTION".to_owned(),
            rule: "retention".to_owned(),
            citation: String::new(),
            detail: "No rule of the policy set asks for proof to be kept.".to_owned(),
            until: Some(from),
        };
    };
    let law = policy.source(rule).law.as_deref().map(|law| format!(": {law}")).unwrap_or_default();
    Ground {
        code: "RETENTION".to_owned(),
        rule: rule.id.clone(),
        citation: rule.citation.clone(),
        detail: format!("{}{law}", sentence::sentence(&rule.value)),
        until: Some(from + Span::days(i64::from(days))),
    }
}

/// What stays although a person is erased. `backups_until`: when the last backup that holds the key expires, as far as the
/// operator has said how long backups live. `listed`: erasures stand in a list outside the data folder, too.
pub fn what_stays(backups_until: Option<Instant>, listed: bool) -> Vec<Ground> {
    let expire = match backups_until {
        Some(_) => "until the last of them has expired",
        None => {
            "until the last of them has expired, and how long they live was not configured (retention.backup_days)"
        }
    };
    let restored = match listed {
        true => "After a restore the erasure is carried out again at start.",
        false => {
            "After a restore the erasure is carried out again at start if the restored ledger knows of it; a whole folder of \
             before does not, and no list of erasures outside it is configured (retention.erasures)."
        }
    };
    let backups = format!("Copies of keys/ made before still open the entries, {expire}. {restored}");
    let ground = |code: &str, citation: &str, detail: &str| Ground {
        code: code.to_owned(),
        rule: "erasure".to_owned(),
        citation: citation.to_owned(),
        detail: detail.to_owned(),
        until: None,
    };
    vec![
        ground(
            "SUPPRESSION",
            "GDPR art 21(3); 47 CFR 64.1200(d)(6)",
            "A keyed hash of the address stays blocked, so that the person is not written to again.",
        ),
        ground(
            "LOG",
            "RFC 6962, section 2.1",
            "The public parts of the entries (kind, brand, instant, a random id) stay; what was sealed in them cannot be opened.",
        ),
        Ground { until: backups_until, ..ground("BACKUPS", "GDPR art 17(1)", &backups) },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::location::LocationSource;
    use crate::model::phone::parse_for_sending;
    use crate::policy::{compile, embedded};

    fn now() -> Instant {
        Instant::parse("2026-11-23T12:00:00Z").expect("RFC 3339")
    }

    fn shipped() -> PolicySet {
        embedded::load().expect("compiles")
    }

    #[test]
    fn the_longest_period_of_every_possible_place_counts() {
        let policy = shipped();
        let of = |number: Option<&ParsedNumber>| {
            let found = period(&policy, number, &[], now()).expect("house rules are for everybody");
            (found.rule.id.clone(), found.days)
        };
        for (number, rule, days) in [
            ("+12125550123", "us/retention", 1_827),
            ("+18045550123", "us/va/retention", 3_653),
            ("+493012345678", "de/retention", 1_827),
            ("+442079460123", "house/retention_messages", 1_827),
            ("+85221234567", "house/retention_messages", 1_827),
        ] {
            assert_eq!(
                of(parse_for_sending(number, None).ok().as_ref()),
                (rule.to_owned(), days),
                "{number}"
            );
        }
        assert_eq!(of(None).0, "house/retention_messages");
    }

    #[test]
    fn where_a_person_is_said_to_be_counts_beside_the_number() {
        let policy = shipped();
        let hint = |country: &str, region: &str| LocationHint {
            source: LocationSource::Shipping,
            country: country.to_owned(),
            region: region.to_owned(),
            postal_code: String::new(),
            time_zone: String::new(),
            observed_at: Instant::EPOCH,
        };
        let new_york = parse_for_sending("+12125550123", None).ok();
        let of = |number: Option<&ParsedNumber>, hints: &[LocationHint]| {
            period(&policy, number, hints, now()).expect("somebody's").rule.id.clone()
        };
        let new_yorker = |hints: &[LocationHint]| of(new_york.as_ref(), hints);
        assert_eq!(new_yorker(&[hint("US", "VA")]), "us/va/retention", "ten years, not five");
        assert_eq!(new_yorker(&[hint("", ""), hint("HK", "")]), "us/retention", "never shorter for it");
        assert_eq!(of(None, &[hint("US", "VA")]), "us/va/retention", "an app has no number");
        assert_eq!(
            of(None, &[hint("DE", "")]),
            "de/retention",
            "as long as everywhere, and it names the place"
        );
    }

    /// What an operator writes into the packs is what the job does.
    #[test]
    fn the_packs_own_the_period() {
        let longer = embedded::files().map(|(path, bytes)| {
            let text = String::from_utf8_lossy(bytes).into_owned();
            let mine = path == "de/retention.toml";
            (path, if mine { text.replace("days = 1827", "days = 4000") } else { text })
        });
        let policy = compile(longer).expect("compiles");
        let german = parse_for_sending("+493012345678", None).ok();
        let found = period(&policy, german.as_ref(), &[], now());
        let told = ground(&policy, found, now());
        assert_eq!((told.rule.as_str(), told.until), ("de/retention", Some(now() + Span::days(4_000))));
        assert!(told.citation.contains("UWG") && told.detail.contains("4000 days: 5 years"), "{told:?}");
        assert_eq!(ground(&policy, None, now()).until, Some(now()));

        // An older copy of the packs has no rule for everybody: then nobody is forgotten sooner than anywhere in it.
        let old = embedded::files().filter(|(path, _)| !path.starts_with("house/retention"));
        let policy = compile(old).expect("compiles");
        let british = parse_for_sending("+442079460123", None).ok();
        assert_eq!(period(&policy, british.as_ref(), &[], now()).expect("the longest").days, 3_653);
    }

    /// The table of the documentation, from the packs.
    #[test]
    fn the_page_says_what_the_packs_say() {
        const BEGIN: &str = "<!-- periods of the packs -->\n";
        const END: &str = "<!-- end -->";
        let policy = shipped();
        let mut table = "\n| where | what | rule | citation |\n|---|---|---|---|\n".to_owned();
        for Period { rule, .. } in periods(&policy, now()) {
            let place = rule.jurisdiction.as_ref().map_or("everywhere".to_owned(), ToString::to_string);
            let what = sentence::sentence(&rule.value);
            table.push_str(&format!("| {place} | {what} | `{}` | {} |\n", rule.id, rule.citation));
        }
        table.push('\n');
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/erasure.md");
        let page = std::fs::read_to_string(&path).expect("there");
        let (before, rest) = page.split_once(BEGIN).expect("the table's begin");
        let (told, after) = rest.split_once(END).expect("the table's end");
        if std::env::var_os("CONSENTRY_WRITE_DOCS").is_some() {
            std::fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).expect("docs/ is writable");
        } else {
            assert!(
                told == table,
                "docs/erasure.md is old: CONSENTRY_WRITE_DOCS=1 cargo test --lib erasure::retention"
            );
        }
    }

    #[test]
    fn what_a_restore_does_is_told_as_it_is() {
        let backups = |until, listed| {
            let all = what_stays(until, listed);
            all.into_iter().find(|ground| ground.code == "BACKUPS").expect("always told")
        };
        let told = backups(Some(Instant::EPOCH), true);
        assert!(told.until == Some(Instant::EPOCH) && !told.detail.contains("retention."), "{}", told.detail);
        let told = backups(None, false);
        assert!(told.until.is_none() && told.detail.contains("retention.backup_days"), "{}", told.detail);
        assert!(told.detail.contains("retention.erasures"), "{}", told.detail);
    }
}
