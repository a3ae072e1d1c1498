//! Values as people and spreadsheets read them.

use serde::Serialize;

use crate::model::cart::Money;
use crate::model::subject::Address;
use crate::model::verdict::Reason;

/// The name of a variant as in the contract: `PENDING_CONFIRMATION`, whatever its spelling in our files.
pub fn name(value: &impl Serialize) -> String {
    let text = match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(serde_json::Value::Object(map)) => map.keys().next().cloned().unwrap_or_default(),
        _ => String::new(),
    };
    let mut out = String::with_capacity(text.len() + 4);
    let mut after_lower = false;
    for c in text.chars() {
        if c.is_uppercase() && after_lower {
            out.push('_');
        }
        after_lower = c.is_lowercase() || c.is_ascii_digit();
        out.extend(c.to_uppercase());
    }
    out
}

/// An address in one cell.
pub fn address(address: &Address) -> String {
    match address {
        Address::Phone(digits) => match address.phone() {
            Some(phone) => phone.expose().to_owned(),
            None => digits.clone(),
        },
        Address::Device { app, installation } => format!("device:{app}/{installation}"),
    }
}

/// A reason in one cell.
pub fn reason(reason: &Reason) -> String {
    let until = reason.hold_until.map(|at| format!(" Until {at}.")).unwrap_or_default();
    format!("{} ({}; {}): {}{until}", reason.code, reason.rule, reason.citation, reason.detail)
}

/// An amount with its currency.
pub fn money(money: &Money) -> String {
    let sign = if money.units < 0 || money.nanos < 0 { "-" } else { "" };
    let nanos = format!("{:09}", money.nanos.unsigned_abs());
    let digits = nanos.trim_end_matches('0').len().max(2);
    format!("{} {sign}{}.{}", money.currency, money.units.unsigned_abs(), &nanos[..digits])
}

/// `name=value` for each.
pub fn pairs(pairs: &[(String, String)]) -> Vec<String> {
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect()
}

/// Texts of a list.
pub fn each(values: impl IntoIterator<Item = impl ToString>) -> Vec<String> {
    values.into_iter().map(|v| v.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::consent::{ConsentState, OptOutScope};
    use crate::model::outgoing::ErrorClass;

    #[test]
    fn variants_are_named_as_in_the_contract() {
        assert_eq!(name(&ConsentState::PendingConfirmation), "PENDING_CONFIRMATION");
        assert_eq!(name(&ErrorClass::OptedOut), "OPTED_OUT");
        assert_eq!(name(&OptOutScope::Brand("main".parse().expect("a slug"))), "BRAND");
        assert_eq!(name(&crate::model::MessageState::NotSent), "NOT_SENT");
    }

    #[test]
    fn amounts_keep_their_sign_and_their_cents() {
        let money = |units, nanos| super::money(&Money { currency: "USD".to_owned(), units, nanos });
        assert_eq!(money(12, 500_000_000), "USD 12.50");
        assert_eq!(money(0, -5_000_000), "USD -0.005");
        assert_eq!(money(7, 0), "USD 7.00");
    }
}
