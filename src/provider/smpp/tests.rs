//! An account against an SMSC that does what SMSCs do: nothing is sent twice knowingly, nothing is lost, the outcome is right.

mod smsc;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::smsc::{Act, Smsc, pdu};
use super::settings::Settings;
use super::wire::{Frame, id};
use super::*;
use crate::clock::ManualClock;
use crate::entropy::SeededEntropy;
use crate::provider::Gathered;
use crate::provider::faults::{connection, dispatch, dispatch_from, given, now, shown};
use crate::provider::line::{NotKept, Said};

/// What somebody who listens was told.
#[derive(Default)]
pub struct Ear {
    pub said: Mutex<Vec<Said>>,
    pub late: Mutex<Vec<(MessageId, Handover)>>,
    reachable: Mutex<Vec<bool>>,
    /// Nothing can be made durable.
    pub refuses: std::sync::atomic::AtomicBool,
    news: tokio::sync::Notify,
}

impl Ear {
    /// Waits until something is so.
    pub async fn until(&self, what: &str, is: impl Fn(&Ear) -> bool) {
        let waits = async {
            loop {
                let news = self.news.notified();
                if is(self) {
                    return;
                }
                news.await;
            }
        };
        let ended = tokio::time::timeout(Duration::from_secs(30), waits).await;
        assert!(ended.is_ok(), "never: {what}");
    }

    async fn up(&self) {
        self.until("reachable", |ear| ear.reachable.lock().last() == Some(&true)).await;
    }
}

impl Listener for Ear {
    fn heard(&self, said: Said) -> BoxFuture<'_, Result<(), NotKept>> {
        let refuses = self.refuses.load(Ordering::SeqCst);
        if !refuses {
            self.said.lock().push(said);
        }
        self.news.notify_waiters();
        Box::pin(std::future::ready(if refuses { Err(NotKept) } else { Ok(()) }))
    }

    fn reachable(&self, yes: bool) {
        self.reachable.lock().push(yes);
        self.news.notify_waiters();
    }

    fn answered_late(&self, message: MessageId, handover: Handover) -> BoxFuture<'_, ()> {
        self.late.lock().push((message, handover));
        self.news.notify_waiters();
        Box::pin(std::future::ready(()))
    }
}

/// Short waits, so that faults show soon.
fn settings(url: &str, more: &[(&str, &str)]) -> Settings {
    let all = [&[("url", url), ("system_id", "esme1")], more].concat();
    let mut settings = given(&all, Settings::read);
    settings.waits.response = Duration::from_millis(300);
    settings.waits.connect = Duration::from_secs(5);
    settings.waits.again = (Duration::from_millis(5), Duration::from_millis(50));
    settings.waits.quiet = Duration::from_millis(100);
    settings
}

/// An account that listens.
pub struct Line {
    pub smpp: Smpp,
    pub ear: Arc<Ear>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Line {
    pub fn open(settings: Settings, addresses: AddressRule) -> Line {
        let clock = Arc::new(ManualClock::at(now()));
        let entropy = Arc::new(SeededEntropy::new(7));
        let id = connection("smpp", &[]).id;
        let smpp = Smpp::of(id, settings, clock, entropy, addresses);
        let (ear, stop, tasks) = (Arc::new(Ear::default()), CancellationToken::new(), TaskTracker::new());
        tasks.spawn(smpp.listen(ear.clone(), stop.clone()).expect("a line"));
        tasks.close();
        Line { smpp, ear, stop, tasks }
    }

    async fn to(smsc: &Smsc, more: &[(&str, &str)]) -> Line {
        let line = Line::open(settings(&smsc.url, more), AddressRule::PublicAndLoopback);
        line.ear.up().await;
        line
    }

    pub async fn close(self) {
        self.stop.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(30), self.tasks.wait()).await;
        assert!(ended.is_ok(), "it does not end");
    }
}

/// Two hundred characters: two parts.
fn long(n: u8) -> Dispatch {
    dispatch_from(n, "+18555550100", "12125550123", &"abcdefghij".repeat(20))
}

#[tokio::test]
async fn what_is_taken_is_taken_once_under_its_ids() {
    let smsc = Smsc::plays(vec![Act::Answer(0, "00A1"), Act::Answer(0, "b2"), Act::Answer(0, "b3")]).await;
    let line = Line::to(&smsc, &[]).await;
    assert_eq!(shown(&line.smpp.send(dispatch(1)).await), "accepted a1");
    assert_eq!(shown(&line.smpp.send(long(2)).await), "accepted b2,b3");
    assert_eq!(smsc.seen(id::SUBMIT_SM).len(), 3);
    line.close().await;
    assert_eq!(smsc.seen(id::UNBIND).len(), 1, "it takes leave");
}

