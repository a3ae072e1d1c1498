use super::*;
use proptest::prelude::*;

fn country(code: &str) -> Option<Country> {
    Some(code.parse().expect("two letters"))
}

fn sent(text: &str, default: &str) -> String {
    let default = (!default.is_empty()).then(|| default.parse().expect("two letters"));
    match parse_for_sending(text, default) {
        Ok(n) => format!(
            "{} {} {:?} {}",
            n.phone.expose(),
            n.country.map_or("-".into(), |c| c.to_string()),
            n.kind,
            if n.valid { "valid" } else { "invalid" }
        ),
        Err(e) => format!("{e:?}"),
    }
}

#[test]
fn sending_reads_forms_people_write_and_nothing_else() {
    for (text, default, expected) in [
        ("+12125550123", "", "+12125550123 US FixedOrMobile valid"),
        ("(212) 555-0123", "US", "+12125550123 US FixedOrMobile valid"),
        ("1 212 555 0123", "US", "+12125550123 US FixedOrMobile valid"),
        ("212.555.0123", "CA", "+12125550123 US FixedOrMobile valid"),
        ("\u{202a}+1 212\u{a0}555\u{2011}0123\u{202c}", "", "+12125550123 US FixedOrMobile valid"),
        ("+\u{661}\u{662}\u{661}\u{662}5550123", "", "+12125550123 US FixedOrMobile valid"),
        ("+17875550123", "", "+17875550123 US FixedOrMobile valid"),
        ("+16715550123", "", "+16715550123 US FixedOrMobile valid"),
        ("+14165550123", "", "+14165550123 CA FixedOrMobile valid"),
        ("+18765550123", "", "+18765550123 JM Mobile valid"),
        ("+18005550123", "", "+18005550123 US TollFree valid"),
        ("+19005550123", "", "+19005550123 US Premium valid"),
        ("07400 123456", "GB", "+447400123456 GB Mobile valid"),
        ("0044 7400 123456", "GB", "+447400123456 GB Mobile valid"),
        ("011 44 7400 123456", "US", "+447400123456 GB Mobile valid"),
        ("447400123456", "GB", "+447400123456 GB Mobile valid"),
        ("+15555550123", "", "+15555550123 - Unknown invalid"),
        ("+447700900001", "", "+447700900001 - Unknown invalid"),
        ("72345", "US", "+172345 US ShortCode invalid"),
        ("2125550123", "", "CountryUnknown"),
        ("+44 (0)7400 123456", "", "Ambiguous"),
        ("0343 15 555 1212", "AR", "Ambiguous"),
        ("0 15 11 91234 5678", "BR", "Ambiguous"),
        ("+999123456789", "", "NotANumber"),
        ("1-800-FLOWERS", "US", "Character"),
        ("+12125550123x45", "", "Character"),
        ("+1212555+0123", "", "Character"),
        (" -- ", "US", "Empty"),
        (&"1".repeat(65), "US", "TooLong"),
    ] {
        assert_eq!(sent(text, default), expected, "{text:?} default {default:?}");
    }
}

/// Why `rlibphonenumber` reads numbers and `phonenumber` does not: formatting this Russian number with the
/// latter drops a digit, so a text would go to another person and an opt-out would be filed under a stranger.
#[test]
fn a_wrong_library_would_text_another_person() {
    const TYPED: &str = "+78341834567";
    let other = phonenumber::parse(None, TYPED).expect("parses");
    assert_eq!(other.format().mode(phonenumber::Mode::E164).to_string(), "+7341834567");

    let ours = parse_for_sending(TYPED, None).expect("parses");
    assert_eq!(ours.phone.expose(), TYPED);
    assert_eq!(Digits::received(TYPED, None).expose().collect::<Vec<_>>(), ["78341834567"]);
}

