//! The text of a message, pure: how it is rendered, what it must and must not say, how it travels.
//!
//! In the order a text passes: [`render`] fills the template, [`plain`] spares parts, [`wording`] adds
//! brand and opt-out, [`reading`] tells the decision what the result says. [`automatic`] writes the texts that answer.

pub mod automatic;
pub mod contact;
pub mod fold;
pub mod language;
pub mod links;
pub mod national;
pub mod offer;
pub mod phrases;
pub mod plain;
pub mod prohibited;
pub mod reading;
pub mod render;
pub mod segments;
pub mod texts;
mod ways_out;
pub mod wording;

pub use automatic::{AutomaticText, ProgramWording, automatic_text};
pub use language::Language;
pub use plain::substitute;
pub use reading::read_text;
pub use render::Template;
pub use segments::{Segmentation, segment};
pub use wording::{Completed, HowToStop, complete};
