use secrecy::ExposeSecret;

use super::*;
use crate::api::auth;
use crate::model::facts::{Answers, SenderKind};
use crate::model::registry::{
    ApiKey, Brand, Connection, Control, ControlDefault, Disclosure, Keyword, NationalLanguage, Program,
    ProgramTexts, Reconcile, Role, Seller, Sender, Template, ThrottleGroup, Validity,
};
use crate::model::{Channel, Instant, Span};
use crate::writer::op::CallError;
use crate::writer::ops::fixture;
use crate::writer::testing::TestWriter;

fn id<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text} is an id"))
}

fn connection() -> Connection {
    Connection {
        id: id("carrier"),
        provider: "sandbox".to_owned(),
        settings: vec![("account".to_owned(), "1".to_owned())],
        secrets: vec![("auth_token".to_owned(), "env:CARRIER_TOKEN".to_owned())],
        public_url: "http://127.0.0.1:8080/".to_owned(),
        token_sha256: [0; 32],
        validity: Validity::None { queue_seconds: 60 },
        reconcile: Reconcile::List,
        slots: 16,
        prices: Vec::new(),
    }
}

fn sender(name: &str, address: &str) -> Sender {
    Sender {
        id: id(name),
        kind: SenderKind::TenDlc,
        address: address.to_owned(),
        country: "US".to_owned(),
        connection: id("carrier"),
        brands: Vec::new(),
        registered: true,
        paused: false,
        answers: Answers::Gateway,
        throttle: ThrottleGroup {
            id: "campaign".to_owned(),
            milli_parts_per_second: 1_250,
            parts_per_day: Some(2_000),
            reset_zone: "America/Los_Angeles".to_owned(),
        },
        pool: String::new(),
        tax_id_cap: None,
        national_languages: Vec::new(),
    }
}

fn program(name: &str) -> Program {
    Program {
        id: id(name),
        brand: id("main"),
        name: "cart reminders".to_owned(),
        category: Category::Marketing,
        channels: vec![Channel::Sms],
        senders: vec![id("s1")],
        double_opt_in: true,
        covers_cart_reminders: true,
        keywords: Vec::new(),
        texts: ProgramTexts::default(),
        terms_url: "https://shop.example/terms".to_owned(),
        privacy_url: "https://shop.example/privacy".to_owned(),
        frequency: "up to 4 msgs/month".to_owned(),
        subject_matter: name.to_owned(),
        active: true,
    }
}

fn disclosure() -> Disclosure {
    Disclosure {
        id: id("footer"),
        version: "1".to_owned(),
        brand: id("main"),
        program: id("carts"),
        locale: "en".to_owned(),
        text: "Text CART to 12125550123".to_owned(),
        control: Control::Keyword,
        control_default: ControlDefault::None,
        condition_of_purchase: false,
        separate_from_terms: true,
        e_sign_text: String::new(),
        url: String::new(),
        snapshot_sha256: Vec::new(),
        approved_by: String::new(),
        text_sha256: [0; 32],
        registered_at: Instant::EPOCH,
        refusals: Vec::new(),
        night: false,
    }
}

fn key() -> ApiKey {
    ApiKey {
        id: String::new(),
        label: "checkout".to_owned(),
        secret_sha256: Vec::new(),
        roles: vec![Role::Sender],
        brands: vec![id("main")],
        created_at: Instant::EPOCH,
        expires_at: None,
        revoked_at: None,
    }
}

fn create(writer: &mut TestWriter, object: Object) -> Result<Put, CallError> {
    writer.run(PutObject::create(object, "test"))
}
fn update(writer: &mut TestWriter, object: Object) -> Result<Put, CallError> {
    writer.run(PutObject::update(object, "because", "test"))
}

fn fields(result: Result<Put, CallError>) -> Vec<String> {
    match result.map(|_| ()) {
        Err(CallError::Refused(OpError::Problems(list))) => list.into_iter().map(|p| p.field).collect(),
        other => panic!("{other:?}"),
    }
}

/// Brand, connection, one sender, one disclosure.
fn set_up() -> TestWriter {
    let mut writer = TestWriter::new();
    create(&mut writer, Object::Brand(fixture::brand("main"))).expect("a brand");
    create(&mut writer, Object::Connection(connection())).expect("a connection");
    create(&mut writer, Object::Sender(sender("s1", "+12125550123"))).expect("a sender");
    writer.set_up([Object::Disclosure(Box::new(disclosure()))]);
    writer
}

