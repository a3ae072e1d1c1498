//! What is written down about an installation of an app.

use serde::{Deserialize, Serialize};

use super::Actor;
use crate::model::MessageId;
use crate::model::device::Device;
use crate::model::location::LocationHint;
use crate::model::outgoing::ProviderError;

/// Why an installation is as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceCause {
    /// The app reported it.
    Reported,
    /// A caller asked to forget its destination.
    Removed,
    /// The push service said that the destination is dead.
    Dead,
    /// Another installation reported the same destination, so it is no longer this one's.
    Moved,
}

/// An installation as it stands after the change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceBody {
    pub cause: DeviceCause,
    pub device: Device,
    /// The zone the device reports, as a hint.
    pub hints: Vec<LocationHint>,
    /// What the push service said, and to which message.
    pub error: Option<ProviderError>,
    pub message: Option<MessageId>,
    pub actor: Actor,
}
