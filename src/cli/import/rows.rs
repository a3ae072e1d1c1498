//! What a row's cells say, as the requests the gateway takes.

use super::table::{Bad, Record};
use crate::cli::message::{phone, timestamp};
use crate::model::Instant;
use crate::pb::consentry::v1 as pb;

/// Which list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Consents,
    Suppressions,
    NumberChecks,
}

/// Columns of free facts kept with the evidence: `attribute.NAME`.
const ATTRIBUTE: &str = "attribute.";

impl Kind {
    /// As the verb calls it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Consents => "consents",
            Kind::Suppressions => "suppressions",
            Kind::NumberChecks => "number-checks",
        }
    }

    /// Every column, and the field of the contract it fills.
    fn fields(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Kind::Consents => &[
                ("phone", "opt_in.subject"),
                ("brand", "opt_in.brand"),
                ("programs", "opt_in.programs"),
                ("customer_id", "opt_in.customer_id"),
                ("country", "opt_in.locations[0].country"),
                ("region", "opt_in.locations[0].region"),
                ("postal_code", "opt_in.locations[0].postal_code"),
                ("time_zone", "opt_in.locations[0].time_zone"),
                ("captured_at", "opt_in.evidence.captured_at"),
                ("disclosure", "opt_in.evidence.disclosure"),
                ("disclosure_text", "opt_in.evidence.disclosure_text"),
                ("act", "opt_in.evidence.act"),
                ("reply", "opt_in.evidence.inbound_text"),
                ("control_default", "opt_in.evidence.control_default"),
                ("condition_of_purchase", "opt_in.evidence.condition_of_purchase"),
                ("bundled_with_terms", "opt_in.evidence.bundled_with_terms"),
                ("source_url", "opt_in.evidence.source_url"),
                ("ip_address", "opt_in.evidence.ip_address"),
                ("user_agent", "opt_in.evidence.user_agent"),
                ("locale", "opt_in.evidence.locale"),
                ("signatory_name", "opt_in.evidence.signatory_name"),
                ("certificate_url", "opt_in.evidence.certificate_url"),
                ("e_sign_version", "opt_in.evidence.e_sign_version"),
                ("basis", "opt_in.evidence.basis"),
                ("basis_date", "opt_in.evidence.basis_date"),
                ("night", "opt_in.evidence.night"),
                ("night_only", "opt_in.night_only"),
                ("grade", "opt_in.evidence.grade"),
                ("attested_by", "attested_by"),
                ("attribute.NAME", "opt_in.evidence.attributes"),
            ],
            Kind::Suppressions => &[
                ("phone", "opt_out.subject"),
                ("customer_id", "opt_out.subject"),
                ("scope", "opt_out.scope"),
                ("brand", "opt_out.brand"),
                ("program", "opt_out.program"),
                ("channel", "opt_out.channel"),
                ("how", "opt_out.source"),
                ("text", "opt_out.text"),
                ("received_at", "opt_out.received_at"),
            ],
            Kind::NumberChecks => &[
                ("phone", "check.subject"),
                ("kind", "check.kind"),
                ("answer", "check.answer"),
                ("asked_at", "check.asked_at"),
                ("reference_date", "check.reference_date"),
                ("database_version", "check.database_version"),
                ("source", "check.source"),
            ],
        }
    }

    /// Names of the columns.
    pub fn columns(self) -> Vec<&'static str> {
        self.fields().iter().map(|(column, _)| *column).collect()
    }

    /// Whether a column is one of them.
    pub fn knows(self, column: &str) -> bool {
        let free = column.strip_prefix(ATTRIBUTE).is_some_and(|name| !name.is_empty());
        self.fields().iter().any(|(known, _)| *known == column) || free && self == Kind::Consents
    }

    /// The column that fills a field of the contract; empty when no single one does.
    pub fn column_of(self, field: &str) -> &'static str {
        let named = |path: &str| {
            !field.is_empty()
                && (field.starts_with(path) || path.split_once('.').is_some_and(|(_, p)| p == field))
        };
        // The longest path that fits says most.
        let fitting = self.fields().iter().filter(|(_, path)| named(path));
        fitting.max_by_key(|(_, path)| path.len()).map(|(column, _)| *column).unwrap_or_default()
    }
}

/// What rows that say nothing mean.
#[derive(Debug, Clone, Default)]
pub struct Defaults {
    pub source: String,
    pub brand: String,
    pub programs: Vec<String>,
    pub disclosure: String,
    pub attested_by: String,
}

/// The gateway's answer about a row of the file.
pub struct Read<'a> {
    pub line: u64,
    pub answer: &'a pb::ImportRowResult,
    pub kind: Kind,
}