/// What may have been taken is never sent again, and never called lost.
#[tokio::test]
async fn whatever_breaks_after_the_submit_is_unclear() {
    let half = pdu(id::SUBMIT_SM | id::RESPONSE, 0, 0, b"a1\0")[..17].to_vec();
    let mut oversized = vec![0xff; 16];
    oversized[4..8].copy_from_slice(&0x8000_0004u32.to_be_bytes());
    for (name, act) in [
        ("time-out after accept", Act::Silence),
        ("hang-up after accept", Act::SayAndHangUp(Vec::new())),
        ("reset mid-PDU", Act::SayAndHangUp(half)),
        ("garbage", Act::SayAndHangUp(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec())),
        ("oversized command_length", Act::Say(oversized)),
        ("slow loris", Act::Drip),
        ("a status that leaves it open", Act::Answer(0xff, "")),
        ("an answer to something else", Act::Say(pdu(0x8000_0015, 0, 0, b"").to_vec()[..12].to_vec())),
    ] {
        let smsc = Smsc::plays(vec![act]).await;
        let line = Line::to(&smsc, &[]).await;
        let handover = line.smpp.send(dispatch(7)).await;
        let what = format!("{name}: {}", shown(&handover));
        assert!(matches!(&handover, Handover::Unclear(f) if f.class == ErrorClass::Ambiguous), "{what}");
        assert_eq!(smsc.seen(id::SUBMIT_SM).len(), 1, "{what}");
        line.close().await;
    }
}

#[tokio::test]
async fn refusals_are_what_they_say_with_and_without_a_body() {
    let opted_out = &[("opted_out_codes", "0x0425")];
    for (act, expected) in [
        (Act::Answer(0x0b, ""), "rejected PermanentRecipient 0x0b"),
        (Act::Answer(0x0a, ""), "rejected PermanentSender 0x0a"),
        (Act::Answer(0x425, ""), "rejected OptedOut 0x425"),
        (Act::Answer(0x426, ""), "rejected PermanentContent 0x426"),
        (Act::Answer(0x08, ""), "not taken Retryable 0x08 None"),
        (Act::Say(pdu(0x8000_0004, 0x45, 0, b"\0").to_vec()), "not taken Retryable 0x45 None"),
        (Act::Say(pdu(id::GENERIC_NACK, 0x03, 0, b"").to_vec()), "not taken PermanentAccount 0x03 None"),
        // Taken without an id: no receipt will be known, but nothing is sent again.
        (Act::Say(pdu(0x8000_0004, 0, 0, b"").to_vec()), "accepted "),
        // Without the NUL at its end.
        (Act::Say(pdu(0x8000_0004, 0, 0, b"x9").to_vec()), "accepted x9"),
    ] {
        let smsc = Smsc::plays(vec![act]).await;
        let line = Line::to(&smsc, opted_out).await;
        assert_eq!(shown(&line.smpp.send(dispatch(3)).await), expected);
        // Of several parts the first was refused: nothing left at all.
        if !expected.starts_with("accepted") {
            assert_eq!(shown(&line.smpp.send(long(4)).await), expected);
            assert_eq!(smsc.seen(id::SUBMIT_SM).len(), 2, "one part of the second message");
        }
        line.close().await;
    }
}

#[tokio::test]
async fn throttled_means_not_taken_and_the_bind_rests() {
    for status in [0x58, 0x14] {
        let smsc = Smsc::plays(vec![Act::Answer(status, ""), Act::Answer(0, "a1")]).await;
        let line = Line::to(&smsc, &[]).await;
        assert_eq!(line.smpp.resting_until(), None);
        let first = line.smpp.send(dispatch(1)).await;
        assert_eq!(shown(&first), format!("not taken Retryable {} Some(1)", status::shown(status)));
        assert_eq!(line.smpp.resting_until(), Some(now() + Span::seconds(1)));
        assert_eq!(shown(&line.smpp.send(dispatch(2)).await), "not taken Retryable throttled Some(1)");
        assert_eq!(smsc.seen(id::SUBMIT_SM).len(), 1, "it rests");
        line.close().await;
    }
}

