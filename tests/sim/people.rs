//! Who the shop writes to, and what they write back.

/// What a text means to whoever wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// No more.
    Stop,
    /// "Wrong number": no more, and no answer.
    Stranger,
    /// START: as before.
    Start,
    /// The keyword of the program, or YES: a fresh agreement.
    Agree,
    /// HELP.
    Help,
    /// Nothing the gateway should act on.
    Chatter,
    /// May be a STOP: nobody can say, or the event does not parse.
    Unclear,
}

pub struct Person {
    pub number: &'static str,
    pub language: &'static str,
    /// Standard local time in June, in hours from UTC.
    pub utc_hours: i64,
    /// People who share one are one reach.
    pub customer: Option<&'static str>,
}

const fn person(
    number: &'static str,
    language: &'static str,
    utc_hours: i64,
    customer: Option<&'static str>,
) -> Person {
    Person { number, language, utc_hours, customer }
}

/// New York, Miami, Providence, Austin and Honolulu; two phones belong to one customer.
pub const PEOPLE: [Person; 6] = [
    person("+12125550101", "en", -4, Some("c-1")),
    person("+13055550102", "es", -4, None),
    person("+14015550103", "fr", -4, None),
    person("+15125550104", "en", -5, Some("c-4")),
    person("+18085550105", "en", -10, Some("c-2")),
    person("+16465550106", "en", -4, Some("c-1")),
];

/// An installation of the shop's app.
#[derive(Debug)]
pub struct App {
    pub installation: &'static str,
    /// Whose it is, as a customer of the shop.
    pub customer: &'static str,
    /// Where they live.
    pub region: &'static str,
    pub zone: &'static str,
    /// Standard local time in June, in hours from UTC.
    pub utc_hours: i64,
}

const fn app(
    installation: &'static str,
    customer: &'static str,
    region: &'static str,
    zone: &'static str,
    utc_hours: i64,
) -> App {
    App { installation, customer, region, zone, utc_hours }
}

/// Two of one customer, one of another; the fourth customer has two telephones, so that no text can stand in for it.
pub const APPS: [App; 4] = [
    app("i1", "c-4", "TX", "America/Chicago", -5),
    app("i2", "c-4", "TX", "America/Chicago", -5),
    app("i3", "c-2", "HI", "Pacific/Honolulu", -10),
    app("i4", "c-1", "NY", "America/New_York", -4),
];

/// How an installation is named where numbers name phones.
pub fn app_name(installation: &str) -> String {
    format!("app of {installation}")
}

/// Hours from UTC of whoever has that number, or that installation.
pub fn utc_hours(name: &str) -> i64 {
    let phone = PEOPLE.iter().find(|p| p.number == name).map(|p| p.utc_hours);
    let app = || APPS.iter().find(|a| app_name(a.installation) == name).map(|a| a.utc_hours);
    phone.or_else(app).unwrap_or(0)
}

/// The keyword of the program.
pub const KEYWORD: &str = "DEALS";

type Wording = (Option<&'static str>, &'static str, Meaning);

/// What people write, whose language it is in (empty: anybody's), and what it means.
pub const WORDS: [Wording; 29] = [
    (Some("STOP"), "", Meaning::Stop),
    (Some("Stop."), "", Meaning::Stop),
    (Some("please stop texting me"), "", Meaning::Stop),
    (Some("UNSUBSCRIBE"), "", Meaning::Stop),
    (Some("take me off your list"), "", Meaning::Stop),
    (Some("ALTO"), "", Meaning::Stop),
    (Some("no me manden mas mensajes"), "es", Meaning::Stop),
    (Some("BAJA"), "", Meaning::Stop),
    (Some("ARRET"), "", Meaning::Stop),
    (Some("arrêtez de m'envoyer des messages"), "fr", Meaning::Stop),
    (Some("Wrong number"), "", Meaning::Stranger),
    (Some("START"), "", Meaning::Start),
    (Some("unstop"), "", Meaning::Start),
    (Some("ALTA"), "es", Meaning::Start),
    (Some("REPRENDRE"), "fr", Meaning::Start),
    (Some("YES"), "", Meaning::Agree),
    (Some("Sí"), "es", Meaning::Agree),
    (Some("oui svp"), "fr", Meaning::Agree),
    (Some(KEYWORD), "", Meaning::Agree),
    (Some("deals"), "", Meaning::Agree),
    (Some("HELP"), "", Meaning::Help),
    (Some("Ayuda"), "es", Meaning::Help),
    (Some("AIDE"), "fr", Meaning::Help),
    (Some("when do you open?"), "", Meaning::Chatter),
    (Some("merci"), "fr", Meaning::Chatter),
    (Some("gracias"), "es", Meaning::Chatter),
    (Some(""), "", Meaning::Unclear),
    (None, "", Meaning::Unclear),
    (Some("YES"), "", Meaning::Agree),
];

#[test]
fn every_wording_is_read_as_its_writer_meant_it() {
    use consentry::inbound::reply::{ReplyClass, classify};
    for (words, language, meaning) in WORDS {
        let Some(words) = words.filter(|w| !w.is_empty()) else { continue };
        let languages = [if language.is_empty() { "en" } else { language }];
        let class = classify(words, &languages).class;
        let right = match meaning {
            Meaning::Stop => class == ReplyClass::OptOut,
            Meaning::Stranger => class == ReplyClass::WrongNumber,
            Meaning::Start => class == ReplyClass::OptIn,
            Meaning::Agree => class == ReplyClass::Yes || words.eq_ignore_ascii_case(KEYWORD),
            Meaning::Help => class == ReplyClass::Help,
            Meaning::Chatter => class == ReplyClass::Other,
            Meaning::Unclear => false,
        };
        assert!(right, "{words}: {class:?}");
    }
}
