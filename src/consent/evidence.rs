//! Evidence of one opt-in against what the law, carriers and this product ask for: every reason against it at once.

use super::night::check_night_text;
use super::wording::{check_text, is_for_us, names_carts};
use crate::model::consent::{Act, Basis, Grade, Method};
use crate::model::evidence::Evidence;
use crate::model::registry::{Brand, ControlDefault, Disclosure, Program};
use crate::model::{Category, Channel, Code, Instant, Span};

/// How far ahead of us a caller's clock may run.
const AHEAD_MAX: Span = Span::minutes(5);

/// One claim that a person agreed to one program on one channel.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    pub evidence: &'a Evidence,
    /// The registered wording it names.
    pub disclosure: Option<&'a Disclosure>,
    pub brand: &'a Brand,
    pub program: &'a Program,
    pub channel: Channel,
    /// The number's range belongs to the United States.
    pub us_number: bool,
    /// For texts: the numbering plan allows the number.
    pub number_valid: bool,
    /// A grant to this program on this channel is in force.
    pub granted: bool,
    pub now: Instant,
}

impl Claim<'_> {
    /// Everything that speaks against it, sorted; empty: it grants, or waits for a second step.
    pub fn refusals(&self) -> Vec<Code> {
        let mut found = Vec::new();
        if self.channel == Channel::Sms && !self.number_valid {
            found.push(Code::NumberInvalid);
        }
        found.extend(self.control());
        found.extend(self.capture_time());
        found.extend(self.wording());
        found.extend(self.act());
        found.extend(self.electronic());
        if self.evidence.grade == Grade::Attested && !self.brand.accepts_attested {
            found.push(Code::AttestedNotAccepted);
        }
        found.sort();
        found.dedup();
        found
    }

    /// Whether the wording shown named cart reminders.
    pub fn covers_cart(&self) -> bool {
        match self.disclosure {
            Some(disclosure) => names_carts(&disclosure.text),
            None => names_carts(&self.evidence.disclosure_text),
        }
    }

    /// Everything that speaks against it as the separate consent to messages at night (Network Act art. 50(3)), sorted: an
    /// act as good as any, on a wording of its own. Nobody vouches for it: an import without the wording is refused.
    pub fn night_refusals(&self) -> Vec<Code> {
        let mut found = self.control();
        found.extend(self.capture_time());
        found.extend(self.night_wording());
        found.extend(self.act());
        found.sort();
        found.dedup();
        found
    }

    fn is_marketing(&self) -> bool {
        self.program.category == Category::Marketing
    }

    /// Texts to people in the United States.
    fn for_us(&self) -> bool {
        self.channel == Channel::Sms && self.us_number
    }

    /// An officer vouches for an import; nothing the person saw is kept.
    fn is_attested_import(&self) -> bool {
        self.evidence.grade == Grade::Attested && self.evidence.method == Method::Imported
    }

    /// Bases that rest on a purchase or an inquiry, not on words (CASL s. 10(10)).
    fn is_implied(&self) -> bool {
        matches!(self.evidence.basis, Basis::ImpliedPurchase | Basis::ImpliedInquiry)
    }

    fn control(&self) -> Vec<Code> {
        let mut found = Vec::new();
        if self.evidence.control_default == Some(ControlDefault::Prechecked) {
            found.push(Code::PrecheckedBox);
        }
        if self.evidence.condition_of_purchase {
            found.push(Code::ConditionOfPurchase);
        }
        if self.evidence.bundled_with_terms {
            found.push(Code::BundledTerms);
        }
        found
    }

    fn capture_time(&self) -> Option<Code> {
        let Some(captured_at) = self.evidence.captured_at else { return Some(Code::CaptureTimeMissing) };
        // A grant that was confirmed since, by the notice some laws ask for, is as old as that.
        let renewed_at = self.evidence.basis_date.filter(|_| self.granted).unwrap_or(captured_at);
        if captured_at > self.now + AHEAD_MAX {
            Some(Code::CaptureTimeInFuture)
        } else if self.now.since(captured_at.max(renewed_at)) > oldest(self.evidence.method) {
            Some(Code::CaptureTimeTooOld)
        } else {
            None
        }
    }

    fn wording(&self) -> Vec<Code> {
        let Some(disclosure) = self.disclosure else {
            let text = self.evidence.disclosure_text.trim();
            let excused = self.is_attested_import() || self.is_implied();
            return match text.is_empty() {
                true if excused => Vec::new(),
                true => vec![Code::DisclosureMissing],
                false => check_text(text, self.brand, self.program, self.for_us()),
            };
        };
        let mut found: Vec<Code> = disclosure.refusals.iter().map(|code| Code::from(code.as_str())).collect();
        // One that asks for the night alone asks for nothing by day.
        if disclosure.night || !self.is_about_this(disclosure) {
            found.push(Code::DisclosureMismatch);
        }
        // Registered for people elsewhere, shown to someone with an American number.
        if self.for_us() && !is_for_us(&disclosure.locale) {
            found.extend(check_text(&disclosure.text, self.brand, self.program, true));
        }
        found
    }

    fn night_wording(&self) -> Vec<Code> {
        let Some(disclosure) = self.disclosure else {
            let text = self.evidence.disclosure_text.trim();
            return match text.is_empty() {
                true => vec![Code::DisclosureMissing],
                false => check_night_text(text, self.brand),
            };
        };
        let mut found: Vec<Code> = disclosure.refusals.iter().map(|code| Code::from(code.as_str())).collect();
        if !self.is_about_this(disclosure) {
            found.push(Code::DisclosureMismatch);
        }
        if !disclosure.night {
            found.push(Code::NightConsentBundled);
        }
        found
    }

    fn is_about_this(&self, disclosure: &Disclosure) -> bool {
        disclosure.brand == self.brand.id && disclosure.program == self.program.id
    }

    /// The form of the agreement and the act that stands for a signature.
    fn act(&self) -> Vec<Code> {
        let e = self.evidence;
        let mut found = Vec::new();
        if !self.is_found_again() {
            found.push(Code::SourceMissing);
        }
        let claims_writing = e.basis == Basis::ExpressWritten;
        if e.method == Method::Unstated || claims_writing && !is_written(e) {
            found.push(Code::MethodNotWritten);
        } else {
            let unsigned = self.is_marketing() && claims_writing && e.grade == Grade::Full && !is_signed(e);
            let unspoken = e.method == Method::Voice && e.act != Some(Act::Spoken);
            if unsigned || unspoken {
                found.push(Code::SignatureMissing);
            }
        }
        found
    }

    /// Whether the evidence says where the act can be looked up: a page, a sheet, a recording, a till, a system (16 CFR
    /// 310.5(a)(8): a copy of the consent, in the manner it was given).
    fn is_found_again(&self) -> bool {
        let e = self.evidence;
        let registered = self.disclosure.is_some_and(|d| !d.url.is_empty());
        let kept = !e.certificate_url.is_empty() || !e.snapshot_sha256.is_empty();
        let says = |names: &[&str]| e.attributes.iter().any(|(name, _)| names.contains(&name.as_str()));
        let page = !e.source_url.is_empty();
        match e.method {
            Method::WebForm | Method::CheckoutCheckbox => page || registered,
            Method::Paper => page || kept,
            Method::Voice => page || kept || says(&["recording"]),
            Method::PointOfSale => page || kept || says(&["store", "terminal"]),
            Method::AppPermission => page || registered || says(&["app", "screen"]),
            Method::Imported => page || says(&["import_source"]),
            // The text itself is the evidence; what nobody stated has no place.
            Method::Keyword | Method::Unstated => true,
        }
    }

    /// The disclosures of 15 USC 7001(c) where written consent to texts is taken electronically.
    fn electronic(&self) -> Option<Code> {
        let e = self.evidence;
        let taken_electronically = matches!(
            e.method,
            Method::WebForm | Method::CheckoutCheckbox | Method::AppPermission | Method::Keyword
        );
        let asked = self.is_marketing() && self.for_us() && e.basis == Basis::ExpressWritten;
        let shown =
            !e.e_sign_version.is_empty() || self.disclosure.is_some_and(|d| !d.e_sign_text.trim().is_empty());
        (asked && taken_electronically && !shown).then_some(Code::ESignMissing)
    }
}

