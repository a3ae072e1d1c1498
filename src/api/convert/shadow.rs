//! Another sender's log on the wire: what it does not say itself, and what was found.

use crate::api::convert::{maybe_timestamp, names, timestamp};
use crate::api::field::{Fields, Lines};
use crate::audit::shadow::exposure::Exposure;
use crate::audit::shadow::report::{ByRule, Finding, Violation, WrongRow};
use crate::audit::shadow::{Columns, Options, Preset, Report};
use crate::model::{Category, Zones};
use crate::pb::consentry::v1 as wire;
use crate::policy::file::Layer;

/// Domains one upload may name.
const DOMAINS_MAX: usize = 64;

/// The options of an upload, and what its columns are called. `rows_max`: most rows taken.
pub fn options(
    f: &mut Fields,
    wire: wire::ShadowOptions,
    zones: &Zones,
    rows_max: u64,
) -> Option<(Options, Columns)> {
    let preset = f.known("preset", wire.preset).map(|preset| match preset {
        wire::ShadowPreset::Unspecified => Preset::Consentry,
        wire::ShadowPreset::Twilio => Preset::Twilio,
    });
    let columns = f.text("columns", wire.columns, 0..=1_024, Lines::One);
    let columns = preset.zip(columns).and_then(|(preset, named)| match Columns::new(preset, &named) {
        Ok(columns) => Some(columns),
        Err(e) => f.refuse("columns", e.to_string()),
    });
    let brand = f.text("brand_name", wire.brand_name, 0..=64, Lines::One);
    let domains = f.each("domains", wire.domains, 0..=DOMAINS_MAX, |f, domain| {
        f.text("", domain.to_lowercase(), 1..=253, Lines::One)
    });
    let category = f.maybe_named("category", wire.category, names::category_of);
    let zone = f.zone("time_zone", &wire.time_zone).and_then(|name| match name {
        None => Some(None),
        Some(name) => match zones.get(&name) {
            Some(zone) => Some(Some(zone.clone())),
            None => f.refuse("time_zone", "is not in the time zone data of this gateway"),
        },
    });
    let country = f.country("country", &wire.country);
    let options = Options {
        brand: brand.map(|name| (!name.is_empty()).then_some(name))?,
        domains: domains?,
        category: Some(category?.unwrap_or(Category::Marketing)),
        sender_kind: None,
        time_zone: zone?,
        country: country?,
        rows_max: Some(rows_max),
    };
    Some((options, columns?))
}

/// A message that should not have left.
pub fn violation(violation: &Violation<'_>) -> wire::ShadowViolation {
    wire::ShadowViolation {
        line: violation.line,
        id: violation.id.to_owned(),
        sent_at: Some(timestamp(violation.at)),
        outcome: names::outcome(violation.outcome).into(),
        hold_until: maybe_timestamp(violation.hold_until),
        findings: violation.findings.iter().map(finding).collect(),
    }
}

fn finding(finding: &Finding) -> wire::ShadowFinding {
    wire::ShadowFinding {
        layer: layer(finding.layer).into(),
        code: finding.code.to_string(),
        rule: finding.rule.clone(),
        citation: finding.citation.clone(),
        detail: finding.detail.clone(),
    }
}

/// Everything that was found.
pub fn report(report: &Report) -> wire::ShadowReport {
    wire::ShadowReport {
        policy_version: report.policy_version.clone(),
        time_zone_version: report.time_zone_version.clone(),
        rows: report.rows,
        people: report.people,
        judged: report.judged,
        in_order: report.in_order,
        house_only: report.house_only,
        violations: report.violations,
        answers: report.answers,
        not_sent: report.not_sent,
        heard: report.heard,
        wrong: report.wrong,
        wrong_rows: report.wrong_rows.iter().map(wrong_row).collect(),
        rules: report.by_rule.iter().map(rule).collect(),
        exposures: report.exposures.iter().map(exposure).collect(),
        not_judged: report.not_judged.clone(),
    }
}

fn wrong_row(row: &WrongRow) -> wire::ShadowWrongRow {
    let (column, why) = (row.column.clone(), row.why.clone());
    wire::ShadowWrongRow { table: row.table.to_owned(), line: row.line, column, why }
}

fn rule(by: &ByRule) -> wire::ShadowRule {
    wire::ShadowRule {
        layer: layer(by.layer).into(),
        rule: by.rule.clone(),
        code: by.code.to_string(),
        citation: by.citation.clone(),
        messages: by.messages,
        first_at: Some(timestamp(by.first)),
        last_at: Some(timestamp(by.last)),
        lines: by.lines.clone(),
        example: by.example.clone(),
    }
}

fn exposure(one: &Exposure) -> wire::ShadowExposure {
    wire::ShadowExposure {
        name: one.name.to_owned(),
        citation: one.citation.to_owned(),
        note: one.note.to_owned(),
        messages: one.messages,
        currency: one.currency.to_owned(),
        low: one.low,
        high: one.high,
    }
}

fn layer(layer: Layer) -> wire::RuleLayer {
    match layer {
        Layer::Law => wire::RuleLayer::Law,
        Layer::Carrier => wire::RuleLayer::Carrier,
        Layer::Store => wire::RuleLayer::Store,
        Layer::House => wire::RuleLayer::House,
    }
}