#[tokio::test]
async fn a_message_that_left_in_part_is_unclear() {
    for (second, words) in [
        (Act::Answer(0x0b, ""), "1 of 2 parts taken: invalid destination address"),
        (Act::Silence, "1 of 2 parts taken: no response in time"),
        (Act::SayAndHangUp(Vec::new()), "1 of 2 parts taken: the connection broke before the response"),
    ] {
        let smsc = Smsc::plays(vec![Act::Answer(0, "a1"), second]).await;
        let line = Line::to(&smsc, &[]).await;
        match line.smpp.send(long(5)).await {
            Handover::Unclear(failure) => assert_eq!(failure.text, words),
            other => panic!("{words}: {}", shown(&other)),
        }
        assert_eq!(smsc.seen(id::SUBMIT_SM).len(), 2, "{words}");
        line.close().await;
    }
}

#[tokio::test]
async fn an_answer_that_comes_late_still_tells() {
    let smsc = Smsc::plays(vec![Act::Silence]).await;
    let line = Line::to(&smsc, &[("message_id_format", "hex")]).await;
    assert_eq!(shown(&line.smpp.send(dispatch(9)).await), "unclear no_answer");
    let asked = smsc.seen(id::SUBMIT_SM).remove(0);
    smsc.says(smsc::response(&asked, 0, b"75BCD15\0"));
    line.ear.until("told", |ear| !ear.late.lock().is_empty()).await;
    let (message, handover) = line.ear.late.lock().remove(0);
    assert_eq!((message, shown(&handover).as_str()), (MessageId([9; 16]), "accepted 123456789"));
    // Of a message in parts one answer is not the whole story.
    assert_eq!(shown(&line.smpp.send(long(8)).await), "unclear no_answer");
    let asked = smsc.seen(id::SUBMIT_SM).remove(1);
    smsc.says([smsc::response(&asked, 0, b"1\0"), pdu(id::ENQUIRE_LINK, 0, 77, b"")].concat());
    smsc.until(id::ENQUIRE_LINK | id::RESPONSE, 1).await;
    assert!(line.ear.late.lock().is_empty());
    line.close().await;
}

#[tokio::test]
async fn the_window_is_kept() {
    let smsc = Smsc::plays(vec![Act::Silence]).await;
    let line = Line::to(&smsc, &[("window", "2")]).await;
    let sends = futures_util::future::join_all((0..5).map(|n| line.smpp.send(dispatch(n))));
    let watch = async {
        smsc.until(id::SUBMIT_SM, 2).await;
        // Everything the peer was sent before this answer has been read.
        smsc.says(pdu(id::ENQUIRE_LINK, 0, 1, b""));
        smsc.until(id::ENQUIRE_LINK | id::RESPONSE, 1).await;
        assert_eq!(smsc.seen(id::SUBMIT_SM).len(), 2);
    };
    let (handovers, ()) = tokio::join!(sends, watch);
    assert!(handovers.iter().all(|h| shown(h) == "unclear no_answer"));
    assert_eq!(smsc.seen(id::SUBMIT_SM).len(), 5, "what timed out makes room");
    line.close().await;
}

#[tokio::test]
async fn nobody_bound_means_not_taken() {
    for (status, fault) in
        [(0x0d, "0x0d bind failed"), (0x0e, "0x0e invalid password"), (0x0f, "0x0f invalid system id")]
    {
        let smsc = Smsc::binds(vec![status]).await;
        let line = Line::open(settings(&smsc.url, &[]), AddressRule::PublicAndLoopback);
        smsc.until(id::BIND_TRANSCEIVER, 1).await;
        line.ear.until("told", |_| line.smpp.fault().is_some()).await;
        assert_eq!(line.smpp.fault().as_deref(), Some(&*format!("transceiver: bind refused: {fault}")));
        let handover = line.smpp.send(dispatch(1)).await;
        assert!(shown(&handover).starts_with("not taken Retryable not_bound"), "{}", shown(&handover));
        assert!(line.smpp.resting_until() >= Some(now() + Span::seconds(1)), "its lanes rest");
        assert_eq!(smsc.seen(id::SUBMIT_SM).len(), 0);
        line.close().await;
    }
}