#[test]
fn a_whole_shop_is_set_up_and_repeating_answers_what_is_there() {
    let mut writer = set_up();
    let keyword = Keyword { word: "CART".to_owned(), disclosure: id("footer") };
    let carts = Program { keywords: vec![keyword], ..program("carts") };
    let first = create(&mut writer, Object::Program(carts.clone())).expect("a program");
    let entries = writer.entries().len();
    writer.advance(Span::minutes(1));
    assert_eq!(create(&mut writer, Object::Program(carts.clone())).expect("the same").row, first.row);
    let again = create(&mut writer, Object::Connection(connection())).expect("the same");
    assert!(again.secret.is_none(), "the token was shown once");
    assert_eq!(writer.entries().len(), entries);

    let other = Program { name: "other".to_owned(), ..carts.clone() };
    let exists = create(&mut writer, Object::Program(other.clone()));
    assert!(matches!(exists, Err(CallError::Refused(OpError::Exists { what: "program", .. }))));
    let changed = update(&mut writer, Object::Program(other)).expect("changed").row;
    assert!(changed.updated_at > changed.created_at && changed.created_at == first.row.created_at);
    let unknown = update(&mut writer, Object::Program(program("nosuch")));
    assert!(matches!(unknown, Err(CallError::Refused(OpError::NotFound { .. }))));
    writer.check_fold();
}

#[test]
fn a_brand_owns_its_domains() {
    let mut writer = set_up();
    let seller = Seller {
        id: id("shop"),
        legal_name: "Shop Ltd".to_owned(),
        host: "gw.shop.example".to_owned(),
        postal_address: String::new(),
    };
    create(&mut writer, Object::Seller(seller.clone())).expect("the seller");
    assert_eq!(
        fields(create(&mut writer, Object::Seller(Seller { id: id("other"), ..seller.clone() }))),
        ["id"]
    );
    let moved = Seller { host: "x.shop.example".to_owned(), ..seller };
    assert_eq!(fields(update(&mut writer, Object::Seller(moved))), ["host"]);

    let two = fixture::brand("two");
    let with = |change: fn(&mut Brand)| {
        let mut brand = two.clone();
        change(&mut brand);
        Object::Brand(brand)
    };
    let table: [(Object, &[&str]); 9] = [
        (with(|b| b.short_domain = "bit.ly".to_owned()), &["short_domain"]),
        (with(|b| b.short_domain = "gw.shop.example".to_owned()), &["short_domain"]),
        (with(|b| b.short_domain = "Go.Shop.Example".to_owned()), &["short_domain"]),
        (with(|b| b.short_domain = "go.shop.example:8080".to_owned()), &["short_domain"]),
        (with(|b| b.target_domains = vec!["com".to_owned()]), &["target_domains[0]"]),
        (
            with(|b| b.target_domains = vec!["a.example".into(), "a.example".into(), "tinyurl.com".into()]),
            &["target_domains[1]", "target_domains[2]"],
        ),
        (with(|b| b.fallback_url = "https://elsewhere.example/".to_owned()), &["fallback_url"]),
        (with(|b| b.fallback_url = "http://shop.example/".to_owned()), &["fallback_url"]),
        (
            with(|b| {
                b.target_domains = vec!["example.com".into()];
                b.short_domain = "go.example.com".into();
                b.fallback_url = "https://go.example.com/sorry".into();
            }),
            &["fallback_url"],
        ),
    ];
    for (object, expected) in table {
        assert_eq!(fields(create(&mut writer, object.clone())), expected, "{object:?}");
    }
    let taken = create(&mut writer, with(|b| b.short_domain = "go.main.example".to_owned()));
    assert!(matches!(taken, Err(CallError::Refused(OpError::Exists { .. }))));
    create(&mut writer, with(|b| b.short_domain = "go.localhost:8080".to_owned())).expect("a sandbox's");
    writer.check_fold();
}

#[test]
fn a_category_changes_only_when_an_operator_says_so_and_the_leaf_shows_it() {
    let mut writer = set_up();
    create(&mut writer, Object::Program(program("carts"))).expect("a program");
    let softer = Program { category: Category::Transactional, ..program("carts") };
    assert_eq!(fields(update(&mut writer, Object::Program(softer.clone()))), ["category"]);
    let op = PutObject {
        category_may_change: true,
        ..PutObject::update(Object::Program(softer), "receipts only", "op")
    };
    writer.run(op).expect("changed");
    let entry = writer.entries().pop().expect("entries");
    assert_eq!(
        (entry.leaf.public.outcome.as_str(), entry.leaf.public.codes),
        ("program", vec![CATEGORY_CHANGED.to_owned()])
    );
    let Body::Registry(body) = entry.body else { panic!("a registry entry") };
    assert_eq!((body.reason.as_str(), body.actor.as_str()), ("receipts only", "op"));
}