#[test]
fn opt_outs_keep_the_digits_as_received_and_their_reading() {
    for (text, sender, expected) in [
        ("+12125550123", "US", &["12125550123"][..]),
        ("2125550123", "US", &["2125550123", "12125550123"]),
        ("+15555550123", "US", &["15555550123"]),
        ("5555550123", "US", &["5555550123", "15555550123"]),
        ("+447700900001", "", &["447700900001"]),
        ("07700900001", "GB", &["07700900001", "447700900001"]),
        ("00447700900001", "US", &["00447700900001", "447700900001"]),
        ("+4407700900001", "GB", &["4407700900001", "447700900001"]),
        ("447700900001", "US", &["447700900001"]),
        ("tel:+1 (212) 555-0123", "US", &["12125550123"]),
        ("72345", "US", &["72345"]),
        ("7", "", &["7"]),
    ] {
        let sender = if sender.is_empty() { None } else { country(sender) };
        let keys: Vec<String> = Digits::received(text, sender).expose().map(str::to_owned).collect();
        assert_eq!(keys, expected, "{text}");
    }
}

#[test]
fn addresses_without_usable_digits_still_get_a_key() {
    for text in ["", "SHOPNEWS", "💥", &"9".repeat(33), "\u{0}\n"] {
        let digits = Digits::received(text, country("US"));
        let keys: Vec<&str> = digits.expose().collect();
        assert_eq!((keys.len(), keys[0].len(), &keys[0][..1]), (1, 65, "x"), "{text:?}");
        assert_eq!(digits.phone(), None);
    }
    assert_ne!(Digits::received("A", None), Digits::received("B", None));
}

#[test]
fn an_opt_out_covers_the_number_it_came_from() {
    let phone = Phone::from_e164("+12125550123").expect("E.164");
    for text in ["+12125550123", "12125550123", "2125550123", "0012125550123"] {
        let digits = Digits::received(text, Some(Country::US));
        assert!(digits.covers(&phone), "{text}");
        assert_eq!(digits.phone().as_ref(), Some(&phone), "{text}");
    }
    assert_eq!(Digits::from(&phone), Digits::received("+12125550123", None));
}

#[test]
fn printing_hides_the_number() {
    let phone = Phone::from_e164("+12125550123").expect("E.164");
    assert_eq!(format!("{phone} {phone:?}"), "+1212*****23 +1212*****23");
    assert_eq!(format!("{:?}", Digits::from(&phone)), "1212*****23");
    let short = Phone::from_e164("+2901234").expect("E.164");
    assert_eq!(short.to_string(), "+*****34");
    assert_eq!(Phone::from_e164("+172345").expect("E.164").to_string(), "+******");
}

#[test]
fn stored_form_is_strict() {
    for bad in ["12125550123", "+", "+123", "+1234567890123456", "+1 2125550123", "+0123456", "+1212555o123"]
    {
        assert_eq!(Phone::from_e164(bad), Err(PhoneError::NotE164), "{bad}");
    }
    assert_eq!(Phone::from_e164("+12125550123").ok().and_then(|p| p.area_code()), Some(212));
    assert_eq!(Phone::from_e164("+447400123456").ok().and_then(|p| p.area_code()), None);
}

proptest! {
    #[test]
    fn any_text_gets_a_bounded_key(text in any::<String>(), code in "[A-Z]{2}") {
        let digits = Digits::received(&text, code.parse().ok());
        for key in digits.expose() {
            prop_assert!((1..=65).contains(&key.len()));
        }
        let stars = digits.to_string().matches('*').count();
        prop_assert!(digits.expose().take(1).all(|key| stars >= key.len().min(5)));
    }

    /// What is written with `+` is either that number, digit for digit, or refused.
    #[test]
    fn international_forms_are_never_rewritten(digits in "[1-9][0-9]{3,14}") {
        if let Ok(number) = parse_for_sending(&format!("+{digits}"), None) {
            prop_assert_eq!(number.phone.expose()[1..].to_owned(), digits);
        }
    }

    #[test]
    fn what_we_would_send_to_can_be_opted_out(digits in "[2-9][0-9]{9}") {
        if let Ok(number) = parse_for_sending(&digits, Some(Country::US)) {
            prop_assert!(Digits::received(&digits, Some(Country::US)).covers(&number.phone));
            prop_assert!(Digits::received(number.phone.expose(), None).covers(&number.phone));
        }
    }
}
