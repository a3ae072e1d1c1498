//! Rows of CSV: which column is what, and what is wrong with a row and where.

use std::cell::Cell;
use std::collections::HashMap;
use std::io::{self, Read};
use std::rc::Rc;

use jiff::civil::DateTime;

use super::sorted::{Sent, What};
use super::{Options, ShadowError};
use crate::inbound::reply::{ReplyClass, classify};
use crate::model::consent::{Basis, DoubleOptIn};
use crate::model::location::{LocationHint, LocationSource};
use crate::model::phone::parse_for_sending;
use crate::model::{Category, Instant};

/// Longest row, in bytes. A quote that never closes would otherwise take in the rest of the file.
const ROW_BYTES_MAX: usize = 1 << 20;

/// Why a table could not be read at all.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error("{table}: cannot be read after line {line}: {why}")]
    Read { table: &'static str, line: u64, why: String },
    #[error("{table}: has no column {wanted}; it has {there}")]
    Column { table: &'static str, wanted: String, there: String },
    #[error(
        "columns: {0:?} is not one of to, sent_at, from, body, status, direction, id, category, cart, matter, country, region, postal_code, time_zone"
    )]
    Unknown(String),
    #[error("columns: write to=RECIPIENT,sent_at=TIME, not {0:?}")]
    Form(String),
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The column as the file names it.
    pub column: String,
    pub why: String,
}

/// Logs whose columns are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// The columns of `docs/shadow.md`.
    Consentry,
    /// The message log as Twilio's console exports it, or as its API names the fields.
    Twilio,
}

/// What our columns are called in a file; of several names the first that is there counts.
#[derive(Debug, Clone)]
pub struct Columns(HashMap<&'static str, Vec<String>>);

const OURS: [&str; 14] = [
    "to",
    "sent_at",
    "from",
    "body",
    "status",
    "direction",
    "id",
    "category",
    "cart",
    "matter",
    "country",
    "region",
    "postal_code",
    "time_zone",
];

impl Columns {
    /// A preset, with some columns called otherwise: `to=Recipient,sent_at=Time`.
    pub fn new(preset: Preset, others: &str) -> Result<Columns, TableError> {
        let mut names: HashMap<&'static str, Vec<String>> =
            OURS.iter().map(|ours| (*ours, vec![(*ours).to_owned()])).collect();
        if preset == Preset::Twilio {
            names.insert(
                "sent_at",
                vec!["sentdate".to_owned(), "datesent".to_owned(), "date_sent".to_owned()],
            );
            names.insert("id", vec!["sid".to_owned()]);
        }
        for pair in others.split(',').filter(|pair| !pair.trim().is_empty()) {
            let (ours, theirs) = pair.split_once('=').ok_or_else(|| TableError::Form(pair.to_owned()))?;
            let ours = OURS.iter().find(|name| **name == ours.trim());
            let ours = ours.ok_or_else(|| TableError::Unknown(pair.trim().to_owned()))?;
            names.insert(ours, vec![theirs.trim().to_lowercase()]);
        }
        Ok(Columns(names))
    }
}

/// One row.
pub struct Row<'a> {
    record: &'a csv::StringRecord,
    /// Where our columns are, and what the file calls them.
    places: &'a HashMap<&'static str, (usize, String)>,
    line: u64,
}

impl Row<'_> {
    /// The line it begins on, the header being line 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    fn get(&self, ours: &str) -> &str {
        let place = self.places.get(ours).and_then(|(place, _)| self.record.get(*place));
        place.unwrap_or_default().trim()
    }

    fn has(&self, ours: &str) -> bool {
        self.places.contains_key(ours)
    }

    fn wrong(&self, ours: &str, why: impl Into<String>) -> Wrong {
        let theirs = self.places.get(ours).map_or(ours, |(_, name)| name);
        Wrong { column: theirs.to_owned(), why: why.into() }
    }
}

/// What a row came to.
pub enum Taken {
    /// Something happened to this number.
    Event(String, (Instant, What)),
    /// A message that never left.
    NotSent,
    /// A text from a person that changes nothing.
    Heard,
}

/// Ends a read that goes on for longer than a row may be.
struct Bounded<R> {
    inner: R,
    since: Rc<Cell<usize>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.since.get() > ROW_BYTES_MAX {
            return Err(io::Error::other("a row of more than 1 MiB: a quote that is not closed?"));
        }
        let read = self.inner.read(out)?;
        self.since.set(self.since.get() + read);
        Ok(read)
    }
}

