//! A claim that holds, and each way it can fail.

use super::*;
use crate::model::registry::{BrandProfile, Control, ProgramTexts};

/// A wording that carries everything American carriers and courts ask for.
pub const WORDING: &str = "Yes, text me cart reminders and offers from Acme. Recurring messages. Consent is \
    not a condition of purchase. Msg & data rates may apply. Reply STOP to opt out, HELP for help.";

pub fn brand() -> Brand {
    Brand {
        id: "acme".parse().expect("a slug"),
        display_name: "Acme".to_owned(),
        short_domain: String::new(),
        target_domains: Vec::new(),
        fallback_url: String::new(),
        support_contact: "help@acme.example".to_owned(),
        locale: "en-US".to_owned(),
        accepts_attested: false,
        profile: BrandProfile::default(),
        plain_typography: false,
    }
}

pub fn program() -> Program {
    Program {
        id: "carts".parse().expect("a slug"),
        brand: brand().id,
        name: "cart reminders".to_owned(),
        category: Category::Marketing,
        channels: vec![Channel::Sms, Channel::Push],
        senders: vec!["code".parse().expect("a slug")],
        double_opt_in: false,
        covers_cart_reminders: true,
        keywords: Vec::new(),
        texts: ProgramTexts::default(),
        terms_url: String::new(),
        privacy_url: String::new(),
        frequency: String::new(),
        subject_matter: "carts".to_owned(),
        active: true,
    }
}

pub fn disclosure() -> Disclosure {
    Disclosure {
        id: "checkout".parse().expect("a slug"),
        version: "1".to_owned(),
        brand: brand().id,
        program: program().id,
        locale: "en-US".to_owned(),
        text: WORDING.to_owned(),
        control: Control::Checkbox,
        control_default: ControlDefault::Unchecked,
        condition_of_purchase: false,
        separate_from_terms: true,
        e_sign_text: "You may have this on paper.".to_owned(),
        url: String::new(),
        snapshot_sha256: Vec::new(),
        approved_by: "Ada".to_owned(),
        text_sha256: [0; 32],
        registered_at: Instant::EPOCH,
        refusals: Vec::new(),
        night: false,
    }
}

/// Noon of a Monday in 2026, as the test writer has it.
pub fn now() -> Instant {
    Instant::parse("2026-06-01T16:00:00Z").expect("RFC 3339")
}

pub fn evidence() -> Evidence {
    Evidence {
        disclosure: Some(("checkout".parse().expect("a slug"), "1".to_owned())),
        disclosure_sha256: None,
        disclosure_text: String::new(),
        method: Method::CheckoutCheckbox,
        act: Some(Act::Ticked),
        control_default: None,
        condition_of_purchase: false,
        bundled_with_terms: false,
        captured_at: Some(now()),
        source_url: "https://shop.acme.example/checkout".to_owned(),
        ip_address: String::new(),
        user_agent: String::new(),
        locale: "en-US".to_owned(),
        signatory_name: String::new(),
        signature_text: String::new(),
        certificate_url: String::new(),
        snapshot_sha256: Vec::new(),
        inbound_text: String::new(),
        e_sign_version: String::new(),
        basis: Basis::ExpressWritten,
        basis_date: None,
        night: false,
        grade: Grade::Full,
        attributes: Vec::new(),
        number: "+12125550123".to_owned(),
    }
}

