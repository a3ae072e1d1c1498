//! A file as records: its lines, its columns, and what cannot be read of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use csv::ByteRecord;
use sha2::{Digest, Sha256};

use super::rows::Kind;
use crate::cli::failure::Failure;

/// Longest line of JSON, in bytes.
const LINE_MAX: u64 = 256 * 1024;

/// One row that cannot be read or was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bad {
    pub line: u64,
    /// Empty: the whole line.
    pub column: String,
    pub detail: String,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// From 1; the header is none.
    pub row: u64,
    /// Where it begins in the file, from 1.
    pub line: u64,
    cells: BTreeMap<String, String>,
}

impl Record {
    /// A cell, trimmed; empty when the column is not there.
    pub fn get(&self, column: &str) -> &str {
        self.cells.get(column).map(String::as_str).unwrap_or_default()
    }
    /// Columns that begin so, with what follows in their names.
    pub fn beginning<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.cells
            .iter()
            .filter_map(move |(column, cell)| Some((column.strip_prefix(prefix)?, cell.as_str())))
    }
    /// Something wrong with one of its cells.
    pub fn bad(&self, column: &str, detail: impl Into<String>) -> Bad {
        Bad { line: self.line, column: column.to_owned(), detail: detail.into() }
    }
}

/// A file whose header was looked at.
pub struct Table {
    path: PathBuf,
    json: bool,
    kind: Kind,
    sha256: [u8; 32],
    /// First line of each row.
    lines: Vec<u32>,
}

impl Table {
    /// Reads the file once: its header must name known columns, and its bytes name the import.
    pub fn open(path: &Path, kind: Kind) -> Result<Table, Failure> {
        let json = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("jsonl"));
        let mut hash = Sha256::new();
        let mut file = open(path)?;
        let mut piece = vec![0; 1 << 16];
        loop {
            match file.read(&mut piece).map_err(|e| unreadable(path, &e))? {
                0 => break,
                n => hash.update(&piece[..n]),
            }
        }
        let mut table =
            Table { path: path.to_owned(), json, kind, sha256: hash.finalize().into(), lines: Vec::new() };
        let lines = table.records()?.map(|read| match read {
            Ok(record) => record.line,
            Err(bad) => bad.line,
        });
        table.lines = lines.map(|line| u32::try_from(line).unwrap_or(u32::MAX)).collect();
        Ok(table)
    }

    /// The name an import of this file has unless it is given one.
    pub fn name(&self, kind: Kind) -> String {
        format!("{}:{}", kind.name(), hex::encode(&self.sha256[..12]))
    }

    /// First line of a row.
    pub fn line_of(&self, row: u64) -> u64 {
        row.checked_sub(1).and_then(|n| self.lines.get(n as usize)).copied().unwrap_or_default().into()
    }

    /// Every row, from the first.
    pub fn records(&self) -> Result<Box<dyn Iterator<Item = Result<Record, Bad>> + Send>, Failure> {
        let file = BufReader::new(open(&self.path)?);
        if self.json { Ok(Box::new(of_json(file, self.kind))) } else { self.of_csv(file) }
    }

    fn of_csv(
        &self,
        file: impl std::io::Read + Send + 'static,
    ) -> Result<Box<dyn Iterator<Item = Result<Record, Bad>> + Send>, Failure> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(file);
        let header = reader.headers().map_err(|e| unreadable(&self.path, &e))?.clone();
        let columns: Vec<String> = header.iter().map(|name| name.trim().to_ascii_lowercase()).collect();
        if columns.iter().all(String::is_empty) {
            return Err(unreadable(&self.path, &"its first line must name the columns"));
        }
        for (n, column) in columns.iter().enumerate() {
            if !self.kind.knows(column) {
                let known = self.kind.columns().join(", ");
                let what = format!("line 1, column {} is called {column:?}; known are: {known}", n + 1);
                return Err(unreadable(&self.path, &what).hint("docs/import.md says what each column means"));
            }
            if columns[..n].contains(column) {
                return Err(unreadable(&self.path, &format!("line 1: two columns are called {column:?}")));
            }
        }
        let mut row = 0;
        let records = reader.into_byte_records().filter_map(move |read| {
            let record = match read {
                // A line of nothing but commas is what spreadsheets leave behind.
                Ok(record) if record.iter().all(|cell| cell.trim_ascii().is_empty()) => return None,
                Ok(record) => record,
                Err(e) => {
                    row += 1;
                    let line = e.position().map_or(0, csv::Position::line);
                    return Some(Err(Bad { line, column: String::new(), detail: e.to_string() }));
                }
            };
            row += 1;
            Some(record_of(row, &columns, &record))
        });
        Ok(Box::new(records))
    }
}