/// Shows every row of a table to `see`. `columns` none: the file's own names are ours.
pub fn rows(
    table: &'static str,
    from: impl Read,
    columns: Option<&Columns>,
    mut see: impl FnMut(&Row<'_>) -> Result<(), ShadowError>,
) -> Result<(), ShadowError> {
    let since = Rc::new(Cell::new(0));
    let bounded = Bounded { inner: from, since: since.clone() };
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bounded);
    let unreadable = |line: u64, e: csv::Error| TableError::Read { table, line, why: e.to_string() };
    let header = reader.headers().map_err(|e| unreadable(0, e))?.clone();
    let places = places(table, &header, columns)?;
    let (mut record, mut line) = (csv::ByteRecord::new(), 1);
    loop {
        since.set(0);
        if !reader.read_byte_record(&mut record).map_err(|e| unreadable(line, e))? {
            return Ok(());
        }
        line = record.position().map_or(line, csv::Position::line);
        // A row that is not UTF-8 is read as well as it can be: what is damaged then shows in its columns.
        let text: csv::StringRecord =
            record.iter().map(|field| String::from_utf8_lossy(field).into_owned()).collect();
        see(&Row { record: &text, places: &places, line })?;
    }
}

type Places = HashMap<&'static str, (usize, String)>;

fn places(
    table: &'static str,
    header: &csv::StringRecord,
    columns: Option<&Columns>,
) -> Result<Places, TableError> {
    let plain = |name: &str| name.trim_start_matches('\u{feff}').trim().to_lowercase();
    let find = |names: &[String]| {
        let at = names.iter().find_map(|name| header.iter().position(|h| plain(h) == *name))?;
        Some((at, header.get(at)?.trim_start_matches('\u{feff}').trim().to_owned()))
    };
    let mut places = HashMap::new();
    let own = |ours: &str| vec![ours.to_owned()];
    let wanted: Vec<(&'static str, Vec<String>)> = match columns {
        Some(columns) => columns.0.iter().map(|(ours, names)| (*ours, names.clone())).collect(),
        None => {
            ["phone", "at", "basis", "double_opt_in", "expires_at"].map(|ours| (ours, own(ours))).to_vec()
        }
    };
    for (ours, names) in &wanted {
        if let Some(place) = find(names) {
            places.insert(*ours, place);
        }
    }
    let needed: &[&str] = if columns.is_some() { &["to", "sent_at"] } else { &["phone", "at"] };
    for ours in needed {
        if !places.contains_key(ours) {
            let names = wanted.iter().find(|(name, _)| name == ours).map(|(_, names)| names.join(" or "));
            let there = header.iter().map(str::trim).collect::<Vec<_>>().join(", ");
            return Err(TableError::Column { table, wanted: names.unwrap_or_default(), there });
        }
    }
    Ok(places)
}

/// Reads a row of the message log.
pub fn message(row: &Row<'_>, _: &Columns, options: &Options) -> Result<Taken, Wrong> {
    if row.get("direction").to_lowercase().starts_with("inbound") {
        return inbound(row, options);
    }
    let number = number(row, "to", options)?;
    match row.get("status").to_lowercase().as_str() {
        "failed" | "canceled" | "cancelled" | "scheduled" | "accepted" | "queued" => {
            return Ok(Taken::NotSent);
        }
        _ => {}
    }
    let at = instant(row, "sent_at", options)?;
    let category = match row.get("category").to_lowercase().as_str() {
        "" => None,
        "marketing" => Some(Category::Marketing),
        "transactional" => Some(Category::Transactional),
        "conversational" => Some(Category::Conversational),
        other => {
            let why = format!("{other:?} is not marketing, transactional or conversational");
            return Err(row.wrong("category", why));
        }
    };
    let some = |name: &str| Some(row.get(name)).filter(|text| !text.is_empty()).map(str::to_owned);
    let sent = Sent {
        id: row.get("id").to_owned(),
        from: row.get("from").to_owned(),
        body: row.has("body").then(|| row.get("body").to_owned()),
        category,
        cart: some("cart"),
        matter: some("matter"),
        hint: hint(row, at)?,
    };
    Ok(Taken::Event(number, (at, What::Sent(Box::new(sent)))))
}

/// A text from a person: only what stops, starts or asks for help changes anything.
fn inbound(row: &Row<'_>, options: &Options) -> Result<Taken, Wrong> {
    let what = match classify(row.get("body"), &["en", "es"]).class {
        ReplyClass::OptOut | ReplyClass::WrongNumber => What::Stop,
        ReplyClass::OptIn => What::Start,
        ReplyClass::Help => What::Help,
        ReplyClass::Uncertain | ReplyClass::Yes | ReplyClass::Other => return Ok(Taken::Heard),
    };
    let number = number(row, "from", options)?;
    Ok(Taken::Event(number, (instant(row, "sent_at", options)?, what)))
}

/// Reads a row of opt-outs.
pub fn opt_out(row: &Row<'_>, options: &Options) -> Result<Taken, Wrong> {
    Ok(Taken::Event(number(row, "phone", options)?, (instant(row, "at", options)?, What::Stop)))
}

