//! Whether what is kept proves that a person agreed: the wording they saw, and the evidence of what they did. Pure.

pub mod evidence;
pub mod night;
pub mod wording;

pub use evidence::Claim;
pub use wording::{check_disclosure, names_carts};

use crate::model::verdict::{Code, Effect, Reason};

/// Consents graded `ATTESTED` run out this long after the person acted (product decision; `docs` name it).
pub const ATTESTED_LIFE: crate::model::Span = crate::model::Span::days(730);

/// A reason as callers and officers read it.
pub fn reason(code: &Code) -> Reason {
    Reason {
        effect: Effect::Refuse,
        rule: "core/consent_evidence".to_owned(),
        citation: citation(code).to_owned(),
        detail: code.meaning().to_owned(),
        hold_until: None,
        code: code.clone(),
    }
}

/// What each demand rests on.
fn citation(code: &Code) -> &'static str {
    use Code::*;
    match code {
        PrecheckedBox => "47 CFR 64.1200(f)(9); GDPR art. 4(11) and recital 32",
        ConditionOfPurchase => "47 CFR 64.1200(f)(9)(i)(B)",
        BundledTerms => "GDPR art. 7(2); CTIA Short Code Monitoring Handbook 1.9",
        ESignMissing => "15 USC 7001(c)",
        MethodNotWritten | SignatureMissing => "47 CFR 64.1200(f)(9); 15 USC 7006(5)",
        OptedOutBefore => "47 CFR 64.1200(a)(10)",
        StopWordingMissing | RatesWordingMissing | FrequencyWordingMissing | HelpWordingMissing => {
            "CTIA Short Code Monitoring Handbook 1.9; CTIA Messaging Principles 5.1"
        }
        NightConsentMissing | NightConsentBundled | NightConsentAlone | NightWordingMissing => {
            "Network Act (정보통신망법) art. 50(3)"
        }
        CartWordingMissing => "US carriers' cart reminder rules, May 2020",
        DisclosureLacksBrand | DisclosureMissing | DisclosureMismatch => {
            "47 CFR 64.1200(f)(9); 16 CFR 310.5; GDPR art. 7(1)"
        }
        _ => "16 CFR 310.5; GDPR art. 7(1)",
    }
}