#[test]
fn a_program_names_only_what_exists_and_keywords_mean_one_thing() {
    let mut writer = set_up();
    let mut elsewhere = sender("s2", "+12125550124");
    elsewhere.throttle.id = "s2".to_owned();
    create(&mut writer, Object::Brand(fixture::brand("two"))).expect("a brand");
    elsewhere.brands = vec![id("two")];
    create(&mut writer, Object::Sender(elsewhere)).expect("a sender");
    let keyword = |word: &str| Keyword { word: word.to_owned(), disclosure: id("footer") };
    let first = Program { keywords: vec![keyword("CART")], ..program("carts") };
    create(&mut writer, Object::Program(first)).expect("a program");

    let bad = Program {
        brand: id("nosuch"),
        channels: Vec::new(),
        senders: vec![id("s1"), id("s1"), id("nosuch")],
        keywords: vec![
            keyword("Cart"),
            keyword("STOP"),
            keyword("x"),
            keyword("win now"),
            Keyword { word: "DEALS".to_owned(), disclosure: id("nosuch") },
            keyword("deals"),
            keyword("AYUDA"),
        ],
        terms_url: "http://shop.example/".to_owned(),
        privacy_url: String::new(),
        ..program("bad")
    };
    assert_eq!(
        fields(create(&mut writer, Object::Program(bad))),
        [
            "brand",
            "channels",
            "senders[1]",
            "senders[2]",
            "keywords[0].word",
            "keywords[0].disclosure",
            "keywords[1].word",
            "keywords[1].disclosure",
            "keywords[2].word",
            "keywords[2].disclosure",
            "keywords[3].word",
            "keywords[3].disclosure",
            "keywords[4].disclosure",
            "keywords[5].word",
            "keywords[5].disclosure",
            "keywords[6].word",
            "keywords[6].disclosure",
            "privacy_url",
            "terms_url",
        ]
    );
    let foreign = Program { senders: vec![id("s2")], ..program("foreign") };
    assert_eq!(fields(create(&mut writer, Object::Program(foreign))), ["senders[0]"]);
    let template = Template {
        id: id("t"),
        brand: id("two"),
        program: Some(id("carts")),
        locale: "en".to_owned(),
        body: "Hi {{name".to_owned(),
    };
    assert_eq!(fields(create(&mut writer, Object::Template(template))), ["program", "body"]);
}

#[test]
fn a_sender_fits_its_kind_and_a_group_agrees_with_itself() {
    let mut writer = set_up();
    for (kind, address, good) in [
        (SenderKind::TenDlc, "+12125550199", true),
        (SenderKind::TenDlc, "+18885550199", false),
        (SenderKind::TenDlc, "+442071838750", false),
        (SenderKind::TollFree, "+18885550198", true),
        (SenderKind::TollFree, "+12125550198", false),
        (SenderKind::ShortCode, "24444", true),
        (SenderKind::ShortCode, "24", false),
        (SenderKind::Alphanumeric, "Shop", true),
        (SenderKind::Alphanumeric, "12345", false),
        // As registers of the Emirates, India and Hong Kong write them; no such name could be set up.
        (SenderKind::Alphanumeric, "AD-SHOP", true),
        (SenderKind::Alphanumeric, "SHOP-P", true),
        (SenderKind::Alphanumeric, "#SHOP", true),
        (SenderKind::Alphanumeric, "SHOP#", false),
        (SenderKind::Alphanumeric, "SHOP_1", false),
        (SenderKind::LongCode, "+442071838750", true),
        (SenderKind::LongCode, "442071838750", false),
    ] {
        let mut new = sender(&format!("x{}", address.replace(['+', ' ', '#'], "")), address);
        new.kind = kind;
        if kind == SenderKind::Alphanumeric {
            new.country = "GB".to_owned();
        }
        let put = create(&mut writer, Object::Sender(new));
        assert_eq!(put.is_ok(), good, "{kind:?} {address}");
    }
    let taken = create(&mut writer, Object::Sender(sender("again", "+12125550123")));
    assert!(matches!(taken, Err(CallError::Refused(OpError::Exists { .. }))));
    let mut bad = sender("bad", "+12125550177");
    bad.connection = id("nosuch");
    bad.brands = vec![id("nosuch")];
    bad.country = "USA".to_owned();
    bad.throttle.milli_parts_per_second = 1;
    bad.throttle.parts_per_day = Some(0);
    bad.throttle.reset_zone = "Mars/Olympus".to_owned();
    let found = fields(create(&mut writer, Object::Sender(bad)));
    for field in [
        "connection",
        "brands[0]",
        "country",
        "throttle_group.segments_per_second",
        "throttle_group.parts_per_day",
        "throttle_group.reset_zone",
        "throttle_group",
    ] {
        assert!(found.iter().any(|f| f == field), "{field} in {found:?}");
    }
    let kind = Sender { kind: SenderKind::LongCode, ..sender("s1", "+12125550123") };
    assert_eq!(fields(update(&mut writer, Object::Sender(kind))), ["kind"]);
}

