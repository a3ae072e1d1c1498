//! A message on the command line: the flags that `send` and `check` share.

use clap::ValueEnum;

use super::failure::Failure;
use crate::entropy::{Entropy, SystemEntropy};
use crate::model::Instant;
use crate::pb::consentry::v1 as pb;
use crate::pb::google::type_::Money;

/// What is to be sent, to whom, about which cart.
#[derive(Debug, clap::Args)]
pub struct MessageArgs {
    /// Brand that speaks.
    #[arg(long, env = "CONSENTRY_BRAND", default_value = "main")]
    brand: String,
    /// Program: the purpose the person agreed to.
    #[arg(long, env = "CONSENTRY_PROGRAM")]
    program: String,
    /// The person's number, as in +12125550123.
    #[arg(long, env = "CONSENTRY_PHONE", hide_env_values = true)]
    phone: String,
    /// The text; may hold {{link}}, {{coupon}}, {{coupon_expires}}, {{opt_out_link}} and names given with --set.
    #[arg(long, env = "CONSENTRY_BODY", required_unless_present = "template", conflicts_with = "template")]
    body: Option<String>,
    /// A stored text instead of --body.
    #[arg(long, env = "CONSENTRY_TEMPLATE")]
    template: Option<String>,
    /// A value for a placeholder, as in --set name=Dana. May be given more than once.
    #[arg(long = "set", env = "CONSENTRY_SET", value_name = "NAME=VALUE", value_parser = pair)]
    variables: Vec<(String, String)>,
    /// The cart it is about.
    #[arg(long, env = "CONSENTRY_CART")]
    cart: Option<String>,
    /// When the cart was left, RFC 3339. Default: what the gateway knows of the cart, else its present instant.
    #[arg(long, env = "CONSENTRY_ABANDONED_AT", requires = "cart", value_parser = Instant::parse)]
    abandoned_at: Option<Instant>,
    /// What the cart is worth, as in 89.00-USD.
    #[arg(long, env = "CONSENTRY_CART_VALUE", requires = "cart", value_parser = money)]
    cart_value: Option<Money>,
    /// Where {{link}} leads: back to the cart.
    #[arg(long, env = "CONSENTRY_CHECKOUT_URL", requires = "cart")]
    checkout_url: Option<String>,
    /// Where {{link}} leads instead of the checkout.
    #[arg(long, env = "CONSENTRY_LINK_URL")]
    link_url: Option<String>,
    /// Pool of {{coupon}}.
    #[arg(long, env = "CONSENTRY_COUPON_POOL")]
    coupon_pool: Option<String>,
    /// Sender; one that fits when absent.
    #[arg(long, env = "CONSENTRY_SENDER")]
    sender: Option<String>,
    /// Where the person said they are, as in US-NY or US.
    #[arg(long, env = "CONSENTRY_PLACE", value_parser = place)]
    place: Option<(String, String)>,
    /// What to do when it may not leave now.
    #[arg(long, env = "CONSENTRY_ON_HOLD", value_enum, default_value = "hold")]
    on_hold: OnHold,
    /// Names this attempt; a repeat answers the first verdict. Default: a new one each time.
    #[arg(long, env = "CONSENTRY_IDEMPOTENCY_KEY")]
    idempotency_key: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum OnHold {
    Hold,
    Refuse,
}

impl MessageArgs {
    /// The request; with the key it will be known by.
    pub fn into_request(self) -> Result<pb::SendMessageRequest, Failure> {
        let content = match (self.body, self.template) {
            (_, Some(template)) => pb::send_message_request::Content::Template(template),
            (Some(body), None) => pb::send_message_request::Content::Body(body),
            (None, None) => {
                return Err(Failure::unusable("a text is missing").hint("give --body or --template"));
            }
        };
        let cart = self.cart.map(|id| pb::Cart {
            id,
            value: self.cart_value,
            checkout_url: self.checkout_url.unwrap_or_default(),
            abandoned_at: self.abandoned_at.map(timestamp),
            ..pb::Cart::default()
        });
        let on_hold = match self.on_hold {
            OnHold::Hold => pb::OnHold::Hold,
            OnHold::Refuse => pb::OnHold::Refuse,
        };
        Ok(pb::SendMessageRequest {
            brand: self.brand,
            program: self.program,
            subject: Some(phone(self.phone)),
            channel: pb::Channel::Sms.into(),
            sender: self.sender.unwrap_or_default(),
            cart,
            content: Some(content),
            variables: self.variables.into_iter().collect(),
            link_url: self.link_url.unwrap_or_default(),
            coupon_pool: self.coupon_pool.unwrap_or_default(),
            locations: self.place.map(stated).into_iter().collect(),
            on_hold: on_hold.into(),
            idempotency_key: self.idempotency_key.unwrap_or_else(fresh_key),
            ..pb::SendMessageRequest::default()
        })
    }
}

/// A subject by number.
pub fn phone(number: String) -> pb::Subject {
    pb::Subject { address: Some(pb::subject::Address::Phone(number)) }
}

/// An instant for the wire.
pub fn timestamp(at: Instant) -> prost_types::Timestamp {
    let micros = at.as_micros();
    let nanos = (micros.rem_euclid(1_000_000) * 1_000) as i32;
    prost_types::Timestamp { seconds: micros.div_euclid(1_000_000), nanos }
}

/// A key nobody used before.
pub fn fresh_key() -> String {
    let entropy: &dyn Entropy = &SystemEntropy;
    format!("cli-{}", hex::encode(entropy.bytes::<12>()))
}

/// A place the person stated.
pub fn stated((country, region): (String, String)) -> pb::Location {
    pb::Location { source: pb::LocationSource::Stated.into(), country, region, ..pb::Location::default() }
}

/// Reads `US-NY` or `US`.
pub fn place(text: &str) -> Result<(String, String), &'static str> {
    let (country, region) = text.split_once('-').unwrap_or((text, ""));
    match country.len() == 2 && country.bytes().all(|b| b.is_ascii_uppercase()) {
        true => Ok((country.to_owned(), region.to_owned())),
        false => Err("must be a country, with or without a region, as in US or US-NY"),
    }
}

