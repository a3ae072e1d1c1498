//! Which role each method needs: one table, so that a new method cannot be reached by accident.

use Role::{Admin, Auditor, ConsentWriter, Sender};

pub use crate::model::registry::Role;

/// Every role.
const ALL: [Role; 4] = [Sender, ConsentWriter, Auditor, Admin];

/// The public name of a role.
pub const fn name(role: Role) -> &'static str {
    match role {
        Sender => "SENDER",
        ConsentWriter => "CONSENT_WRITER",
        Auditor => "AUDITOR",
        Admin => "ADMIN",
    }
}

/// A set of roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Roles(u8);

impl Roles {
    /// Whether one of them is in the set.
    pub fn has_any(self, roles: &[Role]) -> bool {
        roles.iter().any(|role| self.0 & bit(*role) != 0)
    }
    /// The roles of the set.
    pub fn list(self) -> Vec<Role> {
        ALL.into_iter().filter(|role| self.has_any(&[*role])).collect()
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Roles {
        Roles(roles.into_iter().fold(0, |set, role| set | bit(role)))
    }
}

const fn bit(role: Role) -> u8 {
    1 << role as u8
}

/// The roles of which a caller of `/consentry.v1.Service/Method` needs one; none: no such method.
pub fn roles_for(path: &str) -> Option<&'static [Role]> {
    let (service, method) = path.strip_prefix("/consentry.v1.")?.split_once('/')?;
    match service {
        "ConsentService" => consent(method),
        "DeviceService" => device(method),
        "MessageService" => message(method),
        "CartService" => cart(method),
        "LinkService" => link(method),
        "CouponService" => coupon(method),
        "AuditService" => audit(method),
        "AdminService" => admin(method),
        _ => None,
    }
}

fn consent(method: &str) -> Option<&'static [Role]> {
    Some(match method {
        "RecordOptIn" | "ConfirmOptIn" | "RecordOptOut" | "SetPreferences" | "RecordNumberCheck"
        | "ImportConsents" | "ImportSuppressions" | "ImportNumberChecks" => &[ConsentWriter],
        "ReverseOptOut" | "SetLegalHold" | "ClearLegalHold" => &[Admin],
        "EraseSubject" | "ResolveInbound" => &[ConsentWriter, Admin],
        "GetConsent" | "CheckConsents" => &[Sender, ConsentWriter, Auditor],
        "GetSubject" | "ListInbound" | "ListConsents" => &[ConsentWriter, Auditor],
        "SendConsentRenewal" => &[Sender],
        "ListConsentEvents" => &[Auditor, Admin],
        _ => return None,
    })
}

fn device(method: &str) -> Option<&'static [Role]> {
    Some(match method {
        "UpsertDevice" | "DeleteDevice" => &[ConsentWriter],
        "ListDevices" => &[Sender, ConsentWriter, Auditor],
        _ => return None,
    })
}

fn message(method: &str) -> Option<&'static [Role]> {
    Some(match method {
        "SendMessage" | "SendMessages" | "CheckMessage" | "CancelMessage" | "RecordExternalSend" => &[Sender],
        "GetMessage" | "ListMessages" | "WatchEvents" => &[Sender, Auditor],
        _ => return None,
    })
}

fn cart(method: &str) -> Option<&'static [Role]> {
    matches!(method, "UpsertCart" | "GetCart" | "CloseCart").then_some(&[Sender])
}

fn link(method: &str) -> Option<&'static [Role]> {
    Some(match method {
        "CreateLink" => &[Sender],
        "GetLink" | "ListClicks" => &[Sender, Auditor],
        _ => return None,
    })
}

fn coupon(method: &str) -> Option<&'static [Role]> {
    Some(match method {
        "CreateCouponPool" | "ImportCouponCodes" => &[Admin],
        "GetCouponPool" => &[Sender, Auditor, Admin],
        "GetCoupon" => &[Sender, Auditor],
        "RedeemCoupon" | "ReleaseCoupon" => &[Sender],
        "VoidCoupon" => &[Sender, Admin],
        _ => return None,
    })
}

fn audit(method: &str) -> Option<&'static [Role]> {
    let known = [
        "ExportAudit",
        "GetCheckpoint",
        "GetInclusionProof",
        "ExplainDecision",
        "ReplayDecisions",
        "CheckShadow",
    ];
    known.contains(&method).then_some(&[Auditor])
}

fn admin(method: &str) -> Option<&'static [Role]> {
    const NOUNS: [&str; 8] =
        ["Seller", "Brand", "Program", "Disclosure", "Sender", "Connection", "Template", "ApiKey"];
    let named = |verb: &str, plural: &str| {
        method
            .strip_prefix(verb)
            .and_then(|rest| rest.strip_suffix(plural))
            .is_some_and(|noun| NOUNS.contains(&noun))
    };
    let read = ["GetPolicy", "ListWebhooks", "ListDeadLetters"];
    if named("Get", "") || named("List", "s") || read.contains(&method) {
        return Some(&[Admin, Auditor]);
    }
    let single =
        ["ReplayDeadLetters", "RotateApiKey", "RotateConnectionToken", "ResumeConnection", "CheckPolicy"];
    (named("Create", "") || named("Update", "") || single.contains(&method)).then_some(&[Admin])
}
