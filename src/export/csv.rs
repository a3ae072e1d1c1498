//! Rows as CSV (RFC 4180, UTF-8, CRLF), safe to open in a spreadsheet.

use std::borrow::Cow;
use std::io::{self, Write};

use super::rows::{COLUMNS, Row};

/// Characters that make a spreadsheet take a cell for a formula (OWASP, "CSV Injection"), full-width twins included.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// A cell that no spreadsheet calculates: what looks like a formula gets an apostrophe before it. Numbers, telephone
/// numbers in E.164 among them, stay as they are.
fn guard(cell: Cow<'_, str>) -> Cow<'_, str> {
    // Most cells are empty or begin like this.
    if cell.bytes().next().is_none_or(|first| first.is_ascii_alphanumeric()) {
        return cell;
    }
    let number = || {
        let digits = cell.strip_prefix(['+', '-']).unwrap_or(&cell);
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
    };
    if cell.starts_with(FORMULA) && !number() { format!("'{cell}").into() } else { cell }
}

/// Writes rows; the header comes first.
pub struct CsvRows<W: Write> {
    csv: csv::Writer<W>,
}

impl<W: Write> CsvRows<W> {
    /// Starts a table with its header.
    pub fn new(to: W) -> io::Result<CsvRows<W>> {
        let mut csv = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(to);
        csv.write_record(COLUMNS.iter().map(|(name, _)| name)).map_err(io_error)?;
        Ok(CsvRows { csv })
    }

    /// Adds a row.
    pub fn write(&mut self, row: &Row) -> io::Result<()> {
        for cell in row.cells() {
            self.csv.write_field(guard(cell).as_bytes()).map_err(io_error)?;
        }
        self.csv.write_record(None::<&[u8]>).map_err(io_error)
    }

    /// The end: everything is with the writer below.
    pub fn finish(self) -> io::Result<W> {
        self.csv.into_inner().map_err(|e| io::Error::other(e.error().to_string()))
    }
}

fn io_error(e: csv::Error) -> io::Error {
    match e.into_kind() {
        csv::ErrorKind::Io(e) => e,
        other => io::Error::other(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[Row]) -> String {
        let mut csv = CsvRows::new(Vec::new()).expect("memory");
        rows.iter().for_each(|row| csv.write(row).expect("memory"));
        String::from_utf8(csv.finish().expect("memory")).expect("UTF-8")
    }

    #[test]
    fn a_cell_is_never_a_formula() {
        for bad in ["=HYPERLINK(\"x\")", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "＝1+1", "+1-2"] {
            assert_eq!(guard(bad.into()), format!("'{bad}"), "{bad}");
        }
        for good in ["+12125550123", "-12.50", "STOP", "", "a=b"] {
            assert_eq!(guard(good.into()), good);
        }
    }

    #[test]
    fn rows_read_back_as_they_were() {
        let row = Row { reply_text: "no, \"never\"\r\nagain".to_owned(), index: 7, ..Row::default() };
        let text = table(&[row.clone(), row]);
        let mut read = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(read.headers().expect("header").len(), COLUMNS.len());
        for record in read.records() {
            let record = record.expect("same length");
            let at = COLUMNS.iter().position(|(name, _)| *name == "reply_text").expect("a column");
            assert_eq!((&record[0], &record[at]), ("7", "no, \"never\"\r\nagain"));
        }
    }
}
