//! What sending costs: agreed prices a part, and what a message came to.

use serde::{Deserialize, Serialize};

use super::phone::Country;

/// The price of one part to people of a country, as agreed with a provider.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Price {
    /// ISO 3166 alpha-2; empty: every country without a price of its own.
    pub country: String,
    /// ISO 4217.
    pub currency: String,
    /// Millionths of the currency's unit.
    pub micros_per_part: u64,
}

impl Price {
    /// Reads `0.0079 USD`: millionths of the unit, and the currency. At most six decimals, below 1,000,000.
    pub fn parse(text: &str) -> Option<(u64, String)> {
        let (amount, currency) = text.trim().split_once(' ')?;
        let currency = currency.trim();
        let named = currency.len() == 3 && currency.bytes().all(|b| b.is_ascii_uppercase());
        let (units, decimals) = amount.split_once('.').unwrap_or((amount, ""));
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let fits = (1..=6).contains(&units.len()) && decimals.len() <= 6;
        if !named || !fits || !digits(units) || !digits(decimals) {
            return None;
        }
        let micros: u64 = format!("{decimals:0<6}").parse().ok()?;
        Some((units.parse::<u64>().ok()? * 1_000_000 + micros, currency.to_owned()))
    }
}

/// What a message costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// ISO 4217.
    pub currency: String,
    /// Millionths of the currency's unit.
    pub micros: u64,
}

impl Cost {
    /// What so many parts to a country cost; none: there is no price for it.
    pub fn of(prices: &[Price], country: Option<Country>, parts: u32) -> Option<Cost> {
        let own = prices.iter().find(|p| country.is_some_and(|c| c.as_str() == p.country));
        let price = own.or_else(|| prices.iter().find(|p| p.country.is_empty()))?;
        let micros = price.micros_per_part.saturating_mul(u64::from(parts));
        Some(Cost { currency: price.currency.clone(), micros })
    }

    /// The amount as a decimal number, as in `0.0158`.
    pub fn amount(&self) -> String {
        let (units, micros) = (self.micros / 1_000_000, self.micros % 1_000_000);
        let text = format!("{units}.{micros:06}");
        let short = text.trim_end_matches('0');
        // Two places at least, as prices are read.
        let least = text.len() - 4;
        text[..short.len().max(least)].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(country: &str, micros: u64) -> Price {
        Price { country: country.to_owned(), currency: "USD".to_owned(), micros_per_part: micros }
    }

    #[test]
    fn a_country_has_its_own_price_or_the_one_of_the_rest() {
        let prices = [price("", 50_000), price("US", 7_900)];
        let cost = |country: &str, parts| Cost::of(&prices, country.parse().ok(), parts).map(|c| c.micros);
        assert_eq!((cost("US", 2), cost("DE", 1), cost("", 3)), (Some(15_800), Some(50_000), Some(150_000)));
        assert_eq!(Cost::of(&prices[1..], "DE".parse().ok(), 1), None, "nobody said what it costs");
    }

    #[test]
    fn prices_are_read_exactly_or_not_at_all() {
        let table =
            [("0.0079 USD", Some(7_900)), ("1 EUR", Some(1_000_000)), ("12.000001 JPY", Some(12_000_001))];
        for (text, micros) in table {
            assert_eq!(Price::parse(text).map(|(micros, _)| micros), micros, "{text}");
        }
        for text in
            ["0.0079", "USD 0.0079", "0,0079 USD", "-1 USD", "0.0000001 USD", "1 usd", ".5 USD", "1e3 USD"]
        {
            assert_eq!(Price::parse(text), None, "{text}");
        }
    }

    #[test]
    fn amounts_are_exact() {
        for (micros, text) in [(0, "0.00"), (7_900, "0.0079"), (500_000, "0.50"), (12_345_678, "12.345678")] {
            assert_eq!(Cost { currency: "USD".to_owned(), micros }.amount(), text);
        }
    }
}
