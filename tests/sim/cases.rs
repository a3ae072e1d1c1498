//! Cases the seeds found, or the list of pitfalls names, told step by step.

use consentry::clock::Clock;
use consentry::model::{MessageId, MessageState, OptOutScope, OptOutSource, Span};

use crate::carrier::Habits;
use crate::people::{APPS, App, KEYWORD, Meaning, PEOPLE, app_name};
use crate::shop::{Wish, opt_in, opt_out, report};
use crate::world::{Planted, World};

/// A world in which nothing goes wrong unless it is told to; everybody has agreed and was welcomed. It is 11:12 in New
/// York.
fn calm() -> World {
    calm_but(Planted::Nothing)
}

fn calm_but(planted: Planted) -> World {
    let mut world = World::with(1, planted, Habits { calm: true, ..Habits::default() });
    (0..2).for_each(|_| world.minute());
    world
}

const NUMBER: &str = PEOPLE[1].number;

impl World {
    /// Lets a minute go by with everything awake.
    fn minute(&mut self) {
        self.go_on().expect("what holds always");
    }

    fn go_on(&mut self) -> Result<(), String> {
        for _ in 0..30 {
            self.look_after();
            self.dispatch();
            self.post_all();
            self.work(3)?;
            self.pass(Span::seconds(2));
            self.check()?;
        }
        Ok(())
    }

    /// How many texts left to a number.
    fn texts_to(&self, number: &str) -> usize {
        self.seen().iter().filter(|s| s.to == number).count()
    }

    /// A caller asks for a cart reminder; nothing is carried out yet.
    fn reminder(&mut self, key: &str, number: &'static str, cart: u64) -> MessageId {
        self.ask_for(key, number, None, cart)
    }

    /// The same as a notification, and as a text to whom it cannot be shown.
    fn notification(&mut self, key: &str, app: &'static App, cart: u64) -> MessageId {
        self.ask_for(key, NUMBER, Some((app, true)), cart)
    }

