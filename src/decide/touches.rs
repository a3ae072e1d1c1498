//! What a person was reached by: the one way all caps and gaps count.
//!
//! Counted are intents that may have reached the person, sends of other tools, and, before dispatch, what waits.
//! Never counted: the message itself, refusals, automatic texts (they are no touches).

use crate::model::consent::Category;
use crate::model::facts::Phase;
use crate::model::{CartId, Facts, Instant, Medium, MessageId, Request, Span, Touch};

/// The touches of the whole reach.
pub(super) struct Touches<'a> {
    all: Vec<&'a Touch>,
    own: MessageId,
    with_waiting: bool,
}

impl<'a> Touches<'a> {
    pub fn new(facts: &'a Facts, req: &Request) -> Touches<'a> {
        let mut all: Vec<&Touch> = facts.reach.iter().flat_map(|person| &person.touches).collect();
        // A message addressed to one subject may be noted at several; it reached the person once.
        all.sort_by_key(|t| (t.message, t.at));
        all.dedup_by(|b, a| a.message.is_some() && a.message == b.message);
        Touches { all, own: req.message, with_waiting: req.phase != Phase::Dispatch }
    }

    /// Touches that count.
    pub fn counted(&self) -> impl Iterator<Item = &'a Touch> {
        self.all.iter().copied().filter(|touch| {
            let waits = touch.state.is_waiting() && (self.with_waiting || touch.external);
            touch.message != Some(self.own) && (touch.state.reached_out() || waits)
        })
    }

    /// Marketing by any of these media.
    pub fn marketing_by(&self, media: &[Medium]) -> impl Iterator<Item = &'a Touch> {
        self.counted().filter(|t| t.category == Category::Marketing && media.contains(&t.medium))
    }

    /// When messages about that cart went, or will go, to anybody, by those media; in order.
    pub fn of_cart(&self, facts: &Facts, media: &[Medium]) -> Vec<Instant> {
        let Some(cart) = &facts.cart else { return Vec::new() };
        let mut sent: Vec<(Option<MessageId>, Instant)> =
            self.counted().filter(|t| is_about(t, &cart.id, media)).map(|t| (t.message, t.at)).collect();
        for send in &cart.sends {
            let waits = send.state.is_waiting() && self.with_waiting;
            let counts = (send.state.reached_out() || waits) && media.contains(&send.channel.into());
            let known = sent.iter().any(|(message, _)| *message == Some(send.message));
            if counts && !known && send.message != self.own {
                sent.push((Some(send.message), send.at));
            }
        }
        let mut instants: Vec<Instant> = sent.into_iter().map(|(_, at)| at).collect();
        instants.sort();
        instants
    }
}

fn is_about(touch: &Touch, cart: &CartId, media: &[Medium]) -> bool {
    touch.cart.as_ref() == Some(cart) && media.contains(&touch.medium)
}

/// The first instant from `at` on with fewer than `at_most` of those instants in the span before it; `None`: `at` itself.
pub(super) fn room_in(
    instants: impl Iterator<Item = Instant>,
    at_most: u32,
    span: Span,
    at: Instant,
) -> Option<Instant> {
    let mut recent: Vec<Instant> = instants.filter(|t| *t > at - span).collect();
    let at_most = at_most.max(1) as usize;
    if recent.len() < at_most {
        return None;
    }
    recent.sort();
    Some(recent[recent.len() - at_most] + span)
}

/// The first instant from `at` on that lies at least `gap` from every one of those instants; `None`: `at` itself.
pub(super) fn clear_of(instants: impl Iterator<Item = Instant>, gap: Span, at: Instant) -> Option<Instant> {
    let mut instants: Vec<Instant> = instants.collect();
    instants.sort();
    let mut clear = at;
    for touch in instants {
        if touch + gap > clear && touch < clear + gap {
            clear = touch + gap;
        }
    }
    (clear > at).then_some(clear)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Instant {
        Instant::EPOCH + Span::hours(hours)
    }

    #[test]
    fn room_opens_when_enough_has_rolled_away() {
        let day = Span::days(1);
        for (sent, at_most, now, room) in [
            (vec![0, 5, 10], 3, 23, Some(24)),
            (vec![0, 5, 10], 3, 24, None),
            (vec![0, 5, 10, 11], 3, 20, Some(29)),
            (vec![0], 1, 0, Some(24)),
            (vec![40], 1, 30, Some(64)),
            (vec![], 1, 0, None),
        ] {
            let sent: Vec<Instant> = sent.into_iter().map(at).collect();
            assert_eq!(room_in(sent.into_iter(), at_most, day, at(now)), room.map(at), "{now}");
        }
    }

    #[test]
    fn gaps_hold_on_both_sides() {
        let gap = Span::hours(4);
        for (sent, now, clear) in [
            (vec![0], 3, Some(4)),
            (vec![0], 4, None),
            (vec![10], 7, Some(14)),
            (vec![10], 6, None),
            (vec![0, 5], 1, Some(9)),
            (vec![], 0, None),
        ] {
            let sent: Vec<Instant> = sent.into_iter().map(at).collect();
            assert_eq!(clear_of(sent.into_iter(), gap, at(now)), clear.map(at), "{now}");
        }
    }
}
