//! What a row of each import says, and what becomes of it.

use std::sync::Arc;

use tonic::Streaming;

use super::{Became, Desk, Row};
use crate::api::auth::Caller;
use crate::api::consent::record::{opt_in_of, opt_out_of};
use crate::api::consent::{Consents, Rows};
use crate::api::convert::{check, consent as shown, subject};
use crate::api::field::{Fields, Lines};
use crate::api::service::request_hash;
use crate::api::status::ApiError;
use crate::model::consent::ConsentState;
use crate::model::{Code, OptOutScope};
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::import_row_result::Outcome;
use crate::writer::ops::consent::OptInAnswer;
use crate::writer::ops::import::{EndSuppressions, ImportConsent, ImportOptOut, Imported, row_key};
use crate::writer::ops::number_check::{Checked, RecordNumberCheck};

/// Facts about the import that are kept with the evidence of each row.
const KEPT: [&str; 3] = ["import_id", "import_source", "attested_by"];

impl Row for wire::ImportConsentsRequest {
    const NAMES_SOURCE: bool = true;
    const AFTER_SUPPRESSIONS: bool = true;
    fn place(&self) -> (&str, u64, &str) {
        (&self.import_id, self.row, &self.source)
    }
}

impl Row for wire::ImportSuppressionsRequest {
    const NAMES_SOURCE: bool = true;
    fn place(&self) -> (&str, u64, &str) {
        (&self.import_id, self.row, &self.source)
    }
    fn is_last(&self) -> bool {
        self.last
    }
}

impl Row for wire::ImportNumberChecksRequest {
    const NAMES_SOURCE: bool = false;
    fn place(&self) -> (&str, u64, &str) {
        (&self.import_id, self.row, "")
    }
}

impl Consents {
    pub(in crate::api::consent) fn consent_rows(
        &self,
        caller: Arc<Caller>,
        rows: Streaming<wire::ImportConsentsRequest>,
    ) -> Rows {
        self.import(caller, rows, |desk, row| async move {
            let caller = Arc::clone(&desk.caller);
            let read = |f: &mut Fields| consent(f, row.clone(), &caller);
            let reached = |op: &ImportConsent, caller: &Caller| caller.check_brand(&op.opt_in.brand);
            desk.write(read, reached, told).await
        })
    }

    pub(in crate::api::consent) fn suppression_rows(
        &self,
        caller: Arc<Caller>,
        rows: Streaming<wire::ImportSuppressionsRequest>,
    ) -> Rows {
        self.import(caller, rows, |desk, row| async move {
            let became = if row.opt_out.is_none() && row.last {
                Became::plain(Outcome::Unchanged)
            } else {
                suppress(&desk, &row).await?
            };
            if row.last { end(desk, row, became).await } else { Ok(became) }
        })
    }

    pub(in crate::api::consent) fn number_check_rows(
        &self,
        caller: Arc<Caller>,
        rows: Streaming<wire::ImportNumberChecksRequest>,
    ) -> Rows {
        self.import(caller, rows, |desk, row| async move {
            let caller = Arc::clone(&desk.caller);
            let read = |f: &mut Fields| number_check(f, row.clone(), &caller);
            desk.write(
                read,
                |_, _| Ok(()),
                |checked: Checked| {
                    Became::plain(if checked.written { Outcome::Written } else { Outcome::Unchanged })
                },
            )
            .await
        })
    }
}

fn consent(f: &mut Fields, mut row: wire::ImportConsentsRequest, caller: &Caller) -> Option<ImportConsent> {
    let Some(mut opt_in) = row.opt_in.take() else { return f.refuse("opt_in", "is required") };
    opt_in.idempotency_key.clear();
    let spelt = opt_in.subject.clone();
    subject::canonical(&mut opt_in.subject);
    if let Some(evidence) = &mut opt_in.evidence {
        evidence.method = wire::ConsentMethod::Imported.into();
        evidence.attributes.retain(|kept| !KEPT.contains(&kept.key.as_str()));
    }
    let hashed = wire::ImportConsentsRequest { opt_in: Some(opt_in.clone()), ..row.clone() };
    let idempotency = row_key("ImportConsents", &row.import_id, row.row, request_hash(&hashed));
    let attested = wire::ConsentGrade::Attested as i32;
    let grade = opt_in.evidence.as_ref().map_or(0, |evidence| evidence.grade);
    let voucher = f.text("attested_by", row.attested_by, 0..=128, Lines::One);
    if grade == attested && voucher.as_ref().is_some_and(String::is_empty) {
        f.bad("attested_by", "is required with grade ATTESTED: somebody vouches for the batch");
    }
    opt_in.subject = spelt;
    let read = f.within("opt_in", |f| opt_in_of(f, opt_in, caller, idempotency));
    let mut opt_in = read?;
    let facts = [("import_id", &row.import_id), ("import_source", &row.source), ("attested_by", &voucher?)];
    let facts = facts.into_iter().filter(|(_, value)| !value.is_empty());
    opt_in.evidence.attributes.extend(facts.map(|(key, value)| (key.to_owned(), value.clone())));
    opt_in.evidence.attributes.sort();
    Some(ImportConsent { source: row.source, opt_in })
}