/// No message could leave by it: told when it is set up and not when somebody waits for a text.
#[test]
fn a_sender_can_be_carried_in_its_country() {
    let mut writer = set_up();
    let named = |name: &str, country: &str| Sender {
        kind: SenderKind::Alphanumeric,
        country: country.to_owned(),
        ..sender(&format!("{country}{}", name.replace('#', "")).to_lowercase(), name)
    };
    let problem = |put: Result<Put, CallError>| match put {
        Err(CallError::Refused(OpError::Problems(all))) => {
            all.into_iter().map(|p| format!("{}: {}", p.field, p.rule)).collect::<Vec<_>>().join("; ")
        }
        other => format!("{:?}", other.map(|put| put.row.updated_at)),
    };
    for (name, country, expected) in [
        ("SHOP", "US", "kind: is not carried in US (carrier/us/alphanumeric)"),
        ("SHOP", "BR", "kind: is not carried in BR (br/short_codes_only)"),
        ("SHOP-G", "IN", "address: must not end with -S or -T or -G (in/header_promotional)"),
        (
            "SH",
            "GB",
            "address: must be 3 to 11 letters, digits, spaces and hyphens with at least one letter; it may begin with #",
        ),
    ] {
        assert_eq!(problem(create(&mut writer, Object::Sender(named(name, country)))), expected);
    }
    // Each fits one category at least; of which the message is, its verdict sees.
    for (name, country) in
        [("SHOP", "AE"), ("AD-SHOP", "AE"), ("SHOP-P", "IN"), ("SHOP-S", "IN"), ("STORE", "HK")]
    {
        create(&mut writer, Object::Sender(named(name, country))).expect("carried");
    }
    // One from before the rule can still be paused, and not be moved there.
    writer.set_up([Object::Sender(named("OLD", "US"))]);
    let paused = Sender { paused: true, ..named("OLD", "US") };
    update(&mut writer, Object::Sender(paused)).expect("paused");
    let moved = Sender { country: "BR".to_owned(), ..named("OLD", "US") };
    assert_eq!(fields(update(&mut writer, Object::Sender(moved))), ["kind"]);
}

/// National language tables where we name the alphabet would only make texts dearer than counted.
#[test]
fn national_tables_only_where_the_provider_uses_them() {
    let mut writer = set_up();
    let named = Connection { id: id("named"), provider: "smpp".to_owned(), ..connection() };
    create(&mut writer, Object::Connection(named)).expect("a connection");
    let languages = vec![NationalLanguage::Hindi];
    let over = |connection: &str| Sender {
        connection: id(connection),
        national_languages: languages.clone(),
        ..sender("hindi", "+12125550177")
    };
    assert_eq!(fields(create(&mut writer, Object::Sender(over("named")))), ["national_languages"]);
    create(&mut writer, Object::Sender(over("carrier"))).expect("a sender");
}

#[test]
fn secrets_come_by_reference_only() {
    let mut writer = set_up();
    for (source, good) in [
        ("env:CARRIER_TOKEN", true),
        ("file:/run/secrets/carrier", true),
        ("env:", false),
        ("env:1X", false),
        ("env:A B", false),
        ("file:relative", false),
        ("file:/run/../etc/shadow", false),
        ("file:/", false),
        ("s3cr3t", false),
        ("vault:x", false),
    ] {
        let secrets = vec![("auth_token".to_owned(), source.to_owned())];
        let put = update(&mut writer, Object::Connection(Connection { secrets, ..connection() }));
        if let Err(CallError::Refused(error)) = &put {
            assert!(!error.to_string().contains("s3cr3t"), "{error}");
        }
        assert_eq!(put.is_ok(), good, "{source}");
    }
    let bad = Connection {
        provider: "other".to_owned(),
        settings: vec![("a".into(), "1".into()), ("a".into(), "2".into())],
        public_url: "http://gateway.example/".to_owned(),
        slots: 0,
        prices: Vec::new(),
        validity: Validity::Native { min_seconds: 10, max_seconds: 5 },
        ..connection()
    };
    let found = fields(update(&mut writer, Object::Connection(bad)));
    assert_eq!(found, ["provider", "settings[1].name", "public_url", "slots", "validity"]);
}

