use proptest::prelude::*;

use super::*;

const HTML: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in list {
        map.insert(HeaderName::from_static(name), value.parse().expect("a header value"));
    }
    map
}

fn agent(agent: &str) -> Class {
    classify(&Method::GET, &headers(&[("user-agent", agent), ("accept", HTML)]))
}

#[test]
fn people_with_the_browsers_they_have() {
    for browser in [
        // iOS Safari, Chrome on Android, Samsung Internet, Firefox, desktop Chrome, Edge
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; Android 14; SM-S928U) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
        "Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Safari/537.36",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Safari/537.36 Edg/137.0.0.0",
        // in-app browsers, whose names come close to those of preview agents
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [FBAN/FBIOS;FBAV/500.0]",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Safari Line/15.7.0",
        "Mozilla/5.0 (Linux; Android 14; SM-A546E; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/137.0.0.0 Mobile Safari/537.36 KAKAOTALK 2510000",
        // a telephone by a maker with an unlucky name
        "Mozilla/5.0 (Linux; Android 12; CUBOT P60) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Mobile Safari/537.36",
        "Opera/9.80 (Android; Opera Mini/36.2.2254/119.132; U; id) Presto/2.12.423 Version/12.16",
    ] {
        assert_eq!(agent(browser), Class::Human, "{browser}");
    }
}

/// The sandbox's virtual phone opens links in a frame, as mail on the web does: those taps once counted as nobody's.
#[test]
fn a_tap_that_opens_in_a_frame_is_a_persons_and_a_frame_alone_is_not() {
    let browser = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Safari/537.36";
    let frame = [
        ("user-agent", browser),
        ("accept", HTML),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "iframe"),
    ];
    assert_eq!(classify(&Method::GET, &headers(&frame)), Class::Other);
    let tapped = [&frame[..], &[("sec-fetch-user", "?1")]].concat();
    assert_eq!(classify(&Method::GET, &headers(&tapped)), Class::Human);
}

#[test]
fn programs_that_say_what_they_are() {
    for (name, class) in [
        ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", Class::Preview),
        // iMessage draws previews under three names at once
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) Version/9.0.1 Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0",
            Class::Preview,
        ),
        ("WhatsApp/2.23.20.0 A", Class::Preview),
        ("TelegramBot (like TwitterBot)", Class::Preview),
        ("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", Class::Preview),
        ("Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)", Class::Preview),
        ("Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5", Class::Preview),
        ("facebookexternalhit/1.1;line-poker/1.0", Class::Preview),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", Class::Scanner),
        ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", Class::Scanner),
        ("Mozilla/5.0 (compatible; Baiduspider/2.0)", Class::Scanner),
        ("Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2)", Class::Scanner),
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/137.0.0.0 Safari/537.36",
            Class::Scanner,
        ),
        ("Mozilla/5.0 (compatible; CensysInspect/1.1; +https://about.censys.io/)", Class::Scanner),
        ("Expanse, a Palo Alto Networks company, searches across the global IPv4 space", Class::Scanner),
        ("Mozilla/5.0 zgrab/0.x", Class::Scanner),
        ("curl/8.7.1", Class::Other),
        ("python-requests/2.32.3", Class::Other),
        ("Go-http-client/1.1", Class::Other),
        ("okhttp/4.12.0", Class::Other),
        ("Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.0)", Class::Other),
        ("", Class::Other),
    ] {
        assert_eq!(agent(name), class, "{name}");
    }
}

const PHONE: &str = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Mobile Safari/537.36";

#[test]
fn requests_a_tap_does_not_make() {
    for (method, extra, class) in [
        (Method::GET, ("sec-fetch-mode", "navigate"), Class::Human),
        (Method::HEAD, ("accept", HTML), Class::Head),
        (Method::GET, ("sec-purpose", "prefetch;prerender"), Class::Prefetch),
        (Method::GET, ("purpose", "prefetch"), Class::Prefetch),
        (Method::GET, ("x-moz", "prefetch"), Class::Prefetch),
        (Method::GET, ("x-purpose", "preview"), Class::Prefetch),
        (Method::GET, ("sec-fetch-mode", "no-cors"), Class::Other),
        (Method::GET, ("sec-fetch-mode", "cors"), Class::Other),
        (Method::GET, ("sec-fetch-dest", "image"), Class::Other),
        (Method::GET, ("accept", "image/avif,image/webp"), Class::Other),
        (Method::GET, ("accept", "*/*"), Class::Human),
    ] {
        let mut map = headers(&[("user-agent", PHONE), ("accept", HTML)]);
        map.extend(headers(&[extra]));
        assert_eq!(classify(&method, &map), class, "{extra:?}");
    }
    assert_eq!(classify(&Method::GET, &headers(&[("user-agent", PHONE)])), Class::Other, "no Accept at all");
}

#[test]
fn the_list_is_lower_case_and_says_only_classes_it_may() {
    let file = include_str!("../../../policies/lists/click_agents.tsv");
    for line in data_lines(file) {
        let (class, fragment) = line.split_once('\t').expect("two columns");
        assert!(["preview", "scanner"].contains(&class), "{line}");
        assert_eq!(fragment, fragment.to_lowercase(), "{line}");
    }
    assert!(file.contains("# source:"));
}

proptest! {
    #[test]
    fn whatever_is_sent_gets_a_class_and_head_is_never_a_person(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let Ok(value) = http::HeaderValue::from_bytes(&bytes) else { return Ok(()) };
        let mut map = HeaderMap::new();
        map.insert(USER_AGENT, value.clone());
        map.insert(ACCEPT, value.clone());
        map.insert(FETCH_MODE, value);
        classify(&Method::GET, &map);
        prop_assert!(!classify(&Method::HEAD, &map).is_human());
    }
}
