//! What is kept to prove a consent: the fields of `ConsentEvidence` in the contract.
//!
//! The union of what the TSR (16 CFR 310.5), GDPR article 7(1) and US carriers ask for; see
//! `facts/jurisdictions.md` section 8.2.

use serde::{Deserialize, Serialize};

use super::consent::{Act, Basis, Grade, Method};
use super::ids::DisclosureId;
use super::instant::Instant;
use super::registry::ControlDefault;

/// Evidence of one opt-in, as the caller gave it. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// A registered wording, by id and version.
    pub disclosure: Option<(DisclosureId, String)>,
    /// SHA-256 of the wording shown, registered or inline.
    pub disclosure_sha256: Option<[u8; 32]>,
    /// The wording itself when it was given inline.
    pub disclosure_text: String,
    pub method: Method,
    pub act: Option<Act>,
    pub control_default: Option<ControlDefault>,
    pub condition_of_purchase: bool,
    pub bundled_with_terms: bool,
    pub captured_at: Option<Instant>,
    pub source_url: String,
    pub ip_address: String,
    pub user_agent: String,
    pub locale: String,
    pub signatory_name: String,
    pub signature_text: String,
    pub certificate_url: String,
    pub snapshot_sha256: Vec<u8>,
    pub inbound_text: String,
    pub e_sign_version: String,
    pub basis: Basis,
    pub basis_date: Option<Instant>,
    pub night: bool,
    pub grade: Grade,
    /// Sorted by name.
    pub attributes: Vec<(String, String)>,
    /// Number as the caller wrote it: consent names a number.
    pub number: String,
}

impl Evidence {
    /// Nothing but the method: what is known when a person acted by text.
    pub fn empty(method: Method) -> Evidence {
        Evidence {
            disclosure: None,
            disclosure_sha256: None,
            disclosure_text: String::new(),
            method,
            act: None,
            control_default: None,
            condition_of_purchase: false,
            bundled_with_terms: false,
            captured_at: None,
            source_url: String::new(),
            ip_address: String::new(),
            user_agent: String::new(),
            locale: String::new(),
            signatory_name: String::new(),
            signature_text: String::new(),
            certificate_url: String::new(),
            snapshot_sha256: Vec::new(),
            inbound_text: String::new(),
            e_sign_version: String::new(),
            basis: Basis::ExpressWritten,
            basis_date: None,
            night: false,
            grade: Grade::Full,
            attributes: Vec::new(),
            number: String::new(),
        }
    }

    /// Evidence of nothing but a text, or of what somebody said.
    pub fn of_text(method: Method, basis: Basis, text: &str, at: Instant) -> Evidence {
        Evidence { captured_at: Some(at), inbound_text: text.to_owned(), basis, ..Evidence::empty(method) }
    }
}

impl std::fmt::Debug for Evidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Evidence({:?})", self.method)
    }
}
