//! Outgoing webhooks in the configuration: who is told what happens, and what proves that it is us.

use std::path::Path;

use secrecy::ExposeSecret;

use super::read::{Reader, each_by_id};
use super::secret::SecretRef;
use crate::feed::kind_of;
use crate::feed::signature::Key;
use crate::model::{BrandId, ConnectionId};
use crate::pb::consentry::v1::EventKind;

/// One server of the shop's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookConfig {
    /// Its id: names its queue in the data folder.
    pub id: ConnectionId,
    /// Where events are posted.
    pub url: http::Uri,
    /// Keys that every webhook is signed with: `secret`, `secret_next` and `signing_key`, as far as they are given.
    pub keys: Vec<(&'static str, SecretRef)>,
    /// Brands it hears of; empty: all.
    pub brands: Vec<BrandId>,
    /// Kinds of events; empty: all.
    pub kinds: Vec<EventKind>,
    /// Allows plain HTTP and private addresses.
    pub allow_private_addresses: bool,
}

impl WebhookConfig {
    /// The keys as they are now; those that cannot be read are left out.
    pub fn keys_now(&self, env: &dyn Fn(&str) -> Option<String>) -> Vec<Key> {
        let read = |(_, at): &(&str, SecretRef)| Key::parse(at.resolve(env).ok()?.expose_secret()).ok();
        self.keys.iter().filter_map(read).collect()
    }
}

/// Reads all of them; ids must differ.
pub(super) fn read_all(items: Vec<Reader<'_, '_>>, base: &Path) -> Vec<WebhookConfig> {
    each_by_id(items, "webhook", |item, id| read(item, id, base))
}

fn read(mut r: Reader<'_, '_>, id: Option<ConnectionId>, base: &Path) -> Option<WebhookConfig> {
    let allow_private_addresses = r.or("allow_private_addresses", false);
    let url = r.required_parsed("url", |text| url(text, allow_private_addresses));
    let secret = r.required_parsed("secret", |t| SecretRef::parse(t, base));
    let further = ["secret_next", "signing_key"]
        .map(|key| r.parsed(key, |t| SecretRef::parse(t, base)).map(|at| (key, at)));
    let brands: Vec<BrandId> = r.or("brands", Vec::new());
    let line = r.line_of("kinds");
    let named: Vec<String> = r.or("kinds", Vec::new());
    let kinds: Vec<EventKind> = named.iter().filter_map(|name| kind_of(name)).collect();
    if kinds.len() != named.len() {
        let known = "message, consent, opt_out, inbound, click, coupon, coupon_pool_low, cart, lane";
        r.error("kinds", line, format!("may name {known}"));
    }
    r.finish();
    let keys = std::iter::once(("secret", secret?)).chain(further.into_iter().flatten()).collect();
    Some(WebhookConfig { id: id?, url: url?, keys, brands, kinds, allow_private_addresses })
}

fn url(text: &str, plain: bool) -> Result<http::Uri, &'static str> {
    let what = "must be an https address, as in https://shop.example/consentry";
    let uri: http::Uri = text.parse().map_err(|_| what)?;
    let web = uri.scheme_str() == Some("https") || plain && uri.scheme_str() == Some("http");
    let named = uri.authority().is_some_and(|a| !a.as_str().contains('@') && !a.host().is_empty());
    if web && named { Ok(uri) } else { Err(what) }
}