#[tokio::test]
async fn a_bind_is_tried_again_until_it_stands() {
    let smsc = Smsc::binds(vec![0x05, 0x08, 0]).await;
    let line = Line::open(settings(&smsc.url, &[]), AddressRule::PublicAndLoopback);
    line.ear.up().await;
    assert_eq!(smsc.seen(id::BIND_TRANSCEIVER).len(), 3);
    assert_eq!(line.smpp.fault(), None);
    // The SMSC takes leave, and is bound to again.
    smsc.says(pdu(id::UNBIND, 0, 5, b""));
    smsc.until(id::UNBIND | id::RESPONSE, 1).await;
    smsc.until(id::BIND_TRANSCEIVER, 4).await;
    line.ear.until("down and up", |ear| ear.reachable.lock().contains(&false)).await;
    line.ear.up().await;
    line.close().await;
}

#[tokio::test]
async fn a_peer_that_died_is_noticed() {
    let smsc = Smsc::deaf().await;
    let mut settings = settings(&smsc.url, &[]);
    settings.waits.enquire = Duration::from_millis(20);
    settings.waits.enquire_answer = Duration::from_millis(20);
    let line = Line::open(settings, AddressRule::PublicAndLoopback);
    smsc.until(id::BIND_TRANSCEIVER, 2).await;
    assert_eq!(
        smsc.seen(id::ENQUIRE_LINK).len() / 2,
        smsc.seen(id::BIND_TRANSCEIVER).len() - 1,
        "two misses"
    );
    line.close().await;
}

#[tokio::test]
async fn private_addresses_and_old_certificates_are_refused() {
    let smsc = Smsc::binds(vec![0]).await;
    let line = Line::open(settings(&smsc.url, &[]), AddressRule::PublicOnly);
    line.ear.until("told", |_| line.smpp.fault().is_some()).await;
    assert!(line.smpp.fault().expect("told").contains("allow_private_addresses"));
    line.close().await;
    let smsc = Smsc::expired().await;
    let mut expired = settings(&smsc.url.replace("smpps", "smpp"), &[]);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS")
        .with_root_certificates(crate::provider::faults::peer::roots())
        .with_no_client_auth();
    expired.place.tls = Some((Arc::new(tls), "localhost".try_into().expect("a name")));
    let line = Line::open(expired, AddressRule::PublicAndLoopback);
    line.ear.until("told", |_| line.smpp.fault().is_some()).await;
    let fault = line.smpp.fault().expect("told");
    assert!(fault.contains("certificate"), "{fault}");
    assert_eq!(smsc.seen(id::BIND_TRANSCEIVER).len(), 0);
    line.close().await;
}

fn deliver(sequence: u32, words: &str) -> bytes::Bytes {
    let head = b"\0\x01\x0112125550123\0\0\x0124680\0\0\0\0\0\0\0\0\0\0";
    pdu(id::DELIVER_SM, 0, sequence, &[&head[..], &[words.len() as u8], words.as_bytes()].concat())
}

fn statuses(frames: &[Frame]) -> Vec<(u32, u32)> {
    frames.iter().map(|frame| (frame.sequence(), frame.status())).collect()
}

#[tokio::test]
async fn what_is_said_is_acknowledged_once_it_is_kept() {
    let smsc = Smsc::plays(vec![Act::Silence]).await;
    let line = Line::to(&smsc, &[]).await;
    line.ear.refuses.store(true, Ordering::SeqCst);
    smsc.says(deliver(1, "STOP"));
    let asked = smsc.until(id::DELIVER_SM | id::RESPONSE, 1).await;
    assert_eq!(statuses(&asked), [(1, status::TRY_LATER)], "it should come again");
    line.ear.refuses.store(false, Ordering::SeqCst);
    // A command nobody knows, an alert, a response nobody asked for: none of them ends the line.
    let strange = [
        pdu(0x7777, 0, 41, b"x"),
        pdu(id::ALERT_NOTIFICATION, 0, 42, b""),
        pdu(0x8000_0004, 0, 43, b"1\0"),
        pdu(id::DELIVER_SM, 0, 44, b"no address has an end"),
        pdu(id::DATA_SM, 0, 45, b"\0\x01\x0112125550123\0\0\x0124680\0\0\0\0\x04\x24\0\x04STOP"),
    ];
    smsc.says([strange.concat().into(), deliver(2, "STOP"), deliver(3, "START")].concat());
    let answers = smsc.until(id::DELIVER_SM | id::RESPONSE, 4).await;
    assert_eq!(statuses(&answers[1..]), [(44, 0), (2, 0), (3, 0)], "in order");
    assert_eq!(statuses(&smsc.seen(id::DATA_SM | id::RESPONSE)), [(45, 0)]);
    assert_eq!(statuses(&smsc.seen(id::GENERIC_NACK)), [(41, status::INVALID_COMMAND)]);
    let said = line.ear.said.lock().clone();
    let again: Vec<bool> = said.iter().map(|said| said.again).collect();
    // The STOP that was refused may be what comes now; had it been a START, the person may have stopped since.
    assert_eq!(again, [false, false, true, false]);
    let mut ids: Vec<&str> = said.iter().map(|said| said.id.as_str()).collect();
    ids.dedup();
    assert_eq!(ids.len(), 4, "each has a name of its own");
    line.close().await;
}

