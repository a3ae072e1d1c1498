//! What may happen next.

use consentry::clock::Clock;
use consentry::erasure::inventory;
use consentry::ledger::body::Object;
use consentry::model::cart::{CartState, Click};
use consentry::model::facts::{CheckAnswer, CheckKind, NumberCheck, Preferences};
use consentry::model::registry::Sender;
use consentry::model::{MessageId, OptOutScope, OptOutSource, Span};
use consentry::writer::ops::Idempotency;
use consentry::writer::ops::cancel::CancelMessage;
use consentry::writer::ops::cart::CloseCart;
use consentry::writer::ops::coupon::{RedeemCoupon, RedeemResult, ReleaseCoupon, VoidCoupon};
use consentry::writer::ops::erase::{Erase, Erased};
use consentry::writer::ops::external::RecordExternalSend;
use consentry::writer::ops::import::{EndSuppressions, ImportConsent, ImportOptOut, Imported};
use consentry::writer::ops::link::{LinkClicks, RecordClicks};
use consentry::writer::ops::number_check::RecordNumberCheck;
use consentry::writer::ops::opt_out::RecordOptOut;
use consentry::writer::ops::preferences::SetPreferences;
use consentry::writer::ops::review::{Resolution, ResolveInbound};
use consentry::writer::ops::send::Send;

use crate::carrier::LINES;
use crate::people::{APPS, App, PEOPLE, Person, WORDS};
use crate::shop::{
    CarelessImport, HastyIntent, POOLS, SetUp, Wish, brand_id, id, installed, opt_in, opt_out, report,
    request, sender, switched_on, target,
};
use crate::world::{Planted, Told, World};

/// A person's language, as their preferences say it.
pub fn speaks(person: &Person) -> SetPreferences {
    let preferences = Preferences { languages: vec![person.language.to_owned()], ..Preferences::default() };
    SetPreferences { target: target(person.number), preferences, hint: None, actor: "sim".to_owned() }
}

impl World {
    /// One thing happens; then what is under way goes on for a while.
    pub fn step(&mut self) -> Result<(), String> {
        if self.process.is_none() {
            return self.while_down();
        }
        match self.below(100) {
            0..=19 => self.send(),
            20..=22 => self.repeat(),
            23..=37 => self.somebody_writes(),
            38..=51 => self.post(self.some_line()),
            52 => self.tell_desk(),
            53 => self.follow_a_link(),
            54..=55 => self.tell_consents(),
            56 => self.move_in(),
            57..=58 => self.close_cart(),
            59..=60 => self.cancel(),
            61..=63 => self.use_coupons(),
            64 if self.one_in(2) => self.other_tools(),
            64 => self.ask_a_register(),
            65..=66 => self.use_app(),
            67 => match self.below(5) {
                0 | 1 => self.prefer(),
                2 | 3 => self.review(),
                _ => self.erase(),
            },
            68..=69 => self.operate(),
            70..=83 => self.pass(Span::seconds(self.below(90) as i64)),
            84..=89 => self.pass(Span::minutes(self.below(300) as i64)),
            90..=91 => self.sleep(Span::seconds(self.below(2_000) as i64)),
            92..=93 => self.step_back(Span::seconds(self.below(4) as i64)),
            94..=96 => self.plan_fault(),
            97 => self.stop()?,
            _ => self.crash(),
        }
        if self.process.is_some() {
            self.look_after();
            self.dispatch();
            self.work(self.below(4))?;
        }
        Ok(())
    }

    /// Nobody is there: people write, the carrier posts in vain, time goes by.
    fn while_down(&mut self) -> Result<(), String> {
        match self.below(6) {
            0 => self.somebody_writes(),
            1 | 2 => self.post(self.some_line()),
            3 => self.clock.advance(Span::seconds(self.below(40) as i64)),
            4 => self.clock.advance(Span::seconds(self.below(900) as i64)),
            _ => return self.come_back(),
        }
        Ok(())
    }

