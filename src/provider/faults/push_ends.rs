//! Where a notification ends in the ledger, for every push service: decided, handed over to a peer that breaks in its own
//! way, recorded. No receipt ever comes, so that what is unclear stays so and is shown to nobody twice.

use super::peer::{Act, Peer, json};
use super::push::{CASES, Case, adapter, taken, to, tokens};
use crate::clock::Clock as _;
use crate::ledger::rows::{DeviceRow, keys};
use crate::model::{MessageId, MessageState, Outcome, Span, SubjectId};
use crate::provider::{Dispatch, Handover, SharedProvider};
use crate::writer::CommitProof;
use crate::writer::ops::Target;
use crate::writer::ops::device::UpsertDevice;
use crate::writer::ops::intent::{Intent, IntentAnswer};
use crate::writer::ops::outcome::{RecordOutcome, Resolve};
use crate::writer::ops::send::tests::push::{installed, message, person, push, with_app_over};
use crate::writer::ops::send::{Send, SendRequest};
use crate::writer::testing::TestWriter;

/// A shop, a person whose only installation is registered at the peer, an adapter that speaks to it, and a notification that
/// waits to leave.
struct Story {
    writer: TestWriter,
    peer: Peer,
    /// Kept alive for as long as the adapter asks it.
    _tokens: Peer,
    adapter: SharedProvider,
    device: SubjectId,
    id: MessageId,
}

/// Not the customer: nobody else is there to be told instead.
fn at_installation() -> Target {
    Target::Device { app: "com.acme.shop".to_owned(), installation: "i1".to_owned() }
}

impl Story {
    async fn of(case: &Case, acts: Vec<Act>) -> Story {
        Story::with(case, Peer::plays(acts).await).await
    }

    async fn with(case: &Case, peer: Peer) -> Story {
        let (mut writer, tokens) = (with_app_over(case.provider), tokens().await);
        let (device, _) = person(&mut writer);
        let here = UpsertDevice {
            platform: case.platform,
            destination: Some(to(case, &peer)),
            ..installed(&writer, "i1")
        };
        writer.run(here).expect("taken");
        let adapter = adapter(case, &peer.url, &tokens, &writer.clock);
        let asked = SendRequest { target: at_installation(), ..push(&writer, "k1") };
        let answer = writer.run(Send::new(asked)).expect("decided");
        assert_eq!(answer.verdict.outcome, Outcome::Admit, "{}: {:?}", case.provider, answer.verdict.reasons);
        let id = answer.message.spec.id;
        Story { writer, peer, _tokens: tokens, adapter, device, id }
    }

    /// Leaves, if it may; answers what the ledger says of it then.
    async fn leaves(&mut self) -> MessageState {
        let IntentAnswer::Go(draft) = self.writer.run(Intent::of(self.id)).expect("asked") else {
            return self.state();
        };
        let handed_over_at = Some(self.writer.clock.now());
        let dispatch = Dispatch::seal(*draft, &CommitProof::pretend(u64::MAX)).expect("durable");
        let handover = self.adapter.send(dispatch).await;
        self.record(handover, handed_over_at)
    }

    fn record(&mut self, handover: Handover, handed_over_at: Option<crate::model::Instant>) -> MessageState {
        let done = RecordOutcome { message: self.id, handover, handed_over_at };
        let state = self.writer.run(done).expect("recorded");
        self.writer.check_fold();
        self.writer.check_replay();
        state
    }

    fn state(&self) -> MessageState {
        message(&self.writer, &self.id).state
    }

    fn can_show(&self) -> bool {
        let row =
            self.writer.look(|state| state.get::<DeviceRow>(&keys::device(&self.device)).expect("readable"));
        row.expect("kept").device.can_show()
    }
}

#[tokio::test]
async fn a_notification_taken_is_sent_and_no_more_is_ever_known() {
    for case in &CASES {
        let mut story = Story::of(case, vec![taken(case)]).await;
        assert_eq!(story.leaves().await, MessageState::Sent, "{}", case.provider);
        story.writer.advance(Span::hours(100));
        assert_eq!(story.leaves().await, MessageState::Sent, "{}: nobody tells of delivery", case.provider);
        assert_eq!(story.peer.seen().len(), 1, "{}", case.provider);
    }
}

#[tokio::test]
async fn a_notification_of_unclear_fate_is_given_up_and_never_shown_twice() {
    for case in &CASES {
        let faults = [
            ("time-out after accept", Act::Silence),
            ("hang-up after accept", Act::SayAndHangUp(Vec::new())),
            ("503", Act::Say(json(503, "retry-after: 3\r\n", "{}"))),
        ];
        for (name, act) in faults {
            let what = format!("{} {name}", case.provider);
            let mut story = Story::of(case, vec![act, taken(case)]).await;
            assert_eq!(story.leaves().await, MessageState::Sending, "{what}");
            story.writer.advance(Span::hours(1));
            let resolved = story.writer.run(Resolve { message: story.id }).expect("given up");
            assert_eq!(resolved, MessageState::Unknown, "{what}");
            assert_eq!(story.leaves().await, MessageState::Unknown, "{what}");
            assert_eq!(story.peer.seen().len(), 1, "{what}: asked once");
            assert!(story.can_show(), "{what}: nothing was said about the installation");
        }
    }
}

#[tokio::test]
async fn a_notification_not_taken_leaves_again_later_and_once() {
    for case in &CASES {
        let (status, body, _) = case.throttled;
        let mut story =
            Story::of(case, vec![Act::Say(json(status, "retry-after: 7\r\n", body)), taken(case)]).await;
        assert_eq!(story.leaves().await, MessageState::Queued, "{}", case.provider);
        assert_eq!(story.leaves().await, MessageState::Queued, "{}: it is not due yet", case.provider);
        assert_eq!(story.peer.seen().len(), 1, "{}", case.provider);
        story.writer.advance(Span::seconds(61));
        assert_eq!(story.leaves().await, MessageState::Sent, "{}", case.provider);
        assert_eq!(story.peer.seen().len(), 2, "{}", case.provider);

        let mut story = Story::with(case, Peer::expired(vec![taken(case)]).await).await;
        assert_eq!(story.leaves().await, MessageState::Queued, "{}: an expired certificate", case.provider);
        assert!(story.peer.seen().is_empty(), "{}: it is told nothing", case.provider);
    }
}

#[tokio::test]
async fn a_gone_installation_ends_the_notification_and_is_written_down() {
    for case in &CASES {
        let (status, body) = case.gone;
        // Apple says since when; a token reported later than that would live on.
        let mut story = Story::of(
            case,
            vec![Act::Say(json(status, "", &body.replace("1767268799000", "4102444800000")))],
        )
        .await;
        assert_eq!(story.leaves().await, MessageState::Rejected, "{}", case.provider);
        assert!(!story.can_show(), "{}: unregistered", case.provider);
        let asked = SendRequest { target: at_installation(), ..push(&story.writer, "k2") };
        let next = story.writer.run(Send::new(asked));
        let refused = next.is_err() || next.is_ok_and(|answer| answer.message.state == MessageState::Refused);
        assert!(refused, "{}: nothing more is sent there", case.provider);
        assert_eq!(story.peer.seen().len(), 1, "{}", case.provider);
    }
}
