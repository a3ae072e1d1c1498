//! Registering a consent wording: judged once, kept for ever, named by every consent that rests on it.

use sha2::{Digest, Sha256};

use crate::consent::check_disclosure;
use crate::ledger::body::{Body, Object, RegistryBody};
use crate::ledger::entry::{Public, SELLER_CHAIN};
use crate::ledger::rows::{RegistryRow, keys};
use crate::model::DisclosureId;
use crate::model::registry::Disclosure;
use crate::writer::{Cx, Op, OpError, Priority};

/// Versions of one wording that are looked through.
const VERSIONS_MAX: usize = 4_096;

/// Registers a wording. `version`: empty or `0` takes the next one. What is wrong with it is kept with it and refuses
/// every consent that names it.
pub struct RegisterDisclosure {
    /// `text_sha256`, `registered_at` and `refusals` are filled in here.
    pub disclosure: Disclosure,
    pub actor: String,
}

impl Op for RegisterDisclosure {
    type Answer = Disclosure;
    const PRIORITY: Priority = Priority::Api;

    fn run(self, cx: &mut Cx<'_>) -> Result<Disclosure, OpError> {
        let mut new = self.disclosure;
        let brand = cx.brand_named(new.brand.as_str())?;
        let program = cx.program_named(&brand, new.program.as_str())?;
        let known = cx.disclosure_versions(&new.id)?;
        if matches!(new.version.as_str(), "" | "0") {
            new.version = (known.iter().map(number).max().unwrap_or(0) + 1).to_string();
        }
        new.text_sha256 = Sha256::digest(new.text.as_bytes()).into();
        new.registered_at = cx.now;
        new.refusals =
            check_disclosure(&new, &brand, &program).iter().map(|code| code.as_str().to_owned()).collect();
        if let Some(old) = known.iter().find(|d| d.version == new.version) {
            let same = Disclosure {
                registered_at: old.registered_at,
                refusals: old.refusals.clone(),
                ..new.clone()
            };
            return if same == *old {
                Ok(same)
            } else {
                Err(OpError::Exists { what: "disclosure", id: format!("{}@{}", new.id, new.version) })
            };
        }
        let public = Public {
            program: new.program.to_string(),
            outcome: "disclosure".to_owned(),
            codes: new.refusals.clone(),
            content_sha256: new.text_sha256.to_vec(),
            ..Public::default()
        };
        let object = Object::Disclosure(Box::new(new.clone()));
        let body = RegistryBody { object, reason: String::new(), actor: self.actor };
        cx.emit(SELLER_CHAIN, Some(&new.brand), public, Body::Registry(body))?;
        Ok(new)
    }
}

/// A version as a number; versions that are none come before all others.
fn number(disclosure: &Disclosure) -> u64 {
    disclosure.version.parse().unwrap_or(0)
}

impl Cx<'_> {
    /// Every registered version of a wording.
    pub fn disclosure_versions(&mut self, id: &DisclosureId) -> Result<Vec<Disclosure>, OpError> {
        let prefix = keys::registry("disclosure", &format!("{id}@"));
        let rows = self.state.scan::<RegistryRow>(&prefix, None, VERSIONS_MAX)?;
        Ok(rows
            .into_iter()
            .filter_map(|(_, row)| match &row.object {
                Object::Disclosure(disclosure) => Some((**disclosure).clone()),
                _ => None,
            })
            .collect())
    }

    /// The wording of that id and version; without a version (empty or `0`) the newest.
    pub fn disclosure_named(&mut self, id: &DisclosureId, version: &str) -> Result<Disclosure, OpError> {
        let versions = self.disclosure_versions(id)?;
        let found = match version {
            "" | "0" => versions.into_iter().max_by_key(number),
            version => versions.into_iter().find(|d| d.version == version),
        };
        found.ok_or_else(|| OpError::NotFound { what: "disclosure", id: format!("{id}@{version}") })
    }
}
