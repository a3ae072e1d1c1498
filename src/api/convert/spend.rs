//! Prices and costs: as an operator writes them, as the wire shows them.

use crate::api::field::Fields;
use crate::model::registry::Price;
use crate::model::spend::Cost;
use crate::pb::consentry::v1 as wire;
use crate::pb::google::type_ as google;

/// Reads an agreed price of a segment.
pub fn price(f: &mut Fields, price: wire::SegmentPrice) -> Option<Price> {
    let country = f.country("country", &price.country);
    let money = f.required("per_segment", price.per_segment, |f, money| f.money("", Some(money)));
    let (country, money) = (country?, money??);
    if money.nanos % 1_000 != 0 {
        return f.refuse("per_segment.nanos", "must be whole millionths of the currency's unit");
    }
    let micros = u64::try_from(money.units).ok()?.checked_mul(1_000_000)?;
    Some(Price {
        country: country.map(|c| c.as_str().to_owned()).unwrap_or_default(),
        currency: money.currency,
        micros_per_part: micros.checked_add(u64::try_from(money.nanos).ok()? / 1_000)?,
    })
}

/// A price on the wire.
pub fn price_out(price: &Price) -> wire::SegmentPrice {
    let per_segment = Cost { currency: price.currency.clone(), micros: price.micros_per_part };
    wire::SegmentPrice { country: price.country.clone(), per_segment: Some(money(&per_segment)) }
}

/// What a message cost, on the wire.
pub fn money(cost: &Cost) -> google::Money {
    google::Money {
        currency_code: cost.currency.clone(),
        units: i64::try_from(cost.micros / 1_000_000).unwrap_or(i64::MAX),
        nanos: (cost.micros % 1_000_000) as i32 * 1_000,
    }
}
