//! Short domains: codes redirected without asking the writer, clicks told apart and written down within a second, and
//! the opt-out page. Nothing else is served there.

pub mod classify;
mod clicks;
mod directory;
mod opt_out;
mod server;

pub use clicks::{ClickBuffer, write_clicks};
pub use directory::{Destination, Directory};
pub use server::Redirect;
