//! The specification's example, and what it forbids.

use super::*;
use crate::entropy::SeededEntropy;
use crate::ledger::checkpoint::{LogKey, Origin};
use crate::ledger::cosignature::testing::Hand;

fn key(n: u8) -> String {
    Hand::new(&format!("w{n}.example"), n).key().to_string()
}

fn log() -> String {
    let origin: Origin = "gw.shop.example/log/shop/e1".parse().expect("an origin");
    LogKey::generate(&origin, &SeededEntropy::new(5)).verifier().to_string()
}

/// The example of C2SP tlog-policy: two of three X and any Y.
fn example() -> String {
    let mut text = format!("# who we believe\nlog {}\n\n", log());
    for (n, name) in [(1, "X1"), (2, "X2"), (3, "X3"), (4, "Y1"), (5, "Y2"), (6, "Y3")] {
        text += &format!("witness {name}\t{} https://w{n}.example/\n", key(n));
    }
    text + "group X-witnesses 2 X1 X2 X3\n group Y-witnesses any Y1 Y2 Y3\n\
            group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y"
}

#[test]
fn the_example_of_the_specification_is_judged_as_it_says() {
    let policy = TlogPolicy::parse(&example()).expect("sound");
    assert_eq!((policy.logs().len(), policy.witnesses().len()), (1, 6));
    assert!(policy.asks_for_witnesses());
    let cases: [(&[u8], bool); 6] = [
        (&[1, 2, 4], true),
        (&[1, 3, 6], true),
        (&[1, 2], false),
        (&[1, 4, 5, 6], false),
        (&[], false),
        (&[1, 2, 3, 4, 5, 6], true),
    ];
    for (who, met) in cases {
        let keys: Vec<String> = who.iter().map(|n| key(*n)).collect();
        assert_eq!(policy.is_met(|w| keys.iter().any(|k| k == w.as_str())), met, "{who:?}");
    }
    let none = TlogPolicy::parse("quorum none\n").expect("sound");
    assert!(none.is_met(|_| false) && !none.asks_for_witnesses());
}

#[test]
fn what_is_wrong_is_named_by_line() {
    let (a, b) = (format!("witness A {}\n", key(1)), format!("witness B {}\n", key(2)));
    let cases = [
        ("".to_owned(), 1, "no quorum"),
        (a.clone(), 2, "no quorum"),
        (format!("{a}{}", a.replace(" A ", " B ")), 2, "twice"),
        (format!("{a}{}", b.replace(" B ", " A ")), 2, "taken"),
        (b.replace(" B ", " none "), 1, "taken"),
        (format!("log {}\nlog {}\n", log(), log()), 2, "twice"),
        (format!("{a}{b}group G 3 A B\n"), 3, "1 to 2"),
        (format!("{a}{b}group G 0 A B\n"), 3, "1 to 2"),
        (format!("{a}group G all\n"), 2, "must be"),
        (format!("{a}{b}group G all A C\n"), 3, "not defined"),
        (format!("{a}{b}group G all A A\n"), 3, "already"),
        (format!("{a}{b}group G all A\ngroup H all A B\n"), 4, "already"),
        (format!("group G all A\n{a}"), 1, "not defined"),
        ("quorum A\n".to_owned(), 1, "not defined"),
        ("quorum none\nquorum none\n".to_owned(), 2, "already"),
        (format!("log {}\n", key(1)), 1, "no verifier key"),
        (format!("witness A {}\n", log()), 1, "key of a log"),
        ("quorum none\r\n".to_owned(), 1, "control"),
        ("trust me\n".to_owned(), 1, "must be"),
    ];
    for (text, line, why) in cases {
        let error = TlogPolicy::parse(&text).expect_err(&text);
        assert!(error.line == line && error.why.contains(why), "{text}: {error}");
    }
}
