//! Short links and their clicks.

use std::sync::Arc;

use super::{Idempotency, Problems};
use crate::content::offer::find_offers;
use crate::content::prohibited::find_prohibited;
use crate::ledger::body::{Body, ClickBody, LinkBody};
use crate::ledger::entry::{Public, SELLER_CHAIN};
use crate::ledger::rows::keys;
use crate::model::cart::{Click, Link};
use crate::model::outgoing::MessageLink;
use crate::model::registry::Brand;
use crate::model::{BrandId, Instant, LinkCode, Span};
use crate::writer::cx::Cx;
use crate::writer::op::{Op, OpError, Priority};

/// Letters of a code: nothing that a phone would end the link at.
const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 62^11 codes are 65.5 bits: nobody finds one by trying.
const CODE_LETTERS: usize = 11;
/// Clicks of one link that become part of its chain; further ones are counted.
pub const CLICKS_CHAINED: u32 = 20;
/// Links of one [`RecordClicks`].
pub const LINKS_A_BATCH: usize = 1_024;
/// Characters kept of a user agent.
pub const USER_AGENT_MAX: usize = 256;
/// How long a link lives when nobody says.
pub const EXPIRES_AFTER: Span = Span::days(30);
/// The longest a link may live.
const EXPIRES_AFTER_MAX: Span = Span::days(400);

/// Makes a link outside messages.
#[derive(Debug, Clone)]
pub struct CreateLink {
    pub brand: BrandId,
    /// `https`, on one of the brand's target domains.
    pub target: String,
    /// None: 30 days from now.
    pub expires_at: Option<Instant>,
    pub idempotency: Idempotency,
    pub actor: String,
}

/// A link and how it is written out.
#[derive(Debug, Clone)]
pub struct MadeLink {
    pub link: Arc<Link>,
    /// As in `https://go.example/Ab3xY9Kq2Lm`.
    pub url: String,
}

impl Op for CreateLink {
    type Answer = MadeLink;
    const PRIORITY: Priority = Priority::Api;

    fn run(self, cx: &mut Cx<'_>) -> Result<MadeLink, OpError> {
        let brand = cx.known_brand(&self.brand)?;
        let operation = self.idempotency.operation(&cx.env.seller);
        if let Some(entry) = cx.repeat_of(operation.as_ref())? {
            let Body::Link(body) = entry.body else {
                return Err(OpError::Fatal("a repeat found an entry of another kind".to_owned()));
            };
            return made(cx, &brand, &body.link.code);
        }
        let expires_at = self.expires_at.unwrap_or(cx.now + EXPIRES_AFTER);
        let mut problems = Problems::default();
        problems.target("link.target_url", &self.target, &brand);
        problems.demand(expires_at > cx.now, "link.expires_at", "must lie ahead");
        let bounded = expires_at <= cx.now + EXPIRES_AFTER_MAX;
        problems.demand(bounded, "link.expires_at", "must lie at most 400 days ahead");
        problems.done()?;
        if brand.short_domain.is_empty() {
            return Err(OpError::Precondition(format!(
                "brand {} has no short_domain yet: set one to make links",
                brand.id
            )));
        }
        let link = Link {
            code: new_code(cx)?,
            brand: brand.id.clone(),
            target: self.target,
            created_at: cx.now,
            expires_at,
            message: None,
            subject: None,
            opt_out: false,
            human_clicks: 0,
            raw_clicks: 0,
            first_human_at: None,
            chained: 0,
        };
        let code = link.code.clone();
        let body = LinkBody { link, operation, actor: self.actor };
        cx.emit(SELLER_CHAIN, Some(&brand.id), Public::default(), Body::Link(body))?;
        made(cx, &brand, &code)
    }
}

fn made(cx: &mut Cx<'_>, brand: &Brand, code: &LinkCode) -> Result<MadeLink, OpError> {
    let link = cx
        .get::<Link>(&keys::link(code))?
        .ok_or_else(|| OpError::Fatal("a link was not folded".to_owned()))?;
    Ok(MadeLink { url: url_of(brand, &link), link })
}

/// How a link is written out.
pub fn url_of(brand: &Brand, link: &Link) -> String {
    let write = if link.opt_out { opt_out_url } else { short_url };
    write(&brand.short_domain, &link.code)
}

