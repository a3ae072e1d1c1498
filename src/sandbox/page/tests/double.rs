//! A gateway in a few lines: enough of the real one's answers to try the page against.

use std::collections::BTreeMap;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use parking_lot::Mutex;
use tokio::sync::broadcast;

use crate::clock::{Clock, OffsetClock};
use crate::model::Instant;
use crate::model::verdict::{Code, Effect, Outcome, Reason, Verdict};
use crate::sandbox::Carrier;
use crate::sandbox::carrier::submission::Submission;
use crate::sandbox::gateway::{Cart, Decision, Declined, Gateway, News, Stage, Standing};

/// Refuses whoever is not opted in, holds at night in New York, and sends the rest.
pub struct Double {
    clock: OffsetClock,
    carrier: Carrier,
    links: String,
    kept: Mutex<Kept>,
    news: broadcast::Sender<News>,
}

#[derive(Default)]
struct Kept {
    standing: BTreeMap<String, Standing>,
    carts: Vec<Cart>,
    decisions: Vec<Decision>,
}

impl Double {
    pub fn new(carrier: Carrier, clock: OffsetClock, links: &str, standing: &[(&str, Standing)]) -> Self {
        let standing = standing.iter().map(|(n, s)| ((*n).to_owned(), *s)).collect();
        let kept = Mutex::new(Kept { standing, ..Kept::default() });
        Self { clock, carrier, links: links.to_owned(), kept, news: broadcast::channel(64).0 }
    }

    /// What the real gateway does on an inbound STOP.
    pub fn opt_out(&self, phone: &str) {
        self.kept.lock().standing.insert(phone.to_owned(), Standing::OptedOut);
        let _ = self.news.send(News::Standing(phone.to_owned().into(), Standing::OptedOut));
    }

    fn reasons(&self, phone: &str) -> Vec<Reason> {
        let reason = |effect, code, rule: &str, citation: &str, detail: &str, hold_until| Reason {
            effect,
            code,
            rule: rule.to_owned(),
            citation: citation.to_owned(),
            detail: detail.to_owned(),
            hold_until,
        };
        let mut found = Vec::new();
        let standing = self.kept.lock().standing.get(phone).copied().unwrap_or(Standing::Unknown);
        match standing {
            Standing::OptedIn => {}
            Standing::OptedOut => found.push(reason(
                Effect::Refuse,
                Code::OptedOut,
                "us/tcpa/opt_out",
                "47 CFR 64.1200(a)(10)",
                "The person replied STOP to this sender; only their own act reopens.",
                None,
            )),
            _ => found.push(reason(
                Effect::Refuse,
                Code::ConsentMissing,
                "us/tcpa/consent",
                "47 CFR 64.1200(a)(2)",
                "No written consent to marketing texts of this brand is on record.",
                None,
            )),
        }
        let now = self.clock.now();
        let local = now.to_jiff().in_tz("America/New_York").expect("a bundled zone");
        if !(9..21).contains(&local.hour()) {
            let opens =
                crate::sandbox::jump::Jump::To { zone: "America/New_York".into(), time: "09:00".into() };
            found.push(reason(
                Effect::Hold,
                Code::QuietHours,
                "house/quiet_hours",
                "House profile; stricter than 47 CFR 64.1200(c)(1)",
                &format!(
                    "It is {} in America/New_York; texts leave from 09:00 to 21:00.",
                    local.strftime("%H:%M")
                ),
                opens.target(now).ok(),
            ));
        }
        found
    }

    fn judge(&self, phone: &str, cart: &Cart) -> Decision {
        let reasons = self.reasons(phone);
        let has = |effect| reasons.iter().any(|r| r.effect == effect);
        let outcome = match () {
            () if has(Effect::Refuse) => Outcome::Refuse,
            () if has(Effect::Hold) => Outcome::Hold,
            () => Outcome::Admit,
        };
        let now = self.clock.now();
        let hold_until =
            reasons.iter().filter_map(|r| r.hold_until).max().filter(|_| outcome == Outcome::Hold);
        let id = format!("d{}", self.kept.lock().decisions.len());
        Decision {
            message_id: format!("{id}m"),
            id,
            stage: Stage::Acceptance,
            phone: phone.to_owned().into(),
            title: "Cart reminder".to_owned(),
            body: format!(
                "Fernhill: your {} is still here. 10% off with SAVE10 until tomorrow: {}/shop/checkout?cart={} \
                 Reply STOP to opt out.",
                cart.item.to_lowercase(),
                self.links,
                cart.id
            )
            .into(),
            verdict: Verdict {
                outcome,
                hold_until,
                estimated_send_at: None,
                send_not_after: None,
                reasons,
                evaluated_at: now,
                engine: [0; 32],
                policy_version: "test".to_owned(),
                time_zone_version: "2026e".to_owned(),
                zones_considered: Vec::new(),
                jurisdictions_considered: Vec::new(),
            },
        }
    }