/// Reads a row of consents.
pub fn consent(row: &Row<'_>, options: &Options) -> Result<Taken, Wrong> {
    let basis = match row.get("basis").to_lowercase().as_str() {
        "" | "express_written" => Basis::ExpressWritten,
        "express" => Basis::Express,
        "soft_opt_in" => Basis::SoftOptIn,
        "implied_purchase" => Basis::ImpliedPurchase,
        "implied_inquiry" => Basis::ImpliedInquiry,
        other => {
            let why = format!(
                "{other:?} is not express_written, express, soft_opt_in, implied_purchase or implied_inquiry"
            );
            return Err(row.wrong("basis", why));
        }
    };
    let double_opt_in = match row.get("double_opt_in").to_lowercase().as_str() {
        "" | "no" | "none" | "false" => DoubleOptIn::None,
        "yes" | "text" | "by_text" | "true" => DoubleOptIn::ByText,
        "web" | "by_web" => DoubleOptIn::ByWeb,
        "app" | "in_app" => DoubleOptIn::InApp,
        other => return Err(row.wrong("double_opt_in", format!("{other:?} is not no, text, web or app"))),
    };
    let expires_at = match row.get("expires_at") {
        "" => None,
        _ => Some(instant(row, "expires_at", options)?),
    };
    let at = instant(row, "at", options)?;
    let consent = What::Consent { basis, double_opt_in, expires_at };
    Ok(Taken::Event(number(row, "phone", options)?, (at, consent)))
}

/// A number as E.164 digits without the sign. What a row says is never repeated: it may be a person's number.
fn number(row: &Row<'_>, ours: &str, options: &Options) -> Result<String, Wrong> {
    let text = row.get(ours).trim_start_matches("whatsapp:");
    if text.is_empty() {
        return Err(row.wrong(ours, "is empty"));
    }
    match parse_for_sending(text, options.country) {
        Ok(number) => Ok(number.phone.expose().trim_start_matches('+').to_owned()),
        Err(e) => Err(row.wrong(ours, format!("is no telephone number: {e}"))),
    }
}

/// An instant as logs write it: RFC 3339, RFC 2822, or a date and time with or without an offset.
fn instant(row: &Row<'_>, ours: &str, options: &Options) -> Result<Instant, Wrong> {
    let text = row.get(ours);
    if text.is_empty() {
        return Err(row.wrong(ours, "is empty"));
    }
    if let Ok(at) = Instant::parse(text) {
        return Ok(at);
    }
    if let Ok(at) = jiff::fmt::rfc2822::parse(text) {
        return Ok(Instant::from_jiff(at.timestamp()));
    }
    let (plain, offset) = match text.strip_suffix(" UTC").or_else(|| text.strip_suffix(" GMT")) {
        Some(plain) => (plain, Some(jiff::tz::TimeZone::UTC)),
        None => (text, None),
    };
    let civil: Result<DateTime, _> = plain.replacen(' ', "T", 1).parse();
    let Ok(civil) = civil else {
        // `2026-03-03 17:50:00 -0700` and the like.
        let at = jiff::Timestamp::strptime("%Y-%m-%d %H:%M:%S %z", text);
        return at.map(Instant::from_jiff).map_err(|_| {
            row.wrong(ours, "is no instant; write 2026-03-03T17:50:00-07:00 or 2026-03-03 17:50:00 UTC")
        });
    };
    let Some(zone) = offset.or_else(|| options.time_zone.clone()) else {
        return Err(row.wrong(ours, "has no offset, and no time zone was given"));
    };
    let at = zone.to_ambiguous_timestamp(civil).compatible();
    at.map(Instant::from_jiff).map_err(|_| row.wrong(ours, "lies outside of what a calendar holds"))
}

fn hint(row: &Row<'_>, at: Instant) -> Result<Option<LocationHint>, Wrong> {
    let text = |name: &str| row.get(name).to_owned();
    let (country, region) = (text("country").to_uppercase(), text("region").to_uppercase());
    let (postal_code, time_zone) = (text("postal_code"), text("time_zone"));
    if [&country, &region, &postal_code, &time_zone].iter().all(|t| t.is_empty()) {
        return Ok(None);
    }
    if !time_zone.is_empty() && time_zone.parse::<crate::model::ZoneName>().is_err() {
        return Err(row.wrong("time_zone", "is no zone; write America/New_York"));
    }
    if country.is_empty() && !(region.is_empty() && postal_code.is_empty()) {
        return Err(row.wrong("country", "is empty, and a region or postal code needs one"));
    }
    if !country.is_empty() && country.parse::<crate::model::phone::Country>().is_err() {
        return Err(row.wrong("country", "is no country; write two letters, as in US"));
    }
    let source = LocationSource::Shipping;
    Ok(Some(LocationHint { source, country, region, postal_code, time_zone, observed_at: at }))
}