fn hash_of(put: &Put) -> Vec<[u8; 32]> {
    match &put.row.object {
        Object::ApiKey(key) => key.secret_sha256.clone(),
        Object::Connection(connection) => vec![connection.token_sha256],
        other => panic!("{other:?} has no secret"),
    }
}

fn shown(put: &Put) -> String {
    put.secret.as_ref().expect("shown once").expose_secret().to_owned()
}

#[test]
fn a_key_lives_rotates_and_dies() {
    let mut writer = set_up();
    let made = create(&mut writer, Object::ApiKey(key())).expect("a key");
    let token = shown(&made);
    let (name, secret) = auth::split(&token).expect("a token");
    assert_eq!((secret.len(), hash_of(&made)), (64, vec![auth::hash_of(secret)]));
    assert!(!format!("{made:?}").contains(secret), "a secret is never printed");

    let rotate = |keep_old| RotateSecret {
        what: Rotated::ApiKey { keep_old },
        id: name.to_owned(),
        reason: "yearly".to_owned(),
        actor: "test".to_owned(),
    };
    let second = writer.run(rotate(true)).expect("rotated");
    assert_eq!(hash_of(&second)[1..], hash_of(&made)[..]);
    let third = writer.run(rotate(false)).expect("rotated");
    assert_eq!(hash_of(&third).len(), 1);

    let revoked = ApiKey { id: name.to_owned(), revoked_at: Some(Instant::EPOCH), ..key() };
    let dead = update(&mut writer, Object::ApiKey(revoked)).expect("revoked");
    assert_eq!(hash_of(&dead), hash_of(&third), "an update keeps the secret");
    let alive = ApiKey { id: name.to_owned(), ..key() };
    assert_eq!(fields(update(&mut writer, Object::ApiKey(alive))), ["revoked_at"]);
    assert!(matches!(writer.run(rotate(true)), Err(CallError::Refused(OpError::Precondition(_)))));

    let bad = ApiKey {
        id: "has-hyphen".to_owned(),
        roles: vec![Role::Sender, Role::Sender],
        brands: vec![id("nosuch")],
        expires_at: Some(Instant::EPOCH),
        revoked_at: Some(Instant::EPOCH),
        ..key()
    };
    let found = fields(create(&mut writer, Object::ApiKey(bad)));
    assert_eq!(found, ["id", "roles[1]", "brands[0]", "expires_at", "revoked_at"]);
    writer.check_fold();
}

#[test]
fn an_operator_may_bring_a_strong_secret_and_a_webhook_token_rotates() {
    let mut writer = set_up();
    let bring = |secret: &str, id: &str| PutObject {
        secret: Some(SecretString::from(secret)),
        ..PutObject::create(Object::ApiKey(ApiKey { id: id.to_owned(), ..key() }), "test")
    };
    assert!(writer.run(bring("short", "a")).is_err());
    assert!(writer.run(bring(&"_".repeat(40), "a")).is_err());
    let strong = "sandbox-key-0123456789abcdef0123";
    let made = writer.run(bring(strong, "sandbox")).expect("a key");
    assert_eq!(shown(&made), format!("csk_sandbox_{strong}"));

    let rotate = RotateSecret {
        what: Rotated::Connection,
        id: "carrier".into(),
        reason: "x".into(),
        actor: "t".into(),
    };
    let one = writer.run(rotate.clone()).expect("rotated");
    let two = writer.run(rotate).expect("rotated");
    assert_eq!(shown(&one).len(), 32, "128 bits");
    assert_ne!(shown(&one), shown(&two));
    assert_eq!(hash_of(&two), [auth::hash_of(&shown(&two))]);
    writer.check_fold();
}

#[test]
fn a_configuration_may_name_another_token_for_a_connection_that_is_there() {
    let mut writer = set_up();
    let token = |c: char| Some(SecretString::from(c.to_string().repeat(32)));
    let update = |secret| PutObject {
        secret,
        ..PutObject::update(Object::Connection(connection()), "the configuration changed", "tests")
    };
    let named = writer.run(update(token('a'))).expect("another token");
    assert_eq!(hash_of(&named), [auth::hash_of(&"a".repeat(32))]);
    let kept = writer.run(update(None)).expect("nothing changes");
    assert_eq!((hash_of(&kept), kept.secret.is_none()), (hash_of(&named), true));
    let weak = writer.run(update(Some(SecretString::from("short"))));
    assert!(matches!(weak, Err(CallError::Refused(OpError::Problems(_)))), "{weak:?}");
    writer.check_fold();
}