fn record_of(row: u64, columns: &[String], record: &ByteRecord) -> Result<Record, Bad> {
    let line = record.position().map_or(0, csv::Position::line);
    let bad = |column: &str, detail: String| Bad { line, column: column.to_owned(), detail };
    if record.len() != columns.len() {
        let detail = format!("has {} cells, the header {}", record.len(), columns.len());
        return Err(bad("", detail));
    }
    let mut cells = BTreeMap::new();
    for (column, cell) in columns.iter().zip(record) {
        let text = std::str::from_utf8(cell).map_err(|_| bad(column, "is not UTF-8".to_owned()))?;
        cells.insert(column.clone(), text.trim().to_owned());
    }
    Ok(Record { row, line, cells })
}

fn of_json(
    mut file: impl BufRead + Send + 'static,
    kind: Kind,
) -> impl Iterator<Item = Result<Record, Bad>> + Send {
    let (mut row, mut line, mut broken) = (0, 0, false);
    std::iter::from_fn(move || {
        while !broken {
            let mut text = String::new();
            line += 1;
            let bad = |detail: String| Some(Err(Bad { line, column: String::new(), detail }));
            match (&mut file).take(LINE_MAX).read_line(&mut text) {
                Ok(0) => return None,
                Ok(_) if text.trim().is_empty() => continue,
                Ok(_) if text.len() as u64 == LINE_MAX && !text.ends_with('\n') => {
                    broken = true;
                    return bad(format!("is longer than {LINE_MAX} bytes; nothing after it was read"));
                }
                Ok(_) => {}
                Err(e) => {
                    broken = true;
                    return bad(format!("{e}; nothing after it was read"));
                }
            }
            row += 1;
            return Some(object(row, line, &text, kind));
        }
        None
    })
}

fn object(row: u64, line: u64, text: &str, kind: Kind) -> Result<Record, Bad> {
    use serde_json::Value;
    let bad = |column: &str, detail: String| Bad { line, column: column.to_owned(), detail };
    let read: BTreeMap<String, Value> =
        serde_json::from_str(text).map_err(|e| bad("", format!("is no JSON object: {e}")))?;
    let mut cells = BTreeMap::new();
    for (column, value) in read {
        if !kind.knows(&column) {
            return Err(bad(&column, format!("is no column; known are: {}", kind.columns().join(", "))));
        }
        let plain = |value: &Value| match value {
            Value::String(text) => Some(text.trim().to_owned()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(yes) => Some(yes.to_string()),
            Value::Null => Some(String::new()),
            Value::Array(_) | Value::Object(_) => None,
        };
        let cell = match &value {
            Value::Array(items) => {
                items.iter().map(plain).collect::<Option<Vec<_>>>().map(|all| all.join(";"))
            }
            value => plain(value),
        };
        let cell = cell
            .ok_or_else(|| bad(&column, "must be a text, a number, true or false, or a list".to_owned()))?;
        cells.insert(column, cell);
    }
    Ok(Record { row, line, cells })
}

fn open(path: &Path) -> Result<File, Failure> {
    File::open(path).map_err(|e| unreadable(path, &e))
}

fn unreadable(path: &Path, why: &dyn std::fmt::Display) -> Failure {
    Failure::unusable(format!("{}: {why}", path.display()))
}
