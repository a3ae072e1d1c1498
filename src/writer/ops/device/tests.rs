//! Installations: what is written, what is not, and who has a destination.

use super::*;
use crate::erasure::inventory;
use crate::model::subject::bounds;
use crate::writer::ops::erase::Erase;
use crate::writer::ops::fixture::{main_brand, shop};
use crate::writer::testing::TestWriter;

pub(in crate::writer::ops) fn report(writer: &TestWriter, installation: &str, token: &str) -> UpsertDevice {
    UpsertDevice {
        brand: main_brand(),
        app: "app".to_owned(),
        installation: installation.to_owned(),
        platform: PushPlatform::Fcm,
        destination: (!token.is_empty()).then(|| Destination::Token(token.to_owned())),
        permission: OsPermission::Granted,
        channel_enabled: true,
        time_zone: Some("America/New_York".parse().expect("a zone")),
        customer: None,
        locale: "en-US".to_owned(),
        observed_at: writer.env.clock.now(),
        actor: "test".to_owned(),
    }
}

fn at(installation: &str) -> Address {
    Address::Device { app: "app".to_owned(), installation: installation.to_owned() }
}

fn device(writer: &TestWriter, installation: &str) -> Device {
    let look = |cx: &mut Cx<'_>| known_device(cx, &at(installation));
    writer.reader().look(look).expect("readable").expect("known").1
}

fn causes(writer: &TestWriter) -> Vec<DeviceCause> {
    let cause = |body: &Body| match body {
        Body::Device(body) => Some(body.cause),
        _ => None,
    };
    writer.entries().iter().filter_map(|entry| cause(&entry.body)).collect()
}

#[test]
fn a_report_is_written_once_a_day_unless_it_changes_something() {
    let mut writer = shop();
    for (hours, token, entries) in [(0, "t1", 1), (1, "t1", 1), (23, "t1", 2), (1, "t2", 3), (1, "t2", 3)] {
        writer.advance(Span::hours(hours));
        writer.run(report(&writer, "i1", token)).expect("taken");
        assert_eq!(causes(&writer).len(), entries, "after {hours} more hours, {token}");
    }
    writer.check_fold();
}

#[test]
fn an_older_report_changes_nothing_and_is_answered_with_what_is_known() {
    let mut writer = shop();
    let early = report(&writer, "i1", "old");
    writer.advance(Span::minutes(10));
    writer.run(report(&writer, "i1", "new")).expect("taken");
    let answer = writer.run(early).expect("answered");
    assert_eq!(answer.device.destination, Some(Destination::Token("new".to_owned())));
    assert_eq!(causes(&writer).len(), 1);
}

#[test]
fn a_destination_belongs_to_the_installation_that_reported_it_last() {
    let mut writer = shop();
    writer.run(report(&writer, "before", "t1")).expect("taken");
    writer.run(report(&writer, "after", "t1")).expect("taken");
    assert_eq!(device(&writer, "before").destination, None, "one screen, one name");
    assert!(device(&writer, "after").can_show());
    assert_eq!(causes(&writer), [DeviceCause::Reported, DeviceCause::Moved, DeviceCause::Reported]);
    writer.check_fold();
}

#[test]
fn forgetting_takes_the_token_and_nothing_else() {
    let mut writer = shop();
    writer.run(report(&writer, "i1", "t1")).expect("taken");
    let forget = |installation: &str| DeleteDevice {
        app: "app".to_owned(),
        installation: installation.to_owned(),
        actor: "test".to_owned(),
    };
    writer.run(forget("i1")).expect("forgotten");
    writer.run(forget("i1")).expect("again is harmless");
    assert_eq!(causes(&writer), [DeviceCause::Reported, DeviceCause::Removed]);
    let left = device(&writer, "i1");
    assert!(left.destination.is_none() && left.permission == OsPermission::Granted);
    let unknown = writer.run(forget("other")).expect_err("never seen").to_string();
    assert!(unknown.contains("does not exist") && !unknown.contains("other"), "{unknown}");
    // The token is free for whoever reports it next.
    writer.run(report(&writer, "i2", "t1")).expect("taken");
    assert_eq!(causes(&writer).len(), 3);
    writer.check_fold();
}

