//! Disclosures: as an operator registers them, as a row has them.

use sha2::{Digest, Sha256};

use crate::api::convert::consent::because;
use crate::api::convert::{names, timestamp};
use crate::api::field::{Fields, Lines};
use crate::model::registry::{Control, ControlDefault, Disclosure};
use crate::model::{Code, SenderId};
use crate::pb::consentry::v1 as wire;
use crate::store::embedded::snapshots::SNAPSHOT_BYTES_MAX;

/// Longest wording, in characters.
const TEXT_MAX: usize = 8_192;
/// Reads a wording and the snapshot of its page, which may be empty; whether it may be used is a rule's business.
pub fn disclosure(f: &mut Fields, wire: wire::Disclosure) -> Option<(Disclosure, Vec<u8>)> {
    let id = f.id("id", &wire.id);
    let version = f.optional_id::<SenderId>("version", &wire.version);
    let brand = f.id("brand", &wire.brand);
    let program = f.id("program", &wire.program);
    let locale = match f.locale("locale", wire.locale) {
        Some(None) => f.refuse("locale", "is required"),
        given => given.flatten(),
    };
    let text = f.text("text", wire.text, 1..=TEXT_MAX, Lines::Many);
    let control = f.named("control", wire.control, names::control_of);
    let control_default = f.maybe_named("control_default", wire.control_default, names::control_default_of);
    if control_default == Some(None) && matches!(control, Some(Control::Checkbox | Control::AppSwitch)) {
        f.bad("control_default", "is required for a box or switch");
    }
    let e_sign_text = f.text("e_sign_text", wire.e_sign_text, 0..=TEXT_MAX, Lines::Many);
    let url = f.link("url", wire.url);
    if wire.snapshot.len() > SNAPSHOT_BYTES_MAX {
        f.bad("snapshot", format!("must be at most 1 MiB, not {} bytes", wire.snapshot.len()));
    }
    let approved_by = f.text("approved_by", wire.approved_by, 1..=128, Lines::One);
    let text = text?;
    let snapshot = (!wire.snapshot.is_empty()).then(|| Sha256::digest(&wire.snapshot).to_vec());
    let disclosure = Disclosure {
        id: id?,
        version: version?.map(|version| version.to_string()).unwrap_or_default(),
        brand: brand?,
        program: program?,
        locale: locale?,
        text_sha256: Sha256::digest(&text).into(),
        text,
        control: control?,
        control_default: control_default?.unwrap_or(ControlDefault::None),
        condition_of_purchase: wire.condition_of_purchase,
        separate_from_terms: wire.separate_from_terms,
        e_sign_text: e_sign_text?,
        url: url?.map(|link| link.url).unwrap_or_default(),
        snapshot_sha256: snapshot.unwrap_or_default(),
        approved_by: approved_by?,
        registered_at: f.now(),
        refusals: Vec::new(),
        night: wire.night,
    };
    Some((disclosure, wire.snapshot))
}

/// A wording on the wire, without its snapshot, which is read from its shelf where it is asked for.
pub fn disclosure_out(disclosure: &Disclosure) -> wire::Disclosure {
    wire::Disclosure {
        id: disclosure.id.to_string(),
        version: disclosure.version.clone(),
        brand: disclosure.brand.to_string(),
        program: disclosure.program.to_string(),
        locale: disclosure.locale.clone(),
        text: disclosure.text.clone(),
        control: names::control(disclosure.control).into(),
        control_default: names::control_default(disclosure.control_default).into(),
        condition_of_purchase: disclosure.condition_of_purchase,
        separate_from_terms: disclosure.separate_from_terms,
        e_sign_text: disclosure.e_sign_text.clone(),
        url: disclosure.url.clone(),
        snapshot: Vec::new(),
        approved_by: disclosure.approved_by.clone(),
        text_sha256: disclosure.text_sha256.to_vec(),
        snapshot_sha256: disclosure.snapshot_sha256.clone(),
        registered_at: Some(timestamp(disclosure.registered_at)),
        refusals: disclosure.refusals.iter().map(|code| because(&Code::from(code.as_str()))).collect(),
        night: disclosure.night,
    }
}
