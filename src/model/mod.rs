//! The nouns of the domain: plain values, no I/O, no clock, no randomness.

pub mod cart;
pub mod consent;
pub mod device;
pub mod evidence;
pub mod facts;
pub mod hours;
pub mod ids;
pub mod instant;
pub mod jurisdiction;
pub mod location;
pub mod message;
pub mod notification;
pub mod outgoing;
pub mod phone;
pub mod registry;
pub mod spend;
pub mod subject;
pub(crate) mod text;
pub mod verdict;
pub mod zone;

pub use consent::{
    Act, Basis, Category, Channel, Consent, ConsentState, DoubleOptIn, Grade, Method, OptOut, OptOutScope,
    OptOutSource,
};
pub use facts::{Facts, Request};
pub use hours::{DayHours, WeekHours};
pub use ids::{
    BrandId, CartId, ConnectionId, CustomerId, DisclosureId, EntryHash, LinkCode, MessageId, PoolId,
    ProgramId, SellerId, SenderId, SubjectId, TemplateId,
};
pub use instant::{Instant, Span};
pub use jurisdiction::Jurisdiction;
pub use message::{Medium, MessageState, Touch};
pub use phone::{Country, Phone};
pub use verdict::{Code, Effect, Outcome, Reason, Verdict};
pub use zone::{ZoneName, Zones};