fn pair(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE")?;
    if name.is_empty() { Err("must be NAME=VALUE") } else { Ok((name.to_owned(), value.to_owned())) }
}

/// Reads `89.00-USD` into units and billionths.
fn money(text: &str) -> Result<Money, &'static str> {
    let what = "must be an amount and a currency, as in 89.00-USD";
    let (amount, currency) = text.split_once('-').ok_or(what)?;
    let (units, cents) = amount.split_once('.').unwrap_or((amount, "0"));
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    let fits = digits(units) && digits(cents) && cents.len() <= 9 && currency.len() == 3;
    if !fits {
        return Err(what);
    }
    let nanos = format!("{cents:0<9}").parse().map_err(|_| what)?;
    Ok(Money { currency_code: currency.to_owned(), units: units.parse().map_err(|_| what)?, nanos })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_places_and_pairs_are_read_strictly() {
        let good = money("89.5-USD").expect("an amount");
        assert_eq!((good.units, good.nanos, good.currency_code.as_str()), (89, 500_000_000, "USD"));
        for bad in ["89.00", "USD", "-1-USD", "1.-USD", ".5-USD", "1.0000000001-USD", "1-EURO"] {
            assert!(money(bad).is_err(), "{bad}");
        }
        assert_eq!(place("US-NY"), Ok(("US".to_owned(), "NY".to_owned())));
        assert_eq!(place("US"), Ok(("US".to_owned(), String::new())));
        assert!(place("us-ny").is_err() && place("").is_err() && place("USA").is_err());
        assert_eq!(pair("name=Dana=x"), Ok(("name".to_owned(), "Dana=x".to_owned())));
        assert!(pair("=x").is_err() && pair("x").is_err());
    }

    #[test]
    fn instants_cross_the_wire_unharmed() {
        for micros in [0, 1, -1, 1_767_268_800_000_001, -1_000_001] {
            let at = Instant::from_micros(micros);
            assert_eq!(super::super::view::instant(Some(&timestamp(at))), Some(at));
        }
    }
}
