//! Whole or not at all; every problem at once; canonical form; dates.

use super::file::OnStale;
use super::{Problem, compile, embedded, from_canonical};
use crate::model::{Instant, Jurisdiction};

const PACK: &str = "version = \"t1\"\non_stale = \"warn\"\nnote = \"test\"\n";

fn rule(id: &str, kind: &str, value: &str) -> String {
    format!(
        "id = \"{id}\"\nkind = \"{kind}\"\njurisdiction = \"any\"\nlayer = \"house\"\nchannels = [\"sms\"]\n\
         categories = [\"marketing\"]\ncitation = \"test\"\nsources = []\neffective_from = \"2026-01-01\"\n\
         confidence = \"high\"\nship_vs_law = \"no_law\"\nnote = \"test\"\nlast_verified = \"2026-01-01\"\n\
         review_by = \"2027-01-01\"\n{value}\n"
    )
}

fn at(text: &str) -> Instant {
    Instant::parse(text).expect("RFC 3339")
}

fn problems(files: &[(&str, String)]) -> Vec<String> {
    let files = files.iter().map(|(path, text)| (*path, text.as_bytes()));
    compile(files).expect_err("there are problems").iter().map(Problem::to_string).collect()
}

#[test]
fn the_packs_of_this_release_compile() {
    let set = embedded::load().unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert!(set.rules().len() > 80, "{set:?}");
    let us = &set.places()[&"us".parse::<Jurisdiction>().expect("a country")];
    assert_eq!(us.regions.len(), 56, "50 states, DC, 5 territories");
}

#[test]
fn all_problems_at_once_and_no_set() {
    let found = problems(&[
        ("pack.toml", PACK.to_owned()),
        ("house/a.toml", rule("house/b", "segments", "[value]\nat_most = 0")),
        ("house/c.toml", rule("house/c", "nonsense", "")),
        ("house/d.toml", rule("house/d", "hours", "[value]\nweek = {}")),
        (
            "house/e.toml",
            rule(
                "house/e",
                "cap",
                "[value]\nat_most = 3\nhours = 24\nmedia = []\nby = \"recipient\"\nmore = 1",
            ),
        ),
    ]);
    for wanted in [
        "house/a.toml: id: must be the file's path without .toml",
        "house/a.toml: value: at_most must be at least 1",
        "house/c.toml: kind: no kind of rule is called \"nonsense\"",
        "house/d.toml: value: missing field `mon`",
        "house/e.toml: value: unknown field `more`, expected one of `at_most`, `hours`, `media`, `by`",
    ] {
        assert!(found.iter().any(|p| p == wanted), "{wanted} is not in {found:#?}");
    }
}

#[test]
fn unknown_keys_bad_dates_and_wrong_places_are_named() {
    let found = problems(&[
        ("pack.toml", PACK.to_owned()),
        ("house/a.toml", rule("house/a", "segments", "[value]\nat_most = 1").replace("note =", "notes =")),
        (
            "house/b.toml",
            rule("house/b", "segments", "[value]\nat_most = 1").replace("2027-01-01", "2027-02-30"),
        ),
        ("readme.md", "hello".to_owned()),
    ]);
    assert!(
        found.iter().any(|p| p.starts_with("house/a.toml: line 12: unknown field `notes`")),
        "{found:#?}"
    );
    assert!(found.iter().any(|p| p.starts_with("house/b.toml: line 14: ")), "{found:#?}");
    assert!(found.iter().any(|p| p == "readme.md: only .toml files belong here"), "{found:#?}");
    let found = problems(&[
        ("pack.toml", PACK.to_owned()),
        (
            "us/a.toml",
            rule("us/a", "segments", "[value]\nat_most = 1")
                .replace("\"any\"", "\"us\"")
                .replace("house", "law"),
        ),
    ]);
    assert!(
        found.iter().any(|p| p == "us/a.toml: jurisdiction: no jurisdiction.toml describes it"),
        "{found:#?}"
    );
    assert!(found.iter().any(|p| p.starts_with("us/a.toml: sources: at least one")), "{found:#?}");
    assert!(problems(&[]).contains(&"pack.toml: missing: it names the set's version".to_owned()));
}

#[test]
fn a_country_without_hours_or_consent_is_no_pack() {
    let place = "jurisdiction = \"xx\"\nname = \"X\"\nzones = [\"Etc/UTC\"]\nsources = [\"https://x.example\"]\n\
                 confidence = \"low\"\nlast_verified = \"2026-01-01\"\n";
    let found = problems(&[("pack.toml", PACK.to_owned()), ("xx/jurisdiction.toml", place.to_owned())]);
    assert_eq!(
        found,
        [
            "xx/jurisdiction.toml: no rule of kind consent in this country's folder",
            "xx/jurisdiction.toml: no rule of kind hours in this country's folder"
        ]
    );
}

#[test]
fn the_canonical_form_is_the_set() {
    let set = embedded::load().expect("compiles");
    let again = from_canonical(set.canonical()).expect("what was written");
    assert_eq!((again.hash(), again.canonical()), (set.hash(), set.canonical()));
    assert_eq!(again.rules(), set.rules());
    let with_comment =
        embedded::files().map(|(path, bytes)| (path, [b"# comment\n".as_slice(), bytes].concat()));
    assert_eq!(compile(with_comment).expect("compiles").hash(), set.hash(), "comments do not count");
    let other = embedded::files().map(|(path, bytes)| {
        let text = String::from_utf8_lossy(bytes).replace("at_most = 3", "at_most = 2");
        (path, text)
    });
    assert_ne!(compile(other).expect("compiles").hash(), set.hash(), "values do");
}

