//! Links in a text: what a phone would turn into one, and whose domain it is.

use std::collections::HashSet;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;

use super::fold::data_lines;

static TLDS: LazyLock<HashSet<&str>> =
    LazyLock::new(|| data_lines(include_str!("../../policies/lists/tlds.txt")).collect());
static SHORTENERS: LazyLock<HashSet<&str>> =
    LazyLock::new(|| data_lines(include_str!("../../policies/lists/shorteners.txt")).collect());

/// A link, or a word a phone shows as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The host it leads to: lower case, compatibility forms folded, without port, user or trailing dot.
    pub host: String,
    /// Where it begins, in characters from 1.
    pub position: usize,
    /// Written with a scheme (`https://…`), not as a bare domain.
    pub with_scheme: bool,
}

/// Finds every link. Bare domains count when their last label is a top-level domain, because phones underline those
/// too: `soon.Shop now` contains `soon.shop`. E-mail addresses do not count.
pub fn find_links(text: &str) -> Vec<Link> {
    let mut links = Vec::new();
    each_chunk(text, |position, chunk| {
        let scheme = if chunk.contains(':') { chunk.find("://") } else { None };
        match scheme {
            Some(at) => links.extend(schemed(&chunk[at + 3..], position)),
            // Without a dot there is no domain in it.
            None if chunk.contains('.') => links.extend(bare(chunk, position)),
            None => {}
        }
    });
    links
}

/// Longest link that is redirected to, in bytes.
pub const TARGET_BYTES_MAX: usize = 2_048;

/// The host of a link that people may be sent to, in lower case, or what is wrong with the link: `https`, visible
/// ASCII (it travels in a header), no user name that could pose as the host. To this machine alone, as in a sandbox,
/// plain `http` does: what never leaves it needs no certificate.
pub fn target_host(url: &str) -> Result<String, &'static str> {
    if url.len() > TARGET_BYTES_MAX {
        return Err("must be at most 2,048 characters");
    }
    if !url.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("must hold visible ASCII alone; write other characters percent-encoded");
    }
    let uri: http::Uri = url.parse().map_err(|_| "must be a link, as in https://shop.example.com/cart")?;
    let here = uri.scheme_str() == Some("http") && uri.host().is_some_and(is_this_machine);
    if uri.scheme_str() != Some("https") && !here {
        return Err("must begin with https://");
    }
    match uri.authority() {
        Some(authority) if authority.as_str().contains('@') => Err("must not hold a user name or password"),
        Some(authority) if !authority.host().is_empty() => Ok(authority.host().to_ascii_lowercase()),
        _ => Err("must name a host"),
    }
}

/// Names at and below `localhost` (RFC 6761), and the loopback address itself.
fn is_this_machine(host: &str) -> bool {
    host == "127.0.0.1" || host == "localhost" || host.ends_with(".localhost")
}