/// The longest time from the act to its being recorded here. Carriers name no limit; the product refuses what it would
/// ask to be renewed: 18 months for what is taken live, 24 for what comes on paper or from another system.
const fn oldest(method: Method) -> Span {
    match method {
        Method::Imported | Method::Paper => Span::days(730),
        _ => Span::days(548),
    }
}

/// Whether the method leaves a writing (15 USC 7001, 7006): spoken words do not.
fn is_written(e: &Evidence) -> bool {
    match e.method {
        Method::Voice | Method::Unstated => false,
        Method::PointOfSale => matches!(e.act, Some(Act::Ticked | Act::Typed | Act::Signed)),
        _ => true,
    }
}

fn is_named(e: &Evidence) -> bool {
    !e.signatory_name.trim().is_empty() || !e.signature_text.trim().is_empty()
}

/// Whether the act fits the method, so that it can stand for a signature.
fn is_signed(e: &Evidence) -> bool {
    match (e.method, e.act) {
        (Method::Keyword, act) => {
            !e.inbound_text.trim().is_empty() && matches!(act, None | Some(Act::Replied | Act::Typed))
        }
        // A signature belongs to somebody (16 CFR 310.5(a)(8) asks for the name).
        (Method::Paper, act) => act == Some(Act::Signed) && is_named(e),
        (Method::AppPermission, act) => matches!(act, Some(Act::Switched | Act::Ticked | Act::Typed)),
        (Method::WebForm | Method::CheckoutCheckbox | Method::PointOfSale, act) => {
            matches!(act, Some(Act::Ticked | Act::Typed | Act::Signed))
        }
        (Method::Imported, act) => act.is_some_and(|act| act != Act::Spoken),
        (Method::Voice | Method::Unstated, _) => false,
    }
}

#[cfg(test)]
pub mod tests;