#[test]
fn a_customer_without_room_for_another_address_is_told_so() {
    let mut writer = shop();
    let of = |writer: &TestWriter, n: usize, customer: &str| UpsertDevice {
        customer: Some(customer.parse().expect("an id")),
        ..report(writer, &format!("i{n}"), &format!("t{n}"))
    };
    for n in 0..bounds::REACH {
        writer.run(of(&writer, n, "c1")).expect("there is room");
    }
    let before = writer.entries().len();
    let full = writer.run(of(&writer, 99, "c1")).expect_err("no room").to_string();
    assert!(full.contains("8 addresses"), "{full}");
    assert_eq!(writer.entries().len(), before, "nothing was written");
    writer.advance(Span::minutes(1));
    writer.run(of(&writer, 0, "c1")).expect("a known one is no ninth");
    for customer in ["c2", "c3", "c4"] {
        writer.advance(Span::minutes(1));
        writer.run(of(&writer, 0, customer)).expect("there is room");
    }
    writer.advance(Span::minutes(1));
    let full = writer.run(of(&writer, 0, "c5")).expect_err("a fifth customer").to_string();
    assert!(full.contains("4 customers"), "{full}");
    writer.check_fold();
}

#[test]
fn a_report_after_its_death_brings_a_token_back_and_one_before_does_not() {
    let mut writer = shop();
    let early = report(&writer, "i1", "t1");
    writer.run(early.clone()).expect("taken");
    writer.advance(Span::minutes(5));
    let dead = Device { dead_at: Some(writer.env.clock.now()), ..device(&writer, "i1") };
    for (observed, alive) in [(early.observed_at, false), (writer.env.clock.now() + Span::minutes(1), true)] {
        let told = UpsertDevice { observed_at: observed, ..early.clone() };
        let stands = told.as_it_stands(Some(&dead), observed);
        assert_eq!(stands.live().is_some(), alive, "{observed}");
        assert_eq!(stands.destination_at > dead.destination_at, alive, "a revived place is a new one");
    }
}

#[test]
fn an_erased_person_leaves_no_row_of_an_installation() {
    let mut writer = shop();
    let customer = Some("c1".parse().expect("an id"));
    writer.run(UpsertDevice { customer, ..report(&writer, "i1", "t1") }).expect("taken");
    let id = writer.reader().look(|cx| known_device(cx, &at("i1"))).expect("readable").expect("known").0;
    let inventory = inventory::take(&writer.reader(), id).expect("readable");
    let erase = Erase { inventories: vec![inventory], reason: "asked".to_owned(), actor: "test".to_owned() };
    writer.run(erase).expect("recorded");
    writer.log.forget(&id);
    let reader = writer.reader();
    assert_eq!(reader.look(|cx| cx.app_devices("", None, 10)).expect("readable"), []);
    assert!(reader.look(|cx| cx.device(&id)).expect("readable").is_none());
    let print = Destination::Token("t1".to_owned()).fingerprint(PushPlatform::Fcm);
    assert_eq!(reader.look(|cx| holder(cx, &print)).expect("readable"), None);
    writer.check_fold();
}

#[test]
fn an_endpoint_that_is_no_push_service_is_not_kept() {
    let mut writer = shop();
    for (endpoint, taken) in [
        ("https://updates.push.services.mozilla.com/wpush/v2/a", true),
        ("https://metadata.intra.example/latest", false),
        ("https://169.254.169.254/latest", false),
    ] {
        let destination = Destination::Subscription {
            endpoint: endpoint.to_owned(),
            p256dh: vec![4; 65],
            auth: vec![1; 16],
        };
        let told = UpsertDevice {
            platform: PushPlatform::WebPush,
            destination: Some(destination),
            ..report(&writer, "i1", "")
        };
        let before = writer.entries().len();
        let answer = writer.run(told);
        assert_eq!(answer.is_ok(), taken, "{endpoint}");
        if let Err(refused) = answer {
            assert!(
                refused.to_string().starts_with("device.subscription.endpoint: must be at a push service")
            );
            assert_eq!(writer.entries().len(), before);
        }
    }
}