#[test]
fn a_switched_off_basis_is_still_a_basis_of_the_law() {
    let only_off = "[value]\n[[value.any_of]]\nbasis = \"soft_opt_in\"\noff = true";
    let found = problems(&[
        ("pack.toml", PACK.to_owned()),
        ("house/a.toml", rule("house/a", "consent", only_off)),
        (
            "house/b.toml",
            rule("house/b", "wording", "[value]\nabout = \"label\"\nany_of = []\nplace = \"start\""),
        ),
        ("house/c.toml", rule("house/c", "opt_out_deadline", "[value]\nhours = 1\nbusiness_days = 1")),
        ("house/d.toml", rule("house/d", "retention", "[value]\nof = \"consent\"\ndays = 0")),
    ]);
    for wanted in [
        "house/a.toml: value: any_of has nothing that is on",
        "house/b.toml: value: any_of must have 1 to 32 phrases",
        "house/c.toml: value: hours or business_days, one of them, 1 to 366",
        "house/d.toml: value: days must be 1 to 36600",
    ] {
        assert!(found.iter().any(|p| p == wanted), "{wanted} is not in {found:#?}");
    }
}

#[test]
fn dates_reach_round_the_earth() {
    let set = embedded::load().expect("compiles");
    let rule = set.rule("us/revocation").expect("shipped");
    assert!(!rule.in_force(at("2027-01-30T09:59:59Z")) && rule.in_force(at("2027-01-30T10:00:00Z")));
    assert_eq!(set.stale(rule, at("2026-12-01T00:00:00Z")), None);
    assert_eq!(set.stale(rule, at("2029-12-01T00:00:00Z")), Some(OnStale::Warn));
    assert_eq!(set.rule("nowhere/at_all"), None);
}

#[test]
fn shows_what_an_officer_asks() {
    let set = embedded::load().expect("compiles");
    let florida = super::show::show(&set, Some("us/fl"));
    for wanted in [
        "us/fl/quiet_hours [hours]",
        "Fla. Stat. 501.616(6)",
        "stricter than the law",
        "America/New_York",
        "us/fl/cap",
    ] {
        assert!(florida.contains(wanted), "{wanted} is not in\n{florida}");
    }
    assert!(!florida.contains("us/ga"));
}

/// A set that is past its dates compiled as if it were fresh, and `policy check` said nothing.
#[test]
fn what_is_overdue_or_claims_too_much_is_listed() {
    let late = rule("house/late", "segments", "[value]\nat_most = 3");
    let far = late.replace("house/late", "house/far").replace("2027-01-01", "2028-01-03");
    let ahead = far.replace("house/far", "house/ahead").replace("2026-01-01", "2027-01-01");
    let ahead = ahead.replace("effective_from = \"2027-01-01\"", "effective_from = \"2026-01-01\"");
    let over = late.replace("house/late", "house/over");
    let over = over.replace("confidence", "effective_to = \"2026-06-30\"\nconfidence");
    let listed = |pack: &str, now: &str| {
        let files = [
            ("pack.toml", pack.to_owned()),
            ("house/late.toml", late.clone()),
            ("house/far.toml", far.clone()),
            ("house/ahead.toml", ahead.clone()),
            ("house/over.toml", over.clone()),
        ];
        let set = compile(files.iter().map(|(path, text)| (*path, text.as_bytes()))).expect("a set");
        let lines = super::review::reviews(&set, at(now)).into_iter();
        lines.map(|r| (format!("{}: {}", r.file, r.remark), r.holds)).collect::<Vec<_>>()
    };
    let far = ("house/far.toml: review_by: 2028-01-03 is 732 days after last_verified, more than 731", false);
    let ahead = ("house/ahead.toml: last_verified: 2027-01-01 lies in the future", false);
    let own = |lines: &[(&str, bool)]| lines.iter().map(|(l, h)| ((*l).to_owned(), *h)).collect::<Vec<_>>();
    assert_eq!(listed(PACK, "2026-12-31T09:59:59Z"), own(&[ahead, far]));
    // The first day of 2027 ends last at UTC-12.
    assert_eq!(listed(PACK, "2027-01-02T11:59:59Z"), own(&[far]));
    let noted = "house/late.toml: review_by: 2027-01-01 has passed; verdicts it speaks in say POLICY_STALE";
    assert_eq!(listed(PACK, "2027-01-02T12:00:00Z"), own(&[far, (noted, false)]));
    let held =
        "house/late.toml: review_by: 2027-01-01 has passed; messages it speaks to are held (POLICY_STALE)";
    let holds = PACK.replace("warn", "hold");
    assert_eq!(listed(&holds, "2027-01-02T12:00:00Z"), own(&[far, (held, true)]));
    let later = format!("{PACK}hold_after_days = 30\n");
    assert_eq!(listed(&later, "2027-01-02T12:00:00Z"), own(&[far, (noted, false)]));
    assert_eq!(listed(&later, "2027-02-01T12:00:00Z"), own(&[far, (held, true)]));
}

/// None of them asks more of anybody's memory than they say.
#[test]
fn the_packs_of_this_release_were_looked_at() {
    let set = embedded::load().expect("compiles");
    assert_eq!(super::review::reviews(&set, at("2026-11-24T00:00:00Z")), []);
    let late = super::review::reviews(&set, at("2029-01-01T00:00:00Z"));
    assert!(late.len() > set.rules().len() / 2 && late.iter().all(|review| !review.holds), "{}", late.len());
    assert!(late.iter().any(|review| review.file == "us/fl/jurisdiction.toml"), "places too");
}
