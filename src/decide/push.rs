//! Push needs an installation that is alive and may show notifications. Permission is not consent: that is asked for beside it.

use super::case::Case;
use super::findings::{Findings, Ground};
use crate::model::{Channel, Code};

const GROUND: Ground<'_> = Ground {
    id: "core/push_permission",
    citation: "Apple and Android notification permissions; RFC 8030 7.3",
};

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    if case.req.channel != Channel::Push {
        return;
    }
    let missing = match &case.facts.device {
        None => "no installation is known",
        Some(device) if !device.reachable => "the installation has no live address",
        Some(device) if !device.os_permission => "the system does not let the app show notifications",
        Some(device) if case.is_marketing() && !device.channel_enabled => {
            "the person switched this channel off"
        }
        Some(_) => return,
    };
    findings.refuse(GROUND, Code::PushPermissionMissing, missing);
}
