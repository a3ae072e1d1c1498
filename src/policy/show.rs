//! A set as text for people: what holds where, since when, on what ground.

use std::fmt::Write as _;

use super::file::{Confidence, Layer, Stance};
use super::set::{PolicySet, Rule};

/// Lists a set. `place` narrows it to one jurisdiction (`us/fl`), a folder (`house`, `carrier/us`) or one rule's id.
pub fn show(set: &PolicySet, place: Option<&str>) -> String {
    let mut text = String::new();
    let hash = hex::encode(&set.hash()[..8]);
    let _ = writeln!(
        text,
        "policy {} ({hash}…), {} rules, {} places",
        set.version(),
        set.rules().len(),
        set.places().len()
    );
    for rule in set.rules().iter().filter(|rule| place.is_none_or(|p| within(&rule.id, p))) {
        let _ = write!(text, "\n{}", describe(set, rule));
    }
    for (name, known) in set.places().iter().filter(|(name, _)| place.is_none_or(|p| name.as_str() == p)) {
        let zones: Vec<&str> = known.zones.iter().map(|zone| zone.as_str()).collect();
        let _ = writeln!(text, "\n{name}: {}\n  zones      {}", known.name, zones.join(", "));
    }
    text
}

fn within(id: &str, place: &str) -> bool {
    id.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// One rule in full.
pub fn describe(set: &PolicySet, rule: &Rule) -> String {
    let file = set.source(rule);
    let mut text = String::new();
    let until = file.effective_to.map(|d| format!(" to {d}")).unwrap_or_default();
    let _ = writeln!(text, "{} [{}]", rule.id, file.kind);
    let _ = writeln!(text, "  says       {}", super::sentence::sentence(&rule.value));
    let _ = writeln!(text, "  value      {}", file.value);
    let _ = writeln!(text, "  ground     {} ({})", file.citation, layer(file.layer));
    let _ = writeln!(text, "  in force   from {}{until}", file.effective_from);
    if let Some(law) = &file.law {
        let _ = writeln!(text, "  law        {law}");
    }
    let _ = writeln!(
        text,
        "  shipped    {}, confidence {}",
        stance(file.ship_vs_law),
        confidence(file.confidence)
    );
    if let Some(note) = &file.note {
        let _ = writeln!(text, "  note       {note}");
    }
    if let Some(author) = &file.author {
        let _ = writeln!(text, "  author     {author}");
    }
    let _ = writeln!(text, "  verified   {}, review by {}", file.last_verified, file.review_by);
    for source in &file.sources {
        let _ = writeln!(text, "  source     {source}");
    }
    text
}

fn layer(layer: Layer) -> &'static str {
    match layer {
        Layer::Law => "law",
        Layer::Carrier => "carriers",
        Layer::Store => "app stores",
        Layer::House => "house",
    }
}

fn stance(stance: Stance) -> &'static str {
    match stance {
        Stance::Same => "as the law has it",
        Stance::Stricter => "stricter than the law",
        Stance::Partly => "a part of what the law asks",
        Stance::NoLaw => "no law speaks",
    }
}

fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::High => "high",
        Confidence::Medium => "medium",
        Confidence::Low => "low",
    }
}
