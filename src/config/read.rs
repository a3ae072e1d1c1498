//! Reads a TOML document key by key and keeps going: every problem is collected, nothing stops at the first.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::problem::{Problem, Severity};
use crate::model::ConnectionId;

/// The document and what was found wrong with it.
pub struct Document<'i> {
    text: &'i str,
    problems: RefCell<Vec<Problem>>,
    /// Every key anyone asked for, lists as `connections[]`: what a typing error is compared with.
    asked: RefCell<BTreeSet<String>>,
    lines: RefCell<BTreeMap<String, usize>>,
}

/// What reading a document brought to light.
#[derive(Debug)]
pub struct Findings {
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// Where the keys of this document stand.
    pub lines: BTreeMap<String, usize>,
}

impl<'i> Document<'i> {
    /// A document over `text`.
    pub fn new(text: &'i str) -> Self {
        Self { text, problems: RefCell::default(), asked: RefCell::default(), lines: RefCell::default() }
    }

    /// Its root table, as far as it can be read; syntax errors are already reported.
    pub fn root(&self) -> Reader<'_, 'i> {
        let (root, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let line = error.span().map(|s| self.line(&s));
            self.report(Severity::Error, "", line, error.message());
        }
        Reader { document: self, table: root.into_inner(), path: String::new(), line: None }
    }

    /// Notes a problem.
    pub fn report(&self, severity: Severity, key: &str, line: Option<usize>, what: impl Into<String>) {
        let (key, what) = (key.to_owned(), what.into());
        self.problems.borrow_mut().push(Problem { severity, key, line, what });
    }

    /// Every key that exists, lists as `connections[]`.
    #[cfg(test)]
    pub fn keys(&self) -> BTreeSet<String> {
        self.asked.borrow().clone()
    }

    /// What was found.
    pub fn into_findings(self) -> Findings {
        Findings { problems: self.problems.into_inner(), lines: self.lines.into_inner() }
    }

    fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.as_bytes().get(..span.start).unwrap_or(self.text.as_bytes());
        before.iter().filter(|b| **b == b'\n').count() + 1
    }
}

/// One table being read. What is left when it is [finished](Reader::finish) is unknown and reported.
pub struct Reader<'d, 'i> {
    document: &'d Document<'i>,
    table: DeTable<'i>,
    path: String,
    line: Option<usize>,
}

