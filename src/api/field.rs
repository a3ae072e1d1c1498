//! Reads request fields and keeps every violation, so that one answer names all that is wrong.
//!
//! Each reader answers `None` after noting a violation; converters go on to the next field and put the values together
//! at the end. Descriptions say what the field must be, and never repeat what might be an address.

mod list;
mod page;
mod time;
mod value;
mod web;

#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

pub use page::{Page, PageToken};
pub use time::{TimeRule, instant};
pub use web::WebLink;

use super::status::{ApiError, Violation};
use crate::model::Instant;

/// Whether a text may hold line feeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// No control characters at all.
    One,
    /// Line feeds are welcome, other control characters are not.
    Many,
}

/// The violations of one request, and where the reader stands in it.
#[derive(Debug)]
pub struct Fields {
    now: Instant,
    path: String,
    violations: Vec<Violation>,
}

impl Fields {
    /// Begins a request that arrived at `now`.
    pub fn new(now: Instant) -> Fields {
        Fields { now, path: String::new(), violations: Vec::new() }
    }

    /// When the request arrived.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The value, if nothing was wrong; else everything that was.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, ApiError> {
        match value {
            Some(value) if self.violations.is_empty() => Ok(value),
            _ => Err(ApiError::Invalid(self.violations)),
        }
    }

    /// Notes a violation.
    pub fn bad(&mut self, field: &str, description: impl Into<String>) {
        let field = self.full_path(field);
        self.violations.push(Violation { field, description: description.into() });
    }

    /// Notes a violation and answers `None`.
    pub fn refuse<T>(&mut self, field: &str, description: impl Into<String>) -> Option<T> {
        self.bad(field, description);
        None
    }

    /// Reads inside of a message field.
    pub fn within<T>(&mut self, field: &str, read: impl FnOnce(&mut Fields) -> T) -> T {
        let outer = self.path.len();
        self.path = self.full_path(field);
        let value = read(self);
        self.path.truncate(outer);
        value
    }

    /// A message field that must be set.
    pub fn required<W, T>(
        &mut self,
        field: &str,
        wire: Option<W>,
        read: impl FnOnce(&mut Fields, W) -> Option<T>,
    ) -> Option<T> {
        match wire {
            Some(wire) => self.within(field, |f| read(f, wire)),
            None => self.refuse(field, "is required"),
        }
    }

    /// A message field that may be unset.
    pub fn optional<W, T>(
        &mut self,
        field: &str,
        wire: Option<W>,
        read: impl FnOnce(&mut Fields, W) -> Option<T>,
    ) -> Option<Option<T>> {
        match wire {
            Some(wire) => self.within(field, |f| read(f, wire)).map(Some),
            None => Some(None),
        }
    }

    /// An identifier that must be given.
    pub fn id<T: FromStr<Err: Display>>(&mut self, field: &str, text: &str) -> Option<T> {
        if text.is_empty() {
            return self.refuse(field, "is required");
        }
        text.parse().map_err(|e: T::Err| self.bad(field, e.to_string())).ok()
    }

    /// An identifier that may be empty.
    pub fn optional_id<T: FromStr<Err: Display>>(&mut self, field: &str, text: &str) -> Option<Option<T>> {
        if text.is_empty() { Some(None) } else { self.id(field, text).map(Some) }
    }

    /// A text of so many characters.
    pub fn text(
        &mut self,
        field: &str,
        text: String,
        length: RangeInclusive<usize>,
        lines: Lines,
    ) -> Option<String> {
        let count = text.chars().count();
        if count == 0 && *length.start() > 0 {
            return self.refuse(field, "is required");
        }
        if !length.contains(&count) {
            let (least, most) = (length.start(), length.end());
            return self.refuse(field, format!("must be {least} to {most} characters, not {count}"));
        }
        let forbidden = |c: char| c.is_control() && !(lines == Lines::Many && c == '\n');
        match text.chars().position(forbidden) {
            Some(at) => self.refuse(field, format!("holds a control character (character {})", at + 1)),
            None => Some(text),
        }
    }

    /// The caller's name for this attempt: 1 to 128 bytes.
    pub fn idempotency_key(&mut self, text: String) -> Option<String> {
        const FIELD: &str = "idempotency_key";
        match text.len() {
            0 => self.refuse(FIELD, "is required: it makes repeating the call safe"),
            1..=128 if !text.chars().any(char::is_control) => Some(text),
            1..=128 => self.refuse(FIELD, "holds a control character"),
            more => self.refuse(FIELD, format!("must be 1 to 128 bytes, not {more}")),
        }
    }

    /// An enum value that must be named.
    pub fn choice<E: TryFrom<i32> + Default + PartialEq>(&mut self, field: &str, raw: i32) -> Option<E> {
        match self.known(field, raw)? {
            value if value == E::default() => self.refuse(field, "is required"),
            value => Some(value),
        }
    }

    /// An enum value; unspecified stays unspecified, for the reader to give it a meaning.
    pub fn known<E: TryFrom<i32>>(&mut self, field: &str, raw: i32) -> Option<E> {
        E::try_from(raw)
            .map_err(|_| self.bad(field, format!("has the number {raw}, which names nothing here")))
            .ok()
    }

    /// An enum value that must be named, as the model has it.
    pub fn named<W, M>(&mut self, field: &str, raw: i32, model: fn(W) -> Option<M>) -> Option<M>
    where
        W: TryFrom<i32> + Default + PartialEq,
    {
        let wire: W = self.choice(field, raw)?;
        match model(wire) {
            Some(value) => Some(value),
            None => self.refuse(field, format!("must not have the number {raw} here")),
        }
    }

    /// An enum value as the model has it; none when unspecified.
    pub fn maybe_named<W, M>(&mut self, field: &str, raw: i32, model: fn(W) -> Option<M>) -> Option<Option<M>>
    where
        W: TryFrom<i32> + Default + PartialEq,
    {
        if raw == 0 { Some(None) } else { self.named(field, raw, model).map(Some) }
    }

    fn full_path(&self, field: &str) -> String {
        match (self.path.is_empty(), field.is_empty()) {
            (true, _) => field.to_owned(),
            (false, true) => self.path.clone(),
            (false, false) => format!("{}.{field}", self.path),
        }
    }
}
