//! A message the caller gave an end has no purpose after it.

use super::case::Case;
use super::findings::{Findings, Ground};
use crate::model::Code;

const GROUND: Ground<'_> = Ground { id: "core/expiry", citation: "the caller's expires_at" };

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    let Some(end) = case.req.expires_at else { return };
    findings.ends_at(end);
    if case.at >= end {
        findings.refuse(GROUND, Code::MessageExpired, format!("it was to leave before {}", end.to_second()));
    }
}
