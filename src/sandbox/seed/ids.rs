//! The names of what a sandbox starts with.

use crate::model::{BrandId, ConnectionId, DisclosureId, PoolId, ProgramId, SenderId};

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $text:literal;)*) => {
        $($(#[$doc])* pub fn $name() -> $type {
            $text.parse().expect("letters and hyphens are a slug")
        })*
    };
}

names! {
    /// Acme Outfitters.
    brand: BrandId = "acme";
    /// Cart reminders, marketing.
    reminders: ProgramId = "cart-reminders";
    /// Order updates, transactional.
    orders: ProgramId = "orders";
    /// The wording beside the checkout's box.
    disclosure: DisclosureId = "checkout-v1";
    /// The wording beside the keyword.
    keyword_disclosure: DisclosureId = "keyword-v1";
    /// The ten-digit number.
    main_sender: SenderId = "main";
    /// The toll-free number.
    toll_free_sender: SenderId = "tollfree";
    /// The virtual carrier.
    connection: ConnectionId = "virtual";
    /// Codes that bring people back.
    pool: PoolId = "comeback";
}
