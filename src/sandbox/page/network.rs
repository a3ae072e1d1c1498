//! A few networks a phone can be put into by hand; each is a [`Behaviour`] with a name.

use serde::{Deserialize, Serialize};

use crate::sandbox::carrier::behaviour::{Behaviour, Between, Fault, FaultChance, ReceiptHabits};
use crate::sandbox::carrier::record::Status;

/// What the page offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Everything arrives within about a second.
    Works,
    /// Texts take ten seconds and receipts come late, twice and in the wrong order.
    Slow,
    /// Texts arrive, their final receipts never come.
    ReceiptsLost,
    /// The carrier takes the text and then loses the connection.
    HangsUp,
    /// The phone is switched off: undelivered.
    Off,
    /// The carrier asks to slow down.
    Throttled,
    /// The number is not in service.
    NotInService,
}

impl Network {
    /// The behaviour; none is everyone's.
    pub fn behaviour(self) -> Option<Behaviour> {
        let always =
            |fault| Behaviour { faults: vec![FaultChance { fault, percent: 100 }], ..Behaviour::default() };
        match self {
            Network::Works => None,
            Network::Slow => Some(Behaviour {
                final_ms: Between::new(9_000, 11_000),
                receipts: ReceiptHabits {
                    duplicate_percent: 100,
                    reorder_percent: 100,
                    late_percent: 100,
                    late_ms: Between::new(3_000, 6_000),
                    ..ReceiptHabits::default()
                },
                ..Behaviour::default()
            }),
            Network::ReceiptsLost => Some(Behaviour {
                receipts: ReceiptHabits { lose_percent: 100, ..ReceiptHabits::default() },
                ..Behaviour::default()
            }),
            Network::Off => Some(Behaviour {
                outcome: Status::Undelivered,
                outcome_error: Some("absent_subscriber".to_owned()),
                ..Behaviour::default()
            }),
            Network::HangsUp => Some(always(Fault::ResetAfterAccept)),
            Network::Throttled => Some(always(Fault::Throttled { retry_after_seconds: Some(5) })),
            Network::NotInService => Some(always(Fault::UnknownSubscriber)),
        }
    }
}
