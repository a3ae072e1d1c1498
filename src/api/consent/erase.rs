//! `EraseSubject`, `SetLegalHold`, `ClearLegalHold`.

use super::Consents;
use crate::api::auth::{Caller, Role};
use crate::api::convert::{maybe_timestamp, subject, timestamp};
use crate::api::field::Lines;
use crate::api::status::ApiError;
use crate::erasure::{self, Done, EraseError};
use crate::ledger::body::{Ground, HoldTarget, LegalHoldBody};
use crate::model::subject::Address;
use crate::model::{BrandId, MessageId, SubjectId};
use crate::pb::consentry::v1 as wire;
use crate::writer::ops::Target;
use crate::writer::ops::erase::{ClearLegalHold, Restrict, SetLegalHold};

const REASON: std::ops::RangeInclusive<usize> = 1..=512;

impl Consents {
    pub(super) async fn erase(
        &self,
        caller: &Caller,
        request: wire::EraseSubjectRequest,
    ) -> Result<wire::EraseSubjectResponse, ApiError> {
        let mut f = self.hands.fields();
        let mode = wire::EraseMode::try_from(request.mode);
        let now = match mode {
            Ok(wire::EraseMode::EraseNow) => Some(true),
            Ok(wire::EraseMode::Unspecified | wire::EraseMode::Restrict) => Some(false),
            Err(_) => f.refuse("mode", "must be RESTRICT or ERASE_NOW"),
        };
        let target = subject::target(&mut f, request.subject);
        let reason = f.text("reason", request.reason, REASON, Lines::Many);
        let read = (|| Some((now?, target?, reason?)))();
        let (now, target, reason) = f.finish(read)?;
        let actor = caller.key.clone();
        if now {
            caller.require(&[Role::Admin])?;
            return self.erase_now(target, &reason, &actor).await;
        }
        let restricted = self.hands.write(Restrict { target, reason, actor }).await?;
        Ok(wire::EraseSubjectResponse {
            state: wire::EraseState::Restricted.into(),
            erase_after: Some(timestamp(restricted.erase_after)),
            grounds: restricted.grounds.iter().map(ground).collect(),
        })
    }

    async fn erase_now(
        &self,
        target: Target,
        reason: &str,
        actor: &str,
    ) -> Result<wire::EraseSubjectResponse, ApiError> {
        let people: Vec<SubjectId> =
            self.hands.look(|cx| Ok(cx.subjects_of(&target)?.iter().map(|s| s.id).collect()))?;
        if people.is_empty() {
            return Err(ApiError::NotFound { kind: "person", name: "as named".to_owned() });
        }
        let (reader, keys) = (self.hands.reader(), self.hands.books().keys());
        let done = erasure::erase(reader, self.hands.writer(), keys, people, reason, actor).await;
        let (state, grounds) = match done.map_err(refused)? {
            Done::Erased(stays) => (wire::EraseState::Erased, stays),
            Done::Held(holds) => (wire::EraseState::Held, holds),
        };
        let grounds = grounds.iter().map(ground).collect();
        Ok(wire::EraseSubjectResponse { state: state.into(), erase_after: None, grounds })
    }

    pub(super) async fn hold(
        &self,
        caller: &Caller,
        request: wire::SetLegalHoldRequest,
    ) -> Result<wire::LegalHold, ApiError> {
        use wire::set_legal_hold_request::Target as Asked;
        let mut f = self.hands.fields();
        let target = f.required("target", request.target, |f, asked| match asked {
            Asked::Subject(person) => subject::target_within(f, person).map(|t| (Some(t), None)),
            Asked::Brand(brand) => f.id::<BrandId>("brand", &brand).map(|b| (None, Some(b))),
        });
        let reason = f.text("reason", request.reason, REASON, Lines::Many);
        let read = (|| Some((target?, reason?)))();
        let ((target, brand), reason) = f.finish(read)?;
        if let Some(brand) = &brand {
            caller.check_brand(brand)?;
        }
        let op = SetLegalHold { target, brand, reason, actor: caller.key.clone() };
        let hold = self.hands.write(op).await?;
        self.shown(hold)
    }

    pub(super) async fn release(
        &self,
        caller: &Caller,
        request: wire::ClearLegalHoldRequest,
    ) -> Result<wire::LegalHold, ApiError> {
        let mut f = self.hands.fields();
        let id = match request.id.parse::<MessageId>() {
            Ok(id) => Some(id),
            Err(e) => f.refuse("id", e.to_string()),
        };
        let reason = f.text("reason", request.reason, REASON, Lines::Many);
        let read = (|| Some((id?, reason?)))();
        let (id, reason) = f.finish(read)?;
        let op = ClearLegalHold { id, reason, actor: caller.key.clone() };
        let hold = self.hands.write(op).await?;
        self.shown(hold)
    }

    fn shown(&self, hold: LegalHoldBody) -> Result<wire::LegalHold, ApiError> {
        use wire::legal_hold::Target as Shown;
        let target = match &hold.target {
            HoldTarget::Brand(brand) => Shown::Brand(brand.to_string()),
            // One person, by the first of the addresses it covers.
            HoldTarget::Subjects(people) => match people.first() {
                Some(id) => Shown::Subject(subject::subject(&self.address(id)?)),
                None => return Err(ApiError::NotFound { kind: "person", name: "as named".to_owned() }),
            },
        };
        Ok(legal_hold(hold, target))
    }
}

fn legal_hold(hold: LegalHoldBody, target: wire::legal_hold::Target) -> wire::LegalHold {
    wire::LegalHold {
        id: hold.id.to_string(),
        target: Some(target),
        reason: hold.reason,
        set_at: Some(timestamp(hold.set_at)),
        cleared_at: maybe_timestamp(hold.cleared.map(|cleared| cleared.at)),
        set_by: Some(wire::Actor { api_key: hold.set_by, name: String::new() }),
    }
}

/// The holds that cover the person at `address`, as far as a caller may see them: those of other brands are not shown, and
/// the matter only to who may read what is held.
pub(super) fn holds(
    caller: &Caller,
    address: &Address,
    covering: Vec<LegalHoldBody>,
) -> Vec<wire::LegalHold> {
    use wire::legal_hold::Target as Shown;
    let tells = caller.require(&[Role::Auditor, Role::Admin]).is_ok();
    let shown = covering.into_iter().filter_map(|hold| {
        let target = match &hold.target {
            HoldTarget::Brand(brand) if !caller.reaches(brand) => return None,
            HoldTarget::Brand(brand) => Shown::Brand(brand.to_string()),
            HoldTarget::Subjects(_) => Shown::Subject(subject::subject(address)),
        };
        let hold = legal_hold(hold, target);
        Some(if tells { hold } else { wire::LegalHold { reason: String::new(), set_by: None, ..hold } })
    });
    shown.collect()
}

/// Why something is kept, as a reason.
fn ground(ground: &Ground) -> wire::Reason {
    wire::Reason {
        code: ground.code.clone(),
        rule: ground.rule.clone(),
        citation: ground.citation.clone(),
        detail: ground.detail.clone(),
        hold_until: maybe_timestamp(ground.until),
        effect: wire::reason::Effect::Note.into(),
    }
}

fn refused(error: EraseError) -> ApiError {
    use crate::writer::CallError;
    let retry = std::time::Duration::from_secs(2);
    match error {
        EraseError::Writer(CallError::Refused(e)) | EraseError::Read(e) => e.into(),
        EraseError::Writer(CallError::Overloaded) => ApiError::Overloaded { retry },
        other => ApiError::Unavailable { message: other.to_string(), retry },
    }
}