impl<'d, 'i> Reader<'d, 'i> {
    /// The value of a key, if it is there and of the right kind.
    pub fn optional<T: Deserialize<'i>>(&mut self, key: &str) -> Option<T> {
        let (line, value) = self.take(key)?;
        match T::deserialize(ValueDeserializer::from(value)) {
            Ok(value) => Some(value),
            Err(error) => {
                self.error(key, line, error.message().replace('\n', " "));
                None
            }
        }
    }

    /// The value of a key, or its default.
    pub fn or<T: Deserialize<'i>>(&mut self, key: &str, default: T) -> T {
        self.optional(key).unwrap_or(default)
    }

    /// The value of a key; reported when missing, and then `None`.
    pub fn required<T: Deserialize<'i>>(&mut self, key: &str) -> Option<T> {
        if !self.has(key) {
            self.note(key);
            self.document.report(Severity::Error, &self.key(key), self.line, "is required");
            return None;
        }
        self.optional(key)
    }

    /// A number within bounds, or its default.
    pub fn within(&mut self, key: &str, bounds: std::ops::RangeInclusive<u64>, default: u64) -> u64 {
        self.within_because(key, bounds, default, "")
    }

    /// The same; `rule` says where the bounds come from, for those who want more.
    pub fn within_because(
        &mut self,
        key: &str,
        bounds: std::ops::RangeInclusive<u64>,
        default: u64,
        rule: &str,
    ) -> u64 {
        let line = self.line_of(key);
        let Some(number) = self.optional::<i64>(key) else { return default };
        match u64::try_from(number).ok().filter(|n| bounds.contains(n)) {
            Some(number) => number,
            None => {
                let because = if rule.is_empty() { String::new() } else { format!(": {rule}") };
                self.error(key, line, format!("must be {} to {}{because}", bounds.start(), bounds.end()));
                default
            }
        }
    }

    /// A text that `parse` understands; what it says about others is reported.
    pub fn parsed<T, E: std::fmt::Display>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let line = self.line_of(key);
        let text: String = self.optional(key)?;
        parse(&text).map_err(|error| self.error(key, line, error.to_string())).ok()
    }

    /// Like [`Reader::parsed`], reported when missing.
    pub fn required_parsed<T, E: std::fmt::Display>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        if !self.has(key) {
            return self.required::<String>(key).and(None);
        }
        self.parsed(key, parse)
    }

    /// A table below this one; an empty one when absent.
    pub fn section(&mut self, key: &str) -> Reader<'d, 'i> {
        let path = self.key(key);
        match self.take(key) {
            None => Reader { document: self.document, table: DeTable::new(), path, line: self.line },
            Some((line, value)) => self.table_of(path, line, value),
        }
    }

    /// Tables in a list, as `[[connections]]` makes them.
    pub fn list(&mut self, key: &str) -> Vec<Reader<'d, 'i>> {
        let path = self.key(key);
        let Some((line, value)) = self.take(key) else { return Vec::new() };
        let DeValue::Array(items) = value.into_inner() else {
            self.error(key, line, "must be a list of tables".to_owned());
            return Vec::new();
        };
        let table = |(n, item): (usize, Spanned<DeValue<'i>>)| {
            let line = Some(self.document.line(&item.span()));
            self.table_of(format!("{path}[{n}]"), line, item)
        };
        items.into_iter().enumerate().map(table).collect()
    }

    /// Reports errors about keys of this table after it has been read.
    pub fn reporter(&self) -> impl Fn(&str, Option<usize>, String) + use<'d, 'i> {
        let (document, path, own) = (self.document, self.path.clone(), self.line);
        move |key, line, what| {
            document.report(Severity::Error, &format!("{path}.{key}"), line.or(own), what);
        }
    }

    /// All texts of a table whose keys are free, sorted by key, with their lines.
    pub fn texts(mut self) -> Vec<(String, String, Option<usize>)> {
        let keys: Vec<String> = self.table.iter().map(|(k, _)| k.get_ref().to_string()).collect();
        let mut texts = Vec::new();
        for key in keys {
            let line = self.line_of(&key);
            if let Some(text) = self.optional::<String>(&key) {
                texts.push((key, text, line));
            }
        }
        texts.sort();
        texts
    }

    /// Reports what nobody asked for.
    pub fn finish(self) {
        for (key, value) in &self.table {
            let name = key.get_ref();
            let line = Some(self.document.line(&key.span())).or(Some(self.document.line(&value.span())));
            let known = self.document.asked.borrow();
            let nearest = nearest(&generic(&self.key(name)), &known);
            let hint = nearest.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
            drop(known);
            let what = format!("is not a known key{hint}");
            self.document.report(Severity::Error, &self.key(name), line, what);
        }
    }

    /// The full name of a key in this table.
    pub fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
    /// Whether the key stands in the file.
    pub fn has(&self, key: &str) -> bool {
        self.table.iter().any(|(k, _)| k.get_ref() == key)
    }
    /// The line a key stands in.
    pub fn line_of(&self, key: &str) -> Option<usize> {
        let found = self.table.iter().find(|(k, _)| k.get_ref() == key);
        found.map(|(k, _)| self.document.line(&k.span()))
    }
    /// Reports an error about a key of this table.
    pub fn error(&self, key: &str, line: Option<usize>, what: impl Into<String>) {
        self.document.report(Severity::Error, &self.key(key), line.or(self.line), what);
    }

    fn note(&self, key: &str) {
        self.document.asked.borrow_mut().insert(generic(&self.key(key)));
    }

    fn take(&mut self, key: &str) -> Option<(Option<usize>, Spanned<DeValue<'i>>)> {
        self.note(key);
        let line = self.line_of(key);
        if let Some(line) = line {
            self.document.lines.borrow_mut().insert(self.key(key), line);
        }
        self.table.remove(key).map(|value| (line, value))
    }

    fn table_of(&self, path: String, line: Option<usize>, value: Spanned<DeValue<'i>>) -> Reader<'d, 'i> {
        let table = match value.into_inner() {
            DeValue::Table(table) => table,
            _ => {
                self.document.report(Severity::Error, &path, line, "must be a table");
                DeTable::new()
            }
        };
        Reader { document: self.document, table, path, line }
    }
}

