//! The filter of `ListMessages`: terms joined by ` AND `, as in `state = HELD AND label.campaign = "spring"`.

use crate::api::convert::names;
use crate::api::field::Fields;
use crate::model::outgoing::Message;
use crate::model::{CartId, Channel, Instant, MessageState, ProgramId, SenderId};
use crate::pb::consentry::v1 as wire;

/// Longest filter, in characters.
const LENGTH_MAX: usize = 1_024;

/// What must be true of a message. Empty: nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter(Vec<Term>);

#[derive(Debug, Clone, PartialEq)]
enum Term {
    State(MessageState),
    Program(ProgramId),
    Cart(CartId),
    Channel(Channel),
    Sender(SenderId),
    Label(String, String),
    Since(Instant),
    Before(Instant),
}

impl Filter {
    /// Reads the field `filter`.
    pub fn read(f: &mut Fields, text: &str) -> Option<Filter> {
        if text.chars().count() > LENGTH_MAX {
            return f.refuse("filter", "must be at most 1,024 characters");
        }
        if text.trim().is_empty() {
            return Some(Filter::default());
        }
        let mut terms = Vec::new();
        for (place, part) in split(text).into_iter().enumerate() {
            match term(&part) {
                Ok(term) => terms.push(term),
                Err(problem) => return f.refuse("filter", format!("term {}: {problem}", place + 1)),
            }
        }
        Some(Filter(terms))
    }

    /// Whether a message has all of it.
    pub fn takes(&self, message: &Message) -> bool {
        self.0.iter().all(|term| term.holds(message))
    }

    /// Nothing accepted before this instant can be taken.
    pub fn since(&self) -> Option<Instant> {
        self.0.iter().filter_map(|term| if let Term::Since(at) = term { Some(*at) } else { None }).max()
    }
}

impl Term {
    fn holds(&self, message: &Message) -> bool {
        let spec = &message.spec;
        match self {
            Term::State(state) => message.state == *state,
            Term::Program(program) => spec.program == *program,
            Term::Cart(cart) => spec.cart.as_ref() == Some(cart),
            Term::Channel(channel) => spec.channel == *channel,
            Term::Sender(sender) => spec.sender.as_ref() == Some(sender),
            Term::Label(name, value) => spec.labels.iter().any(|(n, v)| n == name && v == value),
            Term::Since(at) => message.accepted_at >= *at,
            Term::Before(at) => message.accepted_at < *at,
        }
    }
}

/// Parts between ` AND `, which inside quotes is just text.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if !quoted && rest.starts_with(" AND ") {
            parts.push(String::new());
            rest = &rest[" AND ".len()..];
            continue;
        }
        quoted ^= c == '"';
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
        rest = &rest[c.len_utf8()..];
    }
    parts
}

fn term(text: &str) -> Result<Term, String> {
    let operators = [">=", "<", "="];
    let found = operators.iter().filter_map(|op| text.find(op).map(|at| (at, *op)));
    let (at, op) = found.min().ok_or("has no `=`, `>=` or `<`")?;
    let name = text[..at].trim();
    let value = text[at + op.len()..].trim();
    let value = match value.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"').ok_or("has an open quote")?,
        None => value,
    };
    if value.contains('"') {
        return Err("has a quote in its value".to_owned());
    }
    let id = |problem: &dyn std::fmt::Display| format!("{name} {problem}");
    match (name, op) {
        ("create_time", ">=") => instant(value).map(Term::Since),
        ("create_time", "<") => instant(value).map(Term::Before),
        ("create_time", _) => Err("create_time takes >= and <".to_owned()),
        (_, ">=" | "<") => Err(format!("{op} is for create_time only")),
        ("state", _) => state(value).map(Term::State),
        ("channel", _) => channel(value).map(Term::Channel),
        ("program", _) => value.parse().map(Term::Program).map_err(|e| id(&e)),
        ("cart", _) => value.parse().map(Term::Cart).map_err(|e| id(&e)),
        ("sender", _) => value.parse().map(Term::Sender).map_err(|e| id(&e)),
        _ => match name.strip_prefix("label.") {
            Some(label) if !label.is_empty() => Ok(Term::Label(label.to_owned(), value.to_owned())),
            _ => Err("begins with no field a filter knows".to_owned()),
        },
    }
}

fn instant(text: &str) -> Result<Instant, String> {
    Instant::parse(text).map_err(|_| "create_time must be as in \"2026-11-22T21:04:00Z\"".to_owned())
}

fn state(text: &str) -> Result<MessageState, String> {
    let wire = wire::MessageState::from_str_name(&format!("MESSAGE_STATE_{text}"));
    wire.and_then(names::message_state_of)
        .ok_or("state must be one of HELD, QUEUED, SENDING, SENT, …".to_owned())
}

fn channel(text: &str) -> Result<Channel, String> {
    let wire = wire::Channel::from_str_name(&format!("CHANNEL_{text}"));
    wire.and_then(names::channel_of).ok_or("channel must be SMS or PUSH".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Filter, crate::api::ApiError> {
        let mut f = Fields::new(Instant::EPOCH);
        let filter = Filter::read(&mut f, text);
        f.finish(filter)
    }

    #[test]
    fn filters_read_as_documented() {
        let filter =
            read(r#"state = HELD AND label.note = "a AND b" AND create_time >= "2026-11-22T21:04:00Z""#);
        let filter = filter.expect("good");
        assert_eq!(filter.0.len(), 3);
        assert_eq!(filter.0[1], Term::Label("note".into(), "a AND b".into()));
        assert!(filter.since().is_some());
        assert_eq!(read("  ").expect("empty"), Filter::default());
    }

    #[test]
    fn everything_else_says_what_is_wrong() {
        for (text, says) in [
            ("state", "no `=`"),
            ("state = GONE", "state must be"),
            ("cart = \"x", "open quote"),
            ("colour = red", "no field"),
            ("state < SENT", "create_time only"),
            ("create_time = \"2026-11-22T21:04:00Z\"", ">= and <"),
            ("create_time >= yesterday", "must be as in"),
            ("program = a b", "program must be"),
            ("state = SENT AND ", "term 2"),
        ] {
            let error = read(text).expect_err(text).to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_filter_panics(text in "\\PC{0,80}") {
            let _ = read(&text);
            let _ = read(&format!("state = {text} AND cart=\"{text}"));
        }
    }
}
