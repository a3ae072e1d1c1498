//! The generated wire types, and the `Debug` of those that carry a phone number or a secret.

use std::fmt;

/// One module a package, as `proto/build.rs` found them under `proto/`.
#[allow(missing_docs, clippy::all, rustdoc::all)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/packages.rs"));
}

pub use generated::consentry;

/// Types of `google.*` packages the API uses.
pub mod google {
    pub use super::generated::google::r#type as type_;
}

use consentry::v1::{SecretValue, Subject, subject::Address};

/// The compiled descriptors of every package, for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor.bin"));

impl fmt::Debug for Subject {
    /// The form of the address, never the address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Address::Phone(_) => "Phone(…)",
            Address::Device(_) => "Device(…)",
            Address::CustomerId(_) => "CustomerId(…)",
        })
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_secrets_do_not_show_in_debug_output() {
        let subject = Subject { address: Some(Address::Phone("+12125550123".into())) };
        let request = consentry::v1::SendMessageRequest { subject: Some(subject), ..Default::default() };
        let secret = SecretValue { value: "csk_a_b".into() };
        let shown = format!("{request:?} {secret:?}");
        assert!(!shown.contains("5550123") && !shown.contains("csk_a_b"), "{shown}");
        assert!(shown.contains("Phone(…)"), "{shown}");
    }
}