    fn ask_for(
        &mut self,
        key: &str,
        number: &'static str,
        push: Option<(&'static App, bool)>,
        cart: u64,
    ) -> MessageId {
        let now = self.clock.now();
        let abandoned_at = now - Span::minutes(30);
        let wish = Wish {
            key: key.to_owned(),
            number,
            push,
            cart: Some(cart),
            pool: None,
            expires_at: None,
            abandoned_at,
        };
        self.submit(wish);
        MessageId::derive(&self.env.seller, key)
    }

    fn state(&self, id: &MessageId) -> Option<MessageState> {
        self.log.state(id)
    }
}

#[test]
fn a_reminder_leaves_once_and_arrives() {
    let mut world = calm();
    let before = world.texts_to(NUMBER);
    let id = world.reminder("k", NUMBER, 1);
    let again = world.reminder("k", NUMBER, 1);
    assert_eq!(id, again, "two equal keys in one batch are one attempt");
    (0..20).for_each(|_| world.minute());
    assert_eq!((world.state(&id), world.texts_to(NUMBER)), (Some(MessageState::Delivered), before + 1));
    assert_eq!(world.promises.accepted.len(), 1);
}

/// Pitfall 1: the STOP reached the carrier while nobody was here, and its webhook never comes again.
#[test]
fn a_stop_sent_while_we_were_down_is_honoured_before_the_first_text_leaves() {
    for (down, restarts) in [(2, 1), (40, 1), (480, 2)] {
        stop_while_down(Planted::Nothing, down, restarts)
            .unwrap_or_else(|e| panic!("down for {down} s: {e}"));
    }
}

pub fn stop_while_down(planted: Planted, down: i64, restarts: usize) -> Result<(), String> {
    let mut world = calm_but(planted);
    let before = world.texts_to(NUMBER);
    let id = world.reminder("k", NUMBER, 1);
    world.work(2)?;
    assert_eq!(world.state(&id), Some(MessageState::Queued), "it would leave at the next look");
    world.crash();
    world.write(0, NUMBER, Some("please stop texting me"), Meaning::Stop);
    for _ in 0..40 {
        world.pass(Span::seconds(1));
        world.post_all();
    }
    world.pass(Span::seconds(down));
    for _ in 0..restarts {
        world.come_back()?;
    }
    for _ in 0..3 {
        world.go_on()?;
    }
    // The confirmation of a STOP may go, if it is in time; nothing else.
    assert!(world.texts_to(NUMBER) <= before + 1);
    assert_eq!(world.state(&id), Some(MessageState::Cancelled));
    world.check_all()
}

/// Pitfall 3: the nightly job of a shop posts every subscribed customer with a new time.
#[test]
fn old_consents_told_again_reopen_nothing() {
    let mut world = calm();
    world.write(0, NUMBER, Some("STOP"), Meaning::Stop);
    (0..7).for_each(|_| world.minute());
    for night in 0..3 {
        world.pass(Span::hours(24));
        let now = world.clock.now();
        for (imported, name) in [(true, "import"), (false, "form")] {
            world.ask(opt_in(&PEOPLE[1], "carts", now, imported, &format!("{name}-{night}")));
        }
        let id = world.reminder(&format!("k{night}"), NUMBER, night);
        (0..5).for_each(|_| world.minute());
        assert_eq!(world.state(&id), Some(MessageState::Refused), "night {night}");
    }
    let asked = world.texts_to(NUMBER);
    world.write(0, NUMBER, Some("START"), Meaning::Start);
    world.minute();
    let id = world.reminder("after START", NUMBER, 9);
    (0..20).for_each(|_| world.minute());
    assert_eq!(world.state(&id), Some(MessageState::Delivered), "their own word reopens");
    assert!(world.texts_to(NUMBER) > asked);
}

/// What was stopped at a desk is not undone by START, but by a fresh agreement.
#[test]
fn start_undoes_what_came_by_text_alone() {
    let mut world = calm();
    world.ask(opt_out(NUMBER, OptOutScope::All, OptOutSource::PhoneCall, "call"));
    world.minute();
    world.write(0, NUMBER, Some("START"), Meaning::Start);
    world.minute();
    let refused = world.reminder("a", NUMBER, 1);
    world.minute();
    assert_eq!(world.state(&refused), Some(MessageState::Refused));
    world.write(0, NUMBER, Some(KEYWORD), Meaning::Agree);
    world.minute();
    let sent = world.reminder("b", NUMBER, 2);
    (0..20).for_each(|_| world.minute());
    assert_eq!(world.state(&sent), Some(MessageState::Delivered));
}

/// Pitfall 51: whoever has the number now gets no answer, and the old grants are gone.
#[test]
fn a_wrong_number_is_never_answered() {
    let mut world = calm();
    let before = world.texts_to(NUMBER);
    world.write(0, NUMBER, Some("Wrong number"), Meaning::Stranger);
    (0..3).for_each(|_| world.minute());
    world.write(0, NUMBER, Some("START"), Meaning::Start);
    (0..3).for_each(|_| world.minute());
    let id = world.reminder("k", NUMBER, 1);
    (0..3).for_each(|_| world.minute());
    assert_eq!(world.state(&id), Some(MessageState::Refused), "the grants were another person's");
    // START may be asked whether they mean it; nothing confirmed the opt-out.
    assert!(world.texts_to(NUMBER) <= before + 1);
}

#[test]
fn help_said_twice_is_answered_once() {
    let mut world = calm();
    let before = world.texts_to(NUMBER);
    world.write(0, NUMBER, Some("HELP"), Meaning::Help);
    world.pass(Span::seconds(1));
    world.write(0, NUMBER, Some("HELP"), Meaning::Help);
    (0..5).for_each(|_| world.minute());
    assert_eq!(world.texts_to(NUMBER), before + 1);
}

/// Two phones of one customer say STOP in the same second; each takes back its own.
#[test]
fn a_start_of_one_phone_does_not_reopen_the_other() {
    let mut world = calm();
    let (one, other) = (PEOPLE[0].number, PEOPLE[5].number);
    assert_eq!(PEOPLE[0].customer, PEOPLE[5].customer);
    world.write(0, one, Some("STOP"), Meaning::Stop);
    world.write(0, other, Some("STOP"), Meaning::Stop);
    world.minute();
    world.write(0, one, Some("START"), Meaning::Start);
    (0..2).for_each(|_| world.minute());
    assert_eq!(world.promises.stopped().collect::<Vec<_>>(), [other]);
    let ids = [world.reminder("a", one, 1), world.reminder("b", other, 2)];
    (0..3).for_each(|_| world.minute());
    // The opt-out of either counts for both: they may be one person.
    assert_eq!(ids.map(|id| world.state(&id)), [Some(MessageState::Refused); 2]);
}

/// An installation that can show nothing any more gives its message to the next one of the person, and the last one to
/// their telephone; one message, wherever it ends.
#[test]
fn a_notification_nobody_would_see_moves_on_until_somebody_does() {
    let mut world = calm();
    let (first, second) = (&APPS[0], &APPS[1]);
    let now = world.clock.now();
    world.ask(report(second, Some("another".to_owned()), true, true, now));
    world.work(2).expect("nothing fails");
    let id = world.notification("k", first, 1);
    world.work(2).expect("nothing fails");
    assert_eq!(world.state(&id), Some(MessageState::Queued), "it would leave at the next look");
    for app in [first, second] {
        let now = world.clock.now();
        world.ask(report(app, Some(format!("token of {}", app.installation)), false, true, now));
    }
    world.work(2).expect("nothing fails");
    (0..20).for_each(|_| world.minute());
    let names = [app_name(first.installation), app_name(second.installation)];
    assert!(
        world.seen().iter().all(|s| s.message != id || !names.contains(&s.to)),
        "nobody would have seen it"
    );
    assert_eq!(world.state(&id), Some(MessageState::Delivered), "as a text");
    assert!(world.log.reached.contains_key("a notification moved on"));
    world.check_all().expect("what holds always");
}
