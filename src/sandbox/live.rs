//! The page's gateway over the real one: what the page asks becomes operations, what is committed becomes its news.

mod shelf;
mod translate;

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::gateway::{Cart, Decision, Declined, Gateway as PageGateway, News, Standing};
use super::seed;
use crate::clock::{Clock, OffsetClock};
use crate::dispatch::Dispatcher;
use crate::gateway::Gateway;
use crate::ledger::body::Body;
use crate::ledger::entry::Entry;
use crate::model::cart::{CartState, Money};
use crate::model::consent::{Act, Method};
use crate::model::evidence::Evidence;
use crate::model::facts::OnHold;
use crate::model::phone::Digits;
use crate::model::registry::ControlDefault;
use crate::model::{CartId, Channel, Instant, Phone};
use crate::writer::ops::cart::{CartReport, CloseCart, UpsertCart};
use crate::writer::ops::consent::RecordOptIn;
use crate::writer::ops::coupon::{RedeemCoupon, RedeemResult};
use crate::writer::ops::send::{CartInput, Send, SendRequest, Words};
use crate::writer::ops::{Idempotency, Target};
use crate::writer::{CallError, Op, Reader, Recorded, WriterHandle};
use shelf::{Kept, Shelf};

/// News that a page may fall behind by; then it asks for the whole state again.
const NEWS_BUFFER: usize = 1_024;
/// Newest entries that are looked through for decisions.
const ENTRIES_SEARCHED: u64 = 2_000;
/// Entries read at once.
const ENTRIES_AT_ONCE: u64 = 250;
/// Characters kept of an item's name.
const ITEM_MAX: usize = 80;
/// What lies in a cart that nobody described to the shop.
const UNNAMED: &str = "Your cart";
/// Who the ledger says did it.
const ACTOR: &str = "sandbox";
/// The reminder, before the gateway puts the brand before it and the way out behind it.
const REMINDER: &str =
    "You left {{item}} in your cart. Code {{coupon}} is good until {{coupon_expires}}: {{link}}";

/// The real gateway, as the page sees it.
pub struct Live {
    writer: WriterHandle,
    reader: Reader,
    dispatcher: Dispatcher,
    clock: OffsetClock,
    /// Where the checkout is, without a final slash.
    page_origin: String,
    /// The shop's own memory: the ledger knows carts, not what lies in them. Gone with the process.
    shelf: Shelf,
    news: broadcast::Sender<News>,
}

impl Live {
    /// The page's gateway over `gateway`, which must run on `clock`. `page_origin` is where the page is served, as in
    /// `http://localhost:8081`: reminders lead to its checkout. Needs a tokio runtime; its work ends with the gateway.
    pub fn new(gateway: &Gateway, clock: OffsetClock, page_origin: impl Into<String>) -> Arc<Live> {
        let live = Arc::new(Live {
            writer: gateway.writer.clone(),
            reader: gateway.reader.clone(),
            dispatcher: gateway.dispatcher.clone(),
            clock,
            page_origin: page_origin.into().trim_end_matches('/').to_owned(),
            shelf: Shelf::default(),
            news: broadcast::channel(NEWS_BUFFER).0,
        });
        gateway.run(live.clone().tell(gateway.watch(), gateway.stopping()));
        live
    }