    fn change(
        &self,
        id: &str,
        change: impl FnOnce(&mut Cart) -> Result<(), Declined>,
    ) -> Result<Cart, Declined> {
        let mut kept = self.kept.lock();
        let cart =
            kept.carts.iter_mut().find(|c| c.id == id).ok_or(Declined("There is no such cart.".into()))?;
        change(cart)?;
        let _ = self.news.send(News::Cart(cart.clone()));
        Ok(cart.clone())
    }

    fn send(&self, phone: &str, text: &str) {
        let body = serde_json::json!({"from": "+18555550100", "to": phone, "text": text});
        let submission: Submission = serde_json::from_value(body).expect("a submission");
        self.carrier.submit(submission);
    }
}

impl Gateway for Double {
    fn shop(&self) -> String {
        "Fernhill Outfitters".to_owned()
    }
    fn now(&self) -> Instant {
        self.clock.now()
    }
    fn jump_to(&self, at: Instant) -> Result<(), Declined> {
        let moved = self.clock.jump_to(at);
        if moved { Ok(()) } else { Err(Declined("The clock moves forward only.".to_owned())) }
    }
    fn decisions(&self, limit: usize) -> BoxFuture<'_, Vec<Decision>> {
        ready(self.kept.lock().decisions.iter().rev().take(limit).cloned().collect()).boxed()
    }
    fn carts(&self, limit: usize) -> BoxFuture<'_, Vec<Cart>> {
        ready(self.kept.lock().carts.iter().rev().take(limit).cloned().collect()).boxed()
    }
    fn standing<'a>(&'a self, phone: &'a str) -> BoxFuture<'a, Standing> {
        ready(self.kept.lock().standing.get(phone).copied().unwrap_or(Standing::Unknown)).boxed()
    }
    fn watch(&self) -> broadcast::Receiver<News> {
        self.news.subscribe()
    }
    fn opt_in<'a>(&'a self, phone: &'a str) -> BoxFuture<'a, Result<Standing, Declined>> {
        let mut kept = self.kept.lock();
        let standing = match kept.standing.get(phone) {
            Some(Standing::OptedOut) => Standing::Pending,
            _ => Standing::OptedIn,
        };
        kept.standing.insert(phone.to_owned(), standing);
        let _ = self.news.send(News::Standing(phone.to_owned().into(), standing));
        ready(Ok(standing)).boxed()
    }
    fn abandon_cart<'a>(
        &'a self,
        phone: &'a str,
        item: &'a str,
        cents: u32,
    ) -> BoxFuture<'a, Result<Cart, Declined>> {
        let mut kept = self.kept.lock();
        let cart = Cart {
            id: format!("cart-{}", kept.carts.len() + 1),
            phone: phone.to_owned().into(),
            item: item.to_owned(),
            cents,
            state: "ACTIVE".to_owned(),
            abandoned_at: self.clock.now(),
            redeemed: None,
            clicks: 0,
        };
        kept.carts.push(cart.clone());
        ready(Ok(cart)).boxed()
    }
    fn remind<'a>(&'a self, cart: &'a str) -> BoxFuture<'a, Result<Decision, Declined>> {
        let Some(cart) = self.kept.lock().carts.iter().find(|c| c.id == cart).cloned() else {
            return ready(Err(Declined("There is no such cart.".to_owned()))).boxed();
        };
        let decision = self.judge(cart.phone.as_str(), &cart);
        if decision.verdict.outcome == Outcome::Admit {
            self.send(cart.phone.as_str(), decision.body.as_str());
        }
        self.kept.lock().decisions.push(decision.clone());
        let _ = self.news.send(News::Decision(Box::new(decision.clone())));
        ready(Ok(decision)).boxed()
    }
    fn cart<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Option<Cart>> {
        ready(self.kept.lock().carts.iter().find(|c| c.id == id).cloned()).boxed()
    }
    fn redeem<'a>(&'a self, cart: &'a str, code: &'a str) -> BoxFuture<'a, Result<Cart, Declined>> {
        let changed = self.change(cart, |c| {
            if code != "SAVE10" {
                return Err(Declined("UNKNOWN_CODE: this shop never issued that code.".to_owned()));
            }
            c.redeemed = Some(code.to_owned());
            Ok(())
        });
        ready(changed).boxed()
    }
    fn purchase<'a>(&'a self, cart: &'a str) -> BoxFuture<'a, Result<Cart, Declined>> {
        let changed = self.change(cart, |c| {
            c.state = "PURCHASED".to_owned();
            Ok(())
        });
        ready(changed).boxed()
    }
}
