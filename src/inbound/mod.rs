//! What carriers and providers deliver to us: authenticate, keep raw, understand, act.
//!
//! [`server`] takes webhooks in and asks [`endpoint`] whether they are authentic and what they say; one operation of the
//! writer keeps and carries out each. [`hearing`] knows which connections may have told us something we did not hear,
//! [`reconcile`] closes such gaps from the provider's own list, and until then nothing leaves through them.

pub mod aws;
pub mod bandwidth;
pub mod basic;
pub mod bird;
pub mod endpoint;
pub mod event;
pub mod form;
pub mod hearing;
pub mod infobip;
pub mod line;
pub mod messagebird;
#[cfg(test)]
pub(crate) mod peers;
pub mod plivo;
mod quarantine;
pub mod reconcile;
pub mod reply;
pub mod retention;
pub mod server;
pub mod signature;
pub mod sinch;
pub mod smpp;
pub mod spoken;
pub mod telnyx;
#[cfg(test)]
mod testing;
pub mod twilio;
pub mod voice;
pub mod vonage;