/// Whether `host` is one of the domains or below one.
pub fn host_within<'a>(host: &str, domains: impl IntoIterator<Item = &'a str>) -> bool {
    domains.into_iter().any(|domain| {
        let domain = domain.trim_end_matches('.').to_ascii_lowercase();
        let rest = host.strip_suffix(domain.as_str());
        !domain.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

/// Whether `host` is a public shortener, or a name below one, that many senders share.
pub fn is_shared_shortener(host: &str) -> bool {
    host.char_indices()
        .filter(|&(_, c)| c == '.')
        .map(|(at, _)| &host[at + 1..])
        .chain([host])
        .any(|suffix| SHORTENERS.contains(suffix))
}

/// Runs without white space, quotes or brackets, with invisible characters removed and dot look-alikes folded; and
/// where each begins.
fn each_chunk(text: &str, see: impl FnMut(usize, &str)) {
    if text.is_ascii() { each_ascii_chunk(text, see) } else { each_char_chunk(text, see) }
}

/// Of ASCII: nothing is invisible there, and only a backslash is written differently.
fn each_ascii_chunk(text: &str, mut see: impl FnMut(usize, &str)) {
    let is_end = |b: &u8| matches!(b, b'\t'..=b'\r' | b' ') || is_border(char::from(*b));
    let mut begun = 0;
    for chunk in text.as_bytes().split(is_end) {
        let bare = &text[begun..begun + chunk.len()];
        match bare {
            "" => {}
            _ if bare.contains('\\') => see(begun + 1, &bare.replace('\\', "/")),
            _ => see(begun + 1, bare),
        }
        begun += chunk.len() + 1;
    }
}

fn each_char_chunk(text: &str, mut see: impl FnMut(usize, &str)) {
    let (mut chunk, mut begun) = (String::new(), 0);
    for (at, c) in text.chars().enumerate() {
        if is_invisible(c) {
            continue;
        }
        if c.is_whitespace() || is_border(c) {
            if begun > 0 {
                see(begun, &chunk);
            }
            chunk.clear();
            begun = 0;
            continue;
        }
        if begun == 0 {
            begun = at + 1;
        }
        match c {
            '\u{3002}' | '\u{ff61}' => chunk.push('.'),
            '\\' => chunk.push('/'),
            _ if c.is_ascii() => chunk.push(c),
            _ => chunk.extend(std::iter::once(c).nfkc()),
        }
    }
    if begun > 0 {
        see(begun, &chunk);
    }
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

fn is_border(c: char) -> bool {
    matches!(c, '<' | '>' | '"' | '(' | ')' | '[' | ']' | '{' | '}' | '|' | ',' | ';' | '…')
        || matches!(c, '\u{2018}'..='\u{201f}' | '«' | '»' | '\'' | '`' | '*')
}

fn schemed(rest: &str, position: usize) -> Option<Link> {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = authority.rsplit('@').next().unwrap_or(authority).split(':').next().unwrap_or(authority);
    let host = host.trim_end_matches(['.', '!', '-']).to_lowercase();
    (!host.is_empty()).then_some(Link { host, position, with_scheme: true })
}

/// The bare domains of a chunk; a colon separates them from a word before (`Shop:acme.com`).
fn bare(chunk: &str, position: usize) -> Vec<Link> {
    let mut links = Vec::new();
    let mut at = position;
    for part in chunk.split(':') {
        let lead = part.chars().take_while(|c| !c.is_alphanumeric()).count();
        let rest: String = part.chars().skip(lead).collect();
        let authority = rest.split(['/', '?', '#', '!', '=', '&']).next().unwrap_or_default();
        let host = authority.trim_end_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        if !authority.contains('@') && is_domain(&host) {
            links.push(Link { host, position: at + lead, with_scheme: false });
        }
        at += part.chars().count() + 1;
    }
    links
}

fn is_domain(host: &str) -> bool {
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    let Some((names, tld)) = host.rsplit_once('.') else { return false };
    TLDS.contains(tld) && names.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hosts(text: &str) -> Vec<(String, usize)> {
        find_links(text).into_iter().map(|l| (l.host, l.position)).collect()
    }

    #[test]
    fn finds_what_phones_underline() {
        for (text, expected) in [
            ("Acme: your cart https://go.acme.com/a1?x=1. Reply STOP", &[("go.acme.com", 17)][..]),
            ("Visit ACME.com/sale, or Shop:acme.co!", &[("acme.com", 7), ("acme.co", 30)]),
            ("(bit.ly/abc)", &[("bit.ly", 2)]),
            ("https://acme.com@evil.com/x", &[("evil.com", 1)]),
            ("https://acme.com:8443\\@x", &[("acme.com", 1)]),
            ("http://192.0.2.7/x", &[("192.0.2.7", 1)]),
            ("acme\u{200b}.com and ａｃｍｅ。ｃｏｍ", &[("acme.com", 1), ("acme.com", 15)]),
            ("аcme.com (Cyrillic a)", &[("аcme.com", 1)]),
            ("myapp://cart/5", &[("cart", 1)]),
            ("Back soon.Shop now", &[("soon.shop", 6)]),
            ("write to help@acme.com", &[]),
            ("U.S.A. e.g. 5.00 v1.2 ... Hi.there a.b", &[]),
            ("", &[]),
        ] {
            let expected: Vec<(String, usize)> = expected.iter().map(|(h, p)| (h.to_string(), *p)).collect();
            assert_eq!(hosts(text), expected, "{text}");
        }
    }

    #[test]
    fn a_target_is_https_and_cannot_pose_as_another_host() {
        for (url, host) in [
            ("https://Shop.Example/cart?x=1#y", Some("shop.example")),
            ("https://shop.example:8443", Some("shop.example")),
            ("https://shop.example@evil.net/", None),
            ("https://shop.example\\@evil.net/", None),
            ("http://shop.example/", None),
            ("http://acme.localhost:8081/cart", Some("acme.localhost")),
            ("http://127.0.0.1:8081/cart", Some("127.0.0.1")),
            ("http://localhost.evil.net/", None),
            ("http://127.0.0.1@evil.net/", None),
            ("//shop.example/", None),
            ("/cart", None),
            ("https://:80/", None),
            ("javascript:alert(1)", None),
            ("https://shop.example/\r\nSet-Cookie:", None),
            ("https://shop.example/é", None),
            ("", None),
        ] {
            assert_eq!(target_host(url).ok().as_deref(), host, "{url}");
        }
        assert!(target_host(&format!("https://shop.example/{}", "x".repeat(2_048))).is_err());
    }

    #[test]
    fn a_host_is_within_its_domain_only() {
        for (host, within) in [
            ("acme.com", true),
            ("go.acme.com", true),
            ("notacme.com", false),
            ("acme.com.evil.net", false),
            ("com", false),
            ("", false),
        ] {
            assert_eq!(host_within(host, ["ACME.com.", "x.io"]), within, "{host}");
        }
        assert!(!host_within("acme.com", [""]));
    }

    #[test]
    fn shared_shorteners_are_known_by_domain_and_below() {
        for (host, shared) in [
            ("bit.ly", true),
            ("www.bit.ly", true),
            ("tinyurl.com", true),
            ("acme.ly", false),
            ("orbit.ly", false),
        ] {
            assert_eq!(is_shared_shortener(host), shared, "{host}");
        }
    }

    #[test]
    fn every_listed_shortener_would_be_found_in_a_text() {
        for host in SHORTENERS.iter() {
            assert_eq!(hosts(&format!("see {host}/x")), [((*host).to_owned(), 5)]);
        }
    }

    proptest! {
        #[test]
        fn ascii_falls_into_the_same_chunks(text in "[ -~\\n\\t\\x0b\\x1c]{0,60}") {
            let (mut quick, mut slow) = (Vec::new(), Vec::new());
            each_ascii_chunk(&text, |at, chunk| quick.push((at, chunk.to_owned())));
            each_char_chunk(&text, |at, chunk| slow.push((at, chunk.to_owned())));
            prop_assert_eq!(quick, slow);
        }

        #[test]
        fn never_panics_and_positions_lie_inside(text in any::<String>()) {
            for link in find_links(&text) {
                prop_assert!(link.position >= 1 && link.position <= text.chars().count());
            }
        }

        #[test]
        fn a_link_is_found_wherever_it_stands(before in "[a-z ]{0,10}", after in "[!?,. )]{0,3}") {
            let text = format!("{before} https://go.acme.com/x{after}");
            prop_assert_eq!(find_links(&text).len(), 1);
        }
    }
}
