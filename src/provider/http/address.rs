//! Which addresses may be called: a URL in a configuration or a tenant's field must not reach our own network.

use std::error::Error;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower::Service;

use super::NotSent;

/// Which addresses a client may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AddressRule {
    /// Only addresses of the public internet. The default.
    #[default]
    PublicOnly,
    /// Public addresses and this machine's loopback: sandbox and tests.
    PublicAndLoopback,
    /// Any address: a peer in one's own network, allowed by name in the configuration.
    Any,
}

impl AddressRule {
    /// Whether `ip` may be called.
    pub fn allows(self, ip: IpAddr) -> bool {
        match self {
            AddressRule::Any => true,
            AddressRule::PublicAndLoopback => is_public(ip) || canonical(ip).is_loopback(),
            AddressRule::PublicOnly => is_public(ip),
        }
    }

    /// Refuses what is no web address, and addresses written as digits, which no resolver sees.
    pub(super) fn check_uri(self, uri: &Uri) -> Result<(), NotSent> {
        let host = uri.host().filter(|h| !h.is_empty()).ok_or(NotSent::Address)?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(NotSent::Address);
        }
        match host.trim_start_matches('[').trim_end_matches(']').parse() {
            Ok(ip) if !self.allows(ip) => Err(NotSent::PrivateAddress),
            _ => Ok(()),
        }
    }
}

/// Sees through IPv4 in IPv6 clothing: mapped, NAT64 (RFC 6052) and 6to4 (RFC 3056).
fn canonical(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip else { return ip };
    let s = v6.segments();
    let v4 = |hi: u16, lo: u16| IpAddr::V4(Ipv4Addr::from((u32::from(hi) << 16) | u32::from(lo)));
    match s {
        [0, 0, 0, 0, 0, 0xffff, hi, lo] => v4(hi, lo),
        [0x64, 0xff9b, 0, 0, 0, 0, hi, lo] => v4(hi, lo),
        [0x2002, hi, lo, ..] => v4(hi, lo),
        _ => ip,
    }
}

/// Not one of the blocks that IANA's special-purpose registries keep off the public internet.
fn is_public(ip: IpAddr) -> bool {
    match canonical(ip) {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let reserved = a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (b == 18 || b == 19));
    !(reserved
        || ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_documentation())
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let s = ip.segments();
    let global_unicast = s[0] & 0xe000 == 0x2000;
    let documentation = (s[0] == 0x2001 && s[1] == 0xdb8) || s[0] == 0x3fff;
    global_unicast && !documentation && !(s[0] == 0x2001 && s[1] < 0x200)
}

/// Looks names up and refuses a name as soon as one of its addresses is refused: a name that points half inside is
/// a trap, not an accident.
#[derive(Debug, Clone)]
pub struct GuardedResolver {
    inner: GaiResolver,
    rule: AddressRule,
}

impl GuardedResolver {
    /// A resolver under `rule`.
    pub fn new(rule: AddressRule) -> Self {
        Self { inner: GaiResolver::new(), rule }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("private or reserved address")]
struct Refused;

/// Whether `error` was caused by the resolver's refusal.
pub(super) fn is_refusal(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(e) = cause {
        let inner = e.downcast_ref::<io::Error>().and_then(|io| io.get_ref());
        if e.is::<Refused>() || inner.is_some_and(|i| i.is::<Refused>()) {
            return true;
        }
        cause = e.source();
    }
    false
}

impl Service<Name> for GuardedResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let rule = self.rule;
        let lookup = self.inner.call(name);
        Box::pin(async move {
            let found: Vec<SocketAddr> = lookup.await?.collect();
            match found.iter().all(|a| rule.allows(a.ip())) {
                true => Ok(found.into_iter()),
                false => Err(io::Error::other(Refused)),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_seen_in_every_disguise() {
        let private = [
            "10.0.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
        ];
        for text in private {
            assert!(!AddressRule::PublicOnly.allows(text.parse().expect(text)), "{text} passed");
        }
        for text in ["8.8.8.8", "100.128.0.1", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"] {
            assert!(AddressRule::PublicOnly.allows(text.parse().expect(text)), "{text} refused");
        }
    }

    #[test]
    fn loopback_is_allowed_only_by_name_of_the_rule() {
        for (text, allowed) in
            [("127.0.0.1", true), ("::1", true), ("10.0.0.1", false), ("169.254.169.254", false)]
        {
            assert_eq!(AddressRule::PublicAndLoopback.allows(text.parse().expect(text)), allowed, "{text}");
        }
        assert!(AddressRule::Any.allows("10.0.0.1".parse().expect("an address")));
    }

    #[test]
    fn digits_in_the_url_are_checked_before_any_connection() {
        let check = |uri: &str| AddressRule::PublicOnly.check_uri(&uri.parse().expect(uri));
        assert!(matches!(check("http://127.0.0.1:1/x"), Err(NotSent::PrivateAddress)));
        assert!(matches!(check("https://[::1]/x"), Err(NotSent::PrivateAddress)));
        assert!(matches!(check("/only/a/path"), Err(NotSent::Address)));
        assert!(matches!(check("ftp://example.com/"), Err(NotSent::Address)));
        assert!(check("https://example.com/").is_ok());
    }
}
