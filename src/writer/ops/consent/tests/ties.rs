//! Addresses tied to a customer: all of them, or a clear no.

use std::collections::BTreeSet;

use super::*;
use crate::export::Person;
use crate::export::select::people;
use crate::model::subject::bounds;
use crate::writer::CallError;
use crate::writer::ops::consent::RecordOptIn;
use crate::writer::ops::opt_out::RecordOptOut;

fn joins(writer: &mut TestWriter, n: u8, customer: &str) -> Result<(), CallError> {
    let now = writer.clock.now();
    let customer = Some(customer.parse().expect("a name"));
    let name = format!("in {n} {customer:?}");
    writer.run(RecordOptIn { customer, ..opt_in(n, ticked(now), &name) }).map(|_| ())
}

fn stopped(writer: &TestWriter, n: u8) -> bool {
    subject(writer, n).opt_outs.iter().any(|o| o.scope == OptOutScope::All)
}

/// A ninth address was once taken and left out of the customer in silence: a STOP of the customer did not reach it, and an
/// export did not show it.
#[test]
fn every_address_of_a_customer_is_held_or_refused() {
    let mut writer = text_shop();
    let last = bounds::REACH as u8;
    for n in 1..=last {
        joins(&mut writer, n, "ada").expect("room");
    }
    let before = writer.entries().len();
    let ninth = joins(&mut writer, last + 1, "ada");
    let Err(CallError::Refused(OpError::Precondition(why))) = ninth else { panic!("{ninth:?}") };
    assert!(why.contains("customer_id") && why.contains('8'), "{why}");
    assert_eq!(writer.entries().len(), before, "nothing half written");
    joins(&mut writer, last, "ada").expect("who is tied already may agree again");
    let customer = || "ada".parse().expect("a name");
    let known = writer.reader().look(|cx| people(cx, &Person::Customer(customer()))).expect("read");
    let own: BTreeSet<_> = (1..=last).map(|n| subject(&writer, n).id).collect();
    assert_eq!(known.into_iter().collect::<BTreeSet<_>>(), own);
    let all = RecordOptOut {
        target: crate::writer::ops::Target::Customer(customer()),
        ..opt_out(1, OptOutScope::All, OptOutSource::Email, "out")
    };
    writer.run(all).expect("taken");
    assert!((1..=last).all(|n| stopped(&writer, n)));
    writer.check_fold();
}

/// Two customers of five, brought together by one phone, are nine people: one of them would be out of the phone's reach.
#[test]
fn a_tie_that_would_leave_somebody_out_of_reach_is_refused() {
    let mut writer = text_shop();
    for n in 1..=5 {
        joins(&mut writer, n, "ada").expect("room");
        joins(&mut writer, n + 5, "bob").expect("room");
    }
    assert!(joins(&mut writer, 1, "bob").is_err(), "ten in the reach of the first");
    for n in 11..=12 {
        joins(&mut writer, n, "eve").expect("room");
    }
    joins(&mut writer, 1, "eve").expect("seven");
    assert!(writer.reader().look(|cx| cx.reach(&subject(&writer, 1))).expect("read").len() == 7);
    joins(&mut writer, 13, "eve").expect("eight");
    assert!(joins(&mut writer, 14, "eve").is_err(), "the first would have nine");
    for customer in ["c3", "c4"] {
        joins(&mut writer, 11, customer).expect("room");
    }
    joins(&mut writer, 11, "c5").expect("four customers");
    assert!(joins(&mut writer, 11, "c6").is_err(), "a fifth");
}
