//! Evidence of a consent. Its form is checked here; whether it holds is a rule's business.

use sha2::{Digest, Sha256};

use crate::api::convert::{maybe_timestamp, names};
use crate::api::field::{Fields, Lines, TimeRule};
use crate::model::consent::{Basis, Grade, Method};
use crate::model::evidence::Evidence;
use crate::model::{DisclosureId, Instant};
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::consent_evidence::Wording;

/// Longest wording, in characters.
const WORDING_MAX: usize = 8_192;
/// Longest browser name kept; it says nothing more beyond that.
const USER_AGENT_MAX: usize = 512;
/// Further facts one evidence may carry.
const ATTRIBUTES_MAX: usize = 16;

/// Reads evidence; `number` is the address as the caller wrote it.
pub fn evidence(f: &mut Fields, wire: wire::ConsentEvidence, number: String) -> Option<Evidence> {
    let wording = wording(f, wire.wording);
    let method = f.known("method", wire.method).and_then(names::method_of);
    let act = f.maybe_named("act", wire.act, names::act_of);
    let control_default = f.maybe_named("control_default", wire.control_default, names::control_default_of);
    // Missing, early and late captures are refusals that are recorded, so any instant is taken here.
    let captured_at = captured(f, wire.captured_at);
    let source_url = f.text("source_url", wire.source_url, 0..=2_048, Lines::One);
    let ip = f.ip("ip_address", &wire.ip_address);
    let locale = f.locale("locale", wire.locale);
    let signatory_name = f.text("signatory_name", wire.signatory_name, 0..=128, Lines::One);
    let signature_text = f.text("signature_text", wire.signature_text, 0..=128, Lines::One);
    let certificate = f.link("certificate_url", wire.certificate_url);
    let snapshot = f.sha256("snapshot_sha256", &wire.snapshot_sha256);
    let inbound_text = f.text("inbound_text", wire.inbound_text, 0..=1_600, Lines::Many);
    let e_sign_version = f.text("e_sign_version", wire.e_sign_version, 0..=64, Lines::One);
    let basis = f.maybe_named("basis", wire.basis, names::basis_of);
    let basis_date = f.time("basis_date", wire.basis_date, TimeRule::Happened);
    let grade = f.maybe_named("grade", wire.grade, names::grade_of);
    let attributes = attributes(f, wire.attributes);
    let (disclosure, disclosure_text) = wording?;
    let method = method?;
    Some(Evidence {
        disclosure_sha256: (!disclosure_text.is_empty()).then(|| Sha256::digest(&disclosure_text).into()),
        disclosure,
        disclosure_text,
        method,
        act: act?,
        control_default: control_default?,
        condition_of_purchase: wire.condition_of_purchase,
        bundled_with_terms: wire.bundled_with_terms,
        captured_at: captured_at?,
        source_url: source_url?,
        ip_address: ip?.map(|ip| ip.to_string()).unwrap_or_default(),
        user_agent: wire.user_agent.chars().filter(|c| !c.is_control()).take(USER_AGENT_MAX).collect(),
        locale: locale?.unwrap_or_default(),
        signatory_name: signatory_name?,
        signature_text: signature_text?,
        certificate_url: certificate?.map(|link| link.url).unwrap_or_default(),
        snapshot_sha256: snapshot?.map(|hash| hash.to_vec()).unwrap_or_default(),
        inbound_text: inbound_text?,
        e_sign_version: e_sign_version?,
        basis: basis?.unwrap_or(usual_basis(method)),
        basis_date: basis_date?,
        night: wire.night,
        grade: grade?.unwrap_or(Grade::Full),
        attributes: attributes?,
        number,
    })
}

type Shown = (Option<(DisclosureId, String)>, String);

fn wording(f: &mut Fields, wording: Option<Wording>) -> Option<Shown> {
    match wording {
        Some(Wording::Disclosure(wire)) => f.within("disclosure", |f| {
            let id = f.id("id", &wire.id);
            let version = f.text("version", wire.version, 0..=64, Lines::One);
            Some((Some((id?, version?)), String::new()))
        }),
        Some(Wording::DisclosureText(text)) => {
            f.text("disclosure_text", text, 1..=WORDING_MAX, Lines::Many).map(|text| (None, text))
        }
        None => Some((None, String::new())),
    }
}

fn captured(f: &mut Fields, wire: Option<prost_types::Timestamp>) -> Option<Option<Instant>> {
    f.time("captured_at", wire, TimeRule::Any)
}

fn usual_basis(method: Method) -> Basis {
    match method {
        Method::Voice | Method::AppPermission => Basis::Express,
        _ => Basis::ExpressWritten,
    }
}

fn attributes(f: &mut Fields, wire: Vec<wire::Attribute>) -> Option<Vec<(String, String)>> {
    let mut attributes = f.each("attributes", wire, 0..=ATTRIBUTES_MAX, |f, attribute| {
        let key = f.text("key", attribute.key, 1..=64, Lines::One);
        let value = f.text("value", attribute.value, 0..=512, Lines::Many);
        Some((key?, value?))
    })?;
    f.no_repeats("attributes", attributes.iter().map(|(key, _)| key))?;
    attributes.sort();
    Some(attributes)
}

/// Evidence on the wire, for those who may see it.
pub fn shown(evidence: &Evidence) -> wire::ConsentEvidence {
    let wording = match &evidence.disclosure {
        Some((id, version)) => {
            Some(Wording::Disclosure(wire::DisclosureRef { id: id.to_string(), version: version.clone() }))
        }
        None if evidence.disclosure_text.is_empty() => None,
        None => Some(Wording::DisclosureText(evidence.disclosure_text.clone())),
    };
    let attributes = evidence.attributes.iter();
    wire::ConsentEvidence {
        wording,
        method: names::method(evidence.method).into(),
        act: evidence.act.map(names::act).unwrap_or_default().into(),
        control_default: evidence.control_default.map(names::control_default).unwrap_or_default().into(),
        condition_of_purchase: evidence.condition_of_purchase,
        bundled_with_terms: evidence.bundled_with_terms,
        captured_at: maybe_timestamp(evidence.captured_at),
        source_url: evidence.source_url.clone(),
        ip_address: evidence.ip_address.clone(),
        user_agent: evidence.user_agent.clone(),
        locale: evidence.locale.clone(),
        signatory_name: evidence.signatory_name.clone(),
        signature_text: evidence.signature_text.clone(),
        certificate_url: evidence.certificate_url.clone(),
        snapshot_sha256: evidence.snapshot_sha256.clone(),
        inbound_text: evidence.inbound_text.clone(),
        e_sign_version: evidence.e_sign_version.clone(),
        basis: names::basis(evidence.basis).into(),
        basis_date: maybe_timestamp(evidence.basis_date),
        night: evidence.night,
        grade: names::grade(evidence.grade).into(),
        attributes: attributes
            .map(|(key, value)| wire::Attribute { key: key.clone(), value: value.clone() })
            .collect(),
    }
}
