//! Everything a decision wants to know about a final text, read once.

use crate::model::facts::ContentFacts;
use crate::model::registry::NationalLanguage;

use super::contact::says_contact;
use super::fold::words;
use super::language::Language;
use super::links::{find_links, is_shared_shortener};
use super::segments::segment_on;
use super::wording::{HowToStop, asks_to_buy, brand_beside, instructions, tells_how_to_stop};
use super::{offer, prohibited};

/// Reads a rendered text. `contact` is where its brand can be reached, `target_host` the host its short link leads to,
/// which the text cannot tell; `tables` are the national language tables its sender's route writes with.
pub fn read_text(
    body: String,
    brand: &str,
    contact: &str,
    how_to_stop: HowToStop<'_>,
    language: Option<Language>,
    target_host: Option<String>,
    tables: &[NationalLanguage],
) -> ContentFacts {
    let segmentation = segment_on(&body, tables);
    let (all, links) = (words(&body), find_links(&body));
    let told = instructions(&body, &all);
    let has_brand_name = brand_beside(&body, &links, brand).is_some();
    let has_opt_out = tells_how_to_stop(&body, &told, how_to_stop);
    let link_hosts = distinct(links.into_iter().map(|link| link.host));
    let prohibited =
        prohibited::in_words(&all).into_iter().map(|hit| format!("{:?}", hit.class).to_lowercase());
    ContentFacts {
        encoding: segmentation.encoding,
        segments: u32::try_from(segmentation.parts).unwrap_or(u32::MAX),
        language: language.map(|l| l.tag().to_owned()),
        has_brand_name,
        has_opt_out,
        has_contact: says_contact(&body, contact),
        shared_shorteners: link_hosts.iter().filter(|host| is_shared_shortener(host)).cloned().collect(),
        link_hosts,
        target_host,
        prohibited: distinct(prohibited),
        offer_words: distinct(offer::in_words(&all).into_iter().map(|offer| offer.words)),
        asks_reply_to_buy: asks_to_buy(&told),
        body,
    }
}

fn distinct(items: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = Vec::new();
    for item in items {
        if !seen.contains(&item) {
            seen.push(item);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_fact_of_a_text() {
        let body =
            "Acme: 20% off your vapes https://bit.ly/x or acme.com, acme.com. Reply YES to order".to_owned();
        let read = |contact| {
            read_text(body.clone(), "ACME", contact, HowToStop::Reply, Some(Language::En), None, &[])
        };
        assert!(!read("help@acme.com").has_contact);
        let facts = read("https://acme.com");
        assert!(facts.has_contact);
        assert_eq!(facts.body, body);
        assert_eq!((facts.segments, facts.language.as_deref()), (1, Some("en")));
        assert!(facts.has_brand_name && !facts.has_opt_out && facts.asks_reply_to_buy);
        assert_eq!(facts.link_hosts, ["bit.ly", "acme.com"]);
        assert_eq!(facts.shared_shorteners, ["bit.ly"]);
        assert_eq!(
            (facts.prohibited, facts.offer_words),
            (vec!["tobacco".to_owned()], vec!["20 % off".to_owned()])
        );
    }
}