/// The good claim after `spoil`.
fn refusals(spoil: impl FnOnce(&mut Evidence, &mut Option<Disclosure>, &mut Claim<'_>)) -> Vec<Code> {
    let (mut evidence, mut found, brand, program) = (evidence(), Some(disclosure()), brand(), program());
    let blank = super::tests::evidence();
    let mut claim = Claim {
        evidence: &blank,
        disclosure: None,
        brand: &brand,
        program: &program,
        channel: Channel::Sms,
        us_number: true,
        number_valid: true,
        granted: false,
        now: now(),
    };
    spoil(&mut evidence, &mut found, &mut claim);
    Claim { evidence: &evidence, disclosure: found.as_ref(), ..claim }.refusals()
}

#[test]
fn good_evidence_has_nothing_against_it() {
    assert_eq!(refusals(|_, _, _| {}), []);
}

#[test]
fn each_failing_has_its_own_code() {
    type Spoil = fn(&mut Evidence, &mut Option<Disclosure>, &mut Claim<'_>);
    let cases: &[(&str, Spoil, &[Code])] = &[
        (
            "ticked before",
            |e, _, _| e.control_default = Some(ControlDefault::Prechecked),
            &[Code::PrecheckedBox],
        ),
        ("forced", |e, _, _| e.condition_of_purchase = true, &[Code::ConditionOfPurchase]),
        ("bundled", |e, _, _| e.bundled_with_terms = true, &[Code::BundledTerms]),
        ("no wording", |_, d, _| *d = None, &[Code::DisclosureMissing, Code::ESignMissing]),
        ("no time", |e, _, _| e.captured_at = None, &[Code::CaptureTimeMissing]),
        ("4 min ahead", |e, _, _| e.captured_at = Some(now() + Span::minutes(4)), &[]),
        (
            "6 min ahead",
            |e, _, _| e.captured_at = Some(now() + Span::minutes(6)),
            &[Code::CaptureTimeInFuture],
        ),
        ("18 months", |e, _, _| e.captured_at = Some(now() - Span::days(548)), &[]),
        ("older", |e, _, _| e.captured_at = Some(now() - Span::days(549)), &[Code::CaptureTimeTooOld]),
        ("no page", |e, _, _| e.source_url.clear(), &[Code::SourceMissing]),
        ("spoken", |e, _, _| e.method = Method::Voice, &[Code::MethodNotWritten]),
        ("nobody said how", |e, _, _| e.method = Method::Unstated, &[Code::MethodNotWritten]),
        ("no act", |e, _, _| e.act = None, &[Code::SignatureMissing]),
        ("paper unsigned", |e, _, _| e.method = Method::Paper, &[Code::SignatureMissing]),
        ("no such number", |_, _, c| c.number_valid = false, &[Code::NumberInvalid]),
        (
            "other program",
            |_, d, _| d.as_mut().expect("given").program = "news".parse().expect("a slug"),
            &[Code::DisclosureMismatch],
        ),
        (
            "refused wording",
            |_, d, _| d.as_mut().expect("given").refusals = vec!["BUNDLED_TERMS".to_owned()],
            &[Code::BundledTerms],
        ),
        ("attested", |e, _, _| e.grade = Grade::Attested, &[Code::AttestedNotAccepted]),
    ];
    for (name, spoil, expected) in cases {
        assert_eq!(refusals(spoil), *expected, "{name}");
    }
}

#[test]
fn all_reasons_are_given_at_once() {
    let found = refusals(|e, d, c| {
        *d = None;
        e.captured_at = None;
        e.bundled_with_terms = true;
        c.number_valid = false;
    });
    let expected = [
        Code::NumberInvalid,
        Code::DisclosureMissing,
        Code::BundledTerms,
        Code::CaptureTimeMissing,
        Code::ESignMissing,
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_page_registered_with_the_wording_is_a_source() {
    let found = refusals(|e, d, _| {
        e.source_url.clear();
        d.as_mut().expect("given").url = "https://shop.acme.example/checkout".to_owned();
    });
    assert_eq!(found, []);
}

#[test]
fn wording_for_britain_does_not_do_for_an_american_number() {
    let text = "I want Acme's cart reminders and may withdraw at any time.";
    let british = |us_number: bool| {
        refusals(|_, d, c| {
            let d = d.as_mut().expect("given");
            (d.locale, d.text) = ("en-GB".to_owned(), text.to_owned());
            c.us_number = us_number;
        })
    };
    assert_eq!(british(false), []);
    assert!(british(true).contains(&Code::RatesWordingMissing), "{:?}", british(true));
}

#[test]
fn inline_wording_is_checked_on_the_spot() {
    let inline = |text: &str| {
        refusals(|e, d, _| {
            *d = None;
            e.disclosure_text = text.to_owned();
            e.e_sign_version = "2".to_owned();
        })
    };
    assert_eq!(inline(WORDING), []);
    assert!(inline("Text me").contains(&Code::DisclosureLacksBrand));
}

/// Korea: a consent is confirmed by a notice every two years; its evidence was too old to be recorded again.
#[test]
fn a_grant_in_force_is_as_old_as_its_confirmation() {
    let refused = |granted: bool, noticed: Option<i64>| {
        let found = refusals(|e, _, claim| {
            e.captured_at = Some(now() - Span::days(720));
            e.basis_date = noticed.map(|days| now() - Span::days(days));
            claim.granted = granted;
        });
        found.contains(&Code::CaptureTimeTooOld)
    };
    assert!(refused(true, None) && refused(false, Some(1)) && refused(true, Some(600)));
    assert!(!refused(true, Some(1)));
}

#[test]
fn an_attested_import_needs_no_wording_where_the_brand_takes_it() {
    let trusting = Brand { accepts_attested: true, ..brand() };
    let evidence = Evidence {
        method: Method::Imported,
        grade: Grade::Attested,
        act: None,
        captured_at: Some(now() - Span::days(700)),
        ..evidence()
    };
    let claim = Claim {
        evidence: &evidence,
        disclosure: None,
        brand: &trusting,
        program: &program(),
        channel: Channel::Sms,
        us_number: true,
        number_valid: true,
        granted: false,
        now: now(),
    };
    assert_eq!(claim.refusals(), []);
}

#[test]
fn a_purchase_in_canada_needs_no_words() {
    let found = refusals(|e, d, c| {
        *d = None;
        (e.basis, e.act, c.us_number) = (Basis::ImpliedPurchase, None, false);
    });
    assert_eq!(found, []);
}

/// Each method has fields of its own: with them it grants, without any one of them it says what is missing.
#[test]
fn each_method_has_required_fields_of_its_own() {
    type Change = fn(&mut Evidence);
    let named = |e: &mut Evidence, name: &str| e.attributes.push((name.to_owned(), "x".to_owned()));
    let complete = |method: Method| -> Evidence {
        let mut e =
            Evidence { method, source_url: String::new(), e_sign_version: "1".to_owned(), ..evidence() };
        match method {
            Method::Paper => {
                (e.act, e.signatory_name, e.snapshot_sha256) =
                    (Some(Act::Signed), "Ada".to_owned(), vec![1; 32]);
            }
            Method::Voice => {
                (e.act, e.basis) = (Some(Act::Spoken), Basis::Express);
                named(&mut e, "recording");
            }
            Method::PointOfSale => named(&mut e, "store"),
            Method::AppPermission => {
                e.act = Some(Act::Switched);
                named(&mut e, "screen");
            }
            Method::Keyword => (e.act, e.inbound_text) = (Some(Act::Replied), "JOIN".to_owned()),
            Method::Imported => named(&mut e, "import_source"),
            _ => e.source_url = "https://shop.acme.example/form".to_owned(),
        }
        e
    };
    let no_act: Change = |e| e.act = None;
    let nowhere: Change = |e| {
        (e.source_url, e.certificate_url) = (String::new(), String::new());
        (e.snapshot_sha256, e.attributes) = (Vec::new(), Vec::new());
    };
    let table: [(Method, &[(Change, Code)]); 8] = [
        (Method::WebForm, &[(no_act, Code::SignatureMissing), (nowhere, Code::SourceMissing)]),
        (Method::CheckoutCheckbox, &[(no_act, Code::SignatureMissing), (nowhere, Code::SourceMissing)]),
        (
            Method::Paper,
            &[
                (no_act, Code::SignatureMissing),
                (|e| e.signatory_name.clear(), Code::SignatureMissing),
                (nowhere, Code::SourceMissing),
            ],
        ),
        (Method::Voice, &[(no_act, Code::SignatureMissing), (nowhere, Code::SourceMissing)]),
        (
            Method::PointOfSale,
            &[
                (no_act, Code::MethodNotWritten),
                (nowhere, Code::SourceMissing),
                (|e| e.act = Some(Act::Spoken), Code::MethodNotWritten),
            ],
        ),
        (Method::AppPermission, &[(no_act, Code::SignatureMissing), (nowhere, Code::SourceMissing)]),
        (Method::Keyword, &[(|e| e.inbound_text.clear(), Code::SignatureMissing)]),
        (Method::Imported, &[(no_act, Code::SignatureMissing), (nowhere, Code::SourceMissing)]),
    ];
    for (method, spoils) in table {
        let found = |e: Evidence| refusals(|evidence, _, _| *evidence = e);
        assert_eq!(found(complete(method)), [], "{method:?}");
        for (n, (spoil, code)) in spoils.iter().enumerate() {
            let mut e = complete(method);
            spoil(&mut e);
            assert_eq!(found(e), std::slice::from_ref(code), "{method:?} {n}");
        }
    }
}