/// Granted or waiting for the person is written; refused by every rule is refused.
fn told(answer: Imported<OptInAnswer>) -> Became {
    let Imported::Recorded(answer) = answer else { return Became::plain(Outcome::Unchanged) };
    let refused = |state| state == ConsentState::Refused;
    let outcome = match answer.consents.iter().all(|one| refused(one.consent.state)) {
        true => Outcome::Refused,
        false => Outcome::Written,
    };
    let mut codes: Vec<Code> = answer.consents.iter().flat_map(|one| one.reasons.iter().cloned()).collect();
    let waits = |state| state == ConsentState::PendingConfirmation;
    if answer.consents.iter().any(|one| waits(one.consent.state)) {
        codes.push(Code::ConsentPending);
    }
    codes.sort();
    codes.dedup();
    Became { outcome, reasons: codes.iter().map(shown::because).collect() }
}

async fn suppress(desk: &Desk, row: &wire::ImportSuppressionsRequest) -> Result<Became, ApiError> {
    let read = |f: &mut Fields| suppression(f, row.clone(), &desk.caller);
    let reached = |op: &ImportOptOut, caller: &Caller| {
        let named = match &op.0.scope {
            OptOutScope::Brand(brand) => Some(brand),
            _ => None,
        };
        named.into_iter().chain(&op.0.brand).try_for_each(|brand| caller.check_brand(brand))
    };
    desk.write(read, reached, |imported| match imported {
        Imported::Recorded(_) => Became::plain(Outcome::Written),
        Imported::Unchanged => Became::plain(Outcome::Unchanged),
    })
    .await
}

fn suppression(
    f: &mut Fields,
    mut row: wire::ImportSuppressionsRequest,
    caller: &Caller,
) -> Option<ImportOptOut> {
    let Some(mut opt_out) = row.opt_out.take() else { return f.refuse("opt_out", "is required") };
    opt_out.idempotency_key.clear();
    subject::canonical(&mut opt_out.subject);
    // Whether it was the last row of a broken stream says nothing about the opt-out.
    let hashed =
        wire::ImportSuppressionsRequest { opt_out: Some(opt_out.clone()), last: false, ..row.clone() };
    let idempotency = row_key("ImportSuppressions", &row.import_id, row.row, request_hash(&hashed));
    f.within("opt_out", |f| opt_out_of(f, opt_out, caller, idempotency)).map(ImportOptOut)
}

/// The end of a source's opt-outs, once every row before it is durable. An opt-out that could not be taken keeps the
/// source's consents out.
async fn end(desk: Desk, row: wire::ImportSuppressionsRequest, became: Became) -> Result<Became, ApiError> {
    let invalid = desk.all_done().await;
    if invalid > 0 {
        let detail = format!(
            "{invalid} rows could not be taken: consents of this source stay refused until they are sent again, mended, \
             with a last row after them"
        );
        let reason = wire::Reason {
            code: "IMPORT_INCOMPLETE".to_owned(),
            detail,
            effect: wire::reason::Effect::Hold.into(),
            ..wire::Reason::default()
        };
        let reasons = became.reasons.into_iter().chain([reason]).collect();
        return Ok(Became { reasons, ..became });
    }
    let ended = desk.consents.hands.write(EndSuppressions {
        source: row.source,
        import_id: row.import_id,
        rows: row.row,
        actor: desk.caller.key.clone(),
    });
    let ended = ended.await?;
    let outcome = if ended { Outcome::Written } else { became.outcome };
    Ok(Became { outcome, ..became })
}

fn number_check(
    f: &mut Fields,
    mut row: wire::ImportNumberChecksRequest,
    caller: &Caller,
) -> Option<RecordNumberCheck> {
    let Some(mut wire) = row.check.take() else { return f.refuse("check", "is required") };
    let spelt = wire.subject.clone();
    subject::canonical(&mut wire.subject);
    let hashed = wire::ImportNumberChecksRequest { check: Some(wire.clone()), ..row.clone() };
    let idempotency = row_key("ImportNumberChecks", &row.import_id, row.row, request_hash(&hashed));
    wire.subject = spelt;
    let (target, check) = f.within("check", |f| check::read(f, wire))?;
    Some(RecordNumberCheck { target, check, idempotency, actor: caller.key.clone() })
}
