//! Grants as they stand, and the notice that renews one.

use super::Consents;
use crate::api::auth::Caller;
use crate::api::convert::verdict::{EngineInForce, verdict};
use crate::api::convert::{consent as shown, names, subject, timestamp};
use crate::api::field::Lines;
use crate::api::status::ApiError;
use crate::decide::counted_from;
use crate::model::{BrandId, Instant, ProgramId};
use crate::pb::consentry::v1 as wire;
use crate::writer::ops::consent::renewal::{Listed, SendConsentRenewal, Wanted, list};

/// People one call looks at; a page may come back shorter.
const LOOK_MAX: usize = 4_096;
/// Longest sentence that says how to refuse, in characters.
const REFUSAL_MAX: usize = 160;

impl Consents {
    pub(super) async fn list(
        &self,
        caller: &Caller,
        request: wire::ListConsentsRequest,
    ) -> Result<wire::ListConsentsResponse, ApiError> {
        let mut f = self.hands.fields();
        let now = f.now();
        let question =
            wire::ListConsentsRequest { page_size: 0, page_token: String::new(), ..request.clone() };
        let brand = f.id::<BrandId>("brand", &request.brand);
        let program = f.optional_id::<ProgramId>("program", &request.program);
        let page = f.page(request.page_size, &request.page_token, &question);
        let read = (|| Some((brand?, program?, page?)))();
        let (brand, program, page) = f.finish(read)?;
        caller.check_brand(&brand)?;
        let wanted = Wanted { brand, program, renewal_due: request.renewal_due };
        let (after, size) = (page.after.clone(), page.size);
        let (found, last) = self
            .hands
            .see(caller, "ListConsents", move |reader, eyes| {
                reader.look(|cx| {
                    let after = Some(&after[..]).filter(|after| !after.is_empty());
                    list(cx, &wanted, after, (size, LOOK_MAX), |cx, person| eyes.sees(cx, &person.id))
                })
            })
            .await?;
        let consents = found.iter().map(|one| listed(one, now)).collect();
        let next_page_token = last.map(|key| page.next(&key)).unwrap_or_default();
        Ok(wire::ListConsentsResponse { consents, next_page_token })
    }

    pub(super) async fn renew(
        &self,
        caller: &Caller,
        request: wire::SendConsentRenewalRequest,
    ) -> Result<wire::SendConsentRenewalResponse, ApiError> {
        let mut f = self.hands.fields();
        let brand = f.id::<BrandId>("brand", &request.brand);
        let program = f.id::<ProgramId>("program", &request.program);
        let target = subject::target(&mut f, request.subject);
        let refusal = f.text("refusal_text", request.refusal_text, 0..=REFUSAL_MAX, Lines::One);
        let read = (|| {
            let refusal = Some(refusal?).filter(|text| !text.is_empty());
            Some(SendConsentRenewal { brand: brand?, program: program?, target: target?, refusal })
        })();
        let op = f.finish(read)?;
        caller.check_brand(&op.brand)?;
        let answer = self.hands.write(op).await?;
        let policies = self.hands.reader().env().policies();
        let engine = EngineInForce { hash: &policies.engine_hash, body: &policies.described };
        let message = answer.message.as_deref();
        Ok(wire::SendConsentRenewalResponse {
            message: message.map(|m| m.spec.id.to_string()).unwrap_or_default(),
            state: message.map(|m| names::message_state(m.state).into()).unwrap_or_default(),
            verdict: Some(verdict(&answer.verdict, message.map(|m| m.entry), engine)),
        })
    }
}

fn listed(one: &Listed, now: Instant) -> wire::ListedConsent {
    wire::ListedConsent {
        consent: Some(shown::consent(&one.consent, &one.whose, now)),
        counted_from: Some(timestamp(counted_from(&one.consent))),
        renewal_due_at: one.renewal.map(|renewal| timestamp(renewal.due_from)),
        ends_at: one.renewal.map(|renewal| timestamp(renewal.ends_at)),
        notice: one.notice.map(|(id, _)| id.to_string()).unwrap_or_default(),
        notice_state: one.notice.map(|(_, state)| names::message_state(state).into()).unwrap_or_default(),
    }
}