/// The URL a code is tapped as.
pub fn short_url(domain: &str, code: &LinkCode) -> String {
    format!("{}://{domain}/{code}", scheme(domain))
}

/// The page where the person behind a code opts out.
pub fn opt_out_url(domain: &str, code: &LinkCode) -> String {
    format!("{}://{domain}/opt-out/{code}", scheme(domain))
}

/// Names below `localhost` mean this machine (RFC 6761), where a sandbox has no certificate.
fn scheme(domain: &str) -> &'static str {
    if is_local(domain) { "http" } else { "https" }
}

/// Whether a host, with or without a port, names this machine.
pub fn is_local(host: &str) -> bool {
    let name = host.split(':').next().unwrap_or(host);
    name == "localhost" || name.ends_with(".localhost")
}

/// Whether chance wrote no word: a text is read with its links, and one with a code like `vApe7…` would be refused.
fn says_nothing(code: &str) -> bool {
    find_prohibited(code).is_empty() && find_offers(code).is_empty()
}

/// A code nobody can guess and no link has: 65 random bits.
pub fn new_code(cx: &mut Cx<'_>) -> Result<LinkCode, OpError> {
    loop {
        let letters: String =
            (0..CODE_LETTERS).map(|_| LETTERS[cx.env.entropy.below(62) as usize] as char).collect();
        if !says_nothing(&letters) {
            continue;
        }
        let code: LinkCode = letters.parse().expect("letters and digits are a slug");
        if cx.get::<Link>(&keys::link(&code))?.is_none() {
            return Ok(code);
        }
    }
}

/// The link of a message that is being made. Its row comes with the message's decision.
pub fn for_message(cx: &mut Cx<'_>, target: &str, expires_at: Instant) -> Result<MessageLink, OpError> {
    Ok(MessageLink { code: new_code(cx)?, target: target.to_owned(), expires_at, opt_out: false })
}

/// Clicks of one link, in the order they came.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkClicks {
    pub code: LinkCode,
    /// At most 21 are looked at one by one.
    pub clicks: Vec<Click>,
    /// More of them, told apart no further: human, all.
    pub uncounted: (u64, u64),
}

/// Writes clicks down, at most [`LINKS_A_BATCH`] links; answers how many clicks were counted. Clicks on links that do
/// not exist are left out.
#[derive(Debug, Clone)]
pub struct RecordClicks {
    pub links: Vec<LinkClicks>,
}

impl Op for RecordClicks {
    type Answer = u64;
    // Behind what people and carriers say, ahead of what can be asked again: nobody repeats a click.
    const PRIORITY: Priority = Priority::Outcome;

    fn run(self, cx: &mut Cx<'_>) -> Result<u64, OpError> {
        if self.links.len() > LINKS_A_BATCH {
            return Err(OpError::Precondition(format!("more than {LINKS_A_BATCH} links in one batch")));
        }
        let mut counted = 0;
        for clicks in self.links {
            if let Some(link) = cx.get::<Link>(&keys::link(&clicks.code))? {
                let body = chained(&link, clicks);
                counted += body.clicks.len() as u64 + body.uncounted.1;
                let chain = link.subject.unwrap_or(SELLER_CHAIN);
                let message = link.message.map(|m| m.0.to_vec()).unwrap_or_default();
                let public = Public { message_id: message, ..Public::default() };
                cx.emit(chain, Some(&link.brand), public, Body::Click(body))?;
            }
        }
        Ok(counted)
    }
}

/// The first twenty of a link stand one by one, and its first human click whenever it comes; the rest is counted.
fn chained(link: &Link, clicks: LinkClicks) -> ClickBody {
    let room = CLICKS_CHAINED.saturating_sub(link.chained) as usize;
    let mut human_known = link.first_human_at.is_some();
    let mut kept = Vec::new();
    let (mut human, mut raw) = clicks.uncounted;
    for mut click in clicks.clicks {
        let first_human = click.human && !human_known;
        if kept.len() < room || first_human {
            click.user_agent = click.user_agent.chars().take(USER_AGENT_MAX).collect();
            human_known |= click.human;
            kept.push(click);
        } else {
            human += u64::from(click.human);
            raw += 1;
        }
    }
    ClickBody { code: clicks.code, clicks: kept, uncounted: (human, raw) }
}

#[cfg(test)]
mod tests;
