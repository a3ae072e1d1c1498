//! What a `command_status` means for us (SMPP 3.4, section 5.1.3; 5.0, section 4.7.6).

use super::super::registry::{BuildError, Given};
use super::super::{Handover, reply};
use crate::model::outgoing::ErrorClass;

/// Statuses that the session itself deals in.
pub const OK: u32 = 0;
pub const INVALID_LENGTH: u32 = 0x02;
pub const INVALID_COMMAND: u32 = 0x03;
pub const ALREADY_BOUND: u32 = 0x05;
pub const QUEUE_FULL: u32 = 0x14;
pub const THROTTLED: u32 = 0x58;
pub const TRY_LATER: u32 = 0x64;

/// Codes by which this SMSC says that a person opted out: statuses of responses, and errors of receipts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OptedOut {
    statuses: Vec<u32>,
    errors: Vec<String>,
}

/// Most codes of a kind.
const CODES_MAX: usize = 64;

impl OptedOut {
    /// From the settings `opted_out_codes` and `opted_out_errors`.
    pub fn read(given: &Given<'_>) -> Result<OptedOut, BuildError> {
        let listed = |name: &str| -> Vec<&str> {
            given.optional(name).map(|all| all.split(',').map(str::trim).collect()).unwrap_or_default()
        };
        let statuses = listed("opted_out_codes").into_iter().map(status_of).collect::<Option<Vec<u32>>>();
        let rule = "must be statuses as in 0x0425, at most 64 with commas between them";
        let statuses = statuses.filter(|all| all.len() <= CODES_MAX && !all.contains(&OK));
        let errors: Vec<String> = listed("opted_out_errors").into_iter().map(bare).collect();
        if errors.iter().any(String::is_empty) || errors.len() > CODES_MAX {
            let rule = "must be the err: of receipts, as in 069, at most 64 with commas between them";
            return Err(BuildError::Setting("opted_out_errors", rule));
        }
        Ok(OptedOut { statuses: statuses.ok_or(BuildError::Setting("opted_out_codes", rule))?, errors })
    }

    /// Whether the error of a receipt says it.
    pub fn is_error(&self, error: &str) -> bool {
        self.errors.contains(&bare(error))
    }
}

/// Zeros in front do not count.
fn bare(error: &str) -> String {
    let short = error.trim().trim_start_matches('0');
    if short.is_empty() { error.trim().chars().take(1).collect() } else { short.to_ascii_lowercase() }
}

fn status_of(text: &str) -> Option<u32> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Whether it asks us to slow down.
pub fn throttles(status: u32) -> bool {
    matches!(status, THROTTLED | QUEUE_FULL)
}

/// Whether a bind refused so will be refused again until somebody mends the configuration.
pub fn is_fault(status: u32) -> bool {
    matches!(status, 0x0d..=0x0f)
}

/// A submit that was refused: certainly not taken, but for the one status that does not say.
pub fn refused(status: u32, opted_out: &OptedOut) -> Handover {
    let class = class_of(status, opted_out);
    reply::refused(class, shown(status), words(status), None)
}

fn class_of(status: u32, opted_out: &OptedOut) -> ErrorClass {
    if opted_out.statuses.contains(&status) {
        return ErrorClass::OptedOut;
    }
    match status {
        THROTTLED | QUEUE_FULL | TRY_LATER | 0x08 | 0x45 => ErrorClass::Retryable,
        0x0b => ErrorClass::PermanentRecipient,
        0x0a | 0x48 | 0x49 => ErrorClass::PermanentSender,
        // The account, or what this gateway was told about it. 0x50 and 0x51: the type of number and the numbering plan are
        // ours to set, and say nothing about the person.
        0x03 | 0x04 | 0x05 | 0x0d..=0x0f | 0x15 | 0x50 | 0x51 | 0x53 | 0x100..=0x103 => {
            ErrorClass::PermanentAccount
        }
        // "Unknown error" leaves open whether it was taken.
        0xff => ErrorClass::Ambiguous,
        _ => ErrorClass::PermanentContent,
    }
}

/// As people look it up.
pub fn shown(status: u32) -> String {
    format!("{status:#04x}")
}