    /// Turns committed entries into news, until the gateway stops.
    async fn tell(self: Arc<Self>, mut entries: broadcast::Receiver<Arc<[Entry]>>, stop: CancellationToken) {
        loop {
            let heard = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                heard = entries.recv() => heard,
            };
            match heard {
                Ok(entries) => entries.iter().for_each(|entry| self.tell_of(entry)),
                // What was missed is on the page when it is next loaded.
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }

    fn tell_of(&self, entry: &Entry) {
        let cart = self.newly_met(entry);
        if self.news.receiver_count() == 0 {
            return;
        }
        if let Some(cart) = cart.and_then(|id| self.cart_shown(&id)) {
            let _ = self.news.send(News::Cart(cart));
        }
        let news = match &entry.body {
            Body::Consent(_) | Body::OptOut(_) | Body::OptOutLifted(_) => {
                translate::standing_of_subject(&self.reader, &entry.leaf.subject)
                    .map(|(phone, standing)| News::Standing(phone.into(), standing))
            }
            Body::Cart(body) => self.cart_shown(&body.cart.id).map(News::Cart),
            Body::Click(body) => {
                let cart = translate::cart_of_link(&self.reader, &body.code);
                cart.and_then(|id| self.cart_shown(&id)).map(News::Cart)
            }
            Body::Coupon(body) => {
                body.coupon.cart.as_ref().and_then(|id| self.cart_shown(id)).map(News::Cart)
            }
            _ => translate::decision(&self.reader, entry).map(|d| News::Decision(Box::new(d))),
        };
        if let Some(news) = news {
            // Nobody watching is fine.
            let _ = self.news.send(news);
        }
    }

    /// A cart that a caller of the API brought along: the shop takes it on its shelf, so that the page shows it too.
    fn newly_met(&self, entry: &Entry) -> Option<CartId> {
        let Body::Decision(body) = &entry.body else { return None };
        let (id, phone) = translate::cart_and_phone(&body.message)?;
        if self.shelf.get(&id).is_some() {
            return None;
        }
        self.shelf.put(id.clone(), Kept { phone, item: UNNAMED.to_owned(), redeemed: None });
        Some(id)
    }

    /// A cart as it stands in the ledger, with what the shop remembers of it.
    fn cart_shown(&self, id: &CartId) -> Option<Cart> {
        let known = translate::cart(&self.reader, id)?;
        let kept = match self.shelf.get(id) {
            Some(kept) => kept,
            None => Kept {
                phone: translate::phone_of_cart(&self.reader, &known),
                item: UNNAMED.to_owned(),
                redeemed: None,
            },
        };
        let clicks = translate::clicks(&self.reader, &known);
        Some(translate::cart_shown(&known, kept, clicks))
    }

    fn cart_named(&self, id: &str) -> Result<(CartId, Cart), Declined> {
        let missing = || Declined("there is no such cart".to_owned());
        let id: CartId = id.parse().map_err(|_| missing())?;
        let cart = self.cart_shown(&id).ok_or_else(missing)?;
        Ok((id, cart))
    }

    async fn run<O: Op>(&self, op: O) -> Result<O::Answer, Declined> {
        let done = self.writer.call(op).await;
        done.map(|d| d.answer).map_err(|e: CallError| Declined(e.to_string()))
    }

    fn token(&self) -> String {
        hex::encode(self.reader.env().entropy.bytes::<6>())
    }

    fn latest_decisions(&self, limit: usize) -> Vec<Decision> {
        let (mut found, mut end) = (Vec::new(), self.reader.entries().size());
        let oldest = end.saturating_sub(ENTRIES_SEARCHED);
        while end > oldest && found.len() < limit {
            let from = end.saturating_sub(ENTRIES_AT_ONCE).max(oldest);
            let read = self.reader.entries().read(from, (end - from) as usize).unwrap_or_default();
            let open = read.iter().rev().filter_map(|recorded| match recorded {
                Recorded::Open(entry) => translate::decision(&self.reader, entry),
                Recorded::Erased { .. } => None,
            });
            found.extend(open);
            end = from;
        }
        found.truncate(limit);
        found
    }

    async fn tick_the_box(&self, phone: &str) -> Result<Standing, Declined> {
        let evidence = Evidence {
            disclosure: Some((seed::ids::disclosure(), String::new())),
            act: Some(Act::Ticked),
            control_default: Some(ControlDefault::Unchecked),
            captured_at: Some(self.clock.now()),
            source_url: format!("{}/shop/checkout", self.page_origin),
            locale: "en-US".to_owned(),
            number: phone.to_owned(),
            ..Evidence::empty(Method::CheckoutCheckbox)
        };
        let op = RecordOptIn {
            brand: seed::ids::brand(),
            programs: vec![seed::ids::reminders()],
            target: target(phone),
            channels: vec![Channel::Sms],
            customer: None,
            hints: Vec::new(),
            evidence,
            night_only: false,
            idempotency: once("RecordOptIn"),
            actor: ACTOR.to_owned(),
        };
        self.run(op).await?;
        Ok(translate::standing(&self.reader, phone))
    }

    async fn leave_cart(&self, phone: &str, item: &str, cents: u32) -> Result<Cart, Declined> {
        if Phone::from_e164(phone).is_err() {
            return Err(Declined("that is no phone number".to_owned()));
        }
        let id: CartId = format!("cart-{}", self.token()).parse().expect("letters and digits name a cart");
        let cart = CartReport {
            id: id.clone(),
            value: Some(Money {
                currency: "USD".to_owned(),
                units: i64::from(cents / 100),
                nanos: (cents % 100) as i32 * 10_000_000,
            }),
            checkout_url: format!("{}/shop/checkout?cart={id}", self.page_origin),
            abandoned_at: self.clock.now(),
            observed_at: None,
        };
        let item: String = item.chars().filter(|c| !c.is_control()).take(ITEM_MAX).collect();
        self.shelf.put(id.clone(), Kept { phone: phone.to_owned(), item, redeemed: None });
        self.run(UpsertCart { brand: seed::ids::brand(), cart, actor: ACTOR.to_owned() }).await?;
        self.cart_named(id.as_str()).map(|(_, cart)| cart)
    }

    async fn ask_reminder(&self, id: &str) -> Result<Decision, Declined> {
        let (id, cart) = self.cart_named(id)?;
        let key = format!("sandbox-{id}-{}", self.token());
        let request = SendRequest {
            request_sha256: Sha256::digest(key.as_bytes()).into(),
            idempotency_key: key,
            brand: seed::ids::brand(),
            program: seed::ids::reminders(),
            target: target(cart.phone.as_str()),
            channel: Channel::Sms,
            fallback_to_sms: false,
            sender: None,
            cart: Some(CartInput { id, value: None, checkout_url: String::new(), abandoned_at: None }),
            words: Words::Body(REMINDER.to_owned()),
            variables: vec![("item".to_owned(), cart.item)],
            link_url: String::new(),
            coupon_pool: Some(seed::ids::pool()),
            hints: Vec::new(),
            on_hold: OnHold::Hold,
            expires_at: None,
            labels: Vec::new(),
            actor: ACTOR.to_owned(),
        };
        let answer = self.run(Send::new(request)).await?;
        Ok(translate::acceptance(&self.reader, &answer.message.spec, (*answer.verdict).clone()))
    }

    async fn enter_coupon(&self, cart: &str, code: &str) -> Result<Cart, Declined> {
        let (id, shown) = self.cart_named(cart)?;
        let op = RedeemCoupon {
            brand: seed::ids::brand(),
            code: code.to_owned(),
            order_id: format!("order-{id}"),
            cart: Some(id.clone()),
            subject: Some(target(shown.phone.as_str())),
            channel: Some(Channel::Sms),
            idempotency: once("RedeemCoupon"),
            actor: ACTOR.to_owned(),
        };
        let done = self.run(op).await?;
        if done.result != RedeemResult::Redeemed {
            let why = translate::why_not(done.result);
            return Err(Declined(format!("{}: {why}", done.result.as_str())));
        }
        let code = done.coupon.map_or_else(|| code.to_owned(), |coupon| coupon.code.clone());
        self.shelf.redeemed(&id, code);
        self.show_changed(&id)
    }

    async fn buy(&self, cart: &str) -> Result<Cart, Declined> {
        let (id, _) = self.cart_named(cart)?;
        let op = CloseCart {
            brand: seed::ids::brand(),
            id: id.clone(),
            state: CartState::Purchased,
            order_id: format!("order-{id}"),
            closed_at: None,
            actor: ACTOR.to_owned(),
        };
        self.run(op).await?;
        self.show_changed(&id)
    }

    /// The cart, told to every page: the shop learns of a coupon after the ledger does.
    fn show_changed(&self, id: &CartId) -> Result<Cart, Declined> {
        let (_, cart) = self.cart_named(id.as_str())?;
        let _ = self.news.send(News::Cart(cart.clone()));
        Ok(cart)
    }
}

fn target(phone: &str) -> Target {
    Target::Phone(Digits::received(phone, None))
}

/// No key: every click is an attempt of its own.
fn once(method: &'static str) -> Idempotency {
    Idempotency { method, key: String::new(), request_sha256: [0; 32] }
}

impl PageGateway for Live {
    fn shop(&self) -> String {
        let brand = self.reader.look(|cx| cx.brand(seed::ids::brand().as_str())).ok().flatten();
        brand.map(|b| b.display_name.clone()).unwrap_or_default()
    }
    fn now(&self) -> Instant {
        self.clock.now()
    }
    fn jump_to(&self, at: Instant) -> Result<(), Declined> {
        if !self.clock.jump_to(at) {
            return Err(Declined("the clock moves forward only".to_owned()));
        }
        // Lanes sleep until what was due by the old clock.
        self.dispatcher.wake();
        Ok(())
    }
    fn decisions(&self, limit: usize) -> BoxFuture<'_, Vec<Decision>> {
        async move { self.latest_decisions(limit) }.boxed()
    }
    fn carts(&self, limit: usize) -> BoxFuture<'_, Vec<Cart>> {
        let shown = move || self.shelf.newest(limit).iter().filter_map(|id| self.cart_shown(id)).collect();
        async move { shown() }.boxed()
    }
    fn standing<'a>(&'a self, phone: &'a str) -> BoxFuture<'a, Standing> {
        async move { translate::standing(&self.reader, phone) }.boxed()
    }
    fn watch(&self) -> broadcast::Receiver<News> {
        self.news.subscribe()
    }
    fn opt_in<'a>(&'a self, phone: &'a str) -> BoxFuture<'a, Result<Standing, Declined>> {
        self.tick_the_box(phone).boxed()
    }
    fn abandon_cart<'a>(
        &'a self,
        phone: &'a str,
        item: &'a str,
        cents: u32,
    ) -> BoxFuture<'a, Result<Cart, Declined>> {
        self.leave_cart(phone, item, cents).boxed()
    }
    fn remind<'a>(&'a self, cart: &'a str) -> BoxFuture<'a, Result<Decision, Declined>> {
        self.ask_reminder(cart).boxed()
    }
    fn cart<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Option<Cart>> {
        async move { self.cart_named(id).ok().map(|(_, cart)| cart) }.boxed()
    }
    fn redeem<'a>(&'a self, cart: &'a str, code: &'a str) -> BoxFuture<'a, Result<Cart, Declined>> {
        self.enter_coupon(cart, code).boxed()
    }
    fn purchase<'a>(&'a self, cart: &'a str) -> BoxFuture<'a, Result<Cart, Declined>> {
        self.buy(cart).boxed()
    }
}
