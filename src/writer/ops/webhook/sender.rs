//! Which of our numbers a text was sent to.

use crate::model::phone::{Country, Digits};
use crate::model::registry::Sender;
use crate::model::subject::Address;
use crate::model::{ConnectionId, SubjectId};
use crate::writer::{Cx, Held, OpError};

/// The sender behind an address as a provider writes it; on the connection it came through where several share it.
pub(super) fn sender_of(
    cx: &mut Cx<'_>,
    connection: &ConnectionId,
    to: &str,
) -> Result<Option<Held<Sender>>, OpError> {
    let wanted = spelt(to);
    let mut fitting: Vec<Held<Sender>> =
        cx.all_senders()?.into_iter().filter(|s| spelt(&s.address) == wanted).collect();
    let at = fitting.iter().position(|s| s.connection == *connection).unwrap_or(0);
    Ok((!fitting.is_empty()).then(|| fitting.swap_remove(at)))
}

/// One spelling: digits without `+` and separators; letters in lower case.
fn spelt(address: &str) -> String {
    let text = address.trim();
    if text.chars().any(char::is_alphabetic) {
        return text.to_lowercase();
    }
    text.chars().filter(char::is_ascii_digit).collect()
}

/// The subjects behind an address as received, made where they are new; the one that can be answered comes first.
pub(super) fn people_at(
    cx: &mut Cx<'_>,
    from: &str,
    sender: Option<&Sender>,
) -> Result<Vec<SubjectId>, OpError> {
    let country = sender.and_then(|s| s.country.parse::<Country>().ok());
    let addresses = Address::of_digits(&Digits::received(from, country));
    addresses.iter().rev().map(|address| cx.subject_for(address)).collect()
}