/// The specification's words.
pub fn words(status: u32) -> &'static str {
    match status {
        0x01 => "message length is invalid",
        0x02 => "command length is invalid",
        0x03 => "invalid command id",
        0x04 => "incorrect bind status for given command",
        0x05 => "already in bound state",
        0x08 => "system error",
        0x0a => "invalid source address",
        0x0b => "invalid destination address",
        0x0d => "bind failed",
        0x0e => "invalid password",
        0x0f => "invalid system id",
        0x14 => "message queue full",
        0x15 => "invalid service type",
        0x43 => "invalid esm_class",
        0x45 => "submit failed",
        0x48 => "invalid source address type of number",
        0x49 => "invalid source address numbering plan",
        0x50 => "invalid destination address type of number",
        0x51 => "invalid destination address numbering plan",
        0x53 => "invalid system type",
        0x58 => "throttling error",
        0x61 => "invalid scheduled delivery time",
        0x62 => "invalid validity period",
        0x64 => "temporary application error",
        0x65 => "permanent application error",
        0x66 => "reject message",
        0xfe => "delivery failure",
        0xff => "unknown error",
        0x104 => "invalid data coding scheme",
        0x400.. => "an error of this SMSC alone",
        _ => "an error the specification knows",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::faults::{given, shown};

    #[test]
    fn each_status_has_its_outcome() {
        let opted_out = given(&[("opted_out_codes", "0x0425, 1100")], OptedOut::read);
        for (status, outcome) in [
            (0x58, "not taken Retryable 0x58 None"),
            (0x14, "not taken Retryable 0x14 None"),
            (0x08, "not taken Retryable 0x08 None"),
            (0x64, "not taken Retryable 0x64 None"),
            (0x45, "not taken Retryable 0x45 None"),
            (0x0b, "rejected PermanentRecipient 0x0b"),
            (0x0a, "rejected PermanentSender 0x0a"),
            (0x48, "rejected PermanentSender 0x48"),
            (0x49, "rejected PermanentSender 0x49"),
            (0x50, "not taken PermanentAccount 0x50 None"),
            (0x51, "not taken PermanentAccount 0x51 None"),
            (0x01, "rejected PermanentContent 0x01"),
            (0x43, "rejected PermanentContent 0x43"),
            (0x61, "rejected PermanentContent 0x61"),
            (0x62, "rejected PermanentContent 0x62"),
            (0x65, "rejected PermanentContent 0x65"),
            (0x66, "rejected PermanentContent 0x66"),
            (0x104, "rejected PermanentContent 0x104"),
            (0x04, "not taken PermanentAccount 0x04 None"),
            (0x0f, "not taken PermanentAccount 0x0f None"),
            (0xff, "unclear 0xff"),
            (0x425, "rejected OptedOut 0x425"),
            (1100, "rejected OptedOut 0x44c"),
            (0x426, "rejected PermanentContent 0x426"),
        ] {
            assert_eq!(shown(&refused(status, &opted_out)), outcome, "{status:#x}");
        }
    }

    /// A dead number ends the person's consents, so nothing but "invalid destination address" may say so.
    #[test]
    fn one_status_alone_is_about_the_recipient() {
        let about = |status: &u32| class_of(*status, &OptedOut::default()) == ErrorClass::PermanentRecipient;
        assert_eq!((0..=0xffff).filter(about).collect::<Vec<u32>>(), [0x0b]);
    }

    #[test]
    fn codes_of_a_peer_are_read_or_refused() {
        let read = given(&[("opted_out_errors", "069, A1")], OptedOut::read);
        assert!(read.is_error("69") && read.is_error("0069") && read.is_error("a1") && !read.is_error("690"));
        assert!(!OptedOut::default().is_error("000"));
        for wrong in ["x", "0x", "0", "-1", "1,,2"] {
            let connection = crate::provider::faults::connection("smpp", &[("opted_out_codes", wrong)]);
            let given = Given { connection: &connection, secret: &crate::provider::faults::secret };
            assert!(OptedOut::read(&given).is_err(), "{wrong}");
        }
    }
}
