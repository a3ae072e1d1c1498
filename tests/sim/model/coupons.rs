//! Every code, followed through the log: one holder at a time, used once, given back only when its message never left.

use std::collections::BTreeMap;

use consentry::ledger::body::{Body, OutcomeBody};
use consentry::ledger::entry::Entry;
use consentry::model::cart::CouponState;
use consentry::model::outgoing::MessageSpec;
use consentry::model::{MessageId, MessageState};

#[derive(Debug, Clone, PartialEq)]
enum Code {
    Free,
    Reserved(MessageId),
    Issued(MessageId),
    Redeemed(String),
    Voided,
}

#[derive(Default)]
pub struct Coupons {
    /// By code in upper case, with its pool.
    codes: BTreeMap<String, (String, Code)>,
    /// What each message was promised.
    promised: BTreeMap<MessageId, String>,
    /// Orders by the code they hold or held.
    orders: BTreeMap<String, Vec<String>>,
}

impl Coupons {
    pub fn apply(&mut self, entry: &Entry) -> Result<(), String> {
        match &entry.body {
            Body::CouponPool(body) => {
                for code in &body.codes {
                    let row = (body.pool.id.to_string(), Code::Free);
                    if let Some(before) = self.codes.insert(code.to_uppercase(), row) {
                        return Err(format!("code {code} is free although it was {before:?}"));
                    }
                }
            }
            Body::Decision(body) if body.state.is_waiting() => self.promise(&body.message)?,
            Body::Intent(body) => self.turn(&body.message, |now, id| match now {
                Code::Reserved(holder) if holder == id => Ok(Code::Issued(id)),
                other => Err(format!("message {id} leaves with a code that is {other:?}")),
            })?,
            Body::Outcome(body) => self.outcome(body)?,
            Body::Receipt(body) => {
                // Word of a message that was believed not to have left.
                let waits = |id: &MessageId| {
                    let code = self.promised.get(id).and_then(|code| self.codes.get(code));
                    code.is_some_and(|(_, state)| *state == Code::Reserved(*id))
                };
                match &body.message {
                    Some(id) if waits(id) && body.state.reached_out() => {
                        self.turn(id, |_, id| Ok(Code::Issued(id)))?;
                    }
                    Some(id) if waits(id) => self.give_back(id)?,
                    _ => {}
                }
            }
            Body::Redecision(body) if !body.state.is_waiting() => self.give_back(&body.message)?,
            Body::Cancelled(body) => self.give_back(&body.message)?,
            Body::OptOut(body) => {
                for (_, code) in &body.voided {
                    if let Some((_, state @ (Code::Reserved(_) | Code::Issued(_)))) =
                        self.codes.get_mut(&code.to_uppercase())
                    {
                        *state = Code::Voided;
                    }
                }
            }
            Body::Coupon(body) => self.used(&body.coupon.code.to_uppercase(), &body.coupon.state)?,
            _ => {}
        }
        Ok(())
    }

    fn promise(&mut self, spec: &MessageSpec) -> Result<(), String> {
        let Some((pool, code)) = spec.coupon.as_ref().and_then(|c| Some((&c.pool, c.code.as_ref()?))) else {
            return Ok(());
        };
        let code = code.to_uppercase();
        match self.codes.insert(code.clone(), (pool.to_string(), Code::Reserved(spec.id))) {
            None if pool.as_str() == "made" => {}
            Some((_, Code::Free)) => {}
            before => return Err(format!("code {code} is given to {} and was {before:?}", spec.id)),
        }
        self.promised.insert(spec.id, code);
        Ok(())
    }

    fn turn(
        &mut self,
        id: &MessageId,
        turn: impl FnOnce(Code, MessageId) -> Result<Code, String>,
    ) -> Result<(), String> {
        let Some(code) = self.promised.get(id) else { return Ok(()) };
        let (_, state) = self.codes.get_mut(code).ok_or("a promised code is gone")?;
        *state = turn(state.clone(), *id)?;
        Ok(())
    }

    fn outcome(&mut self, body: &OutcomeBody) -> Result<(), String> {
        match body.state {
            MessageState::Queued => self.turn(&body.message, |now, id| {
                Ok(if now == Code::Issued(id) { Code::Reserved(id) } else { now })
            }),
            state if state.reached_out() => Ok(()),
            _ => self.give_back(&body.message),
        }
    }

    /// The message never left: its code is free again, unless it was used or ended meanwhile.
    fn give_back(&mut self, id: &MessageId) -> Result<(), String> {
        let Some(code) = self.promised.remove(id) else { return Ok(()) };
        let Some((pool, state)) = self.codes.get_mut(&code) else {
            return Err("a promised code is gone".to_owned());
        };
        if matches!(state, Code::Reserved(_) | Code::Issued(_)) {
            *state = Code::Free;
            if pool == "made" {
                self.codes.remove(&code);
            }
        }
        Ok(())
    }

    fn used(&mut self, code: &str, to: &CouponState) -> Result<(), String> {
        let (_, state) = self.codes.get_mut(code).ok_or(format!("code {code} was never made"))?;
        let next = match (state.clone(), to) {
            (Code::Issued(_), CouponState::Redeemed { order_id, .. }) => {
                self.orders.entry(code.to_owned()).or_default().push(order_id.clone());
                Code::Redeemed(order_id.clone())
            }
            (Code::Redeemed(_), CouponState::Issued) => {
                let id = self.promised.iter().find(|(_, c)| *c == code).map(|(id, _)| *id);
                Code::Issued(id.unwrap_or(MessageId([0; 16])))
            }
            (Code::Redeemed(_), _) => return Err(format!("code {code} was used twice")),
            (_, CouponState::Voided { .. }) => Code::Voided,
            (was, to) => return Err(format!("code {code} was {was:?} and became {to:?}")),
        };
        *state = next;
        Ok(())
    }

    /// Whether that order has, or had, the code.
    pub fn knows(&self, code: &str, order: &str) -> bool {
        self.orders.get(&code.to_uppercase()).is_some_and(|orders| orders.iter().any(|o| o == order))
    }

    /// Codes of a pool that are free, reserved, issued, redeemed and voided.
    pub fn counts(&self, pool: &str) -> [u64; 5] {
        let mut counts = [0; 5];
        for (_, state) in self.codes.values().filter(|(of, _)| of == pool) {
            let place = match state {
                Code::Free => 0,
                Code::Reserved(_) => 1,
                Code::Issued(_) => 2,
                Code::Redeemed(_) => 3,
                Code::Voided => 4,
            };
            counts[place] += 1;
        }
        counts
    }

    /// Codes somebody holds, in order.
    pub fn held(&self) -> Vec<String> {
        let held = |(code, (_, state)): (&String, &(String, Code))| {
            matches!(state, Code::Reserved(_) | Code::Issued(_) | Code::Redeemed(_)).then(|| code.clone())
        };
        self.codes.iter().filter_map(held).collect()
    }
}
