use super::*;
use crate::model::{Channel, Span};
use crate::writer::op::CallError;
use crate::writer::ops::fixture::{Accept, Next, Step, main_brand, shop};
use crate::writer::testing::TestWriter;

fn at(text: &str) -> Instant {
    Instant::parse(text).expect("RFC 3339")
}

fn report() -> CartReport {
    CartReport {
        id: "c1".parse().expect("a name"),
        value: Some(Money { currency: "USD".to_owned(), units: 86, nanos: 0 }),
        checkout_url: "https://www.shop.example/c/1".to_owned(),
        abandoned_at: at("2026-06-01T15:00:00Z"),
        observed_at: None,
    }
}

fn upsert(writer: &mut TestWriter, cart: CartReport) -> Result<Arc<Cart>, CallError> {
    writer.run(UpsertCart { brand: main_brand(), cart, actor: "test".to_owned() })
}

fn close(writer: &mut TestWriter, id: &str, state: CartState) -> Result<ClosedCart, CallError> {
    writer.run(CloseCart {
        brand: main_brand(),
        id: id.parse().expect("a name"),
        state,
        order_id: "o1".to_owned(),
        closed_at: None,
        actor: "test".to_owned(),
    })
}

fn problems(error: CallError) -> Vec<String> {
    match error {
        CallError::Refused(OpError::Problems(list)) => list.into_iter().map(|p| p.field).collect(),
        other => panic!("{other}"),
    }
}

#[test]
fn every_problem_of_a_report_is_named_and_nothing_is_written() {
    let mut writer = shop();
    let entries = writer.entries().len();
    type Change = fn(&mut CartReport);
    let table: [(Change, &[&str]); 5] = [
        (|r| r.abandoned_at = at("2026-06-01T16:05:01Z"), &["cart.abandoned_at"]),
        (|r| r.abandoned_at = at("1999-12-31T23:59:59Z"), &["cart.abandoned_at"]),
        (|r| r.observed_at = Some(at("2027-06-01T00:00:00Z")), &["observed_at"]),
        (|r| r.checkout_url = "https://shop.example.evil.net/".to_owned(), &["cart.checkout_url"]),
        (
            |r| {
                r.checkout_url = "http://shop.example/".to_owned();
                r.abandoned_at = Instant::FAR_FUTURE;
            },
            &["cart.abandoned_at", "cart.checkout_url"],
        ),
    ];
    for (change, fields) in table {
        let mut cart = report();
        change(&mut cart);
        assert_eq!(problems(upsert(&mut writer, cart).expect_err("refused")), fields);
    }
    let unknown =
        UpsertCart { brand: "other".parse().expect("a slug"), cart: report(), actor: String::new() };
    assert!(matches!(writer.run(unknown), Err(CallError::Refused(OpError::NotFound { what: "brand", .. }))));
    assert_eq!(writer.entries().len(), entries);
}

#[test]
fn abandonment_moves_on_and_never_back_and_older_reports_are_ignored() {
    let mut writer = shop();
    let steps = [
        // observed_at, abandoned_at, value, then as it stands: abandoned_at, value
        ("2026-06-01T15:10:00Z", "2026-06-01T15:00:00Z", 86, "2026-06-01T15:00:00Z", 86),
        ("2026-06-01T15:20:00Z", "2026-06-01T14:00:00Z", 90, "2026-06-01T15:00:00Z", 90),
        ("2026-06-01T15:15:00Z", "2026-06-01T15:14:00Z", 50, "2026-06-01T15:00:00Z", 90),
        ("2026-06-01T15:30:00Z", "2026-06-01T15:25:00Z", 70, "2026-06-01T15:25:00Z", 70),
    ];
    for (observed, abandoned, units, stands, worth) in steps {
        let value = Some(Money { currency: "USD".to_owned(), units, nanos: 0 });
        let cart =
            CartReport { observed_at: Some(at(observed)), abandoned_at: at(abandoned), value, ..report() };
        let cart = upsert(&mut writer, cart).expect("taken");
        assert_eq!((cart.abandoned_at, cart.value.as_ref().map(|v| v.units)), (at(stands), Some(worth)));
    }
    writer.check_fold();
}

#[test]
fn repeating_a_report_writes_nothing() {
    let mut writer = shop();
    let first = upsert(&mut writer, report()).expect("taken");
    let entries = writer.entries().len();
    writer.advance(Span::minutes(9));
    assert_eq!(upsert(&mut writer, report()).expect("taken"), first);
    assert_eq!(writer.entries().len(), entries);
}