/// A person may say the same twice; an SMSC that did not hear us may, too.
#[tokio::test]
async fn the_same_again_after_the_line_broke_is_told_apart() {
    let smsc = Smsc::plays(vec![Act::SayAndHangUp(Vec::new())]).await;
    let line = Line::to(&smsc, &[]).await;
    smsc.says([deliver(1, "START"), deliver(2, "START")].concat());
    smsc.until(id::DELIVER_SM | id::RESPONSE, 2).await;
    assert!(line.ear.said.lock().iter().all(|said| !said.again), "a person may repeat themselves");
    line.smpp.send(dispatch(1)).await;
    smsc.until(id::BIND_TRANSCEIVER, 2).await;
    line.ear.up().await;
    smsc.says([deliver(1, "START"), deliver(2, "STOP")].concat());
    smsc.until(id::DELIVER_SM | id::RESPONSE, 4).await;
    let again: Vec<bool> = line.ear.said.lock().iter().map(|said| said.again).collect();
    assert_eq!(again, [false, false, true, false]);
    line.close().await;
}

#[tokio::test]
async fn several_binds_carry_together_and_stand_for_each_other() {
    let smsc = Smsc::plays(vec![Act::Answer(0, "a1")]).await;
    let line = Line::to(&smsc, &[("bind", "pair"), ("binds", "2")]).await;
    smsc.until(id::BIND_TRANSMITTER, 2).await;
    smsc.until(id::BIND_RECEIVER, 2).await;
    let taken = async {
        // All four are up once the last answer to a bind was read.
        while line.smpp.resting_until().is_some() {
            tokio::task::yield_now().await;
        }
        for n in 0..6 {
            assert_eq!(shown(&line.smpp.send(dispatch(n)).await), "accepted a1");
        }
    };
    tokio::time::timeout(Duration::from_secs(30), taken).await.expect("taken");
    line.close().await;
    assert_eq!(smsc.seen(id::UNBIND).len(), 4);
}

#[tokio::test]
async fn a_gap_is_closed_only_where_the_operator_says_that_texts_are_kept() {
    let smsc = Smsc::plays(vec![Act::Silence]).await;
    let line = Line::to(&smsc, &[]).await;
    assert!(line.smpp.reconcile(now(), &Gathered::default()).await.is_err(), "there is no list");
    line.close().await;
    let line = Line::to(&smsc, &[("mo_while_unbound", "kept")]).await;
    smsc.says(deliver(1, "STOP"));
    line.ear.until("heard", |ear| !ear.said.lock().is_empty()).await;
    let kept = Gathered::default();
    assert_eq!(line.smpp.reconcile(now(), &kept).await, Ok(()), "it has been silent for a while");
    assert!(kept.events().is_empty());
    let smpp = line.smpp.0.clone();
    line.close().await;
    assert!(Smpp(smpp).reconcile(now(), &kept).await.is_err(), "nobody is bound");
}

#[tokio::test]
async fn an_intent_that_ran_out_is_not_written() {
    let smsc = Smsc::plays(vec![Act::Answer(0, "a1")]).await;
    let line = Line::to(&smsc, &[]).await;
    let clock = ManualClock::at(now() + Span::seconds(3));
    let late = Smpp::of(
        connection("smpp", &[]).id,
        settings(&smsc.url, &[]),
        Arc::new(clock),
        Arc::new(SeededEntropy::new(1)),
        AddressRule::Any,
    );
    assert_eq!(late.send(dispatch(1)).await, Handover::Void);
    assert_eq!(smsc.seen(id::SUBMIT_SM).len(), 0);
    line.close().await;
}
