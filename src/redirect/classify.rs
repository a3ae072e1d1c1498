//! Whether a person followed a link, or a program did: HEAD, prefetch, link preview, scanner. Pure.
//!
//! Every click keeps the version that judged it, so that history can be judged again when this gets better.

use std::sync::LazyLock;

use http::header::{ACCEPT, HeaderMap, USER_AGENT};
use http::{HeaderName, Method};

use crate::content::fold::data_lines;

/// Raised with every change of a rule here or of `policies/lists/click_agents.tsv`.
pub const VERSION: u32 = 2;

/// What a request for a code was taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// A person followed the link.
    Human,
    /// A `HEAD` request: somebody only asks where it leads.
    Head,
    /// A browser fetching ahead; nobody has tapped yet.
    Prefetch,
    /// A messenger or network drawing a preview.
    Preview,
    /// A security scanner or crawler.
    Scanner,
    /// Nothing a browser would send.
    Other,
}

impl Class {
    /// As it stands in the ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Class::Human => "human",
            Class::Head => "head",
            Class::Prefetch => "prefetch",
            Class::Preview => "preview",
            Class::Scanner => "scanner",
            Class::Other => "other",
        }
    }
    /// Whether it counts as a person's click.
    pub const fn is_human(self) -> bool {
        matches!(self, Class::Human)
    }
}

/// Headers in which a browser says that nobody has tapped yet (`Sec-Purpose` is the Fetch standard's; the others are
/// older Chrome, Firefox and Safari).
const PURPOSE: [HeaderName; 4] = [
    HeaderName::from_static("sec-purpose"),
    HeaderName::from_static("purpose"),
    HeaderName::from_static("x-purpose"),
    HeaderName::from_static("x-moz"),
];
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const FETCH_USER: HeaderName = HeaderName::from_static("sec-fetch-user");

static AGENTS: LazyLock<Vec<(&str, Class)>> = LazyLock::new(|| {
    let class = |name| if name == "preview" { Class::Preview } else { Class::Scanner };
    data_lines(include_str!("../../policies/lists/click_agents.tsv"))
        .filter_map(|line| line.split_once('\t'))
        .map(|(name, fragment)| (fragment, class(name)))
        .collect()
});

/// Judges a request by what it says of itself. Nothing certain is known from outside, so doubt is never a person.
pub fn classify(method: &Method, headers: &HeaderMap) -> Class {
    if method == Method::HEAD {
        return Class::Head;
    }
    if PURPOSE.iter().any(|name| ahead_of_a_tap(headers, name)) {
        return Class::Prefetch;
    }
    let agent = text(headers, &USER_AGENT).to_ascii_lowercase();
    if let Some((_, class)) = AGENTS.iter().find(|(fragment, _)| agent.contains(fragment)) {
        return *class;
    }
    if agent.split(|c: char| !c.is_ascii_alphanumeric()).any(names_a_robot) {
        return Class::Scanner;
    }
    if is_browser(&agent) && asks_for_a_page(headers) { Class::Human } else { Class::Other }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
}

fn ahead_of_a_tap(headers: &HeaderMap, name: &HeaderName) -> bool {
    let purpose = text(headers, name).to_ascii_lowercase();
    ["prefetch", "prerender", "preview"].iter().any(|word| purpose.contains(word))
}

/// A word of the agent that ends as robots like to call themselves. Cubot makes telephones.
fn names_a_robot(word: &str) -> bool {
    let robot = ["bot", "crawler", "spider", "scraper", "scanner"].iter().any(|end| word.ends_with(end));
    robot && word != "cubot"
}

/// Every browser in use says `Mozilla/5.0`; only Opera Mini says its own name first.
fn is_browser(agent: &str) -> bool {
    agent.starts_with("mozilla/5.0 (") || agent.starts_with("opera/")
}

/// A tap opens a page: it accepts HTML, and newer browsers call it a navigation. In a frame, as mail and chat on the web
/// show pages, the browser must say that a person set it off (`Sec-Fetch-User`): frames also load by themselves.
fn asks_for_a_page(headers: &HeaderMap) -> bool {
    let mode = text(headers, &FETCH_MODE);
    let dest = text(headers, &FETCH_DEST);
    let accept = text(headers, &ACCEPT);
    (mode.is_empty() || mode == "navigate")
        && (dest.is_empty() || dest == "document" || (dest == "iframe" && text(headers, &FETCH_USER) == "?1"))
        && (accept.contains("text/html") || accept.contains("*/*"))
}

#[cfg(test)]
mod tests;
