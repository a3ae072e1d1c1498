//! Answers about a number, on the wire.

use crate::api::convert::{maybe_timestamp, names, subject, timestamp};
use crate::api::field::{Fields, Lines, TimeRule};
use crate::model::facts::{CheckKind, NumberCheck};
use crate::model::subject::Address;
use crate::pb::consentry::v1 as wire;
use crate::writer::ops::Target;

/// Reads an answer and the number it is about.
pub fn read(f: &mut Fields, wire: wire::NumberCheck) -> Option<(Target, NumberCheck)> {
    let target = match subject::target(f, wire.subject) {
        Some(target @ Target::Phone(_)) => Some(target),
        Some(_) => f.refuse("subject", "must be a phone: registries know numbers"),
        None => None,
    };
    let kind = f.named("kind", wire.kind, names::check_kind_of);
    let answer = f.named("answer", wire.answer, names::check_answer_of);
    let asked_at = f.required_time("asked_at", wire.asked_at, TimeRule::Happened);
    let reference_at = f.time("reference_date", wire.reference_date, TimeRule::Any);
    if kind == Some(CheckKind::Reassigned) && reference_at == Some(None) {
        f.bad(
            "reference_date",
            "is required for REASSIGNED: the database is asked about a day, that of the consent",
        );
    }
    if let (Some(Some(about)), Some(asked)) = (reference_at, asked_at)
        && about > asked
    {
        f.bad("reference_date", "must not lie after asked_at");
    }
    let database_version = f.text("database_version", wire.database_version, 0..=64, Lines::One);
    let source = f.text("source", wire.source, 1..=64, Lines::One);
    let check = NumberCheck {
        kind: kind?,
        answer: answer?,
        asked_at: asked_at?,
        reference_at: reference_at?,
        source: source?,
        database_version: database_version?,
    };
    Some((target?, check))
}

/// An answer on the wire.
pub fn shown(check: &NumberCheck, whose: &Address) -> wire::NumberCheck {
    wire::NumberCheck {
        subject: Some(subject::subject(whose)),
        kind: names::check_kind(check.kind).into(),
        answer: names::check_answer(check.answer).into(),
        asked_at: Some(timestamp(check.asked_at)),
        reference_date: maybe_timestamp(check.reference_at),
        database_version: check.database_version.clone(),
        source: check.source.clone(),
    }
}