/// Looks at a row as far as that goes without a gateway.
pub fn check(kind: Kind, record: &Record, defaults: &Defaults) -> Result<(), Bad> {
    match kind {
        Kind::Consents => consent(record, "", defaults).map(drop),
        Kind::Suppressions => suppression(record, "", defaults).map(drop),
        Kind::NumberChecks => number_check(record, "").map(drop),
    }
}

/// A row of consents.
pub fn consent(r: &Record, import_id: &str, defaults: &Defaults) -> Result<pb::ImportConsentsRequest, Bad> {
    let or = |cell: &str, default: &str| if cell.is_empty() { default.to_owned() } else { cell.to_owned() };
    let programs: Vec<String> = match r.get("programs") {
        "" => defaults.programs.clone(),
        listed => listed.split(';').map(|id| id.trim().to_owned()).collect(),
    };
    if programs.is_empty() {
        return Err(r.bad("programs", "is empty, and no --program is given"));
    }
    let grade = word(r, "grade", "CONSENT_GRADE_", pb::ConsentGrade::from_str_name)?;
    let attested_by = or(r.get("attested_by"), &defaults.attested_by);
    if grade == pb::ConsentGrade::Attested as i32 && attested_by.is_empty() {
        return Err(r.bad(
            "attested_by",
            "is empty, and no --attested-by is given: somebody vouches for grade ATTESTED",
        ));
    }
    let opt_in = pb::RecordOptInRequest {
        brand: or(r.get("brand"), &defaults.brand),
        programs,
        subject: Some(number(r)?),
        channels: vec![pb::Channel::Sms.into()],
        customer_id: r.get("customer_id").to_owned(),
        locations: place(r)?.into_iter().collect(),
        evidence: Some(evidence(r, grade, defaults)?),
        night_only: yes(r, "night_only")?,
        idempotency_key: String::new(),
    };
    Ok(pb::ImportConsentsRequest {
        import_id: import_id.to_owned(),
        row: r.row,
        source: defaults.source.clone(),
        opt_in: Some(opt_in),
        attested_by,
    })
}

fn evidence(r: &Record, grade: i32, defaults: &Defaults) -> Result<pb::ConsentEvidence, Bad> {
    use pb::consent_evidence::Wording;
    let named = match r.get("disclosure") {
        "" => defaults.disclosure.as_str(),
        named => named,
    };
    let wording = match (r.get("disclosure_text"), named) {
        ("", "") => None,
        ("", named) => {
            let (id, version) = named.split_once('@').unwrap_or((named, ""));
            Some(Wording::Disclosure(pb::DisclosureRef { id: id.to_owned(), version: version.to_owned() }))
        }
        (text, _) if r.get("disclosure").is_empty() => Some(Wording::DisclosureText(text.to_owned())),
        _ => return Err(r.bad("disclosure_text", "stands beside disclosure: give the one or the other")),
    };
    let text = |column: &str| r.get(column).to_owned();
    let attributes = r.beginning(ATTRIBUTE).filter(|(_, value)| !value.is_empty());
    Ok(pb::ConsentEvidence {
        wording,
        method: pb::ConsentMethod::Imported.into(),
        act: word(r, "act", "CONSENT_ACT_", pb::ConsentAct::from_str_name)?,
        control_default: word(r, "control_default", "CONTROL_DEFAULT_", pb::ControlDefault::from_str_name)?,
        condition_of_purchase: yes(r, "condition_of_purchase")?,
        bundled_with_terms: yes(r, "bundled_with_terms")?,
        captured_at: instant(r, "captured_at")?,
        source_url: text("source_url"),
        ip_address: text("ip_address"),
        user_agent: text("user_agent"),
        locale: text("locale"),
        signatory_name: text("signatory_name"),
        certificate_url: text("certificate_url"),
        inbound_text: text("reply"),
        e_sign_version: text("e_sign_version"),
        basis: word(r, "basis", "CONSENT_BASIS_", pb::ConsentBasis::from_str_name)?,
        basis_date: instant(r, "basis_date")?,
        night: yes(r, "night")?,
        grade,
        attributes: attributes
            .map(|(key, value)| pb::Attribute { key: key.to_owned(), value: value.to_owned() })
            .collect(),
        ..pb::ConsentEvidence::default()
    })
}

fn place(r: &Record) -> Result<Option<pb::Location>, Bad> {
    let text = |column: &str| r.get(column).to_owned();
    let place = pb::Location {
        source: pb::LocationSource::Billing.into(),
        country: text("country"),
        region: text("region"),
        postal_code: text("postal_code"),
        time_zone: text("time_zone"),
        observed_at: instant(r, "captured_at")?,
    };
    let said = [&place.country, &place.region, &place.postal_code, &place.time_zone];
    Ok(said.iter().any(|part| !part.is_empty()).then_some(place))
}

