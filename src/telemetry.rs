//! Logs, traces and metrics, and what must not appear in them.
//!
//! Phone numbers and secrets cannot be logged by accident: the types that hold them (`model::Phone`, `model::Digits`,
//! [`Redacted`]) show a mask, and crates that are not ours may only warn, because at finer levels HTTP libraries
//! print headers and bodies.

pub mod log;
pub mod metrics;
pub mod redact;
pub mod trace;

pub use log::{LogFormat, LogSettings, TelemetryError, TelemetryGuard};
pub use metrics::Exporter;
pub use redact::Redacted;
