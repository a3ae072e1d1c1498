//! How long proof about a person is kept, by where they may be: the longest period of every place that fits.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::ledger::body::Ground;
use crate::model::location::LocationHint;
use crate::model::phone::ParsedNumber;
use crate::model::{Instant, Span};
use crate::place;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    class: Vec<Class>,
}

/// One rule of retention.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    pub id: String,
    /// Countries or regions, as in `us/va`; none: everybody.
    pub places: Vec<String>,
    pub days: i64,
    pub citation: String,
    pub detail: String,
}

static CLASSES: LazyLock<Vec<Class>> = LazyLock::new(|| {
    toml::from_str::<File>(include_str!("retention.toml")).expect("a file of this release, tested").class
});

/// The class of the longest period among those of the places a person may be in: those of the number and every hint kept of
/// it, however old, for proof of what was sent then is needed where they were then. Neither: of everybody.
pub fn class_of(number: Option<&ParsedNumber>, hints: &[LocationHint]) -> &'static Class {
    let mut places: Vec<String> = Vec::new();
    for hint in hints {
        let country = hint.country.to_lowercase();
        places.push(format!("{country}/{}", hint.region.to_lowercase()));
        places.push(country);
    }
    if let Some(number) = number {
        let candidates = place::candidates(&number.phone, number.country);
        places.extend(candidates.country.map(|country| country.to_string().to_lowercase()));
        places.extend(candidates.regions.iter().map(|region| region.as_str().to_lowercase()));
    }
    let fits = |class: &&Class| class.places.is_empty() || class.places.iter().any(|p| places.contains(p));
    // Where two last equally long, the one that names the place says why better: those come later in the file.
    CLASSES.iter().filter(fits).max_by_key(|class| class.days).expect("one class is everybody's")
}

/// Why proof stays, and until when, counted from `from`: the last message, or the request itself.
pub fn ground(class: &Class, from: Instant) -> Ground {
    Ground {
        code: "RETENTION".to_owned(),
        rule: format!("retention/{}", class.id),
        citation: class.citation.clone(),
        detail: class.detail.clone(),
        until: Some(from + Span::days(class.days)),
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

    #[test]
    fn the_longest_period_of_every_possible_place_counts() {
        let of = |text: &str| class_of(parse_for_sending(text, None).ok().as_ref(), &[]).id.clone();
        for (number, class) in [
            ("+12125550123", "us"),
            ("+18045550123", "us/va"),
            ("+493012345678", "de"),
            ("+442079460123", "house"),
            ("+85221234567", "house"),
        ] {
            assert_eq!(of(number), class, "{number}");
        }
        assert_eq!(class_of(None, &[]).id, "house");
    }

    #[test]
    fn where_a_person_is_said_to_be_counts_beside_the_number() {
        let hint = |country: &str, region: &str| LocationHint {
            source: LocationSource::Shipping,
            country: country.to_owned(),
            region: region.to_owned(),
            postal_code: String::new(),
            time_zone: String::new(),
            observed_at: Instant::EPOCH,
        };
        let new_york = parse_for_sending("+12125550123", None).ok();
        let of = |hints: &[LocationHint]| class_of(new_york.as_ref(), hints).id.as_str();
        assert_eq!(of(&[hint("US", "VA")]), "us/va", "ten years, not five");
        assert_eq!(of(&[hint("CA", "ON"), hint("DE", "")]), "de", "as long, and it names the place");
        assert_eq!(of(&[hint("", ""), hint("HK", "")]), "us", "never shorter for it");
        assert_eq!(class_of(None, &[hint("US", "VA")]).id, "us/va", "an app has no number");
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

    #[test]
    fn every_class_says_why() {
        for class in CLASSES.iter() {
            assert!(class.days > 0 && !class.citation.is_empty() && !class.detail.is_empty(), "{}", class.id);
        }
    }
}