/// A row of opt-outs.
pub fn suppression(
    r: &Record,
    import_id: &str,
    defaults: &Defaults,
) -> Result<pb::ImportSuppressionsRequest, Bad> {
    let subject = match (r.get("phone"), r.get("customer_id")) {
        ("", "") => return Err(r.bad("phone", "is empty, and so is customer_id")),
        ("", customer) => {
            pb::Subject { address: Some(pb::subject::Address::CustomerId(customer.to_owned())) }
        }
        _ => number(r)?,
    };
    let opt_out = pb::RecordOptOutRequest {
        brand: r.get("brand").to_owned(),
        subject: Some(subject),
        scope: word(r, "scope", "OPT_OUT_SCOPE_", pb::OptOutScope::from_str_name)?,
        source: match word(r, "how", "OPT_OUT_SOURCE_", pb::OptOutSource::from_str_name)? {
            // A list that says nothing about how: kept by an operator's word, so that no START by text lifts it.
            0 => pb::OptOutSource::Operator.into(),
            how => how,
        },
        text: r.get("text").to_owned(),
        received_at: instant(r, "received_at")?,
        idempotency_key: String::new(),
        program: r.get("program").to_owned(),
        channel: word(r, "channel", "CHANNEL_", pb::Channel::from_str_name)?,
    };
    Ok(pb::ImportSuppressionsRequest {
        import_id: import_id.to_owned(),
        row: r.row,
        source: defaults.source.clone(),
        opt_out: Some(opt_out),
        last: false,
    })
}

/// A row of number checks.
pub fn number_check(r: &Record, import_id: &str) -> Result<pb::ImportNumberChecksRequest, Bad> {
    for column in ["kind", "answer", "asked_at", "source"] {
        if r.get(column).is_empty() {
            return Err(r.bad(column, "is empty"));
        }
    }
    let check = pb::NumberCheck {
        subject: Some(number(r)?),
        kind: word(r, "kind", "NUMBER_CHECK_KIND_", pb::NumberCheckKind::from_str_name)?,
        answer: word(r, "answer", "NUMBER_CHECK_ANSWER_", pb::NumberCheckAnswer::from_str_name)?,
        asked_at: instant(r, "asked_at")?,
        reference_date: instant(r, "reference_date")?,
        database_version: r.get("database_version").to_owned(),
        source: r.get("source").to_owned(),
    };
    if check.kind() == pb::NumberCheckKind::Reassigned && check.reference_date.is_none() {
        return Err(r.bad("reference_date", "is empty: REASSIGNED is asked about a day, that of the consent"));
    }
    Ok(pb::ImportNumberChecksRequest { import_id: import_id.to_owned(), row: r.row, check: Some(check) })
}

fn number(r: &Record) -> Result<pb::Subject, Bad> {
    let text = r.get("phone");
    match text.chars().any(|c| c.is_ascii_digit()) {
        true => Ok(phone(text.to_owned())),
        false => Err(r.bad("phone", "must be a number with its country code, as in +12125550123")),
    }
}

/// A value of an enum by its name in the contract, in any case; 0 when the cell is empty.
fn word<E: Into<i32>>(
    r: &Record,
    column: &str,
    prefix: &str,
    named: fn(&str) -> Option<E>,
) -> Result<i32, Bad> {
    let text = r.get(column);
    if text.is_empty() {
        return Ok(0);
    }
    let name = text.to_ascii_uppercase().replace([' ', '-'], "_");
    match named(&format!("{prefix}{name}")).map(Into::into) {
        None | Some(0) => Err(r.bad(column, format!("says {text:?}, which is none of its values"))),
        Some(value) => Ok(value),
    }
}

fn yes(r: &Record, column: &str) -> Result<bool, Bad> {
    match r.get(column).to_ascii_lowercase().as_str() {
        "" | "false" | "no" | "0" => Ok(false),
        "true" | "yes" | "1" => Ok(true),
        other => Err(r.bad(column, format!("says {other:?}; it must be true or false"))),
    }
}

/// RFC 3339, or a day: its first instant in UTC.
fn instant(r: &Record, column: &str) -> Result<Option<prost_types::Timestamp>, Bad> {
    let text = r.get(column);
    if text.is_empty() {
        return Ok(None);
    }
    let day = |text: &str| {
        let date: jiff::civil::Date = text.parse().ok()?;
        Instant::parse(&format!("{date}T00:00:00Z")).ok()
    };
    let read = Instant::parse(text).ok().or_else(|| (text.len() == 10).then(|| day(text)).flatten());
    match read {
        Some(at) => Ok(Some(timestamp(at))),
        None => {
            let detail = format!("says {text:?}; it must be RFC 3339, as in 2026-06-01T12:00:00Z, or a day");
            Err(r.bad(column, detail))
        }
    }
}