/// `connections[3].id` as `connections[].id`.
fn generic(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut inside = false;
    for c in path.chars() {
        inside = (inside && c != ']') || c == '[';
        if !inside || c == '[' {
            out.push(c);
        }
    }
    out
}

/// Reads tables that name themselves by `id`; ids must differ. `what` they are, for the complaint.
pub fn each_by_id<'d, 'i, T>(
    items: Vec<Reader<'d, 'i>>,
    what: &str,
    mut read: impl FnMut(Reader<'d, 'i>, Option<ConnectionId>) -> Option<T>,
) -> Vec<T> {
    let mut ids = BTreeSet::new();
    let mut found = Vec::new();
    for mut item in items {
        let line = item.line_of("id");
        let id: Option<ConnectionId> = item.required("id");
        if let Some(id) = &id
            && !ids.insert(id.clone())
        {
            item.error("id", line, format!("`{id}` is already another {what}'s"));
        }
        found.extend(read(item, id));
    }
    found
}

/// The known key of the same table within two typing errors.
fn nearest(path: &str, known: &BTreeSet<String>) -> Option<String> {
    let (table, name) = path.rsplit_once('.').unwrap_or(("", path));
    let siblings = known.iter().filter_map(|k| {
        let (t, n) = k.rsplit_once('.').unwrap_or(("", k));
        (t == table).then_some(n)
    });
    let close = siblings.map(|n| (distance(name, n), n)).filter(|(d, _)| *d <= 2).min();
    close.map(|(_, n)| n.to_owned())
}

/// How many letters must be added, dropped or changed (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_and_paths() {
        assert_eq!((distance("grcp", "grpc"), distance("", "abc"), distance("same", "same")), (2, 3, 0));
        assert_eq!(generic("connections[12].settings.url"), "connections[].settings.url");
    }

    #[test]
    fn everything_is_reported_with_its_line() {
        let text = "a = 1\nb = \"x\"\n\n[s]\nn = 900\nnmae = \"typo\"\n[[l]]\n[[l]]\nid = 5\n";
        let document = Document::new(text);
        let mut root = document.root();
        root.or::<String>("a", String::new());
        root.or::<i64>("b", 0);
        let mut section = root.section("s");
        section.within("n", 1..=10, 5);
        section.or::<String>("name", String::new());
        section.required::<String>("missing");
        section.finish();
        for mut item in root.list("l") {
            item.required::<String>("id");
            item.finish();
        }
        root.finish();
        let problems = document.into_findings().problems;
        let told: Vec<(String, Option<usize>)> = problems.iter().map(|p| (p.key.clone(), p.line)).collect();
        let expected =
            [("a", 1), ("b", 2), ("s.n", 5), ("s.missing", 4), ("s.nmae", 6), ("l[0].id", 7), ("l[1].id", 9)];
        assert_eq!(told, expected.map(|(k, l)| (k.to_owned(), Some(l))));
        assert!(problems[4].what.contains("did you mean `name`"), "{}", problems[4]);
    }

    #[test]
    fn syntax_errors_do_not_hide_the_rest() {
        let document = Document::new("a = \nb = 2\nc = ]\n");
        let mut root = document.root();
        root.or::<String>("b", String::new());
        let problems = document.into_findings().problems;
        let lines: BTreeSet<_> = problems.iter().filter_map(|p| p.line).collect();
        assert!(lines.contains(&1) && lines.contains(&2) && lines.contains(&3), "{problems:?}");
    }
}