#[test]
fn a_closed_cart_stays_closed_whoever_comes_first() {
    let mut writer = shop();
    for overtaken in [false, true] {
        let id = if overtaken { "late" } else { "early" };
        let cart = CartReport { id: id.parse().expect("a name"), ..report() };
        if !overtaken {
            upsert(&mut writer, cart.clone()).expect("taken");
        }
        let closed = close(&mut writer, id, CartState::Purchased).expect("closed").cart;
        assert_eq!((closed.state, closed.order_id.as_str()), (CartState::Purchased, "o1"));
        let again = close(&mut writer, id, CartState::Expired).expect("closed before").cart;
        assert_eq!(again, closed, "the first closing stands");
        assert_eq!(upsert(&mut writer, cart).expect("answered"), closed);
    }
    let open = close(&mut writer, "early", CartState::Open).expect_err("not an end");
    assert_eq!(problems(open), ["state"]);
    writer.check_fold();
}

#[test]
fn closing_names_what_dies_and_what_cannot_be_called_back() {
    let mut writer = shop();
    let cart = upsert(&mut writer, report()).expect("taken").id.clone();
    let message = |n: u8| MessageId([n; 16]);
    for n in 1..=5 {
        let accept = Accept { id: message(n), to: n, cart: Some(cart.clone()), pool: None, link: None };
        writer.run(accept).expect("accepted");
    }
    let life = [
        (1, vec![]),
        (2, vec![Step::Leave]),
        (3, vec![Step::Leave, Step::Outcome(MessageState::Sent)]),
        (4, vec![Step::Leave, Step::Outcome(MessageState::Rejected)]),
        (5, vec![Step::Leave, Step::Outcome(MessageState::Queued)]),
    ];
    for (n, steps) in life {
        for step in steps {
            writer.run(Next(message(n), step)).expect("folds");
        }
    }
    let closed = close(&mut writer, "c1", CartState::Purchased).expect("closed");
    assert_eq!(closed.cancelled, [message(1), message(5)]);
    assert_eq!(closed.in_flight, [message(2), message(3)]);
    assert_eq!(closed.cart.texts().map(|s| s.message).collect::<Vec<_>>(), [message(2), message(3)]);
    assert!(closed.cart.sends.iter().all(|s| s.channel == Channel::Sms));
    writer.check_fold();
}

struct Named(CartInput);
impl Op for Named {
    type Answer = Arc<Cart>;
    const PRIORITY: Priority = Priority::Api;
    fn run(self, cx: &mut Cx<'_>) -> Result<Arc<Cart>, OpError> {
        let brand = cx.known_brand(&main_brand())?;
        let change = named_by_send(cx, &brand, &self.0)?;
        write(cx, change, "test")
    }
}

#[test]
fn a_send_writes_a_new_cart_and_says_only_what_it_says_about_a_known_one() {
    let mut writer = shop();
    // Where the link leads is the verdict's to say: a send with a foreign link is decided, not malformed.
    let input = CartInput {
        id: "c1".parse().expect("a name"),
        value: report().value,
        checkout_url: "https://elsewhere.example/".to_owned(),
        abandoned_at: Some(at("2026-06-01T15:00:00Z")),
    };
    let first = writer.run(Named(input.clone())).expect("written");
    let silent = CartInput { value: None, checkout_url: String::new(), abandoned_at: None, ..input.clone() };
    let entries = writer.entries().len();
    assert_eq!(writer.run(Named(silent.clone())).expect("known"), first);
    assert_eq!(writer.entries().len(), entries, "nothing was said");
    let later = CartInput { abandoned_at: Some(at("2026-06-01T15:30:00Z")), ..silent };
    let second = writer.run(Named(later)).expect("moved on");
    assert_eq!(second.abandoned_at, at("2026-06-01T15:30:00Z"));
    assert_eq!((&second.value, &second.checkout_url), (&first.value, &first.checkout_url));
    assert_eq!(writer.run(Named(input)).expect("known"), second, "and never back");
    let ahead = CartInput {
        id: "c2".parse().expect("a name"),
        value: None,
        checkout_url: String::new(),
        abandoned_at: Some(Instant::FAR_FUTURE),
    };
    assert_eq!(problems(writer.run(Named(ahead)).expect_err("refused")), ["cart.abandoned_at"]);
}
