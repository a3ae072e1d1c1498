//! The opt-out page: looking changes nothing, the button stops everything. For people who cannot reply STOP.

mod words;

use std::sync::Arc;

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use super::directory::{Destination, Directory};
use crate::content::Language;
use crate::ledger::rows::keys;
use crate::ledger::state::{State, StateError};
use crate::model::phone::Digits;
use crate::model::registry::Brand;
use crate::model::subject::{Address, Subject};
use crate::writer::ops::Target;
use words::Words;

/// What the page says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// Asks.
    Ask,
    /// It is done.
    Done,
    /// It could not be done now.
    Failed,
    /// Nothing here: an unknown or expired link of a brand that named no page of its own.
    Nothing,
}

impl Page {
    fn status(self) -> StatusCode {
        match self {
            Page::Ask | Page::Done => StatusCode::OK,
            Page::Failed => StatusCode::SERVICE_UNAVAILABLE,
            Page::Nothing => StatusCode::NOT_FOUND,
        }
    }
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<!doctype html>
<html lang="{{ lang }}" dir="{{ dir }}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta name="color-scheme" content="light dark">
<title>{{ words.title }} – {{ brand }}</title>
<style>
body { font: 1.125rem/1.5 system-ui, sans-serif; max-width: 30rem; margin: 12vh auto; padding: 0 1.25rem; }
.brand { opacity: .7; margin: 0; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: .25rem 0 1rem; }
button { font: inherit; width: 100%; padding: .9rem 1rem; border: 0; border-radius: .6rem; background: #b3261e; color: #fff; cursor: pointer; }
button:focus-visible { outline: 3px solid currentColor; outline-offset: 3px; }
</style>
</head>
<body>
<main>
<p class="brand">{{ brand }}</p>
<h1>{{ words.title }}</h1>
<p>{{ words.text }}</p>
{% if !words.button.is_empty() %}<form method="post"><button>{{ words.button }}</button></form>{% endif %}
{% if !contact.is_empty() %}<p class="brand">{{ contact }}</p>{% endif %}
</main>
</body>
</html>
"#
)]
struct Html5<'a> {
    lang: &'a str,
    dir: &'a str,
    brand: &'a str,
    contact: &'a str,
    words: Words,
}

/// A page of a brand, in its language.
pub fn page(page: Page, brand: &Brand) -> Response {
    let language = Language::from_tag(&brand.locale).unwrap_or_default();
    let html = Html5 {
        lang: language.tag(),
        dir: if language.is_right_to_left() { "rtl" } else { "ltr" },
        brand: &brand.display_name,
        contact: &brand.support_contact,
        words: words::words(page, language),
    };
    let Ok(text) = html.render() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let mut response = (page.status(), Html(text)).into_response();
    let headers = response.headers_mut();
    let policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The person a token stands for, as an opt-out names them; none when the token is nobody's.
pub fn person(
    directory: &Directory,
    link: &Destination,
) -> Result<Option<(Arc<Subject>, Target)>, StateError> {
    let Some(id) = &link.subject else { return Ok(None) };
    let snapshot = directory.kv().snapshot()?;
    let subject = State::over(&*snapshot).get::<Subject>(&keys::subject(id))?;
    Ok(subject.map(|s| {
        let target = target_of(&s.address);
        (s, target)
    }))
}

fn target_of(address: &Address) -> Target {
    match address {
        Address::Device { app, installation } => {
            Target::Device { app: app.clone(), installation: installation.clone() }
        }
        Address::Phone(digits) => match address.phone() {
            Some(phone) => Target::Phone(Digits::from(&phone)),
            None => Target::Phone(Digits::received(digits, None)),
        },
    }
}
