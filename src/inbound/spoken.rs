//! A text as a provider tells it, before it is known to be whole.

use super::event::{InboundEvent, InboundText, Unreadable};
use crate::model::Instant;

/// What was found of a text.
#[derive(Default)]
pub struct Spoken {
    /// The provider's id of it.
    pub id: Option<String>,
    /// The person.
    pub from: Option<String>,
    /// Our number or code.
    pub to: Option<String>,
    pub text: Option<String>,
    /// What the provider itself made of it.
    pub flag: Option<String>,
    /// When the provider got it.
    pub at: Option<Instant>,
    /// Its proof covers neither words nor sender.
    pub weak: bool,
}

impl Spoken {
    /// The event it is: a text, or one that cannot be read because something is missing. `otherwise` names one that came
    /// without an id.
    pub fn event(self, otherwise: impl FnOnce() -> String) -> InboundEvent {
        let Spoken { id, from, to, text, flag, at, weak } = self;
        let to = to.unwrap_or_default();
        match (id, from, text) {
            (Some(provider_id), Some(from), Some(text)) => InboundEvent::Text(InboundText {
                provider_id,
                from,
                to,
                text,
                provider_flag: flag,
                received_at: at,
                weak,
            }),
            (id, from, text) => {
                let missing = [("id", id.is_none()), ("sender", from.is_none()), ("text", text.is_none())];
                let names: Vec<&str> = missing.iter().filter(|(_, m)| *m).map(|(name, _)| *name).collect();
                InboundEvent::Unreadable(Unreadable {
                    provider_id: id.unwrap_or_else(otherwise),
                    from,
                    to,
                    reason: format!("no {}", names.join(", ")),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_missing_is_named_and_the_person_is_kept() {
        let whole = || Spoken {
            id: Some("1".into()),
            from: Some("12125550123".into()),
            text: Some(String::new()),
            ..Spoken::default()
        };
        let event = |spoken: Spoken| spoken.event(|| "hash".to_owned());
        assert!(
            matches!(event(whole()), InboundEvent::Text(text) if text.text.is_empty()),
            "a picture has no words"
        );
        let table = [
            (Spoken { id: None, ..whole() }, "hash", "no id"),
            (Spoken { text: None, ..whole() }, "1", "no text"),
            (Spoken { id: None, from: None, ..whole() }, "hash", "no id, sender"),
        ];
        for (spoken, id, reason) in table {
            let from = spoken.from.clone();
            let InboundEvent::Unreadable(told) = event(spoken) else { panic!("it is not whole") };
            assert_eq!((told.provider_id.as_str(), told.reason.as_str(), told.from), (id, reason, from));
        }
    }
}