    fn person(&self) -> &'static Person {
        &PEOPLE[self.below(PEOPLE.len() as u64) as usize]
    }

    fn app(&self) -> &'static App {
        &APPS[self.below(APPS.len() as u64) as usize]
    }

    fn name(&mut self) -> String {
        self.operations += 1;
        format!("op-{}", self.operations)
    }

    fn send(&mut self) {
        if self.carts == 0 || !self.one_in(3) {
            self.carts += 1;
        }
        let now = self.clock.now();
        let cart = if self.one_in(5) { None } else { Some(self.carts) };
        let pool = if cart.is_some() && self.one_in(2) { Some(POOLS[self.below(2) as usize]) } else { None };
        let expires = Span::minutes(5 + self.below(2_000) as i64);
        let wish = Wish {
            key: format!("k{}", self.wishes.len()),
            number: self.person().number,
            push: cart.filter(|_| self.one_in(3)).map(|_| self.app()).map(|app| {
                let one_phone = app.customer != "c-1";
                (app, one_phone && self.one_in(2))
            }),
            cart,
            pool,
            expires_at: if self.one_in(3) { Some(now + expires) } else { None },
            abandoned_at: now - Span::minutes(self.below(90) as i64),
        };
        self.wishes.push(wish.clone());
        self.submit(wish);
    }

    /// A caller that got no answer, or lost it, asks again with the same key.
    fn repeat(&mut self) {
        if self.wishes.is_empty() {
            return;
        }
        let back = self.below(self.wishes.len().min(4) as u64) as usize;
        let wish = self.wishes[self.wishes.len() - 1 - back].clone();
        self.submit(wish);
    }

    pub fn submit(&mut self, wish: Wish) {
        let expected = MessageId::derive(&self.env.seller, &wish.key);
        // As a gateway does it: thought out at once, carried out when its turn comes, now or much later.
        let (prepared, looks) = (!self.one_in(4), if self.carriers[0].is_calm() { 0 } else { self.below(6) });
        let Some(process) = &mut self.process else { return };
        let send = match prepared {
            true => Send::prepared(request(&wish), &process.reader()),
            false => Send::new(request(&wish)),
        };
        process.ask_after(looks, send, move |answer| match answer {
            Ok(done) => {
                assert_eq!(done.answer.message.spec.id, expected, "a key names one message");
                Told::Accepted(expected)
            }
            Err(why) => {
                println!("not accepted: {why}");
                Told::Nothing
            }
        });
    }

    /// A person writes, in their language or in words everybody knows.
    fn somebody_writes(&mut self) {
        let person = self.person();
        let fits =
            WORDS.iter().filter(|(_, language, _)| language.is_empty() || *language == person.language);
        let fits: Vec<_> = fits.collect();
        let (words, _, meaning) = *fits[self.below(fits.len() as u64) as usize];
        self.write(self.some_line(), person.number, words, meaning);
    }

    /// An opt-out by another way than text.
    fn tell_desk(&mut self) {
        let (number, name) = (self.person().number, self.name());
        let scope = match self.below(4) {
            0 => OptOutScope::Marketing,
            1 => OptOutScope::Program(id("carts")),
            _ => OptOutScope::All,
        };
        let source =
            [OptOutSource::Web, OptOutSource::PhoneCall, OptOutSource::Letter][self.below(3) as usize];
        let (all, now) = (scope == OptOutScope::All, self.clock.now());
        if self.planted == Planted::LostOptOut && all && self.one_in(3) {
            return self.promises.recorded(number, now);
        }
        let Some(process) = &mut self.process else { return };
        process.ask(opt_out(number, scope, source, &name), move |answer| match answer {
            Ok(_) if all => Told::OptedOut(number, now),
            _ => Told::Nothing,
        });
    }

    /// Callers tell of consents: a new one, or every old one once more with a new time, as an import or not.
    fn tell_consents(&mut self) {
        let now = self.clock.now();
        let imported = self.one_in(2);
        let all = self.one_in(3);
        let chosen = self.person();
        let program = if self.one_in(3) { "orders" } else { "carts" };
        for person in PEOPLE.iter().filter(|p| all || p.number == chosen.number) {
            let name = self.name();
            self.ask(opt_in(person, program, now, imported, &name));
        }
    }

    /// An app reports what it sees of itself, or somebody uses its switch; a token moves from one installation to another.
    fn use_app(&mut self) {
        let (app, now, name) = (self.app(), self.clock.now(), self.name());
        match self.below(6) {
            0 => self.ask(switched_on(app, now, &name)),
            1 => {
                let scope = OptOutScope::All;
                let target = installed(app);
                self.ask(RecordOptOut { target, ..opt_out("", scope, OptOutSource::Web, &name) });
            }
            _ => {
                let token = format!("token-{}", self.below(8));
                let token = if self.one_in(5) { None } else { Some(token) };
                self.ask(report(app, token, !self.one_in(4), !self.one_in(5), now));
            }
        }
    }

    /// A register of numbers says that one changed hands, or that it did not.
    fn ask_a_register(&mut self) {
        let (number, name, now) = (self.person().number, self.name(), self.clock.now());
        let kind = if self.one_in(2) { CheckKind::Reassigned } else { CheckKind::Deactivated };
        let answer = if self.one_in(3) { CheckAnswer::Yes } else { CheckAnswer::No };
        let check = NumberCheck {
            kind,
            answer,
            asked_at: now,
            reference_at: None,
            source: "register".to_owned(),
            database_version: "1".to_owned(),
        };
        let idempotency = Idempotency { method: "RecordNumberCheck", key: name, request_sha256: [5; 32] };
        self.ask(RecordNumberCheck { target: target(number), check, idempotency, actor: "sim".to_owned() });
    }

    /// Lists of another system come over: its opt-outs, their end, its consents, in any order.
    fn move_in(&mut self) {
        let (person, name, now) = (self.person(), self.name(), self.clock.now());
        match self.below(4) {
            0 => {
                let asked = opt_out(person.number, OptOutScope::All, OptOutSource::Web, &name);
                let Some(process) = &mut self.process else { return };
                process.ask(ImportOptOut(asked), move |answer| match answer {
                    Ok(done) if done.answer != Imported::Unchanged => Told::OptedOut(person.number, now),
                    _ => Told::Nothing,
                });
            }
            1 => self.ask(EndSuppressions {
                source: "old".to_owned(),
                import_id: name,
                rows: 1,
                actor: "sim".to_owned(),
            }),
            _ => {
                let opt_in = opt_in(person, "carts", now, true, &name);
                self.ask(ImportConsent { source: "old".to_owned(), opt_in });
            }
        }
    }

    /// Somebody taps a link they were sent, or stops on the page behind it.
    fn follow_a_link(&mut self) {
        let links = self.log.links();
        if links.is_empty() {
            return;
        }
        let (code, _, number) = links[self.below(links.len() as u64) as usize].clone();
        let now = self.clock.now();
        if self.one_in(4) {
            let person = PEOPLE.iter().find(|p| p.number == number);
            let Some(process) = &mut self.process else { return };
            return process.stop_by_page(&code, person.map(|p| p.number), now);
        }
        let click = |human: bool| Click {
            at: now,
            human,
            class: if human { "human" } else { "scanner" }.to_owned(),
            classifier: 1,
            user_agent: String::new(),
        };
        let clicks: Vec<Click> = (0..1 + self.below(3)).map(|n| click(n == 0)).collect();
        let Some(process) = &mut self.process else { return };
        let (told, count) = (code.clone(), clicks.len() as u64);
        let links = vec![LinkClicks { code, clicks, uncounted: (0, 0) }];
        process.ask(RecordClicks { links }, move |answer| match answer {
            Ok(_) => Told::Clicked(told, count),
            Err(_) => Told::Nothing,
        });
    }

    fn close_cart(&mut self) {
        let cart = id(&format!("cart-{}", 1 + self.below(self.carts.max(1))));
        self.ask(CloseCart {
            brand: brand_id(),
            id: cart,
            state: CartState::Purchased,
            order_id: "o1".to_owned(),
            closed_at: None,
            actor: "sim".to_owned(),
        });
    }

    fn cancel(&mut self) {
        let Some(last) = self.wishes.last() else { return };
        let message = MessageId::derive(&self.env.seller, &last.key);
        self.ask(CancelMessage { message, reason: "sim".to_owned(), actor: "sim".to_owned() });
    }

    /// Two orders want the same code at once, an order falls through, a code is ended.
    fn use_coupons(&mut self) {
        if self.planted == Planted::CouponTwice {
            self.ask(CarelessImport);
        }
        let held = self.log.coupons.held();
        if held.is_empty() {
            return;
        }
        let code = held[self.below(held.len() as u64) as usize].clone();
        let (brand, actor) = (brand_id(), "sim".to_owned());
        match self.below(8) {
            0 => self.ask(VoidCoupon { brand, code, reason: "sim".to_owned(), actor }),
            1 => {
                let order_id = self.promises.redeemed.get(&code).cloned().unwrap_or_default();
                self.ask(ReleaseCoupon { brand, code, order_id, actor });
            }
            _ => (0..2).for_each(|_| self.redeem(&code)),
        }
    }

    fn redeem(&mut self, code: &str) {
        let order = self.name();
        let op = RedeemCoupon {
            brand: brand_id(),
            code: code.to_lowercase(),
            order_id: order.clone(),
            cart: None,
            subject: None,
            channel: None,
            idempotency: Idempotency { method: "RedeemCoupon", key: order.clone(), request_sha256: [3; 32] },
            actor: "sim".to_owned(),
        };
        let code = code.to_owned();
        let Some(process) = &mut self.process else { return };
        process.ask(op, move |answer| match answer {
            Ok(done) if done.answer.result == RedeemResult::Redeemed => Told::Redeemed { code, order },
            _ => Told::Nothing,
        });
    }

    fn other_tools(&mut self) {
        let now = self.clock.now();
        let name = self.name();
        let medium = ["EMAIL", "AD", "SMS", "PHONE_CALL"][self.below(4) as usize];
        self.ask(RecordExternalSend {
            brand: brand_id(),
            to: target(self.person().number),
            medium: medium.to_owned(),
            at: Some(now - Span::minutes(self.below(600) as i64)),
            cart: None,
            tool: "mailer".to_owned(),
            idempotency: Idempotency { method: "RecordExternalSend", key: name, request_sha256: [4; 32] },
            actor: "sim".to_owned(),
        });
    }

    fn prefer(&mut self) {
        let person = self.person();
        let mut wish = speaks(person);
        wish.preferences.at_most_per_week = if self.one_in(2) { Some(2) } else { None };
        self.ask(wish);
    }

    /// An officer reads what waits.
    fn review(&mut self) {
        let reviews = self.log.reviews();
        if reviews.is_empty() {
            return;
        }
        let resolution = match self.below(4) {
            0 => Resolution::OptOut,
            1 => Resolution::WrongNumber,
            _ => Resolution::NotOptOut,
        };
        self.ask(ResolveInbound {
            inbound: reviews[self.below(reviews.len() as u64) as usize],
            resolution,
            reason: "read it".to_owned(),
            officer: "o".to_owned(),
            actor: "sim".to_owned(),
        });
    }

    /// A carrier asks for a rest, or an operator pauses a sender and resumes it later.
    fn operate(&mut self) {
        if self.one_in(2) {
            let rest = Span::minutes(1 + self.below(40) as i64);
            return self.carriers[self.below(2) as usize].rest(rest);
        }
        let (name, line) = [("main", LINES[0]), ("spare", LINES[1])][self.below(2) as usize];
        let paused = !self.one_in(3);
        self.ask(SetUp(Object::Sender(Sender { paused, ..sender(name, line) })));
    }

    /// Somebody asks to be forgotten, and is.
    fn erase(&mut self) {
        let whom = if self.one_in(2) { target(self.person().number) } else { installed(self.app()) };
        let Some(process) = &mut self.process else { return };
        let reader = process.reader();
        let found = reader.look(|cx| cx.subjects_of(&whom)).unwrap_or_default();
        let Some(subject) = found.first().map(|subject| subject.id) else { return };
        let Ok(inventory) = inventory::take(&reader, subject) else { return };
        let op = Erase { inventories: vec![inventory], reason: "asked".to_owned(), actor: "sim".to_owned() };
        process.ask(op, move |answer| match answer {
            Ok(done) if done.answer == Erased::Recorded => Told::Erased(subject),
            _ => Told::Nothing,
        });
    }

    /// One look at the lanes, as the dispatcher takes it when it wakes.
    pub fn dispatch(&mut self) {
        let planted = self.planted;
        let Some(process) = &mut self.process else { return };
        let Ok(turn) = process.lanes.turn() else { return };
        for waiting in turn.go {
            if planted == Planted::NoSecondDecision {
                let message = waiting.message;
                process.ask(HastyIntent(message), move |_| Told::HandedOver(message));
            } else {
                process.hand_over(waiting);
            }
        }
        turn.overdue.into_iter().for_each(|message| process.resolve(message));
    }
}
